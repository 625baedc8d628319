"""The filters of an arm, one after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from emotion_kedro.augmentation.filters.reasons import DUPLICATE, KEPT, PASSED, SURPLUS, FilterContext
from emotion_kedro.config.filters import FILTERS


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
        candidates = scored[filtered & (reasons == KEPT)]
        if candidates.empty:
            continue
        refused = FILTERS[configs[name].kind].load()(candidates, configs[name], context)
        reasons = reasons.mask(reasons.index.isin(refused.index[refused != PASSED]), refused.reindex(reasons.index))
    if any(configs[name].kind == "novel" for name in names):
        reasons = reasons.mask(_of_several_labels(scored, filtered & (reasons == KEPT)), DUPLICATE)
    if quota is not None:
        is_kept = reasons == KEPT
        place = is_kept.groupby([scored["generator"], scored["label"]]).cumsum()
        reasons = reasons.mask(is_kept & (place > quota), SURPLUS)
    return pd.DataFrame({"kept": reasons == KEPT, "reason": reasons})


def _of_several_labels(candidates: pd.DataFrame, passed: pd.Series) -> pd.Series:
    texts = candidates["text"].str.lower()
    labels = candidates[passed].groupby(texts[passed])["label"].nunique()
    return passed & (texts.map(labels).fillna(0) > 1)
