"""The search for the settings of a classifier with synthetic text."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from emotion_kedro.options.base import Options, Positive, Rate, Share
from emotion_kedro.options.iteration import ValidationMetric


class TuneOptions(Options):
    """What is searched, with how many trials, and what decides. Test rows have no part in it."""

    storage: str
    """Folder of the studies, one SQLite file for each search; the same search goes on with its own."""
    trials: Positive = 8
    startup_trials: Positive = 4
    """Trials drawn at random before the sampler (TPE, Bergstra et al. 2011) draws on what it has seen."""
    learning_rate: tuple[Rate, Rate]
    """Lowest and highest; searched on a logarithmic scale."""
    max_epochs: Annotated[int, Field(ge=1, le=5)] = 5
    synthetic_shares: Annotated[tuple[Annotated[float, Field(ge=0.0)], ...], Field(min_length=1)] = (0.0, 0.25, 0.5)
    """Synthetic records per real one of the same label, as far as there are so many."""
    taus: Annotated[tuple[Share, ...], Field(min_length=1)] = (0.0, 0.5, 0.8)
    """Least probabilities of the label that the filter classifier must give; 0 turns it off."""
    metric: ValidationMetric = "log_loss"
    train_rows: Positive | None = None
    """Real train rows of a trial, at most, an equal share of each label; the best settings are fitted on all."""
    trial_seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    """Seeds of each trial's classifiers; the trial's score is the mean."""
    seed: int = 0
    """Of the sampler, and of the draw of rows."""

    @model_validator(mode="after")
    def _order(self) -> TuneOptions:
        low, high = self.learning_rate
        if low > high:
            raise ValueError(f"learning_rate goes from {low:g} to {high:g}; give the lowest first")
        return self
