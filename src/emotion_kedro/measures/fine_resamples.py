"""Many resamples of the accuracy of many cells at once: for p-values that are to bear a correction for their number."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from emotion_kedro.measures.intervals import clusters_of, drawn_weights, picked_runs

Key = TypeVar("Key")


def accuracy_means(
    correct: Mapping[Key, NDArray[np.bool_]],
    data_seeds: Mapping[Key, ArrayLike],
    *,
    groups: ArrayLike | None = None,
    samples: int,
    seed: int,
) -> dict[Key, NDArray[np.float64]]:
    """Return each cell's mean accuracy over its runs on each resample of rows, data seeds and runs, (samples,).

    The resamples are those of :func:`emotion_kedro.measures.intervals.score_runs` and ``mean_over_seeds``, of which
    the first are the same; here they are drawn once for all cells. Differences of cells with the same seeds are paired.

    Args:
        correct: which rows each run has right, (S, rows); the same rows in every cell.
        data_seeds: the data seed of each run, (S,).
        groups: the group of each row, (rows,); whole groups are drawn. None: rows are.
        samples: resamples.
        seed: of the bootstrap.
    """
    if not correct:
        return {}
    rows = next(iter(correct.values())).shape[1]
    member = clusters_of(groups, rows)
    sizes = np.bincount(member).astype(np.float64)
    table = np.stack([np.bincount(member, weights=run) for runs in correct.values() for run in runs], axis=1)
    ends = np.cumsum([len(runs) for runs in correct.values()])
    picks = {seeds: picked_runs(samples, len(seeds), seed, seeds) for seeds in set(map(_key, data_seeds.values()))}
    means: dict[Key, list[NDArray[np.float64]]] = {key: [] for key in correct}
    start = 0
    for weights in drawn_weights(len(sizes), samples, seed):
        accuracies = (weights @ table) / (weights @ sizes)[:, np.newaxis]
        for (key, runs), end in zip(correct.items(), ends, strict=True):
            picked = picks[_key(data_seeds[key])][start : start + len(weights)]
            own = accuracies[:, end - len(runs) : end]
            means[key].append(np.take_along_axis(own, picked, axis=1).mean(axis=1))
        start += len(weights)
    return {key: np.concatenate(parts) for key, parts in means.items()}


def _key(seeds: ArrayLike) -> tuple[int, ...]:
    return tuple(np.asarray(seeds).tolist())
