"""GoEmotions in its own labels, and in those of other taxonomies."""

from emotion_kedro.pipelines.goemotions.pipeline import OWN, create_pipeline

__all__ = ["OWN", "create_pipeline"]
