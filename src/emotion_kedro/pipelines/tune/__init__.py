"""The search for the settings of a classifier with synthetic text."""

from emotion_kedro.pipelines.tune.pipeline import create_pipeline

__all__ = ["create_pipeline"]
