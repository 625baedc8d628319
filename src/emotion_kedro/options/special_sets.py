"""Texts without labels, or with labels of another kind, and what is asked of them."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from emotion_kedro.options.base import Options, Positive, Share
from emotion_kedro.options.records import CleaningStep, NearDuplicateOptions, SourceOptions
from emotion_kedro.taxonomy import LABELS


class ToldOptions(Options):
    """A set's own two classes, and how the emotions speak for one of them."""

    name: str
    """What is told from what: ``stress told from no stress``."""
    positive: str
    """The class that the emotions speak for."""
    against: Annotated[tuple[str, ...], Field(min_length=1)]
    """Emotions that speak against it: its score is 1 minus their probabilities."""


class TextSetOptions(Options):
    """One set of texts, as it lies on disk. A new set is a new entry of this kind."""

    title: str
    """What pages call it."""
    system: Literal["S18", "S19"]
    """Row of the reference that its findings stand beside."""
    files: str | tuple[str, ...]
    """Paths below ``raw_root``, or patterns of them (``letters/*.txt``)."""
    format: Literal["table", "text"] = "table"
    """``text``: every file is a text of its own."""
    separator: str = ","
    quoting: bool = True
    encoding: str = "utf-8"
    """UTF-8 is read with or without a byte-order mark."""
    text_column: str | None = None
    other_label_column: str | None = None
    """The set's own label, which is kept beside the text and never trained on."""
    group_column: str | None = None
    """Rows with the same value belong together (parts of a post); None: near-duplicates do, or pieces of a file."""
    drop_address: bool = False
    """``text``: leave a short first line out that begins with "To"."""
    pieces: Literal["whole", "sentences"] = "whole"
    """``sentences``: cut texts into pieces of whole sentences, of ``min_words`` to ``max_words``."""
    min_words: Positive = 3
    """Shorter ones are dropped."""
    max_words: Positive | None = None
    """Longer ones are dropped, or cut where ``pieces`` are sentences."""
    unwanted: dict[str, str] = Field(default_factory=dict)
    """Reason -> pattern (a regular expression): texts that it is found in are dropped."""
    cleaning: tuple[CleaningStep, ...] | None = None
    """Steps for this set alone, instead of the shared ones."""
    expected: tuple[str, ...] = ()
    """Emotions that a reader would look for: the share of texts that are read as one of them is measured."""
    told: ToldOptions | None = None
    """What is asked of the set's own label."""

    @property
    def patterns(self) -> tuple[str, ...]:
        """The set's paths or patterns, one or several."""
        return (self.files,) if isinstance(self.files, str) else self.files

    def as_source(self) -> SourceOptions:
        """Return how its tables are to be read, in the words of a labelled source."""
        assert self.text_column is not None
        return SourceOptions(
            file=self.files,
            separator=self.separator,
            quoting=self.quoting,
            encoding=self.encoding,
            text_column=self.text_column,
            label_column=self.other_label_column or self.text_column,
        )

    @field_validator("unwanted")
    @classmethod
    def _patterns_are_sound(cls, unwanted: dict[str, str]) -> dict[str, str]:
        for reason, pattern in unwanted.items():
            try:
                re.compile(pattern)
            except re.error as error:
                raise ValueError(f"{reason}: {pattern!r} is no regular expression ({error})") from None
        return unwanted

    @model_validator(mode="after")
    def _fits_its_format(self) -> TextSetOptions:
        if self.format == "table" and self.text_column is None:
            raise ValueError("format: table needs text_column")
        if self.format == "text" and (self.text_column or self.other_label_column or self.group_column):
            raise ValueError("format: text has no columns; leave text_column, other_label_column and group_column out")
        if self.format == "table" and self.drop_address:
            raise ValueError("drop_address is for format: text")
        if self.pieces == "sentences" and (self.max_words is None or self.max_words < 2 * self.min_words):
            raise ValueError("pieces: sentences needs max_words of at least twice min_words")
        if self.told is not None and self.other_label_column is None:
            raise ValueError("told asks about the set's own label; name its column in other_label_column")
        return self

    @model_validator(mode="after")
    def _emotions_exist(self) -> TextSetOptions:
        wrong = sorted({*self.expected, *(self.told.against if self.told else ())} - LABELS)
        if wrong:
            raise ValueError(f"labels of no taxonomy: {', '.join(wrong)}; known: {', '.join(sorted(LABELS))}")
        return self


class SpecialSetsOptions(Options):
    """Which sets are read, how many of their texts are taken, and which of them the generators may see."""

    cleaning: tuple[CleaningStep, ...]
    cap: Positive | None = 300
    """At most so many texts of a set; None takes all."""
    widening_share: Annotated[Share, Field(lt=1.0)] = 0.5
    """Share of the texts that the generators' base is tuned on; the classifiers are judged on the others alone."""
    near_duplicates: NearDuplicateOptions = NearDuplicateOptions()
    examples: Positive = 3
    """Most and least certain texts of a set that the page shows."""
    typical_words: Positive = 8
    """Words shown for each set and label."""
    least_count: Positive = 3
    """Texts of a set, at least, that a word has to stand in to be shown."""
    seed: int = 0
    sets: Annotated[dict[str, TextSetOptions], Field(min_length=1)]
