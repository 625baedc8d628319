"""findings of every system -> the reference page."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.reference.nodes import write_reference
from emotion_kedro.reference import REPORTING


def create_pipeline() -> Pipeline:
    """Return the pipeline ``report``: it needs nothing but what other pipelines left behind."""
    # The same files as <pipeline>.findings and <pipeline>.run_log: Kedro keeps dotted names for their own namespace.
    documents = [f"{name}_{kind}" for kind in ("findings", "run_log") for name in REPORTING]
    template = Pipeline(
        [
            node(
                write_reference,
                inputs=documents,
                outputs=["report_page", "results_page", "summary"],
                name="write_reference",
            )
        ],
        tags="report",
    )
    return Pipeline(template, namespace="reference", inputs=set(documents))
