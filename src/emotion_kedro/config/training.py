"""One training run, and how a language model is made and sampled."""

from __future__ import annotations

import importlib.util
import math
from typing import Annotated

from pydantic import Field, model_validator

from emotion_kedro.config.base import Config, Number, Positive, Rate, Share, SmallTransformerConfig, Whole


class TrainingConfig(Config):
    """One training run. Lengths are counted in optimiser steps, so that two arms can be given the same number."""

    steps: Annotated[Whole, Field(ge=0)] | None = None
    """0 leaves the model as it is: an untuned one."""
    epochs: Rate | None = None
    """Passes over the training rows, instead of ``steps``: for runs that are not compared with others of more rows."""
    batch_size: Positive = 16
    learning_rate: Rate
    warmup_share: Share = 0.1
    """Share of the steps over which the rate rises from 0; after that it falls linearly to 0."""
    weight_decay: Annotated[Number, Field(ge=0.0)] = 0.01
    max_gradient_norm: Rate = 1.0
    evaluate_every: Positive = 50
    patience: Positive | None = None
    """Stop after so many evaluations without a better validation loss, and keep the best state; None: no early stop."""
    averaged_share: Share = 0.0
    """Share of the steps, the last ones, of whose parameters the model is the mean in the end (stochastic weight
    averaging, Izmailov et al. 2018, arXiv 1803.05407); 0: what the last step leaves."""
    workers: Positive = 1
    """Processes that share each batch, one a GPU where there are any, for encoders and causal language models."""
    checkpoint_every: Annotated[Number, Field(ge=0.0)] = 60.0
    """Seconds between checkpoints: what a kill costs at most, beside an evaluation. 0 writes one at every step."""

    @model_validator(mode="after")
    def _one_length(self) -> TrainingConfig:
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps or epochs")
        return self

    @model_validator(mode="after")
    def _one_way_to_end(self) -> TrainingConfig:
        if self.averaged_share and self.patience is not None:
            raise ValueError("patience keeps the best state and averaged_share a mean of the last; leave one out")
        return self

    @model_validator(mode="after")
    def _workers_can_be_started(self) -> TrainingConfig:
        if self.workers > 1 and importlib.util.find_spec("ray") is None:
            raise ValueError("workers: more than one needs Ray: pip install 'emotion-kedro[ray]'")
        if self.workers > self.batch_size:
            raise ValueError(f"workers: {self.workers} processes cannot share a batch of {self.batch_size} rows")
        return self

    def assert_one_process(self, what: str) -> None:
        """Raise a ValueError if several processes are to train what has a loss that is no mean over rows or tokens."""
        if self.workers > 1:
            raise ValueError(f"training.workers: {what} is trained by one process; leave it out")

    def steps_for(self, rows: int) -> int:
        """Return the optimiser steps of a run on so many rows."""
        if self.steps is not None:
            return self.steps
        assert self.epochs is not None
        return max(1, math.ceil(self.epochs * math.ceil(rows / self.batch_size)))

    def averaged(self, steps: int) -> int:
        """Return how many of so many steps, the last ones, are averaged."""
        return math.ceil(round(self.averaged_share * steps, 6))  # .07 of 100 steps is a little more than 7


class ScratchConfig(SmallTransformerConfig):
    """A small GPT-2 with its own byte-level BPE, trained on texts of the experiment before any label is learned."""

    layers: Positive = 3
    width: Positive = 192
    heads: Positive = 6
    vocabulary: Annotated[Whole, Field(ge=300)] = 4096
    training: TrainingConfig = TrainingConfig(steps=600, learning_rate=2e-3)


class DecodingConfig(Config):
    """How a language model is sampled."""

    min_new_tokens: Annotated[Whole, Field(ge=0)] = 3
    max_new_tokens: Positive = 40
    """What the model has not ended by then is stopped; the filter ``complete`` refuses it."""
    temperature: Rate = 1.0
    top_k: Positive = 50
    top_p: Annotated[Number, Field(gt=0.0, le=1.0)] = 0.95
    batch_size: Positive = 64

    @model_validator(mode="after")
    def _order(self) -> DecodingConfig:
        if self.min_new_tokens > self.max_new_tokens:
            raise ValueError("min_new_tokens is larger than max_new_tokens")
        return self
