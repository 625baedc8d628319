"""Which words the classifier leans on, and what is left without them."""

from emotion_kedro.pipelines.attributions.pipeline import create_pipeline

__all__ = ["create_pipeline"]
