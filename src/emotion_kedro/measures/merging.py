"""What merging two sources does to scores, by split, from saved predictions alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion_kedro.measures.resampling import bootstrap_statistic

PLAIN, GROUPED = "plain", "grouped"
Term = tuple[str, str, int]
"""Split strategy, arm, and whether its accuracy is added (1) or taken away (-1)."""


@dataclass(frozen=True)
class Tested:
    """Test rows that are scored together."""

    name: str
    rows: pd.Series
    """Booleans over the table of predictions."""
    baseline: bool
    """Whether the arms are held against always saying the commonest label."""


def sets_of_test_rows(table: pd.DataFrame, trusted: str, doubted: str, otherwise: str) -> list[Tested]:
    """Return the sets of test rows that are asked about, those without rows left out.

    They are the trusted source's rows, those of its rows whose text the doubted source has too, the doubted source's
    rows, and those of its rows whose label is not ``otherwise``.
    """
    ours, theirs = table["source"] == trusted, table["source"] == doubted
    sets = [
        Tested(trusted, ours, False),
        Tested(f"{trusted}, texts shared with {doubted}", ours & table["shared"], False),
        Tested(doubted, theirs, True),
        Tested(f"{doubted}, all but {otherwise}", theirs & (table["label"] != otherwise), False),
    ]
    return [one for one in sets if one.rows.any()]


def measure_merging(
    table: pd.DataFrame,
    sets: Sequence[Tested],
    *,
    trusted: str,
    merged: str,
    commonest: str,
    bootstrap: Mapping[str, Any],
) -> dict[str, list[dict[str, Any]]]:
    """Return the accuracy of every arm on every set of test rows, and the differences that matter.

    Args:
        table: of :func:`emotion_kedro.learning.merging.rows_under_splits`.
        sets: of :func:`sets_of_test_rows`.
        trusted: arm that was trained on the trusted source alone.
        merged: arm that was trained on both.
        commonest: arm that says the commonest label.
        bootstrap: ``samples``, ``level`` and ``seed``. Groups of near-duplicates and split seeds are drawn with
            replacement, both arms of a difference on the same draw; a row that several splits tested is one row.

    Returns:
        ``scores``: ``tested, split_strategy, arm, rows`` (test rows of all splits together, a row tested in two splits
        counting twice), ``accuracy``. ``differences``: ``tested, what, split_strategy`` (None: between the splits),
        ``arm, against, accuracy``.
    """
    scores: list[dict[str, Any]] = []
    differences: list[dict[str, Any]] = []
    for one in sets:
        counts = _Counts.of(table[one.rows])
        for strategy, arm in counts.runs:
            rows = int(counts.tested[strategy].sum())
            told = {"tested": one.name, "split_strategy": strategy, "arm": arm, "rows": rows}
            scores.append({**told, "accuracy": counts.interval([(strategy, arm, 1)], bootstrap)})
        for told, terms in _asked(counts, trusted, merged, commonest if one.baseline else None):
            differences.append({"tested": one.name, **told, "accuracy": counts.interval(terms, bootstrap)})
    return {"scores": scores, "differences": differences}


def _asked(
    counts: _Counts, trusted: str, merged: str, commonest: str | None
) -> list[tuple[dict[str, Any], list[Term]]]:
    found: list[tuple[dict[str, Any], list[Term]]] = []
    for strategy in counts.tested:
        pairs = [(merged, trusted)]
        if commonest is not None:
            pairs += [(arm, commonest) for where, arm in counts.runs if where == strategy and arm != commonest]
        for arm, against in pairs:
            told: dict[str, Any] = {"split_strategy": strategy, "arm": arm, "against": against}
            found.append((told, [(strategy, arm, 1), (strategy, against, -1)]))
    if {PLAIN, GROUPED} <= set(counts.tested):
        for arm in (trusted, merged):
            told = {"split_strategy": None, "arm": f"{arm}, {PLAIN} split", "against": f"{arm}, {GROUPED} split"}
            found.append((told, [(PLAIN, arm, 1), (GROUPED, arm, -1)]))
    return found


@dataclass(frozen=True)
class _Counts:
    """Right answers and test rows of each group and split seed, (G, S) each."""

    right: dict[tuple[str, str], NDArray[np.float64]]
    tested: dict[str, NDArray[np.float64]]

    @property
    def runs(self) -> list[tuple[str, str]]:
        return list(self.right)

    @classmethod
    def of(cls, table: pd.DataFrame) -> _Counts:
        groups, places = np.unique(table["group"].to_numpy(), return_inverse=True)
        seeds, runs = np.unique(table["split_seed"].to_numpy(), return_inverse=True)
        right, tested = {}, {}
        hits = (table["predicted"] == table["label"]).to_numpy(dtype=np.float64)
        names = table[["split_strategy", "arm"]]
        for strategy, arm in names.drop_duplicates().itertuples(index=False):
            some = ((names["split_strategy"] == strategy) & (names["arm"] == arm)).to_numpy()
            cells = places[some] * len(seeds) + runs[some]
            shape = (len(groups), len(seeds))
            size = shape[0] * shape[1]
            right[str(strategy), str(arm)] = np.bincount(cells, hits[some], size).astype(np.float64).reshape(shape)
            tested[str(strategy)] = np.bincount(cells, minlength=size).astype(np.float64).reshape(shape)
        return cls(right, tested)

    def interval(self, terms: Sequence[Term], bootstrap: Mapping[str, Any]) -> dict[str, float | None]:
        groups, seeds = next(iter(self.tested.values())).shape

        def total(rows: NDArray[np.int64], drawn: NDArray[np.int64]) -> float:
            weights = np.bincount(rows, minlength=groups).astype(np.float64)
            times = np.bincount(drawn, minlength=seeds).astype(np.float64)
            value = 0.0
            for strategy, arm, sign in terms:
                number = weights @ self.tested[strategy] @ times
                if not number:
                    return float("nan")
                value += sign * float(weights @ self.right[strategy, arm] @ times) / float(number)
            return value

        if groups < 2:
            value = total(np.arange(groups), np.arange(seeds))
            return {"estimate": value, "low": None, "high": None, "level": bootstrap["level"], "samples": 0}
        return {**bootstrap_statistic(total, groups, seeds=seeds, **bootstrap).as_dict()}


def leakage_by_arm(table: pd.DataFrame, sets: Sequence[Tested], commonest: str) -> pd.DataFrame:
    """Count the test rows whose text the arm was trained on, mean over the split seeds.

    Returns:
        ``tested, split_strategy, arm, rows, same`` (the text under the same label), ``other`` (under another one),
        ``near`` (a near-duplicate, exact ones included), ``near_share`` (of the rows).
    """
    found = []
    for one in sets:
        part = table[one.rows & (table["arm"] != commonest)]
        for (strategy, arm), rows in part.groupby(["split_strategy", "arm"], sort=False):
            splits = table.loc[table["split_strategy"] == strategy, "split_seed"].nunique()
            seen = {name: float(rows[f"{name}_in_train"].sum()) / splits for name in ("same", "other", "near")}
            told = {"tested": one.name, "split_strategy": strategy, "arm": arm, "rows": len(rows) / splits}
            found.append({**told, **seen, "near_share": float(rows["near_in_train"].mean())})
    return pd.DataFrame(found)
