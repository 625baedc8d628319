"""The report's rows, what the Chinese encoder may read, the arms, and what they show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, update_wrapper
from itertools import pairwise
from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.options import (
    ClassificationOptions,
    EvaluationOptions,
    MaskedLanguageModelOptions,
    UnificationOptions,
)
from emotion_kedro.options.chinese import ReportRowsOptions
from emotion_kedro.pipelines.classification.nodes import fit_arm_on_base, side_of
from emotion_kedro.pipelines.evaluation.nodes import bootstrap_of, groups_of
from emotion_kedro.pipelines.masked_prompt.nodes import (
    compare_pairs,
    describe_base,
    fit_epochs,
    most_frequent_share,
    setting_of,
)
from emotion_kedro.taxonomy import labels_of

SYSTEMS = {"polarity": "S16", "seven": "S17"}
"""Taxonomy -> row of the reference."""
ALL, HEAD = "all_rows", "head"
REPORT = "report_rows"


def take_report_rows(unified_records: pd.DataFrame, options: ReportRowsOptions) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the report's own rows, and how many of its test texts stand in its train rows."""
    from emotion_kedro.text import report_rows

    return report_rows.take_report_rows(unified_records, options)


def choose_base_records(split_records: pd.DataFrame, report_records: pd.DataFrame) -> pd.DataFrame:
    """Return the records that the encoder may read: none of a test side, neither ours nor the report's."""
    from emotion_kedro.text.report_rows import without_texts_of

    return without_texts_of(split_records[split_records["split"] != "test"], side_of(report_records, "test"))


def fit_head(
    base: Path,
    mix: pd.DataFrame,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    options: ClassificationOptions,
    device: str,
    checkpoints: str,
    *,
    epochs: int | None = None,
) -> tuple[Any, pd.DataFrame, list[dict[str, Any]]]:
    """Fit a head on the same base instead of asking it, everything else alike; ``epochs``: as :func:`fit_epochs`."""
    classifier = options.classifier.model_copy(update={"kind": "encoder", "prompt": None})
    own = options.model_copy(update={"classifier": classifier})
    if epochs is None:
        return fit_arm_on_base(base, mix, split_records, unification, own, device, checkpoints)
    return fit_epochs(base, mix, split_records, unification, own, device, checkpoints, epochs=epochs)


def head_for(epochs: int) -> Callable[..., Any]:
    """Return :func:`fit_head` for a number of epochs."""
    return update_wrapper(partial(fit_head, epochs=epochs), fit_head)


def arms_on_report_rows(epochs: Sequence[int]) -> dict[str, str]:
    """Return arm -> name of the arms on the report's rows; the first number of epochs is the head's too."""
    several = len(epochs) > 1
    asked = {f"{REPORT}_{count}": "report's rows" + (f", {count} epochs" if several else "") for count in epochs}
    return {**asked, f"{REPORT}_{HEAD}": "report's rows, encoder head"}


def arm_names(epochs: Sequence[int]) -> dict[str, str]:
    """Return arm -> name of all arms."""
    return {**arms_on_report_rows(epochs), ALL: "all rows", f"{ALL}_{HEAD}": "all rows, encoder head"}


def pairs_of(epochs: Sequence[int]) -> tuple[tuple[str, str], ...]:
    """Return the arms that are compared; the first is subtracted from the second."""
    more = tuple((f"{REPORT}_{before}", f"{REPORT}_{after}") for before, after in pairwise(epochs))
    return (*more, (f"{REPORT}_{HEAD}", f"{REPORT}_{epochs[0]}"), (f"{ALL}_{HEAD}", ALL))


def measure_chinese(
    split_records: pd.DataFrame,
    report_records: pd.DataFrame,
    report_rows_taken: dict[str, Any],
    masked_base_log: dict[str, Any],
    masked_language_model: MaskedLanguageModelOptions,
    classification: ClassificationOptions,
    unification: UnificationOptions,
    options: EvaluationOptions,
    **predictions: pd.DataFrame,
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any], list[dict[str, Any]]]:
    """Return scores, per-label, confusion and reliability tables, differences between arms, and the findings."""
    from emotion_kedro.measures import arms as measured

    labels, bootstrap = labels_of(unification.taxonomy), bootstrap_of(options)
    epochs = epochs_in(predictions)
    sides = {arm: report_records if arm.startswith(REPORT) else split_records for arm in arm_names(epochs)}
    scores: dict[str, Any] = {
        "labels": list(labels),
        "epochs": list(epochs),
        "arms": {
            arm: measured.score_arm(
                predictions[arm], labels, groups=groups_of(records), bins=options.calibration_bins, **bootstrap
            )
            for arm, records in sides.items()
        },
        "most_frequent": {REPORT: most_frequent_share(report_records), ALL: most_frequent_share(split_records)},
        "rows": {side: count_sides(records) for side, records in {REPORT: report_records, ALL: split_records}.items()},
        "test_in_train": report_rows_taken["test_in_train"],
    }
    changes: dict[str, Any] = {}
    for pair in pairs_of(epochs):
        changes |= compare_pairs(predictions, [pair], labels, groups_of(sides[pair[0]]), bootstrap)
    found = findings_of(
        SYSTEMS[unification.taxonomy],
        scores,
        sides,
        model=classification.classifier.called,
        base=describe_base(masked_language_model, masked_base_log),
    )
    details = measured.detail_tables(predictions, labels, bins=options.calibration_bins)
    return scores, *details, changes, found


def epochs_in(arms: Mapping[str, Any]) -> tuple[int, ...]:
    """Return the numbers of epochs that there are arms for, fewest first."""
    return tuple(sorted(int(arm.rpartition("_")[2]) for arm in arms if arm.rpartition("_")[2].isdigit()))


def count_sides(records: pd.DataFrame) -> dict[str, int]:
    """Return the rows of each side of a split."""
    return {str(side): int(rows) for side, rows in records["split"].value_counts().sort_index().items()}


def findings_of(
    system: str, scores: Mapping[str, Any], sides: Mapping[str, pd.DataFrame], *, model: str, base: str
) -> list[dict[str, Any]]:
    """Return the system's findings."""
    from emotion_kedro.measures.findings import describe_rows, finding

    found = []
    for arm, name in arm_names(scores["epochs"]).items():
        one = scores["arms"][arm]
        figure, train = one["accuracy"], side_of(sides[arm], "train")
        note = f"Interval: {100 * (figure['low'] - figure['estimate']):+.0f} to "
        note += f"{100 * (figure['high'] - figure['estimate']):+.0f} points on {one['rows']:,} test rows. {base}"
        if arm.startswith(REPORT):
            taken, tested = scores["test_in_train"], one["rows"]
            note += f" The report's rows as they lie in the file; {taken} of {tested} test texts are train texts too."
        found.append(
            finding(
                *(system, name),
                figure=figure,
                rows=one["rows"],
                seeds=one["seeds"],
                model=model,
                data=describe_rows(train),
                note=note,
            )
        )
    return found


def write_report(
    findings: list[dict[str, Any]],
    scores: dict[str, Any],
    per_label: pd.DataFrame,
    confusion: pd.DataFrame,
    changes: dict[str, Any],
    masked_base_log: dict[str, Any],
    log: list[dict[str, Any]],
    run_log: dict[str, Any],
    masked_language_model: MaskedLanguageModelOptions,
    unification: UnificationOptions,
    classification: ClassificationOptions,
    rows: ReportRowsOptions,
) -> tuple[str, str, str]:
    """Return the HTML page, the Markdown page and the summary."""
    from emotion_kedro.pictures.chinese import ChineseResults, chinese_document
    from emotion_kedro.pictures.document import write_document
    from emotion_kedro.text.prompts import prompt_for

    labels, fitted = labels_of(unification.taxonomy), classification.classifier
    base = describe_base(masked_language_model, masked_base_log)
    prompt = prompt_for(labels, None if fitted.prompt is None else fitted.prompt.template)
    results = ChineseResults(
        scores=scores,
        names=arm_names(scores["epochs"]),
        per_label=per_label,
        confusion=confusion,
        changes=changes,
        words=dict(zip(labels, prompt.words(labels), strict=True)),
        prompt=prompt.before("…"),
        base=base,
        source=findings[0]["data"].partition(",")[0],
        file=rows.file,
    )
    setting = setting_of(unification, classification, base, log)
    setting["all rows"] = f"{fitted.training.length} in both arms"
    return write_document(chinese_document(results), findings, run_log, setting)
