"""Where records come from: sources, labels, the sample and its split."""

from __future__ import annotations

import re
from pathlib import PurePath
from typing import Annotated, Any, Literal

from pydantic import Field, field_serializer, field_validator, model_validator

from emotion_kedro.config.base import Config, Number, Positive, Seed, Share, each_once, repeated
from emotion_kedro.config.taxonomy import TaxonomyConfig

CleaningStep = Literal[
    "unescape_html",
    "drop_broken_characters",
    "drop_links",
    "drop_mentions",
    "mask_mentions",
    "lower",
    "collapse_space",
]
Format = Literal["csv", "tsv", "json", "jsonl", "parquet", "xlsx", "text"]
FORMATS: dict[str, Format] = {
    **{".csv": "csv", ".tsv": "tsv", ".tab": "tsv"},
    **{".json": "json", ".jsonl": "jsonl", ".ndjson": "jsonl"},
    **{".parquet": "parquet", ".xlsx": "xlsx"},
}
"""Ending of a file -> its format, where a source names none. A .txt is a table if the source has a text column."""

MAX_LOST = 0.2
_OF_UNLABELLED = (
    *("other_label_column", "empty_column", "group_column", "drop_address"),
    *("pieces", "min_words", "max_words", "unwanted"),
)


class SourceConfig(Config):
    """Texts as they lie on disk, with labels or without. A new source is a new entry of this kind."""

    file: str | tuple[str, ...]
    """Path below ``raw_root``, an absolute one (``~``: your home), a pattern of them (``a/*.txt``), or several."""
    validation_file: str | None = None
    """A file whose rows are the validation rows of this source; None: they are split off ``file``."""
    test_file: str | None = None
    format: Format | None = None
    """``text``: every file is a text of its own. None: by the ending of the file."""
    separator: str | None = None
    """Between the fields of a row; None: a comma, or a tab for the format tsv."""
    quoting: bool = True
    """False: a quotation mark is a character like any other (most tab-separated files)."""
    encoding: str = "utf-8"
    """UTF-8 is read with or without a byte-order mark."""
    column_names: tuple[str, ...] | None = None
    """Names for the columns of a file without a header row."""
    sheet: str | None = None
    """``xlsx``: the sheet; None: the first."""
    bad_rows: Literal["error", "drop"] = "error"
    """A row that cannot be read (too many fields, no JSON object): an error that names all of them, or left out."""
    text_column: str | None = None
    label_column: str | None = None
    """None: the texts have no labels."""
    label_map: dict[str, str] = Field(default_factory=dict)
    """The source's label -> a label; those that are not here stand for themselves."""
    unknown_labels: Literal["error", "drop"] = "error"
    """A label that is neither here, nor the experiment's, nor of ``taxonomy``; an empty one is always unknown."""
    taxonomy: str | None = None
    """The label set that its labels are of, by name; None: that of any. With it, another set changes nothing here."""
    label_separator: str | None = None
    """Between the labels of a row that may have several; None: a row has one label, whatever is in it."""
    label_names: tuple[str, ...] | None = None
    """For files that number their labels: the name of label 0, 1, and so on."""
    several_labels: Literal["drop", "first", "agree"] = "drop"
    """A row with several labels: drop it; take the first; keep it only if ``label_map`` makes all of them the same."""
    cleaning: tuple[CleaningStep, ...] | None = None
    """Steps for this source alone, instead of the shared ones."""
    other_label_column: str | None = None
    """Without labels: the source's label of another kind, which is kept beside the text and never trained on."""
    empty_column: str | None = None
    """Without labels: only rows in which this column is empty, of a table where some have a label."""
    group_column: str | None = None
    """Rows with the same value belong together (parts of a post); None: near-duplicates do, or pieces of a file."""
    drop_address: bool = False
    """``text``: leave a short first line out that begins with "To"."""
    pieces: Literal["whole", "sentences"] = "whole"
    """``sentences``: cut texts into pieces of whole sentences, of ``min_words`` to ``max_words``."""
    min_words: Positive = 1
    """Shorter texts are dropped."""
    max_words: Positive | None = None
    """Longer texts are dropped, or cut where ``pieces`` are sentences."""
    unwanted: dict[str, str] = Field(default_factory=dict)
    """Reason -> pattern (a regular expression): texts that have it in them are dropped."""

    @property
    def files(self) -> tuple[str, ...]:
        """Paths or patterns of the rows that have no split yet."""
        return (self.file,) if isinstance(self.file, str) else self.file

    @property
    def all_files(self) -> tuple[str, ...]:
        """The same, and the files of the rows that have one."""
        return (*self.files, *filter(None, (self.validation_file, self.test_file)))

    def format_of(self, path: PurePath | str) -> Format:
        """Return the format of one of its files.

        Raises:
            ValueError: if neither the source nor the file's ending says it.
        """
        if self.format is not None:
            return self.format
        ending = PurePath(path).suffix.lower()
        if ending == ".txt":
            return "text" if self.text_column is None else "csv"
        if ending not in FORMATS:
            formats = ", ".join(dict.fromkeys(FORMATS.values()))
            old = "; of old Excel: save it as .xlsx" if ending == ".xls" else ""
            raise ValueError(f"{path}: the ending says no format; give `format` ({formats}, text){old}")
        return FORMATS[ending]

    _named_once = field_validator("column_names", "label_names", "cleaning")(each_once)

    @field_validator("file", "validation_file", "test_file")
    @classmethod
    def _lie_below_the_root(cls, value: Any) -> Any:
        paths = [value] if isinstance(value, str) else value or []
        if value == () or any(not path.strip() for path in paths):
            raise ValueError("no file is named, or the name is empty")
        outside = [path for path in paths if ".." in PurePath(path).parts and not PurePath(path).is_absolute()]
        if outside:
            raise ValueError(f"{outside[0]} leaves raw_root; give the absolute path if that file is meant")
        return value

    @field_validator("column_names", "label_names")
    @classmethod
    def _name_something(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        if names == ():
            raise ValueError("the list is empty; leave it out, or name all of them")
        return names

    @field_validator("separator")
    @classmethod
    def _is_one_character(cls, separator: str | None) -> str | None:
        if separator is not None and len(separator) != 1:
            raise ValueError(f"it has to be one character, not {separator!r}")
        if separator in {'"', "\n", "\r"}:
            raise ValueError(f"{separator!r} ends a line or is a quotation mark, and cannot stand between fields")
        return separator

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, encoding: str) -> str:
        try:
            "".encode(encoding)
        except LookupError:
            raise ValueError(f"there is no encoding {encoding!r} of texts; e.g. utf-8, cp1252 or gb18030") from None
        return encoding

    @field_validator("label_map")
    @classmethod
    def _maps_to_labels(cls, label_map: dict[str, str]) -> dict[str, str]:
        if empty := [label for label, target in label_map.items() if not target.strip()]:
            raise ValueError(f"{empty[0]!r} becomes no label; leave it out, and set unknown_labels: drop")
        return label_map

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
    def _fits_its_format(self) -> SourceConfig:
        is_text = {self.format_of(file) == "text" for file in self.files}
        if len(is_text) > 1:
            raise ValueError("some files are tables and some are texts; make two sources of them")
        if not any(is_text) and self.text_column is None:
            raise ValueError("a table needs text_column")
        if any(is_text) and (self.text_column or self.label_column or self.other_label_column or self.group_column):
            raise ValueError(
                "format: text has no columns; leave text_column, label_column, other_label_column and group_column out"
            )
        if not any(is_text) and self.drop_address:
            raise ValueError("drop_address is for format: text")
        return self

    @model_validator(mode="after")
    def _fits_its_columns(self) -> SourceConfig:
        formats = {self.format_of(file) for file in self.files}
        if self.separator is not None and not formats & {"csv", "tsv"}:
            raise ValueError(f"separator is for delimited tables, not for {', '.join(sorted(formats))}")
        if self.sheet is not None and formats != {"xlsx"}:
            raise ValueError(f"sheet is for the format xlsx, not for {', '.join(sorted(formats))}")
        if self.text_column is not None and self.text_column == self.label_column:
            raise ValueError(f"text_column and label_column are both {self.text_column!r}; a text is not its own label")
        columns = [column for column in (self.text_column, self.label_column) if column is not None]
        if missing := [column for column in columns if column not in (self.column_names or columns)]:
            raise ValueError(f"text_column or label_column is {missing[0]!r}; column_names has {self.column_names}")
        if twice := repeated(self.all_files):
            raise ValueError(f"file, validation_file and test_file name {twice[0]} twice; leave one out")
        return self

    @model_validator(mode="after")
    def _fits_its_labels(self) -> SourceConfig:
        if self.label_separator is None and self.several_labels != "drop":
            raise ValueError("several_labels is given, but no label_separator: no row can have several")
        if unnamed := [label for label in self.label_map if label not in (self.label_names or self.label_map)]:
            raise ValueError(f"label_map has {unnamed[0]!r}, which is not in label_names")
        if self.label_separator == "":
            raise ValueError("label_separator is empty; give the character between two labels, or null")
        if self.label_column is not None and (unfit := [name for name in _OF_UNLABELLED if self._differs(name)]):
            raise ValueError(f"{', '.join(unfit)}: for texts without labels; this source has a label_column")
        if self.label_column is None and (self.validation_file or self.test_file):
            raise ValueError("validation_file and test_file are for texts with labels; give label_column")
        return self

    @model_validator(mode="after")
    def _pieces_can_be_cut(self) -> SourceConfig:
        if self.pieces == "sentences" and (self.max_words is None or self.max_words < 2 * self.min_words):
            raise ValueError("pieces: sentences needs max_words of at least twice min_words")
        return self

    def _differs(self, name: str) -> bool:
        return bool(getattr(self, name) != type(self).model_fields[name].get_default(call_default_factory=True))


class SharedSources(Config):
    """The parameter ``ingestion``: all sources that there are, for experiments to name."""

    cleaning: tuple[CleaningStep, ...]
    sources: dict[str, SourceConfig]


class IngestionConfig(Config):
    """The sources that are read, and what is done to their text."""

    cleaning: tuple[CleaningStep, ...]
    sources: Annotated[dict[str, SourceConfig], Field(min_length=1)]
    known_labels: frozenset[str] | None = None
    """Labels that need no entry in a ``label_map``: the experiment's and those of its sources' sets; None: any."""
    max_lost: Share = MAX_LOST
    """Largest share of a source's rows that may be dropped for an unknown label."""

    @model_validator(mode="after")
    def _have_labels(self) -> IngestionConfig:
        bare = [name for name, source in self.sources.items() if source.label_column is None]
        if bare:
            raise ValueError(f"the source {bare[0]} has no label_column; texts without labels go under `unlabelled`")
        return self

    @field_serializer("known_labels")
    def _in_order(self, labels: frozenset[str] | None) -> Any:
        """Sets have another order in every process."""
        return None if labels is None else sorted(labels)


class UnificationConfig(Config):
    """How the sources' labels become one taxonomy."""

    taxonomy: TaxonomyConfig | Literal["from_data"]
    """``from_data``: the labels that the records have, in alphabetical order."""
    outside_taxonomy: Literal["drop", "error"] = "drop"
    """What happens to a row whose label is not in this taxonomy (``relief`` in ``six``)."""
    label_map: dict[str, str] = Field(default_factory=dict)
    """A label, as the sources' own maps leave it -> one of this taxonomy, in this experiment alone."""
    max_lost: Share = MAX_LOST
    """Largest share of the rows that may be dropped for it."""


class NearDuplicateConfig(Config):
    """When two texts count as nearly the same: Jaccard similarity of their character n-grams, found by MinHash."""

    threshold: Annotated[Number, Field(gt=0.0, le=1.0)] = 0.7
    shingle: Positive = 5
    permutations: Annotated[Positive, Field(ge=2)] = 64


Rows = tuple[Positive, Positive]
"""First and last row, counted from 1 as they lie in the file."""


class SplitConfig(Config):
    """How records are divided. Rows that come in a validation or test file of their own stay what they are."""

    strategy: Literal["grouped", "plain", "rows"] = "grouped"
    """``grouped`` keeps near-duplicates in one split; ``plain`` shuffles rows; ``rows`` takes rows of one file."""
    validation: Share = 0.1
    test: Share | Rows = 0.2
    """Share of the groups, or of the rows; for ``rows`` the first and last row of the test rows."""
    train: Rows | None = None
    """``rows``: the first and last row of the train rows."""
    file: Annotated[str, Field(min_length=1)] | None = None
    """``rows``: the file, without its ending, as it stands in ``record_id`` (the source's name if it has one file)."""

    @property
    def test_share(self) -> float:
        """Share of the test rows; 0 where rows are named."""
        return 0.0 if isinstance(self.test, tuple) else self.test

    @model_validator(mode="after")
    def _fits_its_strategy(self) -> SplitConfig:
        if self.strategy == "rows":
            self._check_rows()
        elif isinstance(self.test, tuple) or self.train is not None or self.file is not None:
            raise ValueError(f"rows of a file are for `strategy: rows`; {self.strategy} needs shares alone")
        elif self.validation + self.test >= 1.0:
            raise ValueError("validation and test together must leave something to train on")
        return self

    def _check_rows(self) -> None:
        if self.file is None or self.train is None or not isinstance(self.test, tuple):
            raise ValueError("strategy: rows needs `file`, and the first and last row under `train` and under `test`")
        for name, (first, last) in {"train": self.train, "test": self.test}.items():
            if first > last:
                raise ValueError(f"{name}: the first row, {first}, comes after the last, {last}")
        if self.train[0] <= self.test[1] and self.test[0] <= self.train[1]:
            raise ValueError(f"train {self.train} and test {self.test} share rows")


class SamplingConfig(Config):
    """How many rows of each label are taken, and how they are divided."""

    cap: Positive | None = 800
    """At most so many rows per label and source; None takes all. Rows of a split of their own are all taken."""
    repeats: Literal["keep_one", "keep"] = "keep_one"
    conflicts: Literal["drop", "majority", "first", "keep"] = "drop"
    """A text that stands under several labels: drop all its rows, keep the label of most, keep the first, keep all."""
    near_duplicates: NearDuplicateConfig = NearDuplicateConfig()
    split: SplitConfig = SplitConfig()
    seed: Seed = 0


class UnlabelledConfig(Config):
    """Texts without labels: how many are taken, and which of them models may see."""

    cleaning: tuple[CleaningStep, ...]
    sources: Annotated[dict[str, SourceConfig], Field(min_length=1)]
    """The labels of a source that has some are not read."""
    cap: Positive | None = 300
    """At most so many texts of a source; None takes all."""
    train_share: Share = 0.5
    """Share of the texts that models may learn from; the others are only read."""
    near_duplicates: NearDuplicateConfig = NearDuplicateConfig()
    seed: Seed = 0
