"""split records + unlabelled texts -> widened generators -> synthetic records -> readings before and after."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines import generation, synthesis
from emotion_kedro.pipelines.classification.pipeline import compose, create_arm
from emotion_kedro.pipelines.special_sets.nodes import (
    collect_findings,
    compose_after,
    compose_before,
    fit_and_judge,
    measure_sets,
    read_text_sets,
    widen_records,
    write_report,
)

OWN = frozenset({"text_sets", "generation", "synthesis", "classification"})
"""Parameters that it has for itself."""
PREDICTIONS = ["before_predictions", "after_predictions"]
TABLES = {
    "figures": "scores",
    "shares": "emotion_shares",
    "certainties": "certainties",
    "words": "typical_words",
    "examples": "set_examples",
    "counts": "unlabelled_report",
}
"""Field of the report -> dataset that fills it."""


def create_pipeline(labels: Sequence[str]) -> Pipeline:
    """Return what goes on from the split records, with a widened generator for each of ``labels``."""
    texts = [
        node(
            read_text_sets,
            inputs=["raw_folder", "params:text_sets"],
            outputs=["unlabelled_texts", "unlabelled_report"],
            name="read_text_sets",
        ),
        node(
            widen_records,
            inputs=["generator_records", "unlabelled_texts"],
            outputs="widened_records",
            name="widen_records",
        ),
    ]
    arms = [
        create_arm("before", [compose(compose_before, "split_records")], fit=fit_and_judge, base="unlabelled_texts"),
        create_arm(
            "after",
            [compose(compose_after, "split_records", "synthetic_records")],
            fit=fit_and_judge,
            base="unlabelled_texts",
        ),
    ]
    return Pipeline(
        [
            *texts,
            generation.create_pipeline(labels, base_records="widened_records"),
            synthesis.create_pipeline(labels, known_records="widened_records"),
            *arms,
            _pages(),
        ],
        tags="special_sets",
    )


def _pages() -> Pipeline:
    return Pipeline(
        [
            node(
                measure_sets,
                inputs=[
                    *PREDICTIONS,
                    *("unlabelled_texts", "split_records"),
                    *("params:unification", "params:text_sets", "params:evaluation"),
                ],
                outputs=["scores", "emotion_shares", "certainties", "typical_words", "set_examples"],
                name="measure_sets",
            ),
            node(
                collect_findings,
                inputs=[
                    "scores",
                    *PREDICTIONS,
                    *("split_records", "synthetic_records"),
                    *("params:classification", "params:generation", "params:evaluation"),
                ],
                outputs="findings",
                name="collect_findings",
            ),
            node(
                write_report,
                inputs={
                    **TABLES,
                    "findings": "findings",
                    "run_log": "run_log",
                    "classification": "params:classification",
                    "generation": "params:generation",
                    "sets": "params:text_sets",
                },
                outputs=["report_page", "results_page", "summary"],
                name="write_report",
            ),
        ]
    )
