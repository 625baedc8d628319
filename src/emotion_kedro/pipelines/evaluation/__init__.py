"""Predictions to scores, differences and text quality, and the pages that show them."""

from emotion_kedro.pipelines.evaluation.pipeline import (
    create_overview_pipeline,
    create_pipeline,
    create_reference_pipeline,
)

__all__ = ["create_overview_pipeline", "create_pipeline", "create_reference_pipeline"]
