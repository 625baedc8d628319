"""Uncertain texts back into the generators, round after round."""

from emotion_kedro.pipelines.iteration.pipeline import create_pipeline

__all__ = ["create_pipeline"]
