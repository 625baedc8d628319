"""generators + filter classifier -> candidates -> synthetic records."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.classification.pipeline import create_filter_pipeline
from emotion_kedro.pipelines.synthesis.nodes import draw_candidates, pool_candidates


def create_pipeline(labels: Sequence[str], known_records: str = "generator_records") -> Pipeline:
    """Return the synthesis stage for the generators of ``labels``, with the classifier that filters for them.

    Args:
        labels: the taxonomy.
        known_records: data set of all records that the generators have seen, and must not copy.
    """
    pool = node(
        pool_candidates,
        inputs=[f"{label}_candidates" for label in labels],
        outputs=["candidates", "synthetic_records"],
        name="pool_candidates",
    )
    generators = [_one_label(label, known_records) for label in labels]
    return Pipeline([create_filter_pipeline(), *generators, pool], tags="synthesis")


def _one_label(label: str, known_records: str) -> Pipeline:
    template = Pipeline(
        [
            node(
                draw_candidates,
                inputs=[
                    "model",
                    "generator_base",
                    "filter_model",
                    known_records,
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
        inputs={"generator_base", known_records, "filter_model"},
        outputs={"candidates": f"{label}_candidates"},
        parameters={"params:synthesis", "params:device", "params:checkpoints"},
    )
