"""Training on one kind of text and testing on the other, and both ways of adding synthetic text."""

from __future__ import annotations

from typing import Any

import pandas as pd

from emotion_kedro.options import ClassificationOptions, EvaluationOptions, GenerationOptions, UnificationOptions
from emotion_kedro.options.usability import RowsOptions
from emotion_kedro.pipelines.classification.nodes import compose_augmented
from emotion_kedro.pipelines.evaluation.nodes import bootstrap_of, groups_of
from emotion_kedro.taxonomy import labels_of

ARMS = ("real", "mixed", "continued", "synthetic")
TABLES = (*(f"{arm}_predictions" for arm in ARMS), "candidate_predictions", "candidates", "split_records")
"""What each kind hands over to the figures."""


def choose_records(split_records: pd.DataFrame, rows: RowsOptions) -> pd.DataFrame:
    """Return the train and validation rows, and as many of the test rows as are wanted."""
    from emotion_kedro.text.sampling import thin_out

    return thin_out(split_records, split_records["split"] == "test", rows.test_rows, seed=rows.seed)


def choose_candidates(candidates: pd.DataFrame, rows: RowsOptions) -> pd.DataFrame:
    """Return as many of the candidates as are wanted, of every label alike."""
    from emotion_kedro.text.sampling import thin_out

    return thin_out(candidates, pd.Series(True, index=candidates.index), rows.candidates, seed=rows.seed)


def compose_mixed(
    split_records: pd.DataFrame, synthetic_records: pd.DataFrame, options: ClassificationOptions
) -> pd.DataFrame:
    """Return the training rows of the arm ``mixed``: synthetic text shuffled in."""
    return _compose("mixed", "mix", split_records, synthetic_records, options)


def compose_continued(
    split_records: pd.DataFrame, synthetic_records: pd.DataFrame, options: ClassificationOptions
) -> pd.DataFrame:
    """Return the training rows of the arm ``continued``: real text, then synthetic text at a lower rate."""
    return _compose("continued", "continue", split_records, synthetic_records, options)


def _compose(
    arm: str, how: str, split_records: pd.DataFrame, synthetic_records: pd.DataFrame, options: ClassificationOptions
) -> pd.DataFrame:
    augmentation = options.augmentation.model_copy(update={"how": how})
    own = options.model_copy(update={"augmentation": augmentation})
    return compose_augmented(split_records, synthetic_records, own).assign(arm=arm)


def measure_kind(
    real: pd.DataFrame,
    mixed: pd.DataFrame,
    continued: pd.DataFrame,
    synthetic: pd.DataFrame,
    candidate_predictions: pd.DataFrame,
    candidates: pd.DataFrame,
    split_records: pd.DataFrame,
    classification: ClassificationOptions,
    unification: UnificationOptions,
    options: EvaluationOptions,
) -> dict[str, Any]:
    """Return a kind's scores per arm, the differences to real text alone, and the usability both ways."""
    from emotion_kedro.measures.arms import accuracy_of, compare_arms, score_arm

    labels, bootstrap, groups = labels_of(unification.taxonomy), bootstrap_of(options), groups_of(split_records)
    arms = dict(zip(ARMS, (real, mixed, continued, synthetic), strict=True))
    kept = candidate_predictions["record_id"].isin(candidates.loc[candidates["kept"], "candidate_id"])
    return {
        "kind": classification.classifier.kind,
        "model": classification.classifier.called,
        "length": classification.classifier.training.length,
        "train_rows": int((split_records["split"] == "train").sum()),
        "arms": {
            arm: score_arm(table, labels, groups=groups, bins=options.calibration_bins, **bootstrap)
            for arm, table in arms.items()
        },
        "differences": {
            arm: compare_arms(real, arms[arm], labels, groups=groups, **bootstrap) for arm in ("mixed", "continued")
        },
        "usability": {
            "real_to_synthetic_all": accuracy_of(candidate_predictions, labels, **bootstrap),
            "real_to_synthetic_kept": accuracy_of(candidate_predictions[kept], labels, **bootstrap),
        },
        "judged": {"all": len(candidate_predictions), "kept": int(kept.sum())},
    }


def collect_findings(
    candidates: pd.DataFrame,
    candidate_predictions: pd.DataFrame,
    split_records: pd.DataFrame,
    generation: GenerationOptions,
    options: EvaluationOptions,
    *kinds: dict[str, Any],
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the findings on the generators, the usability and the augmented training, and the text's figures.

    ``candidate_predictions`` are those of the kind that judged all ``candidates``.
    """
    from emotion_kedro.measures.usability import findings_on_kind, findings_on_text

    text, figures = findings_on_text(candidates, candidate_predictions, split_records, generation.base, options.seed)
    return [*text, *(one for kind in kinds for one in findings_on_kind(kind, generation.base))], figures


def write_report(
    findings: list[dict[str, Any]],
    figures: dict[str, Any],
    run_log: dict[str, Any],
    generation: GenerationOptions,
    *kinds: dict[str, Any],
) -> tuple[str, str, str]:
    """Return the HTML page, the Markdown page and the summary."""
    from emotion_kedro.pictures.document import write_document
    from emotion_kedro.pictures.usability import usability_document

    setting = {"generator": generation.base}
    setting |= {kind["kind"]: f"{kind['model']}, {kind['length']} in every arm" for kind in kinds}
    return write_document(usability_document(kinds, figures), findings, run_log, setting)
