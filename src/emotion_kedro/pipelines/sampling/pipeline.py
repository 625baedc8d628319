"""unified records -> split records, and the leakage table."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.sampling.nodes import measure_leakage, sample_and_split

NAMESPACE = "records"
"""Of all that is done before a model learns: one box of the flowchart."""


def create_pipeline() -> Pipeline:
    """Return the sampling stage."""
    return Pipeline(
        [
            node(
                sample_and_split,
                inputs=["unified_records", "params:sampling"],
                outputs=["split_records", "sampling_report"],
                name="sample_and_split",
                namespace=NAMESPACE,
            ),
            node(
                measure_leakage,
                inputs=["unified_records", "params:sampling"],
                outputs="leakage",
                name="measure_leakage",
                namespace=NAMESPACE,
            ),
        ],
        tags="sampling",
    )
