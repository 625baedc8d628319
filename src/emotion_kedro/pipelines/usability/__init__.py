"""Real and synthetic text, both ways, for every kind of classifier."""

from emotion_kedro.pipelines.usability.pipeline import create_pipeline

__all__ = ["create_pipeline"]
