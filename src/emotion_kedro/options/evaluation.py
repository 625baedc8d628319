"""Intervals, tests, and what pages are called."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from emotion_kedro.options.base import Options, Positive


class EvaluationOptions(Options):
    """Intervals and tests, and what the report is called."""

    title: str = "Does synthetic text help?"
    bootstrap_samples: Annotated[int, Field(ge=100)] = 2000
    level: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    calibration_bins: Positive = 15
    examples: Positive = 5
    """Synthetic records shown per label."""
    seed: int = 0
