"""Words that are typical of a label, found by counting in the train texts. No torch."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from emotion_kedro.config.base import HAN

if TYPE_CHECKING:
    import pandas as pd

    from emotion_kedro.config.models import LexiconConfig

PRIOR_WORDS = 500
"""Weight of the prior, in words: the prior has the proportions of all texts together and this total (Monroe's own)."""
CUE_WORDS = 20
"""Words of a label that count as its cue words."""
CUE_COUNT = 3
"""Texts, at least, that a cue word stands in."""

_WORD = re.compile(rf"[{HAN}]|[^\W\d_{HAN}]+(?:['’][^\W\d_{HAN}]+)*")


def word_spans(text: str) -> list[tuple[int, int]]:
    """Return start and end of each word: a run of letters, apostrophes within it included (``don't`` is one).

    Each Chinese character is a word, as for :func:`emotion_kedro.metrics.diversity.words`.
    """
    return [match.span() for match in _WORD.finditer(text)]


def words_of(text: str) -> list[str]:
    """Return the words of a text in order, in lower case, as a lexicon holds them."""
    return [normal_word(text[start:end]) for start, end in word_spans(text)]


def normal_word(word: str) -> str:
    """Return a word in lower case, with a straight apostrophe."""
    return word.lower().replace("’", "'")


def log_odds(texts: Sequence[str], labels: Sequence[str], *, least_count: int = 1) -> pd.DataFrame:
    """Compare how often each word stands in the texts of a label and in all others.

    The measure is the log-odds ratio with an informative Dirichlet prior, as a z-score (Monroe, Colaresi and Quinn
    2008, "Fightin' Words", Political Analysis 16, equations 16 and 22). The prior pulls rare words towards the
    proportions of the whole, so that a word does not become typical by standing in one text.

    Returns:
        A row for each word and label, by label and then word: ``label``, ``word``, ``count`` (in that label's texts),
        ``texts`` (of all labels, that have the word), ``log_odds`` (nats) and ``z``.
    """
    import pandas as pd

    counts, texts_with = _count(texts, labels)
    names, words = sorted(counts), sorted(texts_with)
    table = np.array([[counts[name][word] for word in words] for name in names], dtype=np.float64)
    table = table.reshape(len(names), len(words))
    delta, z = _compare(table)
    rows = pd.DataFrame(
        {
            "label": pd.Series(np.repeat(names, len(words)), dtype="str"),
            "word": pd.Series(words * len(names), dtype="str"),
            "count": table.ravel().astype(np.int64),
            "texts": np.tile([texts_with[word] for word in words], len(names)).astype(np.int64),
            "log_odds": delta.ravel(),
            "z": z.ravel(),
        }
    )
    return rows[rows["texts"] >= least_count].reset_index(drop=True)


def _count(texts: Sequence[str], labels: Sequence[str]) -> tuple[dict[str, Counter[str]], Counter[str]]:
    counts: dict[str, Counter[str]] = {label: Counter() for label in labels}
    texts_with: Counter[str] = Counter()
    for text, label in zip(texts, labels, strict=True):
        words = words_of(text)
        counts[label].update(words)
        texts_with.update(set(words))
    return counts, texts_with


def _compare(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return log-odds ratios and z-scores, each (labels, words), of counts (labels, words)."""
    whole = counts.sum(axis=0)
    prior = PRIOR_WORDS * whole / max(whole.sum(), 1.0)

    def smoothed(part: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        counted = part + prior
        # Beside the only word of a vocabulary nothing is left over.
        rest = np.maximum(part.sum(axis=1, keepdims=True) + PRIOR_WORDS - counted, 1e-9)
        return counted, np.log(counted / rest)

    (here, log_odds_here), (there, log_odds_there) = smoothed(counts), smoothed(whole - counts)
    delta = log_odds_here - log_odds_there
    return delta, delta / np.sqrt(1 / here + 1 / there)


def mine_lexicon(texts: Sequence[str], labels: Sequence[str], *, per_label: int, least_count: int) -> pd.DataFrame:
    """Return the words most typical of each label, by :func:`log_odds`: its rows, highest z first within each label.

    Words with a z of 0 or less are typical of no label and never taken. Equal ones go by the alphabet.
    """
    rows = log_odds(texts, labels, least_count=least_count)
    typical = rows[rows["z"] > 0].sort_values(["label", "z", "word"], ascending=[True, False, True], kind="stable")
    return typical.groupby("label", sort=False).head(per_label).reset_index(drop=True)


def cue_words(texts: Sequence[str], labels: Sequence[str], *, per_label: int = CUE_WORDS) -> dict[str, frozenset[str]]:
    """Return the words that give a label away, by label: the most typical of its texts that stand in three at least."""
    lexicon = mine_lexicon(texts, labels, per_label=per_label, least_count=CUE_COUNT)
    return {str(label): frozenset(rows["word"]) for label, rows in lexicon.groupby("label")}


def has_cue_word(texts: Sequence[str], labels: Sequence[str], cues: Mapping[str, frozenset[str]]) -> list[bool]:
    """Return which texts have a cue word of their label in them."""
    pairs = zip(texts, labels, strict=True)
    return [not cues.get(label, frozenset()).isdisjoint(words_of(text)) for text, label in pairs]


def lexicon_words(rows: pd.DataFrame, labels: Sequence[str], lexicon: LexiconConfig) -> tuple[str, ...]:
    """Return the words that a tokenizer is to keep whole: the labels, those listed, or those mined in the real rows."""
    words: Iterable[str] = labels if lexicon.words == "labels" else lexicon.listed
    if lexicon.words == "mined":
        real = rows[rows["origin"] == "real"]
        mined = mine_lexicon(
            real["text"].tolist(),
            real["label"].tolist(),
            per_label=lexicon.per_label,
            least_count=lexicon.least_count,
        )
        words = mined["word"].tolist()
    return tuple(dict.fromkeys(normal_word(word) for word in words))
