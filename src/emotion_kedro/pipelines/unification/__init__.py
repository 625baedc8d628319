"""Records of many sources to one taxonomy."""

from emotion_kedro.pipelines.unification.pipeline import create_pipeline

__all__ = ["create_pipeline"]
