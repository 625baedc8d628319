"""generators + filter classifier -> candidates -> synthetic records."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.classification.pipeline import create_filter_pipeline
from emotion_kedro.pipelines.synthesis.nodes import draw_candidates, pool_candidates


def create_pipeline(labels: Sequence[str]) -> Pipeline:
    """Return the synthesis stage for the generators of ``labels``, with the classifier that filters for them."""
    pool = node(
        pool_candidates,
        inputs=[f"{label}_candidates" for label in labels],
        outputs=["candidates", "synthetic_records"],
        name="pool_candidates",
    )
    return Pipeline([create_filter_pipeline(), *(_one_label(label) for label in labels), pool], tags="synthesis")


def _one_label(label: str) -> Pipeline:
    template = Pipeline(
        [
            node(
                draw_candidates,
                inputs=[
                    "model",
                    "generator_base",
                    "filter_model",
                    "generator_records",
                    "params:synthesis",
                    "params:device",
                    "params:checkpoints",
                ],
                outputs="candidates",
                name="draw_candidates",
            )
        ]
    )
    return Pipeline(
        template,
        namespace=f"generator.{label}",
        inputs={"generator_base", "generator_records", "filter_model"},
        outputs={"candidates": f"{label}_candidates"},
        parameters={"params:synthesis", "params:device", "params:checkpoints"},
    )
