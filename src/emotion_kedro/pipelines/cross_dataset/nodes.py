"""Training rows of one source, the matrix of all pairs, and the counts of the records behind it."""

from __future__ import annotations

from typing import Any

import pandas as pd

from emotion_kedro.options import ClassificationOptions, EvaluationOptions, SamplingOptions, UnificationOptions
from emotion_kedro.pipelines.classification.nodes import compose_real
from emotion_kedro.pipelines.evaluation.nodes import bootstrap_of, groups_of
from emotion_kedro.taxonomy import labels_of

ALL = "all"


def compose_source(split_records: pd.DataFrame, options: ClassificationOptions, source: str) -> pd.DataFrame:
    """Return the train rows of one source as an arm of its name; of ``all``: of every source.

    Raises:
        ValueError: if the source has no train rows.
    """
    records = split_records if source == ALL else split_records[split_records["source"] == source]
    if not (records["split"] == "train").any():
        raise ValueError(f"the source {source!r} has no train rows; is it among ingestion.use and unification.sources?")
    return compose_real(records, options).assign(arm=source)


def measure_matrix(
    split_records: pd.DataFrame, unification: UnificationOptions, options: EvaluationOptions, *predictions: pd.DataFrame
) -> pd.DataFrame:
    """Return the matrix, a row for each pair of trained and tested source."""
    from emotion_kedro.measures.cross_dataset import cross_matrix

    return cross_matrix(
        predictions,
        split_records,
        labels_of(unification.taxonomy),
        groups=groups_of(split_records),
        **bootstrap_of(options),
    )


def count_records(records: pd.DataFrame, sampling: SamplingOptions) -> dict[str, Any]:
    """Return how many records each taxonomy has, and how many the sample and its split leave of them."""
    from emotion_kedro.text.sampling import sample_and_split
    from emotion_kedro.text.unification import unify_labels

    # As the augment pipelines sample: texts under several labels are dropped.
    usual = sampling.model_copy(update={"conflicts": "drop"})
    counts = {}
    for taxonomy, sources in (("six", None), ("thirteen", ("edft", "eabot"))):
        some = records if sources is None else records[records["source"].isin(sources)].reset_index(drop=True)
        unified, _ = unify_labels(some, taxonomy, "drop")
        split, _ = sample_and_split(unified, usual)
        counts[taxonomy] = {
            "records": len(unified),
            "sampled": len(split),
            "cap": usual.cap,
            "sources": sorted(str(source) for source in unified["source"].unique()),
            "sides": {str(side): int(rows) for side, rows in split["split"].value_counts().items()},
        }
    return counts


def collect_findings(
    matrix: pd.DataFrame, counts: dict[str, Any], split_records: pd.DataFrame, options: ClassificationOptions
) -> list[dict[str, Any]]:
    """Return the findings on the records (S2 to S5) and on every pair of sources (S6)."""
    from emotion_kedro.measures.cross_dataset import findings_on_matrix, findings_on_records

    model = f"{options.classifier.kind} on {options.classifier.called}"
    return [*findings_on_records(counts), *findings_on_matrix(matrix, split_records, model)]


def write_report(
    findings: list[dict[str, Any]],
    matrix: pd.DataFrame,
    counts: dict[str, Any],
    run_log: dict[str, Any],
    options: ClassificationOptions,
) -> tuple[str, str, str]:
    """Return the HTML page, the Markdown page and the summary."""
    from emotion_kedro.pictures.cross_dataset import cross_dataset_document
    from emotion_kedro.pictures.document import write_document

    fitted = options.classifier
    setting = {
        "classifier": f"{fitted.kind} on {fitted.called}, {fitted.training.length} of {fitted.training.batch_size}",
        "seeds": ", ".join(str(seed) for seed in options.seeds),
    }
    return write_document(cross_dataset_document(matrix, counts), findings, run_log, setting)
