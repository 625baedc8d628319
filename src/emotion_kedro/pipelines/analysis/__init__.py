"""Analyses: what is singular, and cannot be said as arms, learners and sizes."""

from emotion_kedro.pipelines.analysis.pipeline import create_pipeline

__all__ = ["create_pipeline"]
