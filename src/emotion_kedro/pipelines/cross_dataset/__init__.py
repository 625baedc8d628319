"""A classifier for each source, tested on every source."""

from emotion_kedro.pipelines.cross_dataset.pipeline import OWN, create_pipeline

__all__ = ["OWN", "create_pipeline"]
