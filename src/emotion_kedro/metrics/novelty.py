"""Whether synthetic texts are new, or copies of the texts that their generator was trained on.

`texts` (n of them) are looked up in `references` (m of them). Where there are no references, nothing is a
copy.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion_kedro.data.near_duplicates import normalise
from emotion_kedro.metrics.diversity import ngrams, words

COPIED_WORDS = 8
"""A shared run of so many words is no accident in texts of a sentence or two."""
ROWS_AT_ONCE = 1024


def exact_copies(texts: Sequence[str], references: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each text equals some reference once both are as `near_duplicates.normalise` leaves them: (n,).

    A blank text is not a copy: it is empty, which is another fault.
    """
    originals = set(_normal(references)) - {""}
    return np.array([text in originals for text in _normal(texts)], dtype=np.bool_)


def _normal(texts: Sequence[str]) -> list[str]:
    return normalise(pd.Series(list(texts), dtype="str")).tolist()


def copied(texts: Sequence[str], references: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each text equals a reference or shares a run of :data:`COPIED_WORDS` words with one, (n,)."""
    reference_runs = {run for reference in references for run in ngrams(words(reference), COPIED_WORDS)}
    shared = [not reference_runs.isdisjoint(ngrams(words(text), COPIED_WORDS)) for text in texts]
    return exact_copies(texts, references) | np.array(shared, dtype=np.bool_)


def nearest(
    vectors: NDArray[np.float32], references: NDArray[np.float32]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the place of the most similar reference of each row, and its cosine similarity, (n,) both.

    Args:
        vectors: rows of length 1, (n, width).
        references: rows of length 1, (m, width), at least one.
    """
    places, similarities = np.empty(len(vectors), dtype=np.int64), np.empty(len(vectors), dtype=np.float64)
    for start in range(0, len(vectors), ROWS_AT_ONCE):
        part = slice(start, start + ROWS_AT_ONCE)
        products = vectors[part] @ references.T
        places[part] = products.argmax(axis=1)
        similarities[part] = products.max(axis=1)
    return places, np.clip(similarities, -1.0, 1.0)
