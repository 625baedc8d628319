"""Scores of a classifier on GoEmotions, as findings and as a page."""

from __future__ import annotations

from typing import Any

import pandas as pd

from emotion_kedro.options import ClassificationOptions, EvaluationOptions, IngestionOptions, UnificationOptions
from emotion_kedro.pipelines.evaluation.nodes import bootstrap_of, groups_of
from emotion_kedro.taxonomy import labels_of


def score_source(
    predictions: pd.DataFrame,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    classification: ClassificationOptions,
    options: EvaluationOptions,
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame, pd.DataFrame, list[dict[str, Any]]]:
    """Return the scores, the tables per label, of confusion and of calibration, and the findings."""
    from emotion_kedro.measures import arms
    from emotion_kedro.measures.goemotions import commonest_label, findings_on_source

    labels = labels_of(unification.taxonomy)
    scores = arms.score_arm(
        predictions, labels, groups=groups_of(split_records), bins=options.calibration_bins, **bootstrap_of(options)
    )
    details = arms.detail_tables({"real": predictions}, labels, bins=options.calibration_bins)
    findings = findings_on_source(scores, split_records, unification.taxonomy, classification.classifier.called)
    return (
        {"labels": list(labels), "arms": {"real": scores}, "commonest": commonest_label(split_records)},
        *details,
        findings,
    )


def write_report(
    findings: list[dict[str, Any]],
    run_log: dict[str, Any],
    ingestion: IngestionOptions,
    unification: UnificationOptions,
    classification: ClassificationOptions,
    classifier_log: list[dict[str, Any]],
    **facts: Any,
) -> tuple[str, str, str]:
    """Return the HTML page, the Markdown page and the summary.

    ``facts`` are the tables that :func:`emotion_kedro.pictures.goemotions.goemotions_document` shows.
    """
    from emotion_kedro.pictures.document import write_document
    from emotion_kedro.pictures.goemotions import goemotions_document

    fitted = classification.classifier
    setting = {
        "taxonomy": f"{unification.taxonomy} ({', '.join(labels_of(unification.taxonomy))})",
        "classifier": f"{fitted.called} ({fitted.kind}), {fitted.training.length} of {fitted.training.batch_size}",
        "seeds": ", ".join(str(seed) for seed in classification.seeds),
        "device": ", ".join(sorted({log["device"] for log in classifier_log})),
    }
    maps = {name: ingestion.sources[name].label_map for name in ingestion.use}
    document = goemotions_document(taxonomy=unification.taxonomy, label_maps=maps, **facts)
    return write_document(document, findings, run_log, setting)
