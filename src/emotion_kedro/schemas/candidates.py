"""Tables of candidates, of what is decided of them, and of the rows that arms train on."""

from __future__ import annotations

from typing import Any

import pandera.pandas as pa
from pandera.typing import Series

from emotion_kedro.schemas.base import Table


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
    copies_train_text: Series[bool]  # but for a word or a letter, as a piece of one, or by holding one


class TrainingRows(Table):
    """Training rows of an arm, for every draw. Phase -1 comes before phase 0, and 1 after it."""

    size: Series[int] = pa.Field(ge=0)
    data_seed: Series[int]
    record_id: Series[str]
    text: Series[str] = pa.Field(str_length={"min_value": 1})
    label: Series[str]
    origin: Series[str] = pa.Field(isin=["real", "added"])
    generator: Series[str]
    """Empty for real rows."""
    weight: Series[float] = pa.Field(gt=0.0)
    phase: Series[int] = pa.Field(isin=[-1, 0, 1])


class Decisions(Table):
    """Of every candidate that an arm could have added: whether it was kept, and the filter that turned it away."""

    arm: Series[str]
    candidate_id: Series[str]
    size: Series[int] = pa.Field(ge=0)
    data_seed: Series[int]
    kept: Series[bool]
    reason: Series[str]
