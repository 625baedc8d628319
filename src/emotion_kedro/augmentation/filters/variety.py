"""The filter that keeps the most different texts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion_kedro.augmentation.filters.reasons import PASSED, RESEMBLES, TYPICAL, FilterContext
from emotion_kedro.config.filters import DiverseFilter
from emotion_kedro.data.lexicon import cue_words, has_cue_word
from emotion_kedro.metrics.diversity import words


def diverse(candidates: pd.DataFrame, config: DiverseFilter, context: FilterContext) -> pd.Series:
    """Refuse, of each generator and label, what resembles the others most, until no more are left than the quota.

    Texts are taken one after the other, each time the one that is least like all that were taken: the farthest-first
    traversal (Gonzalez 1985, Clustering to minimize the maximum intercluster distance). Two texts are alike by the
    cosine of their TF-IDF weights, in which words, pairs of words and the opening as a whole count alike. Texts with a
    cue word of their label are passed over once they make up the share that they have among its train texts.
    """
    reasons = pd.Series(PASSED, index=candidates.index, dtype="str")
    if context.quota is None:
        return reasons
    rows = context.train_rows
    cues = cue_words(rows["text"].tolist(), rows["label"].tolist(), per_label=config.cue_words) if len(rows) else {}
    for (_, key), group in candidates.groupby(["generator", "label"], sort=False):
        label = str(key)
        texts, train = group["text"].tolist(), rows.loc[rows["label"] == label, "text"].tolist()
        typical: NDArray[np.bool_] = np.array(has_cue_word(texts, [label] * len(texts), cues))
        # With no train text of the label there is no share that they could have.
        share = np.mean(has_cue_word(train, [label] * len(train), cues)) if train else 1.0
        limit = round(share * context.quota)
        chosen = farthest_first(texts, context.quota, opening=config.opening, limited=typical, limit=limit)
        left = np.ones(len(group), dtype=bool)
        left[chosen] = False
        passed_over = left & typical & (typical[chosen].sum() >= limit)
        reasons[group.index[left]] = np.where(passed_over[left], TYPICAL, RESEMBLES)
    return reasons


def farthest_first(
    texts: Sequence[str], count: int, *, opening: int, limited: np.ndarray | None = None, limit: int = 0
) -> list[int]:
    """Return the places of ``count`` texts at most, each the least like those before it; the first text is the first.

    Args:
        texts: to choose from.
        count: texts wanted.
        opening: first words that count as one piece more.
        limited: (texts,) of bool: of these no more than ``limit`` are taken; None: there are none.
        limit: of those.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    limited = np.zeros(len(texts), dtype=bool) if limited is None else limited
    if len(texts) <= count and limited.sum() <= limit:
        return list(range(len(texts)))
    rows = TfidfVectorizer(analyzer=partial(_pieces, opening=opening), sublinear_tf=True).fit_transform(texts)
    chosen: list[int] = []
    likeness = np.full(len(texts), -np.inf)
    while len(chosen) < count:
        if limited[chosen].sum() >= limit:
            likeness[limited] = np.inf
        nearest = int(np.argmin(likeness))
        if likeness[nearest] == np.inf:
            break
        likeness = np.maximum(likeness, (rows @ rows[nearest].T).toarray()[:, 0])
        chosen.append(nearest)
        likeness[chosen] = np.inf
    return chosen


def _pieces(text: str, *, opening: int) -> list[str]:
    """Return the words of a text, its pairs of words, and its opening."""
    tokens = words(text)
    pairs = [f"{first} {second}" for first, second in pairwise(tokens)]
    return [*tokens, *pairs, "^ " + " ".join(tokens[:opening])]
