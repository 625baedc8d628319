"""Feeding uncertain texts back into the generators, round after round."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from emotion_kedro.options.base import Options, Positive
from emotion_kedro.options.training import TrainingOptions

ValidationMetric = Literal["log_loss", "accuracy"]
"""What decides on the validation rows. Log loss tells settings apart that few rows give the same accuracy."""


class IterationOptions(Options):
    """How many rounds there are, what is fed back in each, and when they end."""

    rounds: Positive = 2
    """Rounds, at most, after round 0, which has real records alone."""
    uncertain_share: Annotated[float, Field(gt=0.0, le=1.0)] = 0.3
    """Share of each label's train texts that goes back to its generator: those that are read least surely."""
    certainty: Literal["margin", "entropy"] = "margin"
    """``margin``: between the two likeliest labels. ``entropy``: of all of them."""
    folds: Annotated[int, Field(ge=2)] = 2
    """Parts of the train records; each is read by a classifier fitted on the others: none is honest about its own."""
    judge_steps: Positive | None = None
    """Optimiser steps of those classifiers; None: as many as the arms' own."""
    feedback: TrainingOptions
    """Further tuning of a label's generator in each round."""
    metric: ValidationMetric = "accuracy"
    min_gain: Annotated[float, Field(ge=0.0)] = 0.0
    """A round is better than the best so far if it gains more than this."""
    patience: Positive = 1
    """Rounds without a better one after which the loop ends."""
