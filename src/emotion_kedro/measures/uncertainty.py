"""How sure a classifier is of its reading, and which texts it is least sure of.

A classifier is over-sure of the rows that it was fitted on. So each part of the train records is to be read by one
that was fitted on the other parts; near-duplicates lie in the same part, or the classifier would know its texts.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray


def certainty(probabilities: ArrayLike, how: Literal["margin", "entropy"]) -> NDArray[np.float64]:
    """Return how sure each reading is, (texts,); more is surer.

    Args:
        probabilities: (texts, labels), at least two labels.
        how: ``margin``, the likeliest label's probability less that of the next (Scheffer et al. 2001); or
            ``entropy``, with its sign turned, in nats.
    """
    given = np.asarray(probabilities, dtype=np.float64)
    if how == "margin":
        ordered = np.sort(given, axis=1)
        margin: NDArray[np.float64] = ordered[:, -1] - ordered[:, -2]
        return margin
    logarithms = np.log(given, where=given > 0, out=np.zeros_like(given))
    negative_entropy: NDArray[np.float64] = (given * logarithms).sum(axis=1)
    return negative_entropy


def least_certain(labels: pd.Series, sureness: ArrayLike, share: float) -> NDArray[np.bool_]:
    """Return which rows are among the least sure ``share`` of their label, (rows,).

    At least one of every label is; of equally sure rows the earlier ones are taken.
    """
    sure = pd.Series(np.asarray(sureness, dtype=np.float64))
    chosen = np.zeros(len(sure), dtype=np.bool_)
    for rows in labels.reset_index(drop=True).groupby(labels.to_numpy()).groups.values():
        ordered = sure.loc[rows].sort_values(kind="stable").index
        chosen[ordered[: max(1, round(share * len(ordered)))]] = True
    return chosen


def folds_of(groups: pd.Series, folds: int, seed: int) -> NDArray[np.int64]:
    """Return the part, 0 to ``folds`` - 1, of each row; rows of a group (from 0 on) lie in the same one.

    Groups are shuffled, and each goes to the part with the fewest rows so far. Negative groups count as single rows.

    Raises:
        ValueError: if there are fewer groups than parts.
    """
    numbers = groups.to_numpy().copy()
    alone = numbers < 0
    numbers[alone] = numbers.max(initial=0) + 1 + np.arange(alone.sum())
    _, index, sizes = np.unique(numbers, return_inverse=True, return_counts=True)
    if len(sizes) < folds:
        raise ValueError(f"{len(sizes)} groups of rows cannot be put into {folds} parts")
    part = np.zeros(len(sizes), dtype=np.int64)
    filled = np.zeros(folds, dtype=np.int64)
    for group in np.random.default_rng(seed).permutation(len(sizes)):
        part[group] = filled.argmin()
        filled[part[group]] += sizes[group]
    found: NDArray[np.int64] = part[index]
    return found
