"""Arms: the same classifiers on different training rows."""

from emotion_kedro.pipelines.classification.pipeline import create_pipeline

__all__ = ["create_pipeline"]
