"""findings of every system -> the reference page."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.reference.nodes import write_reference
from emotion_kedro.reference import REPORTING


def create_pipeline() -> Pipeline:
    """Return the pipeline ``report``: it needs nothing but what other pipelines left behind."""
    documents = [f"{name}.{kind}" for kind in ("findings", "run_log") for name in REPORTING]
    return Pipeline(
        [
            node(
                write_reference,
                inputs=documents,
                outputs=["reference.report_page", "reference.results_page", "reference.summary"],
                name="write_reference",
            )
        ],
        tags="report",
    )
