"""Predictions to scores, the comparison of the arms, and the report."""

from emotion_kedro.pipelines.evaluation.pipeline import create_pipeline

__all__ = ["create_pipeline"]
