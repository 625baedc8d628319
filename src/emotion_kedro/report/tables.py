"""Tidy tables as readers want them: a row for each thing compared, figures with their intervals beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from emotion_kedro.config.base import ALL_ROWS
from emotion_kedro.metrics.runs import BASELINE
from emotion_kedro.report.plots import rows_of

DASH = "–"
MINUS = "\N{MINUS SIGN}"
METRIC_NAMES = {"accuracy": "accuracy", "macro_f1": "macro-F1", "ece": "ECE", "log_loss": "log loss"}
ALL = "all"


def number(value: Any, digits: int = 3) -> str:
    """Write a figure, or a dash where there is none."""
    return DASH if pd.isna(value) else f"{value:.{digits}f}"


def with_interval(value: Any, low: Any, high: Any) -> str:
    """Write a figure with its interval, ``0.905 (0.880 to 0.930)``."""
    return number(value) if pd.isna(low) else f"{number(value)} ({number(low)} to {number(high)})"


def points(value: float) -> str:
    """Write a difference in points with its sign."""
    return DASH if pd.isna(value) else f"{100 * value:+.1f}".replace("-", MINUS)


def size_name(size: int) -> str:
    """Write a number of train rows per label."""
    return ALL if size == ALL_ROWS else str(size)


def scores_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each arm, learner and size, baselines last, a column for each metric."""
    if scores.empty:
        return pd.DataFrame()
    shown = scores[scores["source"] == ALL]
    cells = [with_interval(row.value, row.low, row.high) for row in rows_of(shown)]
    keys = ["arm", "learner", "size", "rows", "runs"]
    wide = shown.assign(cell=cells).pivot(index=keys, columns="metric", values="cell")
    order = shown[keys].drop_duplicates()
    order = pd.concat([order[order["arm"] != BASELINE], order[order["arm"] == BASELINE]])
    columns = [*(name for name in METRIC_NAMES if name in wide), *(name for name in wide if name not in METRIC_NAMES)]
    table = order.merge(wide[columns].reset_index(), on=keys, how="left")
    return _finished(table[["arm", "learner", "size", *columns, "rows", "runs"]].rename(columns=METRIC_NAMES))


def accuracy_by_size(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy of each arm and learner, a column for each size; empty where there is but one size."""
    if scores.empty or scores["size"].nunique() < 2:
        return pd.DataFrame()
    shown = scores[(scores["source"] == ALL) & (scores["metric"] == "accuracy")]
    cells = [with_interval(row.value, row.low, row.high) for row in rows_of(shown)]
    keys = ["arm", "learner"]
    wide = shown.assign(cell=cells).pivot(index=keys, columns="size", values="cell")
    wide = wide.loc[pd.MultiIndex.from_frame(shown[keys].drop_duplicates())].fillna(DASH)
    return wide.rename(columns=size_name).rename_axis(columns=None).reset_index()


def sources_table(scores: pd.DataFrame) -> pd.DataFrame:
    """Return the accuracy of each arm, learner and size by source of the test rows; empty if not wanted."""
    if scores.empty or set(scores["source"]) == {ALL}:
        return pd.DataFrame()
    shown = scores[(scores["source"] != ALL) & (scores["metric"] == "accuracy")]
    cells = [with_interval(row.value, row.low, row.high) for row in rows_of(shown)]
    wide = shown.assign(cell=cells).pivot(index=["arm", "learner", "size"], columns="source", values="cell")
    return _finished(wide.loc[_keys(shown)].reset_index())


def comparisons_table(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each comparison, in points, with both metrics."""
    if comparisons.empty:
        return pd.DataFrame()
    keys = ["first", "second", "learner", "size", "source"]
    cells = [f"{points(row.difference)} ({points(row.low)} to {points(row.high)})" for row in rows_of(comparisons)]
    wide = comparisons.assign(cell=cells).pivot(index=keys, columns="metric", values="cell").reset_index()
    tests = comparisons[comparisons["metric"] == "accuracy"]
    table = tests[[*keys, "p_value", "p_holm", "verdict", "rows", "runs"]].merge(wide, on=keys, how="left")
    table = table.assign(p_value=table["p_value"].map(_p), p_holm=table["p_holm"].map(_p))
    columns = [name for name in ("accuracy", "macro_f1") if name in table.columns]
    names = {
        "accuracy": "accuracy, points",
        "macro_f1": "macro-F1, points",
        "p_value": "McNemar p",
        "p_holm": "p (Holm)",
    }
    table = table[[*keys, *columns, "p_value", "p_holm", "verdict", "rows", "runs"]].rename(columns=names)
    return _finished(table)


def _p(value: float) -> str:
    if pd.isna(value):
        return DASH
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def label_table(labels: pd.DataFrame) -> pd.DataFrame:
    """Return the F1 of each label for each arm and learner, at the largest size."""
    if labels.empty:
        return pd.DataFrame()
    shown = labels[labels["size"] == (ALL_ROWS if (labels["size"] == ALL_ROWS).any() else labels["size"].max())]
    several = shown.loc[shown["arm"] != BASELINE, "learner"].nunique() > 1
    names = [
        row.learner if row.arm == BASELINE else f"{row.arm}, {row.learner}" if several else row.arm
        for row in rows_of(shown)
    ]
    wide = shown.assign(name=names).pivot(index="label", columns="name", values="f1")
    wide = wide.loc[list(dict.fromkeys(shown["label"])), list(dict.fromkeys(names))].map(number)
    if len(wide.columns) > len(wide):
        # The longer side goes down the page.
        return wide.T.rename_axis(columns=None).rename_axis("arm").reset_index()
    wide.insert(0, "test rows", shown.drop_duplicates("label").set_index("label")["support"].round().astype(int))
    return wide.rename_axis(columns=None).reset_index()


def quality_table(quality: pd.DataFrame | None, label: str | None = ALL) -> pd.DataFrame:
    """Return each figure of text of an arm beside that of real text; of all labels together, or (None) of each."""
    if quality is None or quality.empty:
        return pd.DataFrame()
    shown = quality[quality["label"] == label] if label else quality[quality["label"] != ALL]
    cells = [f"{number(row.value, 2)} ({number(row.real, 2)})" for row in rows_of(shown)]
    keys = ["arm", "texts"] if label else ["arm", "label", "texts"]
    wide = shown.assign(cell=cells).pivot(index=keys, columns="metric", values="cell")
    order = pd.MultiIndex.from_frame(shown[keys].drop_duplicates())
    wide = wide.loc[order, list(dict.fromkeys(shown["metric"]))]
    return wide.rename(columns=lambda name: str(name).replace("_", " ")).rename_axis(columns=None).reset_index()


def decisions_table(decisions: pd.DataFrame | None) -> pd.DataFrame:
    """Return how many candidates each arm kept, and how many each reason turned away.

    Args:
        decisions: ``arm, reason, candidates``; the reason of those that were kept is empty.
    """
    if decisions is None or decisions.empty:
        return pd.DataFrame()
    named = decisions.assign(reason=decisions["reason"].replace("", "kept"))
    wide = named.pivot_table(
        index="arm", columns="reason", values="candidates", aggfunc="sum", fill_value=0, sort=False
    )
    first = [name for name in ("kept",) if name in wide.columns]
    wide = wide[[*first, *(name for name in wide.columns if name not in first)]]
    return wide.rename_axis(columns=None).reset_index()


def runs_table(runs: pd.DataFrame | None) -> pd.DataFrame:
    """Return what the runs of each arm, learner and size were trained on and took: means, and seconds in all."""
    if runs is None or runs.empty:
        return pd.DataFrame()
    grouped = runs.groupby(["arm", "learner", "size"], sort=False)
    table = grouped.agg(
        runs=("seed", "size"),
        train_rows=("train_rows", "mean"),
        added_rows=("added_rows", "mean"),
        steps=("steps", "mean"),
        validation_loss=("validation_loss", "mean"),
        seconds=("seconds", "sum"),
        device=("device", "first"),
    ).reset_index()
    whole = ["train_rows", "added_rows", "steps", "seconds"]
    table[whole] = table[whole].round().astype(int)
    table["validation_loss"] = table["validation_loss"].map(number)
    return _finished(table.rename(columns=lambda name: name.replace("_", " ")))


def settings_table(parameters: Mapping[str, Any]) -> pd.DataFrame:
    """Return nested parameters as ``parameter`` (dotted) and ``value``."""
    return pd.DataFrame(_flat(parameters, "") if parameters else [], columns=["parameter", "value"])


def _flat(value: Any, path: str) -> list[tuple[str, str]]:
    if isinstance(value, Mapping) and value:
        return [row for name, part in value.items() for row in _flat(part, f"{path}.{name}" if path else str(name))]
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [(path, ", ".join(map(str, value)))]
    return [(path, str(value))]


def shown_reference(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table of :func:`emotion_kedro.report.reference.reference_table` rounded, gaps as dashes."""
    return table.assign(**{name: [number(value) for value in table[name]] for name in ("ours", "low", "high")})


def _keys(table: pd.DataFrame) -> pd.MultiIndex:
    return pd.MultiIndex.from_frame(table[["arm", "learner", "size"]].drop_duplicates())


def _finished(table: pd.DataFrame) -> pd.DataFrame:
    """Write sizes as words, and leave out columns that say the same in every row and are the defaults."""
    table = table.rename_axis(columns=None).fillna(DASH)
    table = table.assign(size=table["size"].map(size_name))
    same = [name for name in ("size", "source") if name in table.columns and set(table[name]) == {ALL}]
    return table.drop(columns=same)
