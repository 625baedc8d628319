"""Generators to synthetic records."""

from emotion_kedro.pipelines.synthesis.pipeline import create_pipeline

__all__ = ["create_pipeline"]
