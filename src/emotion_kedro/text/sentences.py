"""Cutting long texts into pieces of whole sentences that are as long as what a classifier reads."""

from __future__ import annotations

import itertools
import re

# The end of a sentence: its mark, closing quotation marks, and a capital or an opening mark behind the space.
_END = re.compile(r"(?:[.!?…]+[\"'”’)\]]*)(?=\s+[\"'“‘(\[…]*[^\W\d_a-z])")
_ABBREVIATION = re.compile(r"(?:^|[\s(\"'“‘])(?:Mr|Mrs|Ms|Dr|St|Prof|Mme|Mlle|No|[A-Z])\.$")


def sentences_of(text: str) -> list[str]:
    """Return the sentences of a text whose white space is single spaces; the last may lack its mark.

    A full stop ends one where a capital follows, unless it stands behind a title (``Mr.``) or a single letter.
    """
    sentences, start = [], 0
    for end in _END.finditer(text):
        if _ABBREVIATION.search(text[start : end.end()]):
            continue
        sentences.append(text[start : end.end()].strip())
        start = end.end()
    rest = text[start:].strip()
    return [*sentences, rest] if rest else sentences


def pieces_of(text: str, *, min_words: int, max_words: int) -> list[str]:
    """Cut a text into pieces of at most ``max_words``, of whole sentences as far as they allow it.

    Short sentences are put together until a piece has ``min_words``; a sentence longer than ``max_words`` is cut into
    parts of about the same length. A last piece that is too short joins the one before if it fits; else it stays, too
    short, for the caller to count.
    """
    pieces: list[list[str]] = []
    for sentence in sentences_of(text):
        for words in _cut(sentence.split(), max_words):
            if pieces and len(pieces[-1]) < min_words and len(pieces[-1]) + len(words) <= max_words:
                pieces[-1].extend(words)
            else:
                pieces.append(words)
    if len(pieces) > 1 and len(pieces[-1]) < min_words and len(pieces[-2]) + len(pieces[-1]) <= max_words:
        last = pieces.pop()
        pieces[-1].extend(last)
    return [" ".join(words) for words in pieces]


def _cut(words: list[str], longest: int) -> list[list[str]]:
    parts = -(-len(words) // longest)
    bounds = [len(words) * part // parts for part in range(parts + 1)] if parts else [0]
    return [words[start:end] for start, end in itertools.pairwise(bounds)]
