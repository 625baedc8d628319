"""Candidates of every generator, and their scores."""

from emotion_kedro.pipelines.synthesis.pipeline import create_pipeline

__all__ = ["create_pipeline"]
