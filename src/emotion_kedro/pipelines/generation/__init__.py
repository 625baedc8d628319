"""Models of the generators that are tuned and kept."""

from emotion_kedro.pipelines.generation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
