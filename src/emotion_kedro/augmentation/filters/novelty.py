"""The filter of copies and duplicates."""

from __future__ import annotations

import numpy as np
import pandas as pd

from emotion_kedro.augmentation.filters.reasons import COPY, DUPLICATE, NEAR_COPY, PASSED, FilterContext
from emotion_kedro.config.filters import NovelFilter
from emotion_kedro.data.near_duplicates import shingles
from emotion_kedro.metrics.novelty import exact_copies


def novel(candidates: pd.DataFrame, config: NovelFilter, context: FilterContext) -> pd.Series:
    """Refuse copies and near-copies of train texts, and what (nearly) repeats an earlier candidate of its label.

    Duplicates are looked for among those of one generator and label: which of two labels were right, nobody could say.
    """
    copies = exact_copies(candidates["text"].tolist(), context.train_texts)
    near = (candidates["train_similarity"] >= config.near_copy).to_numpy()
    reasons = pd.Series(np.select([copies, near], [COPY, NEAR_COPY], PASSED), index=candidates.index, dtype="str")
    left = candidates[reasons == PASSED]
    for _, group in left.groupby(["generator", "label"], sort=False):
        reasons[group.index[_repeats(group["text"], config)]] = DUPLICATE
    return reasons


def _repeats(texts: pd.Series, config: NovelFilter) -> np.ndarray:
    """Return which texts (nearly) repeat one above them that is no repeat itself: (texts,) of bool."""
    seen: list[set[str]] = []
    repeats = np.zeros(len(texts), dtype=bool)
    for place, text in enumerate(texts):
        pieces = shingles(text, config.shingle)
        repeats[place] = any(_jaccard(pieces, other) >= config.near_duplicate for other in seen)
        if not repeats[place]:
            seen.append(pieces)
    return repeats


def _jaccard(first: set[str], second: set[str]) -> float:
    union = len(first | second)
    return len(first & second) / union if union else 1.0
