"""Texts with chosen words hidden, or with nothing but them. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

Way = Literal["masked", "alone"]
WAYS: tuple[Way, ...] = ("masked", "alone")
RANDOM = "random"
ALL_WORDS = "all words"


@dataclass(frozen=True)
class Version:
    """What was done to a text: ``words`` words that ``chooser`` picked are masked, or stand alone."""

    chooser: str
    way: Way
    words: int

    @property
    def name(self) -> str:
        """The version as the column ``arm`` of a table of predictions names it: ``attribution/masked/3``."""
        return f"{self.chooser}/{self.way}/{self.words}"

    @classmethod
    def parse(cls, name: str) -> Version:
        """Return the version of that name."""
        chooser, way, words = name.split("/")
        return cls(chooser, "masked" if way == "masked" else "alone", int(words))


def top_places(scores: Sequence[float] | NDArray[np.float64], words: int) -> list[int]:
    """Return the places of the highest scores, at most ``words``, in the order of the text.

    Of equal scores the first in the text wins.
    """
    order = np.argsort(-np.asarray(scores, dtype=np.float64), kind="stable")
    return sorted(int(place) for place in order[:words])


def mask_words(text: str, spans: Sequence[tuple[int, int]], places: Sequence[int], mask: str) -> str:
    """Return the text with ``mask`` instead of each word at one of ``places``; all else stays, character by character.

    Args:
        text: the text.
        spans: start and end of each word, in order.
        places: numbers of words.
        mask: the tokenizer's mask token; one stands for a word of any number of pieces.
    """
    pieces, end = [], 0
    for place in sorted(places):
        start, stop = spans[place]
        pieces += [text[end:start], mask]
        end = stop
    return "".join([*pieces, text[end:]])


def keep_words(text: str, spans: Sequence[tuple[int, int]], places: Sequence[int]) -> str:
    """Return the words at ``places`` alone, in order, with a space between."""
    return " ".join(text[slice(*spans[place])] for place in sorted(places))


def versions_of(
    text: str,
    spans: Sequence[tuple[int, int]],
    scores: Mapping[str, Sequence[float]],
    *,
    word_counts: Sequence[int],
    draws: int,
    mask: str,
    seed: Sequence[int],
) -> pd.DataFrame:
    """Return the text as it is and in every version, columns ``arm``, ``seed`` and ``text``.

    Args:
        text: the text.
        spans: start and end of each word, in order.
        scores: chooser -> a score for each word; the highest are chosen.
        word_counts: how many words are chosen.
        draws: random choices beside these, numbered by ``seed``; a draw of few words is part of that of more.
        mask: what stands for a masked word.
        seed: of the draws; another one for each text.
    """
    rows = [(ALL_WORDS, 0, text)]
    random = {draw: np.random.default_rng([*seed, draw]).permutation(len(spans)) for draw in range(draws)}
    ranked = [(chooser, 0, np.asarray(own)) for chooser, own in scores.items()]
    ranked += [(RANDOM, draw, -order.astype(np.float64)) for draw, order in random.items()]
    for chooser, draw, own in ranked:
        for words in word_counts:
            places = top_places(own, words)
            rows.append((Version(chooser, "masked", words).name, draw, mask_words(text, spans, places, mask)))
            rows.append((Version(chooser, "alone", words).name, draw, keep_words(text, spans, places)))
    return pd.DataFrame(rows, columns=["arm", "seed", "text"]).astype({"arm": "str", "text": "str"})
