"""The figures of a study: every cell's scores, and what an arm gains over another at the same number of real rows.

A cell is an arm at `n` real train rows per label; its runs are data seeds (which train rows) times seeds (how a run
starts). All runs of a study are tested on the same rows, and all resamples draw the same rows and seeds in every cell,
so that any two cells may be subtracted.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion_kedro.measures.added_text import SMALL
from emotion_kedro.measures.arms import verdict_of
from emotion_kedro.measures.fine_resamples import accuracy_means
from emotion_kedro.measures.intervals import (
    Interval,
    Metric,
    RunScores,
    difference_p_value,
    interval_of,
    mean_over_seeds,
    score_runs,
)
from emotion_kedro.measures.scores import probabilities
from emotion_kedro.measures.significance import holm, mcnemar

CellKey = tuple[str, int]
RUN = ["data_seed", "seed"]
METRICS: tuple[Metric, ...] = ("accuracy", "macro_f1", "ece")
P_SAMPLES = 20_000
"""Resamples of p-values at least: Holm's correction over many comparisons needs finer ones than an interval."""


@dataclass(frozen=True)
class CellRuns:
    """What the S runs of a cell said of the same test rows, ordered by data seed, seed and record id."""

    truth: NDArray[np.int64]
    """(rows,), class numbers."""
    predicted: NDArray[np.int64]
    """(S, rows), class numbers."""
    runs: tuple[tuple[int, int], ...]
    """(data seed, seed) of each run."""
    records: NDArray[Any]
    """(rows,), record ids."""
    confidence: NDArray[np.float64]
    """(S, rows), the probability of what was predicted."""

    @property
    def data_seeds(self) -> NDArray[np.int64]:
        """The data seed of each run, (S,)."""
        return np.array([data_seed for data_seed, _ in self.runs])


def cell_runs(predictions: pd.DataFrame, labels: Sequence[str]) -> dict[CellKey, CellRuns]:
    """Return the runs of every (arm, n) of a table of predictions.

    Args:
        predictions: ``record_id, label, arm, n, data_seed, seed, p_<label>...``.
        labels: the taxonomy.

    Raises:
        ValueError: for runs that were not tested on the same rows with the same labels.
    """
    found = {}
    for key, table in predictions.groupby(["arm", "n"], sort=False, observed=True):
        arm, n = cast(CellKey, key)
        found[str(arm), int(n)] = _runs_of(f"arm {arm!r} at n={n}", table, labels)
    if not found:
        raise ValueError("the table of predictions is empty; run the study first")
    first = next(iter(found))
    for (arm, n), cell in found.items():
        if not _same_rows(cell, found[first]):
            raise ValueError(
                f"arm {arm!r} at n={n} and arm {first[0]!r} at n={first[1]} were not tested on the same rows; run both "
                "again"
            )
    return found


def _runs_of(name: str, table: pd.DataFrame, labels: Sequence[str]) -> CellRuns:
    table = table.sort_values([*RUN, "record_id"])
    runs = table[RUN].drop_duplicates()
    rows, rest = divmod(len(table), len(runs))
    shape = (len(runs), rows)
    same = not rest and table[[*RUN, "record_id"]].duplicated().sum() == 0
    if same:
        tested = [table[column].to_numpy(dtype=object).reshape(shape) for column in ("record_id", "label")]
        same = all((values == values[0]).all() for values in tested)
    if not same:
        raise ValueError(f"the runs of {name} were not tested on the same rows once each; run it again")
    truth = np.asarray(pd.Categorical(tested[1][0], categories=list(labels)).codes, dtype=np.int64)
    if (truth < 0).any():
        unknown = sorted(set(tested[1][0][truth < 0]))
        raise ValueError(f"{name} was tested on rows of labels {unknown}, which are not in {list(labels)}")
    likely = probabilities(table, labels).reshape(*shape, len(labels))
    return CellRuns(
        truth=truth,
        predicted=likely.argmax(axis=2),
        runs=tuple((int(data_seed), int(seed)) for data_seed, seed in runs.itertuples(index=False)),
        records=tested[0][0],
        confidence=likely.max(axis=2),
    )


def _same_rows(one: CellRuns, other: CellRuns) -> bool:
    return np.array_equal(one.records, other.records) and np.array_equal(one.truth, other.truth)


def measure_study(
    predictions: pd.DataFrame,
    cells: pd.DataFrame,
    labels: Sequence[str],
    *,
    groups: pd.Series | None = None,
    samples: int,
    level: float,
    seed: int,
    bins: int,
    baselines: Sequence[str] = ("real", "template"),
    p_samples: int = P_SAMPLES,
) -> dict[str, Any]:
    """Return ``cells``, the scores of every arm at every n, and ``differences``, its gain over each baseline at that n.

    Intervals come from resamples of the test rows and, on two levels, of the data seeds and their runs. A verdict rests
    on the interval of the difference in accuracy alone, which is stated before looking. ``p`` is the bootstrap's;
    ``p_holm`` is adjusted over all arms and sizes set against the same baseline, those of up to 50 rows per label
    together and the larger together. McNemar's test is made for each run, and adjusted over all runs of all arms at
    that n. ``ece`` of a difference below 0 means better calibrated. An arm or baseline that was not run at an n is
    left out there.

    Args:
        predictions: ``record_id, label, arm, n, data_seed, seed, p_<label>...``, the same test rows in every run.
        cells: ``arm, n, data_seed, train_rows, added_rows``; the order of its arms is kept.
        labels: the taxonomy.
        groups: the near-duplicate group of each ``record_id``; whole groups are resampled. None: rows are.
        samples: bootstrap samples.
        level: of the intervals.
        seed: of the bootstrap.
        bins: of the calibration error.
        baselines: arms that all others are set against.
        p_samples: bootstrap samples of the p-values; as many as of the intervals where those are more.

    Raises:
        ValueError: for cells without a row in ``cells``, or not tested on the same rows with the same seeds.
    """
    runs = in_order(cell_runs(predictions, labels), cells)
    for arm, n in runs:
        for against in baselines:
            if (against, n) in runs:
                _check_seeds((against, n), (arm, n), runs)
    options: dict[str, Any] = {"groups": groups_for(runs, groups), "samples": samples, "seed": seed, "bins": bins}
    scores = {
        key: score_runs(cell.truth, cell.predicted, len(labels), METRICS, confidence=cell.confidence, **options)
        for key, cell in runs.items()
    }
    fine = accuracy_means(
        {key: cell.predicted == cell.truth for key, cell in runs.items()},
        {key: cell.data_seeds for key, cell in runs.items()},
        groups=options["groups"],
        samples=max(samples, p_samples),
        seed=seed,
    )
    study = _Study(runs, scores, fine, level, seed)
    return {
        "cells": [_cell(study, key, cells, len(labels)) for key in runs],
        "differences": [one for against in baselines for one in _against(study, against)],
    }


def _check_seeds(base: CellKey, key: CellKey, runs: dict[CellKey, CellRuns]) -> None:
    odd = sorted(set(runs[base].runs) ^ set(runs[key].runs))
    if odd:
        raise ValueError(
            f"at n={key[1]} arms {base[0]!r} and {key[0]!r} were not run with the same seeds: only one of them has "
            f"(data seed, seed) {odd}; run both again"
        )


def in_order(runs: dict[CellKey, CellRuns], cells: pd.DataFrame) -> dict[CellKey, CellRuns]:
    """Return the runs by arm, as arms stand in the table of cells, and by n.

    Raises:
        ValueError: for an (arm, n) that the table of cells lacks.
    """
    place = {str(arm): number for number, arm in enumerate(cells["arm"].unique())}
    known = {(str(arm), int(n)) for arm, n in cells[["arm", "n"]].drop_duplicates().itertuples(index=False)}
    lacking = sorted(set(runs) - known)
    if lacking:
        raise ValueError(f"there are predictions of {lacking}, but no such rows in the table of cells; run them again")
    return {key: runs[key] for key in sorted(runs, key=lambda key: (place[key[0]], key[1]))}


def groups_for(runs: dict[CellKey, CellRuns], groups: pd.Series | None) -> NDArray[Any] | None:
    """Return the groups of the test rows in the order in which the runs have them."""
    return None if groups is None else groups.loc[next(iter(runs.values())).records].to_numpy()


def rows_of(cells: pd.DataFrame, key: CellKey, column: str) -> float:
    """Return ``train_rows`` or ``added_rows`` of an (arm, n), the mean over its data seeds."""
    return float(cells.loc[(cells["arm"] == key[0]) & (cells["n"] == key[1]), column].mean())


@dataclass(frozen=True)
class _Study:
    runs: dict[CellKey, CellRuns]
    scores: dict[CellKey, dict[Metric, RunScores]]
    fine: dict[CellKey, NDArray[np.float64]]
    level: float
    seed: int

    def interval(self, scores: RunScores, key: CellKey) -> Interval:
        means = mean_over_seeds(scores, seed=self.seed, seed_groups=self.runs[key].data_seeds)
        return interval_of(scores, means, self.level)


def _cell(study: _Study, key: CellKey, cells: pd.DataFrame, labels: int) -> dict[str, Any]:
    runs = study.runs[key]
    return {
        "arm": key[0],
        "n": key[1],
        "runs": len(runs.runs),
        **{column: rows_of(cells, key, column) for column in ("train_rows", "added_rows")},
        "rows_per_label": rows_of(cells, key, "train_rows") / labels,
        **{metric: study.interval(study.scores[key][metric], key).as_dict() for metric in METRICS},
        "per_data_seed": {
            str(data_seed): value for data_seed, value in _by_data_seed(runs, study.scores[key]["accuracy"]).items()
        },
    }


def _by_data_seed(runs: CellRuns, scores: RunScores) -> dict[int, float]:
    """Return the mean over the runs of each data seed."""
    of_run = runs.data_seeds
    return {int(number): float(scores.estimate[of_run == number].mean()) for number in np.unique(of_run)}


def _against(study: _Study, against: str) -> list[dict[str, Any]]:
    """Return the differences to one arm, by size; Holm's correction is over the small sizes, and over the others."""
    found = []
    for small in (True, False):
        sizes = sorted(n for arm, n in study.runs if arm == against and (n <= SMALL) == small)
        family = [difference for n in sizes for difference in _differences(study, against, n)]
        adjusted = holm({str(place): difference["p"] for place, difference in enumerate(family)})
        found += [{**difference, "p_holm": adjusted[str(place)]} for place, difference in enumerate(family)]
    return found


def _differences(study: _Study, against: str, n: int) -> list[dict[str, Any]]:
    """Return the differences of all arms that were run at n to one of them."""
    keys = [key for key in study.runs if key[1] == n and key[0] != against]
    significant = _mcnemar(study, (against, n), keys)
    return [
        {
            **_difference(study, (against, n), key),
            "mcnemar": significant[key[0]],
            **_seeds(study, (against, n), key),
        }
        for key in keys
    ]


def _difference(study: _Study, base: CellKey, key: CellKey) -> dict[str, Any]:
    intervals = {
        metric: study.interval(study.scores[key][metric] - study.scores[base][metric], key) for metric in METRICS
    }
    return {
        "against": base[0],
        "arm": key[0],
        "n": key[1],
        **{metric: found.as_dict() for metric, found in intervals.items()},
        # Rounded, so that what is equal but for rounding counts as a tie.
        "p": difference_p_value(np.round(study.fine[key] - study.fine[base], 12)),
        "p_samples": len(study.fine[key]),
        "verdict": verdict_of(intervals["accuracy"]),
    }


def _seeds(study: _Study, base: CellKey, key: CellKey) -> dict[str, int]:
    gain = study.scores[key]["accuracy"] - study.scores[base]["accuracy"]
    by_data_seed = _by_data_seed(study.runs[key], gain)
    return {"seeds_up": sum(value > 0 for value in by_data_seed.values()), "seeds": len(by_data_seed)}


def _mcnemar(study: _Study, base: CellKey, keys: Sequence[CellKey]) -> dict[str, dict[str, int]]:
    """Return how many runs of each arm McNemar's test tells from the same run of the baseline, after Holm."""
    first = study.runs[base]
    p_values = {
        f"{run} {arm}": mcnemar(before == first.truth, after == first.truth)["p_value"]
        for arm, n in keys
        for run, (before, after) in enumerate(zip(first.predicted, study.runs[arm, n].predicted, strict=True))
    }
    adjusted = holm(p_values)
    runs = len(first.runs)
    return {
        arm: {
            "runs": runs,
            "significant": sum(adjusted[f"{run} {arm}"] < 1 - study.level for run in range(runs)),
        }
        for arm, _ in keys
    }
