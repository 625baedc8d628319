"""What a picture shows, in words: for readers who do not see it."""

from __future__ import annotations

import pandas as pd

from emotion_kedro.config.base import ALL
from emotion_kedro.metrics.runs import BASELINE, kept_runs
from emotion_kedro.report.plots import rows_of
from emotion_kedro.report.tables import change, points, size_name, with_interval

MOST = 8
"""So many figures are said; the tables have all."""


def of_accuracy(scores: pd.DataFrame) -> str:
    """Return the accuracy of the arms and baselines."""
    shown = scores[(scores["metric"] == "accuracy") & (scores["source"] == ALL)]
    sizes = shown["size"].nunique() > 1
    entries = [
        f"{row.arm} {row.learner}{f' at {size_name(row.size)} rows per label' if sizes and row.size else ''} "
        f"{with_interval(row.value, row.low, row.high)}"
        for row in rows_of(shown)
    ]
    return _listed("Accuracy with intervals", entries)


def of_differences(comparisons: pd.DataFrame) -> str:
    """Return the differences in accuracy and their verdicts."""
    shown = comparisons[comparisons["metric"] == "accuracy"]
    entries = [
        f"{row.first} minus {row.second} {points(row.difference)} points "
        f"({points(row.low)} to {points(row.high)}), {row.verdict}"
        for row in rows_of(shown)
    ]
    return _listed("Differences in accuracy", entries)


def of_labels(gains: pd.DataFrame) -> str:
    """Return the gain of each label of the first pair."""
    first = gains.iloc[0]
    shown = gains[(gains["first"] == first["first"]) & (gains["second"] == first["second"])]
    shown = shown[shown["learner"] == first["learner"]].sort_values("difference", ascending=False, kind="stable")
    entries = [f"{row.label} {change(row)}" for row in rows_of(shown)]
    return _listed(f"Points of F1 that {first['first']} has over {first['second']}, by label", entries)


def of_confusion(confusion: pd.DataFrame) -> str:
    """Return which labels are most often taken for which others, of the first arm."""
    shown = confusion[confusion["arm"] != BASELINE]
    if shown.empty:
        return "No predictions."
    arm = shown["arm"].iloc[0]
    shown = kept_runs(shown[shown["arm"] == arm])  # of the learner and size that are drawn
    shown = shown[(shown["label"] != shown["predicted"]) & (shown["rows"] > 0)]
    often = shown.nlargest(3, "rows")
    entries = [f"{row.label} taken for {row.predicted} in {row.rows:.0f} rows" for row in rows_of(often)]
    return _listed(f"True against predicted labels; most frequent errors of {arm}", entries or ["none"])


def of_curves(curves: pd.DataFrame) -> str:
    """Return the first and the last loss of each model, on validation rows where they were watched."""
    entries = []
    for model, table in curves.groupby("model", sort=False):
        rows = table[table["part"] == table["part"].iloc[0]].sort_values("step")
        kind = "train" if rows["validation"].isna().all() else "validation"
        losses = rows[kind].dropna()
        entries.append(f"{model} from {losses.iloc[0]:.2f} to {losses.iloc[-1]:.2f} ({kind})")
    return _listed("Losses by step", entries)


def _listed(title: str, entries: list[str]) -> str:
    left = len(entries) - MOST
    return f"{title}: {'; '.join(entries[:MOST])}{f'; and {left} more' if left > 0 else ''}."
