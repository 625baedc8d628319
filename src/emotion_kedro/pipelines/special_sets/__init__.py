"""Texts without emotion labels: generators widened by them, and classifiers that read them before and after."""

from emotion_kedro.pipelines.special_sets.pipeline import OWN, create_pipeline

__all__ = ["OWN", "create_pipeline"]
