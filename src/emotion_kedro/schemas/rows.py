"""Tables of rows: records, candidates, what arms learn from."""

from __future__ import annotations

from typing import Any

import pandera.pandas as pa
from pandera.typing import Series

from emotion_kedro.config.base import PROBABILITY_PREFIX
from emotion_kedro.storage.chunks import Chunks

PROBABILITIES = f"^{PROBABILITY_PREFIX}.+$"


class Table(pa.DataFrameModel):
    """Base: the columns named are there, in any order, and no others."""

    class Config:
        """Extra columns are an error; dtypes are checked, never changed."""

        strict = True
        coerce = False


class OfRecord(Table):
    """Base: a text with its label. ``record_id`` is ``<source>:<row>`` and leads back to the raw file."""

    record_id: Series[str] = pa.Field(unique=True)
    text: Series[str] = pa.Field(str_length={"min_value": 1})
    label: Series[str]
    source: Series[str]


class Records(OfRecord):
    """Records as they are read.

    A table in chunks is checked chunk by chunk, when it is read. That no record stands in two of them is up to who
    reads the sources.
    """

    split: Series[str] | None = pa.Field(isin=["train", "validation", "test", ""])
    """Where a source comes with a validation or test file of its own: the split its rows belong to; else empty."""

    @classmethod
    def validate(cls, check_obj: Any, *args: Any, **options: Any) -> Any:
        """Return the table, checked; raise as pandera does if it is not as it should be."""
        check = super().validate
        if isinstance(check_obj, Chunks):
            return check_obj.checked(lambda piece: check(piece, *args, **options))
        return check(check_obj, *args, **options)


class SplitRecords(OfRecord):
    """Records with their near-duplicate group and the split they fell into."""

    group: Series[int]
    split: Series[str] = pa.Field(isin=["train", "validation", "test"])

    @pa.dataframe_check(error="a group of near-duplicates stands in two splits")
    def groups_do_not_straddle(cls, table: Any) -> bool:  # noqa: N805
        """No group is in two splits; negative groups (the plain split, ungrouped) are exempt."""
        grouped = table[table["group"] >= 0]
        return bool((grouped.groupby("group")["split"].nunique() <= 1).all())


class UnlabelledTexts(Table):
    """A text without a label of the taxonomy; ``other_label`` is its set's own, or empty. A group never straddles."""

    record_id: Series[str] = pa.Field(unique=True)
    text: Series[str] = pa.Field(str_length={"min_value": 1})
    source: Series[str]
    other_label: Series[str]
    group: Series[str]
    split: Series[str] = pa.Field(isin=["train", "test"])

    @pa.dataframe_check(error="a group of texts stands in two splits")
    def groups_do_not_straddle(cls, table: Any) -> bool:  # noqa: N805
        """No text that is judged belongs with one that a model has seen."""
        return bool((table.groupby(["source", "group"])["split"].nunique() <= 1).all())


class Candidates(Table):
    """What a generator wrote for the train rows of a draw (``size``, ``data_seed``), before any filter."""

    candidate_id: Series[str] = pa.Field(unique=True)
    text: Series[str]
    label: Series[str]
    ended: Series[bool]
    """Whether its writer ended it; otherwise it was stopped at the largest number of tokens."""
    generator: Series[str]
    size: Series[int] = pa.Field(ge=0)
    data_seed: Series[int]


class ScoredCandidates(Candidates):
    """Candidates with what the filters measured in them; an arm decides by these figures what it keeps."""

    words: Series[int]
    repetition: Series[float]
    train_similarity: Series[float] = pa.Field(nullable=True)
    predicted: Series[str]
    """The label that the filter's classifier reads; empty where no arm asks for it."""
    probability: Series[float] = pa.Field(nullable=True)
    """The probability that it gives to the candidate's label."""
    review: Series[str] | None
    """What a person decided about it; empty: nothing. There where an arm's filters name ``reviewed``."""


class Reviews(Table):
    """What a person decided about a text that was written for a label; the filter ``reviewed`` reads it."""

    text: Series[str]
    label: Series[str]
    decision: Series[str] = pa.Field(isin=["accept", "reject", "edit"])
    edited_text: Series[str]
    """What takes the text's place; empty where it was not edited."""
    time: Series[str]
    """ISO 8601, UTC."""

    @pa.dataframe_check(error="a text of a label is decided twice")
    def one_decision_each(cls, table: Any) -> bool:  # noqa: N805
        """The last decision is the only one."""
        return not bool(table.duplicated(["text", "label"]).any())


class Texts(Table):
    """A candidate, what each arm made of it, how the evaluator reads it, and the train text that it is nearest to."""

    candidate_id: Series[str] = pa.Field(unique=True)
    label: Series[str]
    generator: Series[str]
    text: Series[str]
    outcomes: Series[str] = pa.Field(alias="^arm_.+$", regex=True)
    """``kept``, or the reason; empty where the arm does not use the generator."""
    filter_probability: Series[float] = pa.Field(nullable=True, ge=0.0, le=1.0)
    evaluator_label: Series[str]
    evaluator_probability: Series[float] = pa.Field(nullable=True, ge=0.0, le=1.0)
    nearest_train_text: Series[str]
    nearest_train_similarity: Series[float] = pa.Field(nullable=True)


class TrainingRows(Table):
    """Training rows of an arm, for every draw. Rows of phase 1 are trained on after phase 0, at a lower rate."""

    size: Series[int] = pa.Field(ge=0)
    data_seed: Series[int]
    record_id: Series[str]
    text: Series[str] = pa.Field(str_length={"min_value": 1})
    label: Series[str]
    origin: Series[str] = pa.Field(isin=["real", "added"])
    generator: Series[str]
    """Empty for real rows."""
    weight: Series[float] = pa.Field(gt=0.0)
    phase: Series[int] = pa.Field(isin=[0, 1])


class Decisions(Table):
    """Of every candidate that an arm could have added: whether it was kept, and the filter that turned it away."""

    arm: Series[str]
    candidate_id: Series[str]
    size: Series[int] = pa.Field(ge=0)
    data_seed: Series[int]
    kept: Series[bool]
    reason: Series[str]
