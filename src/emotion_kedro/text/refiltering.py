"""Filtering candidates again at another threshold, from the probabilities that stand beside them."""

from __future__ import annotations

import pandas as pd

from emotion_kedro.options import FilterOptions
from emotion_kedro.text.filters import (
    DISAGREES,
    DUPLICATE,
    KEPT,
    SURPLUS,
    UNSURE,
    mark_duplicates,
    mark_pooled_duplicates,
)

JUDGED_AGAIN = (KEPT, SURPLUS, DUPLICATE, DISAGREES, UNSURE)
"""What became of candidates whose text itself passed; those that failed by their text fail at every threshold."""


def filter_again(candidates: pd.DataFrame, options: FilterOptions) -> pd.DataFrame:
    """Return the candidates with ``kept`` and ``reason`` as the filter would give them at ``options.tau``.

    The very rows are kept that would have been, had they been drawn and filtered at that threshold, but for the quota:
    there is none here. A candidate that the classifier read as another label stays out, unless ``tau`` is 0. Candidates
    that were first filtered at 0 do not say how they were read; of those, ``tau`` looks at the probability alone.

    Args:
        candidates: schema :class:`emotion_kedro.schemas.Candidates`, in the order in which they were drawn.
        options: ``tau``, and ``near_duplicate`` and ``shingle`` as they were.
    """
    reason = candidates["reason"].where(~candidates["reason"].isin(JUDGED_AGAIN), KEPT)
    if options.tau > 0:
        unsure = (reason == KEPT) & ~(candidates["probability"] >= options.tau)
        reason = reason.mask(unsure, UNSURE).mask(candidates["reason"] == DISAGREES, DISAGREES)
    judged = candidates.assign(reason=reason)
    parts = [mark_duplicates(table, [], options) for _, table in judged.groupby("label", sort=False)]
    judged = pd.concat(parts).loc[candidates.index]
    return mark_pooled_duplicates(judged.assign(kept=judged["reason"] == KEPT))


def synthetic_part(candidates: pd.DataFrame, real: pd.DataFrame, share: float, seed: int) -> pd.DataFrame:
    """Return kept candidates as records, at most ``share`` times as many of each label as there are real ones.

    They are drawn at random; where fewer were kept, all are taken.

    Returns:
        ``record_id, text, label, source``.
    """
    kept = candidates[candidates["kept"]].sample(frac=1, random_state=seed)
    wanted = (share * real["label"].value_counts()).round()
    place = kept.groupby("label").cumcount()
    taken = kept[place.to_numpy() < wanted.reindex(kept["label"]).fillna(0).to_numpy()].sort_index()
    return pd.DataFrame(
        {
            "record_id": "synthetic:" + taken["candidate_id"],
            "text": taken["text"],
            "label": taken["label"],
            "source": "synthetic",
        }
    ).reset_index(drop=True)
