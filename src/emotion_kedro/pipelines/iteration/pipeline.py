"""split records -> generators and filter, as in ``augment`` -> rounds of feeding back -> figures and pages."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines import generation
from emotion_kedro.pipelines.classification.pipeline import create_filter_pipeline
from emotion_kedro.pipelines.iteration.nodes import measure_rounds, run_rounds, write_report


def create_pipeline(labels: Sequence[str]) -> Pipeline:
    """Return the loop, with a generator for each of ``labels``."""
    loop = node(
        run_rounds,
        inputs={
            "split_records": "split_records",
            "generator_base": "generator_base",
            "filter_model": "filter_model",
            "options": "params:loop",
            **{name: f"params:{name}" for name in ("generation", "synthesis", "classification", "unification")},
            "device": "params:device",
            "checkpoints": "params:checkpoints",
            **{label: f"{label}_generator" for label in labels},
        },
        outputs=["round_log", "predictions", "validation_predictions", "candidates", "model"],
        name="run_rounds",
    )
    measure = node(
        measure_rounds,
        inputs=[
            "predictions",
            "validation_predictions",
            "candidates",
            "round_log",
            "split_records",
            "params:generation",
            "params:classification",
            "params:unification",
            "params:evaluation",
        ],
        outputs=["rounds", "findings"],
        name="measure_rounds",
    )
    report = node(
        write_report,
        inputs=[
            "findings",
            "rounds",
            "candidates",
            "run_log",
            "params:loop",
            "params:generation",
            "params:classification",
            "params:evaluation",
        ],
        outputs=["report_page", "results_page", "summary"],
        name="write_report",
    )
    own = Pipeline([loop, measure, report], tags="iteration")
    # The loop stands outside of the generators' namespaces, and so must what it takes from them.
    models = {f"generator.{label}.model": f"{label}_generator" for label in labels}
    generators = Pipeline(generation.create_pipeline(labels), outputs=models)
    return generators + create_filter_pipeline() + own
