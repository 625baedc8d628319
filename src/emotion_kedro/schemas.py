"""The tables that the stages hand on, as pandera models; the catalog checks them when they are saved.

Columns whose names depend on the taxonomy (``p_<label>``) are matched by a pattern.
"""

from __future__ import annotations

from typing import Any

import pandera.pandas as pa
from pandera.typing import Series


class Table(pa.DataFrameModel):
    """Base: the columns named are there, in any order, and no others."""

    class Config:
        """Extra columns are an error; dtypes are checked, never changed."""

        strict = True
        coerce = False


class Records(Table):
    """A text with its label. ``record_id`` is ``<source>:<row>`` and leads back to the raw file."""

    record_id: Series[str] = pa.Field(unique=True)
    text: Series[str] = pa.Field(str_length={"min_value": 1})
    label: Series[str]
    source: Series[str]


class SplitRecords(Records):
    """Records with their near-duplicate group and the side of the split they fell on."""

    group: Series[int]
    split: Series[str] = pa.Field(isin=["train", "validation", "test"])

    @pa.dataframe_check(error="a group of near-duplicates stands on two sides of the split")
    def groups_do_not_straddle(cls, table: Any) -> bool:  # noqa: N805
        """No group is on two sides; negative groups (the plain split, ungrouped) are exempt."""
        grouped = table[table["group"] >= 0]
        return bool((grouped.groupby("group")["split"].nunique() <= 1).all())


class UnlabelledTexts(Table):
    """A text without an emotion label. ``record_id`` leads back to the raw file; a group is a letter, a post, or texts
    that are nearly the same.
    """

    record_id: Series[str] = pa.Field(unique=True)
    text: Series[str] = pa.Field(str_length={"min_value": 1})
    source: Series[str]
    other_label: Series[str]
    group: Series[str]
    part: Series[str] = pa.Field(isin=["widening", "judged"])

    @pa.dataframe_check(error="a group of texts is both in the widening and judged")
    def groups_are_on_one_side(cls, table: Any) -> bool:  # noqa: N805
        """No text that is judged belongs with one that the generators have seen."""
        return bool((table.groupby(["source", "group"])["part"].nunique() <= 1).all())


class Candidates(Table):
    """What a generator wrote, kept or not; ``reason`` is ``kept`` or the check that turned it away."""

    candidate_id: Series[str] = pa.Field(unique=True)
    text: Series[str]
    label: Series[str]
    generator: Series[str]
    seed: Series[int]
    kept: Series[bool]
    reason: Series[str]
    words: Series[int]
    repetition: Series[float]
    train_similarity: Series[float] = pa.Field(nullable=True)
    probability: Series[float] = pa.Field(nullable=True)


class RoundCandidates(Candidates):
    """Candidates of several rounds, and what the classifier of round 0 reads in each."""

    round: Series[int] = pa.Field(ge=1)
    read_as: Series[str]


class Mix(Table):
    """Training rows of an arm. Rows of phase 1 are trained on after all of phase 0, at a lower rate."""

    arm: Series[str]
    record_id: Series[str] = pa.Field(unique=True)
    text: Series[str]
    label: Series[str]
    origin: Series[str] = pa.Field(isin=["real", "synthetic"])
    phase: Series[int] = pa.Field(isin=[0, 1])


class Predictions(pa.DataFrameModel):
    """A probability per label for each record, arm and seed."""

    record_id: Series[str]
    label: Series[str]
    source: Series[str]
    arm: Series[str]
    seed: Series[int]
    probabilities: Series[float] = pa.Field(alias="^p_.+$", regex=True, ge=0.0, le=1.0)

    class Config:
        """Exactly these columns."""

        strict = True


class FreeAnswers(Table):
    """What a causal model answered to a test row, with its whole vocabulary to choose from."""

    record_id: Series[str]
    label: Series[str]
    arm: Series[str]
    answer: Series[str]
    """One token, as it is written."""
    named: Series[str]
    """The label whose word it begins; empty where that is none, or more than one."""
    inside: Series[bool]
    """Whether it begins any label's word."""


class WrittenTexts(Table):
    """What a study's writers wrote for the rows of a size (``n`` per label) and data seed."""

    writer: Series[str]
    n: Series[int] = pa.Field(ge=1)
    data_seed: Series[int]
    text: Series[str] = pa.Field(str_length={"min_value": 1})
    label: Series[str]


class Cells(Table):
    """A cell of a study: an arm, at a size, with a data seed."""

    arm: Series[str]
    n: Series[int] = pa.Field(ge=1)
    data_seed: Series[int]
    train_rows: Series[int] = pa.Field(ge=1)
    added_rows: Series[int] = pa.Field(ge=0)
    penalty: Series[float] = pa.Field(nullable=True)
    """The mean over the initialisation seeds of the penalty that validation rows chose."""
    seconds: Series[float] = pa.Field(nullable=True)


class AddedTexts(Table):
    """What the small cells of a study added, and what a judge that had no part in choosing it reads in it."""

    arm: Series[str]
    n: Series[int] = pa.Field(ge=1)
    data_seed: Series[int]
    text: Series[str] = pa.Field(str_length={"min_value": 1})
    label: Series[str]
    weight: Series[float] = pa.Field(gt=0.0)
    read_as: Series[str]


class CellPredictions(pa.DataFrameModel):
    """A probability per label for each test row, cell and initialisation seed."""

    record_id: Series[str]
    label: Series[str]
    source: Series[str]
    arm: Series[str]
    n: Series[int] = pa.Field(ge=1)
    data_seed: Series[int]
    seed: Series[int]
    probabilities: Series[pa.Float32] = pa.Field(alias="^p_.+$", regex=True, ge=0.0, le=1.0)

    class Config:
        """Exactly these columns."""

        strict = True
