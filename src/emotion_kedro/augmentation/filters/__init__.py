"""Whether a candidate is kept, and why not.

Candidates are measured once (:func:`score_candidates`); an arm then applies its filters in its own order
(:func:`apply_filters`), and the first that refuses a candidate gives the reason. Every candidate stays in the table,
with the figures behind the decision, so that thresholds can be judged afterwards. :func:`each_alone` asks every filter.

A filter is a function ``(candidates, parameters, context) -> reasons``: one reason for each candidate, empty where it
passes. It is given the candidates that the filters before it have kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.augmentation.filters.reasons import DUPLICATE, KEPT, PASSED, SURPLUS, FilterContext
from emotion_kedro.config.filters import FILTERS, NovelFilter
from emotion_kedro.data.near_duplicates import NearIndex, normalise
from emotion_kedro.metrics.diversity import repetition, words

BY_A_PERSON = "reviewed"
"""The kind of the filter that follows what a person decided."""


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
            no filter looks at them but :data:`BY_A_PERSON`.
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


def apply_filters(
    scored: pd.DataFrame,
    names: Sequence[str],
    configs: Mapping[str, Any],
    train_rows: pd.DataFrame,
    *,
    quota: int | None = None,
) -> pd.DataFrame:
    """Return ``kept`` and ``reason`` of every candidate that an arm could add, in the order of the candidates.

    After the filters, where one of them is of kind ``novel``, a text that is left under several labels is refused for
    all of them: it is evidence for none. Then the first ``quota`` of each generator and label are kept.

    Args:
        scored: the candidates of one draw, as :func:`score_candidates` returns them.
        names: filters, in the order in which they are applied.
        configs: the parameters of each filter by its name.
        train_rows: ``text, label`` of all train rows of the draw.
        quota: candidates of a generator and label that are kept, at most; None: all.
    """
    reasons = pd.Series(KEPT, index=scored.index, dtype="str")
    filtered = scored["train_similarity"].notna()
    context = FilterContext(train_rows, quota)
    for name in names:
        # What a person rejects is refused whoever wrote it.
        looked_at = filtered | (configs[name].kind == BY_A_PERSON)
        candidates = scored[looked_at & (reasons == KEPT)]
        if candidates.empty:
            continue
        refused = _reasons_of(name, configs[name], candidates, context)
        reasons = reasons.mask(reasons.index.isin(refused.index[refused != PASSED]), refused.reindex(reasons.index))
    if any(configs[name].kind == "novel" for name in names):
        reasons = reasons.mask(_of_several_labels(scored, filtered & (reasons == KEPT)), DUPLICATE)
    if quota is not None:
        is_kept = reasons == KEPT
        place = is_kept.groupby([scored["generator"], scored["label"]]).cumsum()
        reasons = reasons.mask(is_kept & (place > quota), SURPLUS)
    return pd.DataFrame({"kept": reasons == KEPT, "reason": reasons})


def each_alone(
    scored: pd.DataFrame, names: Sequence[str], configs: Mapping[str, Any], train_rows: pd.DataFrame
) -> pd.DataFrame:
    """Return a column for each filter: its reason for each candidate, ``PASSED`` where it has none.

    Each is given all candidates, whatever the others refuse: one that looks for repeats may find a text here to repeat
    one that an arm has refused by then.

    Args:
        scored: the candidates of one draw, as :func:`score_candidates` returns them.
        names: filters.
        configs: the parameters of each filter by its name.
        train_rows: ``text, label`` of all train rows of the draw.
    """
    context, columns = FilterContext(train_rows), {}
    candidates = scored[scored["train_similarity"].notna()]
    for name in names:
        reasons = _reasons_of(name, configs[name], candidates, context) if len(candidates) else candidates["text"]
        columns[name] = reasons.reindex(scored.index, fill_value=PASSED).astype("str")
    return pd.DataFrame(columns, index=scored.index)


def _reasons_of(name: str, config: Any, candidates: pd.DataFrame, context: FilterContext) -> pd.Series:
    """Return what a filter says of candidates, of which there is one at least.

    Raises:
        TypeError: if that is not a text for each of them, which could pass for "all are kept".
    """
    reasons = FILTERS[config.kind].load()(candidates, config, context)
    is_text = isinstance(reasons, pd.Series) and pd.api.types.is_string_dtype(reasons) and reasons.notna().all()
    if not is_text or not reasons.index.equals(candidates.index):
        raise TypeError(
            f"the filter {name} (kind {config.kind}) has to return a Series of texts with the index of the candidates, "
            "empty where one passes"
        )
    return reasons


def _of_several_labels(candidates: pd.DataFrame, passed: pd.Series) -> pd.Series:
    texts = normalise(candidates["text"])
    labels = candidates[passed].groupby(texts[passed])["label"].nunique()
    return passed & (texts.map(labels).fillna(0) > 1)
