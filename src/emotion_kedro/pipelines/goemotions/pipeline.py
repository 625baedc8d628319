"""split records -> one arm, ``real`` -> scores and a page; the taxonomy is a parameter, no node knows the labels."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.classification.nodes import compose_real
from emotion_kedro.pipelines.classification.pipeline import compose, create_arm
from emotion_kedro.pipelines.goemotions.nodes import score_source, write_report

OWN = frozenset({"ingestion", "unification", "sampling", "classification"})
"""Parameters that each of the systems has for itself."""


def create_pipeline() -> Pipeline:
    """Return the part of a GoEmotions system that comes after the split records."""
    score = node(
        score_source,
        inputs=[
            "real_predictions",
            "split_records",
            "params:unification",
            "params:classification",
            "params:evaluation",
        ],
        outputs=["scores", "label_scores", "confusion", "reliability", "findings"],
        name="score_source",
    )
    report = node(
        write_report,
        inputs={
            "findings": "findings",
            "scores": "scores",
            "label_scores": "label_scores",
            "confusion": "confusion",
            "ingestion_report": "ingestion_report",
            "unification_report": "unification_report",
            "sampling_report": "sampling_report",
            "classifier_log": "real_classifier_log",
            "run_log": "run_log",
            "ingestion": "params:ingestion",
            "unification": "params:unification",
            "classification": "params:classification",
        },
        outputs=["report_page", "results_page", "summary"],
        name="write_report",
    )
    return Pipeline([create_arm("real", [compose(compose_real, "split_records")]), score, report], tags="goemotions")
