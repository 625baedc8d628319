"""Unified records to a balanced sample, split without leaks."""

from emotion_kedro.pipelines.sampling.pipeline import create_pipeline

__all__ = ["create_pipeline"]
