"""Where records come from: sources, labels, the sample and its split."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from emotion_kedro.options.base import Options, Positive, Share
from emotion_kedro.taxonomy import LABELS, TAXONOMIES

CleaningStep = Literal[
    "unescape_html",
    "drop_broken_characters",
    "drop_links",
    "drop_mentions",
    "mask_mentions",
    "lower",
    "collapse_space",
]


class SourceOptions(Options):
    """One table of texts with labels, as it lies on disk. A new source is a new entry of this kind."""

    file: str | tuple[str, ...]
    """Path below ``raw_root``; several paths are read one after the other."""
    separator: str = ","
    quoting: bool = True
    """False: a quotation mark is a character like any other (most tab-separated files)."""
    encoding: str = "utf-8"
    column_names: tuple[str, ...] | None = None
    """Names for the columns of a file without a header row."""
    text_column: str
    label_column: str
    label_map: dict[str, str] = Field(default_factory=dict)
    """The source's label -> a label of :mod:`emotion_kedro.taxonomy`; labels that have the same name need no entry."""
    unknown_labels: Literal["error", "drop"] = "error"
    label_separator: str | None = None
    """Between the labels of a row that may have several; None: a row has one label, whatever is in it."""
    label_names: tuple[str, ...] | None = None
    """For files that number their labels: the name of label 0, 1, and so on."""
    several_labels: Literal["drop", "first", "agree"] = "drop"
    """A row with several labels: drop it; take the first; keep it only if ``label_map`` makes all of them the same."""
    cleaning: tuple[CleaningStep, ...] | None = None
    """Steps for this source alone, instead of the shared ones."""

    @model_validator(mode="after")
    def _has_several_labels(self) -> SourceOptions:
        if self.label_separator is None and "several_labels" in self.model_fields_set:
            raise ValueError("several_labels is given, but no label_separator: no row can have several")
        if self.label_separator == "":
            raise ValueError("label_separator is empty; give the character between two labels, or null")
        return self

    @property
    def files(self) -> tuple[str, ...]:
        """The source's files, one or several."""
        return (self.file,) if isinstance(self.file, str) else self.file

    @field_validator("label_map")
    @classmethod
    def _targets_exist(cls, label_map: dict[str, str]) -> dict[str, str]:
        wrong = sorted(set(label_map.values()) - LABELS)
        if wrong:
            raise ValueError(f"maps to labels of no taxonomy: {', '.join(wrong)}; known: {', '.join(sorted(LABELS))}")
        return label_map


class IngestionOptions(Options):
    """Which sources are read, and what is done to their text."""

    use: Annotated[tuple[str, ...], Field(min_length=1)]
    cleaning: tuple[CleaningStep, ...]
    sources: dict[str, SourceOptions]

    @model_validator(mode="after")
    def _used_sources_exist(self) -> IngestionOptions:
        missing = [name for name in self.use if name not in self.sources]
        if missing:
            raise ValueError(f"use names {', '.join(missing)}, but sources has only {', '.join(self.sources)}")
        return self


class UnificationOptions(Options):
    """How the sources' labels become one taxonomy."""

    taxonomy: str
    sources: tuple[str, ...] | None = None
    """Take the records of these sources alone; None: of all that were read."""
    outside_taxonomy: Literal["drop", "error"] = "drop"
    """What happens to a row whose label is known but not in this taxonomy (``relief`` in ``six``)."""

    @field_validator("taxonomy")
    @classmethod
    def _exists(cls, taxonomy: str) -> str:
        if taxonomy not in TAXONOMIES:
            raise ValueError(f"there is no taxonomy {taxonomy!r}; there are: {', '.join(TAXONOMIES)}")
        return taxonomy


class NearDuplicateOptions(Options):
    """When two texts count as nearly the same: Jaccard similarity of their character n-grams, found by MinHash."""

    threshold: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    shingle: Positive = 5
    permutations: Positive = 64


class SplitOptions(Options):
    """Shares of the split. ``grouped`` keeps near-duplicates on one side; ``plain`` shuffles rows."""

    strategy: Literal["grouped", "plain"] = "grouped"
    validation: Share = 0.1
    test: Share = 0.2

    @model_validator(mode="after")
    def _leaves_train(self) -> SplitOptions:
        if self.validation + self.test >= 1.0:
            raise ValueError("validation and test together must leave something to train on")
        return self


class SamplingOptions(Options):
    """How many rows of each label are taken, and how they are divided."""

    cap: Positive | None = 800
    """At most so many rows per label and source; None takes all."""
    repeats: Literal["keep_one", "keep"] = "keep_one"
    conflicts: Literal["drop", "majority", "first", "keep"] = "drop"
    """A text that stands under several labels: drop all its rows, keep the label most rows give, keep the first."""
    near_duplicates: NearDuplicateOptions = NearDuplicateOptions()
    split: SplitOptions = SplitOptions()
    seed: int = 0
