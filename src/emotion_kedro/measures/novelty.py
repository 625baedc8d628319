"""Whether synthetic texts are new, or copies of the texts that their generator was trained on.

`texts` (n of them) are looked up in `references` (m of them). Where there are no references, nothing is a
copy.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer

from .diversity import APOSTROPHES, HAN, words

CHARACTER_NGRAMS = (3, 5)
ROWS_AT_ONCE = 256  # texts compared with all references at once: bounds the memory of the product


def normalised(text: str) -> str:
    """The text in NFKC and lower case, without punctuation, with single spaces; emoji and other symbols
    stay.

    Apostrophes vanish (`don't` and `dont` are one), other punctuation parts words, and spaces between
    Chinese characters are dropped, as they carry no meaning there.
    """
    plain = re.sub(f"[{APOSTROPHES}]", "", unicodedata.normalize("NFKC", text).lower())
    parted = "".join(" " if unicodedata.category(sign).startswith("P") else sign for sign in plain)
    return re.sub(f"(?<=[{HAN}]) (?=[{HAN}])", "", " ".join(parted.split()))


def exact_copies(texts: Sequence[str], references: Sequence[str]) -> NDArray[np.bool_]:
    """Whether each text equals some reference once both are `normalised`: (n,).

    A text of which nothing is left is not a copy: it is empty, which is another fault.
    """
    known = {normalised(reference) for reference in references} - {""}
    return np.array([normalised(text) in known for text in texts], dtype=np.bool_)


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


def nearest_similarity(texts: Sequence[str], references: Sequence[str]) -> NDArray[np.float64]:
    """Highest cosine similarity of each text with any reference: (n,), in 0..1.

    Vectors are TF-IDF of the character 3- to 5-grams of the `normalised` text. Document frequencies come
    from the references alone, and n-grams that no reference has count too, so a text's figure does not
    depend on which other texts it is measured with. 1 is a copy, 0 a text without a common n-gram.
    """
    # Spaces at both ends give the first and last letters n-grams of their own, and one-letter texts some.
    padded = [f" {normalised(text)} " for text in [*texts, *references]]
    nearest = np.zeros(len(texts))
    if not any(text.strip() for text in padded) or not len(texts) or not len(references):
        return nearest
    counter = CountVectorizer(analyzer="char", ngram_range=CHARACTER_NGRAMS, dtype=np.float64)
    counts = counter.fit_transform(padded)
    weighting = TfidfTransformer().fit(counts[len(texts) :])
    rows = weighting.transform(counts[: len(texts)])
    columns = weighting.transform(counts[len(texts) :]).T.tocsr()
    for start in range(0, len(texts), ROWS_AT_ONCE):
        product = rows[start : start + ROWS_AT_ONCE] @ columns
        nearest[start : start + ROWS_AT_ONCE] = product.max(axis=1).toarray().ravel()
    return np.minimum(nearest, 1.0)


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
