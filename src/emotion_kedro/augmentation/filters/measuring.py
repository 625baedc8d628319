"""What the filters measure in candidates, once for all arms."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

from emotion_kedro.config.filters import NovelFilter
from emotion_kedro.data.near_duplicates import NearIndex
from emotion_kedro.metrics.diversity import repetition, words


def score_candidates(
    candidates: pd.DataFrame,
    train_texts: Sequence[str],
    *,
    shingle: int = NovelFilter().shingle,
    labels: Sequence[str] = (),
    read: Callable[[list[str]], np.ndarray] | None = None,
    unfiltered: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the candidates of one draw with what the filters measure in them (schema ``ScoredCandidates``).

    Args:
        candidates: with ``text``, ``label`` and ``generator``.
        train_texts: all train texts of the draw.
        shingle: characters of an n-gram, for the similarity with train texts.
        labels: of the taxonomy, in the order of the classifier's columns.
        read: texts -> probabilities (texts, labels), from a classifier trained on real train rows alone; None where no
            arm asks for it.
        unfiltered: generators whose texts are right by their making. They have no similarity and no probability, and
            no filter looks at them.
    """
    texts = candidates["text"].astype("str").reset_index(drop=True)
    measured = ~candidates["generator"].isin(list(unfiltered)).to_numpy()
    similarity = np.full(len(texts), np.nan)
    similarity[measured] = _similarity(texts[measured], train_texts, shingle)
    predicted = np.full(len(texts), "", dtype=object)
    probability = np.full(len(texts), np.nan)
    if read is not None and measured.any():
        probabilities = read(texts[measured].tolist())
        columns = pd.Categorical(candidates["label"][measured], categories=list(labels)).codes
        predicted[measured] = np.array(labels, dtype=object)[probabilities.argmax(axis=1)]
        probability[measured] = probabilities[np.arange(len(columns)), columns]
    return candidates.assign(
        words=np.array([len(words(text)) for text in texts], dtype=np.int64),
        repetition=np.array([repetition(text) for text in texts], dtype=np.float64),
        train_similarity=similarity,
        predicted=pd.Series(predicted, index=candidates.index, dtype="str"),
        probability=probability,
    )


def _similarity(texts: pd.Series, train_texts: Sequence[str], shingle: int) -> np.ndarray:
    if texts.empty or not len(train_texts):
        return np.zeros(len(texts))
    index = NearIndex(pd.Series(list(train_texts), dtype="str"), shingle=shingle)
    texts = texts.reset_index(drop=True)
    # A candidate is short: a piece of a longer train text is a copy too, though the two share little in all.
    return np.asarray(np.maximum(index.similarity(texts), index.containment(texts)), dtype=np.float64)
