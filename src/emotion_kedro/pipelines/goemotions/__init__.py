"""GoEmotions in its own labels, and in those of other taxonomies."""

from emotion_kedro.pipelines.goemotions.pipeline import create_pipeline

__all__ = ["create_pipeline"]
