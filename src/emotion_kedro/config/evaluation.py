"""Intervals and tests."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from emotion_kedro.config.base import Config, Positive


class EvaluationConfig(Config):
    """How scores and differences are measured."""

    bootstrap_samples: Annotated[int, Field(ge=100)] = 2000
    level: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    calibration_bins: Positive = 15
    answered_accuracy: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.9
    """A model keeps its answer to itself below the probability from which on it is right so often."""
    examples: Positive = 5
    """Texts shown per label."""
    seed: int = 0
