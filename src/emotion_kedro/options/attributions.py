"""Which words a classifier leans on, and how that is checked."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from emotion_kedro.options.base import Options, Positive


class AttributionOptions(Options):
    """Attribution of test rows, and the masking of their words."""

    rows: Positive = 300
    """Test rows, at most, drawn at random."""
    steps: Annotated[int, Field(ge=2)] = 24
    """Points on the path of integrated gradients."""
    baseline: Literal["mask", "pad"] = "mask"
    """The token that stands for no word."""
    word_counts: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1, 2, 3, 5)
    """So many words are masked, or kept alone."""
    draws: Positive = 5
    """Random choices of words, that the informed ones are compared with."""
    least_count: Positive = 5
    """Train texts, at least, that a word has to stand in to be ranked by log-odds."""
    rows_at_once: Positive = 32
    """Rows of a part; a killed run goes on after the last one."""
    examples: tuple[str, ...] = ()
    """Sentences of one's own that the page shows with their words coloured."""
    examples_per_label: Annotated[int, Field(ge=0)] = 2
    """Test rows per label that the HTML page shows the same way."""
    seed: int = 0
