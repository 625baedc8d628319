"""Filters that look at a text alone: too short, looping, cut off, with a piece of a prompt."""

from __future__ import annotations

import pandas as pd

from emotion_kedro.augmentation.filters.reasons import (
    CUT_OFF,
    LEFTOVER,
    REPETITION,
    TOO_SHORT,
    FilterContext,
    reason_where,
)
from emotion_kedro.config.filters import CompleteFilter, LeftoversFilter, LengthFilter, RepetitionFilter
from emotion_kedro.metrics.diversity import is_cut_off


def length(candidates: pd.DataFrame, config: LengthFilter, context: FilterContext) -> pd.Series:
    """Refuse what has too few words."""
    return reason_where(candidates["words"] < config.min_words, TOO_SHORT)


def loops(candidates: pd.DataFrame, config: RepetitionFilter, context: FilterContext) -> pd.Series:
    """Refuse texts of which too large a share stands in repeated bigrams."""
    return reason_where(candidates["repetition"] > config.max_share, REPETITION)


def leftovers(candidates: pd.DataFrame, config: LeftoversFilter, context: FilterContext) -> pd.Series:
    """Refuse texts that hold a piece of a prompt."""
    failed = pd.Series(False, index=candidates.index)
    for piece in config.pieces:
        failed |= candidates["text"].str.contains(piece, case=False, regex=False)
    return reason_where(failed, LEFTOVER)


def complete(candidates: pd.DataFrame, config: CompleteFilter, context: FilterContext) -> pd.Series:
    """Refuse texts that were stopped before their end, or that end no sentence and have a function word last."""
    function_words = {word.lower() for word in config.function_words}
    breaks_off = candidates["text"].map(lambda text: is_cut_off(text, function_words)).astype(bool)
    return reason_where(breaks_off | ~candidates["ended"], CUT_OFF)
