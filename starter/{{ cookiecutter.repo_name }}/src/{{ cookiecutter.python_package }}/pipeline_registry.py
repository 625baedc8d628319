"""The pipelines: one for each experiment of conf/, and your own."""

from emotion_kedro.pipeline_registry import register_pipelines as of_experiments
from kedro.pipeline import Pipeline


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by its name."""
    return of_experiments()
