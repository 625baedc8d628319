"""figures of every study -> the page over all of them."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.studies.nodes import write_studies
from emotion_kedro.pipelines.studies.sets import SETS


def create_pipeline() -> Pipeline:
    """Return the pipeline ``studies``: it needs nothing but what the studies left behind."""
    # The same files as <study>.figures: Kedro keeps dotted names for their own namespace.
    documents = [f"{name}_figures" for name in SETS]
    template = Pipeline(
        [
            node(
                write_studies,
                inputs=["run_log", *documents],
                outputs=["report_page", "results_page", "summary", "pictures"],
                name="write_studies",
            )
        ],
        tags="study",
    )
    return Pipeline(template, namespace="studies", inputs=set(documents))
