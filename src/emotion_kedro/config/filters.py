"""Filters of candidates, and the table of their kinds."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from emotion_kedro.config.base import Config, Kind, Number, Positive, Seed, Share, Whole, config_of

Similarity = Annotated[Number, Field(gt=0.0, le=1.0)]


class LengthFilter(Config):
    """Refuses what has too few words."""

    kind: Literal["length"] = "length"
    min_words: Positive = 4


class RepetitionFilter(Config):
    """Refuses loops."""

    kind: Literal["repetition"] = "repetition"
    max_share: Share = 0.3
    """Largest share of a text's words that may stand in a repeated bigram."""


class LeftoversFilter(Config):
    """Refuses texts in which a piece of a prompt is left over."""

    kind: Literal["leftovers"] = "leftovers"
    pieces: tuple[str, ...] = ("<|", "|>", "The answer is", "The text is", "Please read the given text")
    """Upper and lower case count as the same."""


_ENGLISH = """
a about after an and are as at be because been but by could don't even for from had has have he his how i if im in into
is its just my nor of on or our she should so than the their they to very was we were what when where which who whose
will with would your i'm it's he's she's they're we're you're
"""
FUNCTION_WORDS = tuple(_ENGLISH.split())
"""English words that end a text which was cut off at least five times as often as a whole one."""
STRANDED = frozenset(
    ["about", "are", "at", "be", "by", "for", "from", "in", "into", "is", "of", "on", "to", "was", "were", "with"]
)
"""Those that a question, or what is put like one, may end on: what are you looking at."""
ASKING = frozenset(["how", "what", "whatever", "where", "wherever", "which", "who", "whoever", "whom", "why"])
"""Words that begin such a question."""


class CompleteFilter(Config):
    """Refuses texts that were cut off: without an end of a sentence, and with a function word last.

    A preposition, or a form of "to be", may be the last word a few words after one that asks.
    """

    kind: Literal["complete"] = "complete"
    function_words: tuple[str, ...] = FUNCTION_WORDS


class NovelFilter(Config):
    """Refuses copies and near-copies of train texts, and what repeats another candidate."""

    kind: Literal["novel"] = "novel"
    near_copy: Similarity = 0.7
    """Similarity from which a candidate counts as a copy of a train text: the Jaccard similarity of their character
    n-grams or, where it is larger, the share of the candidate's n-grams that the train text has, too."""
    near_duplicate: Similarity = 0.7
    """Jaccard similarity from which a candidate counts as a repeat of another."""
    shingle: Positive = 5
    """Characters of an n-gram."""


class LabelAgreementFilter(Config):
    """Refuses what a classifier reads as another label, or not surely enough as its own.

    It follows LAMBADA (Anaby-Tavor et al. 2020, arXiv 1911.03118).
    """

    kind: Literal["label_agreement"] = "label_agreement"
    learner: str | None = None
    """Name of a learner of the experiment; None: the first."""
    seed: Seed = 1000
    """Another one than those of the arms, so that no arm is judged by its own filter."""
    tau: Share = 0.5
    """Least probability of the label. With 0 it still has to be the likeliest."""


class DiverseFilter(Config):
    """Keeps the most different texts of each label, as many as the design's ``added_rows``; it comes last.

    No more of them may have one of the label's cue words than the train texts' share of that number, so that a full
    quota is no more typical than real text: a classifier likes such words, and what it leaves has more of them. Where
    fewer texts are left than are wanted, their share may be larger.
    """

    kind: Literal["diverse"] = "diverse"
    opening: Positive = 3
    """First words of a text that count as one piece more."""
    cue_words: Annotated[Whole, Field(ge=0)] = 20
    """Words most typical of each label's train texts that count as cue words; 0: their share is left alone."""


class ReviewedFilter(Config):
    """Refuses what a person rejected; a text that they edited was replaced before anything was measured."""

    kind: Literal["reviewed"] = "reviewed"


FILTERS = {
    "length": Kind(LengthFilter, "emotion_kedro.augmentation.filters.wording:length"),
    "repetition": Kind(RepetitionFilter, "emotion_kedro.augmentation.filters.wording:loops"),
    "leftovers": Kind(LeftoversFilter, "emotion_kedro.augmentation.filters.wording:leftovers"),
    "complete": Kind(CompleteFilter, "emotion_kedro.augmentation.filters.wording:complete"),
    "novel": Kind(NovelFilter, "emotion_kedro.augmentation.filters.novelty:novel"),
    "diverse": Kind(DiverseFilter, "emotion_kedro.augmentation.filters.variety:diverse"),
    "label_agreement": Kind(LabelAgreementFilter, "emotion_kedro.augmentation.filters.judgements:label_agreement"),
    "reviewed": Kind(ReviewedFilter, "emotion_kedro.augmentation.filters.judgements:reviewed"),
}
"""A new kind of filter is a function, its entry here, and its test."""


def filter_config(name: str, raw: Mapping[str, Any] | Config | None = None) -> Any:
    """Return the parameters of a filter; its kind is its name, unless ``raw`` gives another.

    Raises:
        ValueError: if there is no such kind, or its parameters do not fit.
    """
    return raw if isinstance(raw, Config) else config_of({"kind": name, **(raw or {})}, FILTERS, "filter")


def default_filters() -> dict[str, Any]:
    """Return a filter of every kind with its default parameters, by the name of its kind."""
    return {name: kind.config() for name, kind in FILTERS.items()}


def filter_configs(raw: Mapping[str, Any]) -> dict[str, Any]:
    """Return the default filters and, instead of them or beside them, those that are given, by name."""
    return {**default_filters(), **{name: filter_config(name, value) for name, value in raw.items()}}
