"""split records + candidates -> search on validation rows -> arms ``tuned`` and ``default`` -> their difference."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from emotion_kedro.pipelines.classification.pipeline import create_arm
from emotion_kedro.pipelines.generation.nodes import select_training_texts
from emotion_kedro.pipelines.tune.nodes import (
    compose_default,
    compose_tuned,
    fit_best,
    measure_tuning,
    search_settings,
    write_report,
)


def create_pipeline() -> Pipeline:
    """Return the search and what its result is worth; it goes on from the tables that ``augment`` left."""
    search = [
        node(select_training_texts, inputs="split_records", outputs="development_records", name="hide_test"),
        node(
            search_settings,
            inputs=[
                "development_records",
                "candidates",
                "params:search",
                "params:synthesis",
                "params:classification",
                "params:unification",
                "params:device",
                "params:checkpoints",
            ],
            outputs=["trials", "tuned_settings"],
            name="search_settings",
        ),
    ]
    compose_best = node(
        compose_tuned,
        inputs=[
            "split_records",
            "candidates",
            "tuned_settings",
            "params:search",
            "params:synthesis",
            "params:classification",
        ],
        outputs="tuned_mix",
        name="compose_tuned",
    )
    compose_untuned = node(
        compose_default,
        inputs=["split_records", "synthetic_records", "params:classification"],
        outputs="default_mix",
        name="compose_default",
    )
    # The mixes stand outside of the arms, since the figures tell how many rows they have.
    arms = [
        Pipeline(create_arm("tuned", [], fit=fit_best, base="tuned_settings"), inputs={"mix": "tuned_mix"}),
        Pipeline(create_arm("default", []), inputs={"mix": "default_mix"}),
    ]
    return Pipeline([*search, compose_best, compose_untuned, *arms, *_pages()], tags="tune")


def _pages() -> list[Node]:
    return [
        node(
            measure_tuning,
            inputs=[
                "tuned_predictions",
                "default_predictions",
                "tuned_mix",
                "default_mix",
                "split_records",
                "tuned_settings",
                "params:classification",
                "params:unification",
                "params:evaluation",
            ],
            outputs=["tuning", "findings"],
            name="measure_tuning",
        ),
        node(
            write_report,
            inputs=[
                "findings",
                "tuning",
                "trials",
                "tuned_settings",
                "run_log",
                "params:classification",
                "params:search",
            ],
            outputs=["report_page", "results_page", "summary"],
            name="write_report",
        ),
    ]
