"""Scores, comparison, usability, and the pages that show them."""

from __future__ import annotations

from typing import Any

import pandas as pd

from emotion_kedro.learning.weights import SCRATCH
from emotion_kedro.options import ClassificationOptions, EvaluationOptions, GenerationOptions, UnificationOptions
from emotion_kedro.taxonomy import PROBABILITY_PREFIX, labels_of


def score_arms(
    real: pd.DataFrame,
    augmented: pd.DataFrame,
    synthetic: pd.DataFrame,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    options: EvaluationOptions,
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the scores of every arm, and their per-label, confusion and reliability tables."""
    from emotion_kedro.measures import arms as measured

    labels = labels_of(unification.taxonomy)
    arms = {"real": real, "augmented": augmented, "synthetic": synthetic}
    scores = {
        arm: measured.score_arm(
            table, labels, groups=groups_of(split_records), bins=options.calibration_bins, **bootstrap_of(options)
        )
        for arm, table in arms.items()
    }
    details = measured.detail_tables(arms, labels, bins=options.calibration_bins)
    return {"labels": list(labels), "arms": scores}, *details


def compare_arms(
    real: pd.DataFrame,
    augmented: pd.DataFrame,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    options: EvaluationOptions,
) -> dict[str, Any]:
    """Return the difference between the arms ``real`` and ``augmented``, and whether it can be told from none."""
    from emotion_kedro.measures import arms as measured

    return measured.compare_arms(
        real, augmented, labels_of(unification.taxonomy), groups=groups_of(split_records), **bootstrap_of(options)
    )


def measure_usability(
    real: pd.DataFrame,
    synthetic: pd.DataFrame,
    candidate_predictions: pd.DataFrame,
    candidates: pd.DataFrame,
    unification: UnificationOptions,
    options: EvaluationOptions,
) -> dict[str, Any]:
    """Return the accuracy of training on one kind of text and testing on the other, both ways."""
    from emotion_kedro.measures import arms as measured

    labels = labels_of(unification.taxonomy)
    kept = candidate_predictions["record_id"].isin(candidates.loc[candidates["kept"], "candidate_id"])
    tables = {
        "real_to_real": real,
        "real_to_synthetic_all": candidate_predictions,
        "real_to_synthetic_kept": candidate_predictions[kept],
        "synthetic_to_real": synthetic,
    }
    return {name: measured.accuracy_of(table, labels, **bootstrap_of(options)) for name, table in tables.items()}


def measure_synthetic_text(
    candidates: pd.DataFrame,
    candidate_predictions: pd.DataFrame,
    split_records: pd.DataFrame,
    options: EvaluationOptions,
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return fidelity, diversity and novelty per label, the yield by reason, and examples."""
    from emotion_kedro.measures.synthetic_text import count_reasons, describe_synthetic_text, pick_examples

    columns = [column for column in candidate_predictions.columns if column.startswith(PROBABILITY_PREFIX)]
    predicted = [
        str(column).removeprefix(PROBABILITY_PREFIX) for column in candidate_predictions[columns].idxmax(axis=1)
    ]
    judged = candidate_predictions[["record_id"]].assign(predicted=predicted)
    quality = describe_synthetic_text(
        candidates,
        judged,
        split_records[split_records["split"] == "train"],
        split_records[split_records["split"] == "test"],
        seed=options.seed,
    )
    return (
        quality,
        count_reasons(candidates),
        pick_examples(candidates, per_label=options.examples, seed=options.seed),
    )


def collect_training_logs(*logs: Any) -> dict[str, Any]:
    """Return what the generators' and the classifiers' training runs did, each as one list."""
    generators = [log for log in logs if isinstance(log, dict)]
    classifiers = [entry for log in logs if isinstance(log, list) for entry in log]
    return {"generators": generators, "classifiers": classifiers}


def write_report(
    training_logs: dict[str, Any],
    run_log: dict[str, Any],
    taxonomy: UnificationOptions,
    generation: GenerationOptions,
    classification: ClassificationOptions,
    options: EvaluationOptions,
    **facts: Any,
) -> tuple[str, str, str]:
    """Return the HTML page, the Markdown page and the summary for the terminal.

    ``facts`` are the fields of :class:`emotion_kedro.pictures.results.RunResults` that come as they are.
    """
    from emotion_kedro.pictures.page import RunResults, html_page, markdown_page, terminal_summary

    labels = labels_of(taxonomy.taxonomy)
    fitted = classification.classifier
    setting = {
        "taxonomy": f"{taxonomy.taxonomy} ({', '.join(labels)})",
        "generator": _generator_line(generation),
        "classifier": f"{fitted.called}, {fitted.training.length} of {fitted.training.batch_size} in every arm",
        "seeds": ", ".join(str(seed) for seed in classification.seeds),
        "device": ", ".join(sorted({log["device"] for log in training_logs["classifiers"]})),
        **run_log["setting"],
    }
    results = RunResults(
        title=f"{options.title} {len(labels)} labels",
        labels=list(labels),
        times=run_log["times"],
        setting=setting,
        **facts,
        **training_logs,
    )
    return html_page(results), markdown_page(results), terminal_summary(results)


def _generator_line(generation: GenerationOptions) -> str:
    training = generation.training
    tuned: str = generation.tuning
    base = generation.scratch.training if generation.base == SCRATCH else generation.warm_up
    if tuned != "full" and generation.last_layers is not None:
        tuned = f"{tuned} on the top {generation.last_layers} blocks"
    shared = f"{base.length} of {base.batch_size} for all labels, then " if base else ""
    return f"{generation.base} ({tuned}), {shared}{training.length} of {training.batch_size} per label"


def groups_of(split_records: pd.DataFrame) -> pd.Series | None:
    """Return the group of each record; None after the plain split, which has none (-1 throughout)."""
    groups = split_records.set_index("record_id")["group"]
    return groups if (groups >= 0).all() else None


def bootstrap_of(options: EvaluationOptions) -> dict[str, Any]:
    """Return what the functions of :mod:`emotion_kedro.measures` take for their intervals."""
    return {"samples": options.bootstrap_samples, "level": options.level, "seed": options.seed}
