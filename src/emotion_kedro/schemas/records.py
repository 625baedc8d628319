"""Tables of records, as they are read and split."""

from __future__ import annotations

from typing import Any

import pandera.pandas as pa
from pandera.typing import Series

from emotion_kedro.schemas.base import Table
from emotion_kedro.storage.chunks import Chunks


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
