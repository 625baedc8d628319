"""A generator for each label."""

from emotion_kedro.pipelines.generation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
