"""How the labels of one source are held against those of another that has the same texts."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from emotion_kedro.options.base import Options, Positive, Rate
from emotion_kedro.options.records import NearDuplicateOptions
from emotion_kedro.taxonomy import LABELS

Pieces = Literal["words", "letters"]
"""What a learned rule looks for: whole words, or runs of letters within a word."""
Strategy = Literal["plain", "grouped"]


class KeywordOptions(Options):
    """A rule that is written down: a text that contains one of a label's patterns may have that label."""

    patterns: Annotated[dict[str, tuple[str, ...]], Field(min_length=1)]
    """Label -> substrings, in small letters."""
    otherwise: str = "neutral"
    """The label of a text that contains no pattern."""
    shuffles: Annotated[int, Field(ge=100)] = 1000
    """Times that the labels are dealt out anew, to see what the rule would explain by chance."""

    @field_validator("patterns")
    @classmethod
    def _are_labels_and_substrings(cls, patterns: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        wrong = sorted(set(patterns) - LABELS)
        if wrong:
            raise ValueError(f"patterns for labels of no taxonomy: {', '.join(wrong)}")
        bare = sorted(label for label, pieces in patterns.items() if not pieces or not all(pieces))
        if bare:
            raise ValueError(f"no pattern, or an empty one, for {', '.join(bare)}: every text would contain it")
        capital = sorted(piece for pieces in patterns.values() for piece in pieces if piece != piece.lower())
        if capital:
            raise ValueError(f"patterns are looked for in lowered texts; write in small letters: {', '.join(capital)}")
        return patterns


class LearnedRuleOptions(Options):
    """A rule that is learned: a decision tree on which pieces a text contains, tested on folds of groups."""

    pieces: Annotated[tuple[Pieces, ...], Field(min_length=1)] = ("letters", "words")
    leaves: Annotated[tuple[Annotated[int, Field(ge=2)], ...], Field(min_length=1)] = (4, 8, 16, 32)
    """Sizes of the tree; a tree of n leaves asks for n - 1 pieces at most."""
    shown_leaves: Annotated[int, Field(ge=2)] = 16
    """The size whose pieces are listed."""
    least_count: Positive = 2
    """Train texts that a piece has to stand in."""
    folds: Annotated[int, Field(ge=2)] = 5
    least_texts: Positive = 30
    """Shared texts below which the two sources' labels are not compared by it."""
    seed: int = 0

    @model_validator(mode="after")
    def _shown_size_is_among_them(self) -> LearnedRuleOptions:
        if self.shown_leaves not in self.leaves:
            raise ValueError(f"shown_leaves is {self.shown_leaves}, which is not among leaves {self.leaves}")
        return self


class MergingOptions(Options):
    """Training on one source and on both, under either split, by a linear classifier on weighted words."""

    strategies: tuple[Strategy, Strategy] = ("plain", "grouped")
    split_seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0, 1, 2, 3, 4)
    test: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    longest_ngram: Positive = 2
    least_count: Positive = 2
    """Train texts that a word or n-gram has to stand in."""
    inverse_penalty: Rate = 10.0

    @field_validator("split_seeds")
    @classmethod
    def _are_different(cls, seeds: tuple[int, ...]) -> tuple[int, ...]:
        if len(set(seeds)) < len(seeds):
            raise ValueError("a split seed stands there twice: the same split would count as two")
        return seeds


class LabelNoiseOptions(Options):
    """The whole study: two sources that share texts, and what is asked of the labels of one of them."""

    trusted: str
    """Source whose labels the others are held against; it is not taken for the truth."""
    doubted: str
    """Source whose labels are in question."""
    near_duplicates: NearDuplicateOptions = NearDuplicateOptions()
    keywords: KeywordOptions
    learned: LearnedRuleOptions = LearnedRuleOptions()
    merging: MergingOptions = MergingOptions()

    @model_validator(mode="after")
    def _are_two_sources(self) -> LabelNoiseOptions:
        if self.trusted == self.doubted:
            raise ValueError(f"trusted and doubted are both {self.trusted!r}; two sources are compared")
        return self
