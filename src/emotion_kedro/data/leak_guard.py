"""A guard around the rows that nothing may learn from."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from emotion_kedro.data.near_duplicates import NearIndex, normalise
from emotion_kedro.data.splitting import UNGROUPED

NEAR, SHINGLE = 0.7, 5
"""Jaccard similarity of near-copies, and characters of a shingle."""
HELD, LEAST_SHINGLES = 0.85, 20
"""By this measure 0 to .6 % of real train rows are parts of a test text, or hold one (six sets, split by near-duplicate
groups): too many to stop a run for, few enough to do without such texts where they were generated."""


class LeakError(ValueError):
    """A held-out row stands where something learns from it; the message names the row and the place."""


class LeakGuard:
    """The validation and test rows, and whatever is the same text or of the same near-duplicate group.

    Texts are the same if :func:`emotion_kedro.data.near_duplicates.normalise` makes them so: case, punctuation, white
    space, invisible characters and Unicode look-alikes hide nothing. All that learns from text hands its rows to
    :meth:`assert_disjoint` first. Beside these :meth:`copies` knows texts with a word or a letter changed, pieces of
    texts, and texts joined to others, where they have :data:`LEAST_SHINGLES` shingles or more.
    """

    def __init__(self, heldout: pd.DataFrame) -> None:
        """Take the held-out records (``record_id, text, group``)."""
        self._id_of_text = dict(zip(normalise(heldout["text"]), heldout["record_id"], strict=True))
        groups = heldout[heldout["group"] != UNGROUPED]
        self._id_of_group = dict(zip(groups["group"], groups["record_id"], strict=True))
        self._index = NearIndex(heldout["text"].reset_index(drop=True), shingle=SHINGLE)

    def assert_disjoint(self, rows: pd.DataFrame | Sequence[str], place: str) -> None:
        """Raise a :class:`LeakError` if one of the rows is held out.

        Args:
            rows: real rows with ``text``, and ``group`` (a number) where there is one; or bare texts.
            place: what learns from them, for the message.
        """
        table = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame({"text": pd.Series(list(rows), dtype="str")})
        for text in normalise(table["text"]):
            if text in self._id_of_text:
                raise LeakError(_message(self._id_of_text[text], "its text", place))
        for group in table.get("group", ()):
            if group in self._id_of_group:
                raise LeakError(_message(self._id_of_group[group], "a near-duplicate of it", place))

    def copies(self, texts: Sequence[str]) -> np.ndarray:
        """Return which texts are, or nearly are, a held-out text, a piece of one or hold one: (texts,) of bool.

        Of generated texts that is no fault of the experiment: a pretrained model may have met the text. Such texts are
        thrown away.
        """
        table = pd.Series(list(texts), dtype="str")
        if table.empty:
            return np.zeros(0, dtype=bool)
        return self.same(texts) | self._index.copies(table, near=NEAR, held=HELD, least=LEAST_SHINGLES)

    def same(self, texts: Sequence[str]) -> np.ndarray:
        """Return which texts are, once normalised, a held-out text: (texts,) of bool."""
        return np.array([text in self._id_of_text for text in normalise(pd.Series(list(texts), dtype="str"))], bool)


def _message(record_id: str, what: str, place: str) -> str:
    return (
        f"leak: the held-out record {record_id} ({what}) stands in {place}. Train, validation and test rows have to be "
        "split by near-duplicate groups over all sources before anything else; run the pipeline's sampling stage again"
    )
