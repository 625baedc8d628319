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
from emotion_kedro.metrics.diversity import words

COPIED_WORDS = 8
"""A shared run of so many words is no accident in texts of a sentence or two."""
ROWS_AT_ONCE = 1024


def exact_copies(texts: Sequence[str], references: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each text equals some reference once both are as `near_duplicates.normalise` leaves them: (n,).

    A blank text is not a copy: it is empty, which is another fault.
    """
    known = set(_normal(references)) - {""}
    return np.array([text in known for text in _normal(texts)], dtype=np.bool_)


def _normal(texts: Sequence[str]) -> list[str]:
    return normalise(pd.Series(list(texts), dtype="str")).tolist()


def longest_shared_ngram(texts: Sequence[str], references: Sequence[str]) -> NDArray[np.int64]:
    """Length in words of each text's longest word n-gram that stands in some reference: (n,), 0 for none.

    Words are those of `diversity.words`. Where this nears the length of the text, the generator recites.
    """
    word, owner, left = _word_stream([*texts, *references])
    longest = np.zeros(len(texts), dtype=np.int64)
    place = np.arange(len(word))  # where the n-grams still in play start
    gram = np.zeros(len(word), dtype=np.int64)  # the number of the n-gram that starts there
    span = int(word.max(initial=0)) + 1
    for length in range(1, int(left.max(initial=0)) + 1):
        fits = left[place] >= length
        place, gram = place[fits], gram[fits]
        # An n-gram is the shorter one that starts at the same place and one more word: no need to spell it.
        gram = np.unique(gram * span + word[place + length - 1], return_inverse=True)[1]
        in_text = owner[place] < len(texts)
        # Whatever is not on both sides cannot grow into something that is.
        shared = np.isin(gram, np.intersect1d(gram[in_text], gram[~in_text]))
        longest[owner[place[shared & in_text]]] = length
        place, gram = place[shared], gram[shared]
        if not len(place):
            break
    return longest


def copied(texts: Sequence[str], references: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each text equals a reference or shares a run of :data:`COPIED_WORDS` words with one, (n,)."""
    return exact_copies(texts, references) | (longest_shared_ngram(texts, references) >= COPIED_WORDS)


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


def _word_stream(texts: Sequence[str]) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """All texts' words in a row, as three arrays: a word's number, its text's, the words left in the text."""
    tokens = [words(text) for text in texts]
    number: dict[str, int] = {}
    stream = [number.setdefault(token, len(number)) for line in tokens for token in line]
    word = np.array(stream, dtype=np.int64)
    lengths = np.array([len(line) for line in tokens], dtype=np.int64)
    owner = np.repeat(np.arange(len(tokens)), lengths)
    left = np.repeat(np.cumsum(lengths), lengths) - np.arange(len(word))
    return word, owner, left
