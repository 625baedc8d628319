"""Linear classifiers on frozen features."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from emotion_kedro.options.base import Options, Positive, Rate

Penalty = Annotated[float, Field(ge=0.0)]


class HeadOptions(Options):
    """One fit of a linear head. Lengths are counted in steps, so that arms of any number of rows get the same."""

    steps: Positive = 300
    batch_size: Positive = 64
    learning_rate: Rate = 0.1
    """Of the first step; it falls linearly to 0."""
    penalties: Annotated[tuple[Penalty, ...], Field(min_length=1)] = (1e-4, 3e-4, 1e-3, 3e-3)
    """Weights of half the squared weights in the loss; every arm tries them all and keeps one of them."""
