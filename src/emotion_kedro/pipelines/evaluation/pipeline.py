"""predictions -> scores -> comparison -> report."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.evaluation.nodes import (
    collect_training_logs,
    compare_arms,
    measure_synthetic_text,
    measure_usability,
    score_arms,
    write_report,
)

ARMS = ("real", "augmented", "synthetic")
SETTING = ["params:unification", "params:evaluation"]

FACTS = {
    "ingestion": "ingestion_report",
    "unification": "unification_report",
    "sampling": "sampling_report",
    "leakage": "leakage",
    "synthetic": "synthetic_quality",
    "yields": "synthetic_yields",
    "examples": "synthetic_examples",
    "scores": "scores",
    "per_label": "label_scores",
    "confusion": "confusion",
    "reliability": "reliability",
    "comparison": "comparison",
    "usability": "usability",
}
"""Field of the report -> dataset that fills it."""


def create_pipeline(labels: Sequence[str]) -> Pipeline:
    """Return the evaluation stage; ``labels`` names the generators whose training logs the report shows."""
    return Pipeline([_measures(), _pages(labels)], tags="evaluation")


def _measures() -> Pipeline:
    return Pipeline(
        [
            node(
                score_arms,
                inputs=[*(f"{arm}_predictions" for arm in ARMS), "split_records", *SETTING],
                outputs=["scores", "label_scores", "confusion", "reliability"],
                name="score_arms",
            ),
            node(
                compare_arms,
                inputs=[
                    "real_predictions",
                    "augmented_predictions",
                    "split_records",
                    *SETTING,
                ],
                outputs="comparison",
                name="compare_arms",
            ),
            node(
                measure_usability,
                inputs=[
                    "real_predictions",
                    "synthetic_predictions",
                    "candidate_predictions",
                    "candidates",
                    *SETTING,
                ],
                outputs="usability",
                name="measure_usability",
            ),
            node(
                measure_synthetic_text,
                inputs=["candidates", "candidate_predictions", "split_records", "params:evaluation"],
                outputs=["synthetic_quality", "synthetic_yields", "synthetic_examples"],
                name="measure_synthetic_text",
            ),
        ]
    )


def _pages(labels: Sequence[str]) -> Pipeline:
    logs = [
        "generator_base_log",
        *(f"{label}_generator_log" for label in labels),
        "filter_classifier_log",
        *(f"{arm}_classifier_log" for arm in ARMS),
    ]
    return Pipeline(
        [
            node(collect_training_logs, inputs=logs, outputs="training_logs", name="collect_training_logs"),
            node(
                write_report,
                inputs={
                    **FACTS,
                    "training_logs": "training_logs",
                    "run_log": "run_log",
                    "taxonomy": "params:unification",
                    "generation": "params:generation",
                    "classification": "params:classification",
                    "options": "params:evaluation",
                },
                outputs=["report_page", "results_page", "summary"],
                name="write_report",
            ),
        ]
    )
