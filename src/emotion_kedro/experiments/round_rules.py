"""What the rounds go by: how sure a classifier is of its reading, which round is best, and when another brings nothing.

A classifier is over-sure of the rows that it was fitted on: each part of the train rows is to be read by one that was
fitted on the other parts.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


def margins(probabilities: ArrayLike) -> NDArray[np.float64]:
    """Return how far each reading's likeliest label is ahead of the next, (texts,) (Scheffer et al. 2001).

    Args:
        probabilities: (texts, labels), at least two labels.
    """
    ordered = np.sort(np.asarray(probabilities, dtype=np.float64), axis=1)
    return np.asarray(ordered[:, -1] - ordered[:, -2])


def least_certain(labels: pd.Series, sureness: ArrayLike, share: float) -> NDArray[np.bool_]:
    """Return which rows are among the least sure ``share`` of their label, (rows,).

    At least one of every label is; of equally sure rows the earlier ones are taken.
    """
    sure = pd.Series(np.asarray(sureness, dtype=np.float64))
    groups = sure.groupby(labels.to_numpy())
    place = groups.rank(method="first") - 1
    quota = groups.transform("size").map(lambda rows: max(1, round(share * rows)))
    return np.asarray(place < quota)


def best_round(scores: Sequence[float], min_gain: float) -> int:
    """Return the best round: a later one takes the place of an earlier one if it gains more than ``min_gain`` on it.

    Raises:
        ValueError: if there are no rounds.
    """
    if not scores:
        raise ValueError("there are no rounds to choose from")
    best = 0
    for number, score in enumerate(scores):
        if score - scores[best] > min_gain:
            best = number
    return best


def has_stalled(scores: Sequence[float], *, min_gain: float, patience: int) -> bool:
    """Whether the last ``patience`` rounds brought no better one."""
    return len(scores) - 1 - best_round(scores, min_gain) >= patience


def fidelity(candidates: pd.DataFrame) -> dict[str, float]:
    """Return the share of the candidates, and of those kept, in which round 0 reads their label."""
    if "read_as" not in candidates or candidates.empty:
        return {"fidelity": np.nan, "fidelity_kept": np.nan}
    right = candidates["read_as"] == candidates["label"]
    return {"fidelity": float(right.mean()), "fidelity_kept": float(right[candidates["kept"]].mean())}
