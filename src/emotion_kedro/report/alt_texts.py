"""What a picture shows, in words: for readers who do not see it."""

from __future__ import annotations

import pandas as pd

from emotion_kedro.metrics.runs import BASELINE
from emotion_kedro.report.plots import rows_of
from emotion_kedro.report.tables import change, points, size_name, with_interval

MOST = 8
"""So many figures are said; the tables have all."""


def of_accuracy(scores: pd.DataFrame) -> str:
    """Return the accuracy of the arms and baselines."""
    shown = scores[(scores["metric"] == "accuracy") & (scores["source"] == "all")]
    sizes = shown["size"].nunique() > 1
    said = [
        f"{row.arm} {row.learner}{f' at {size_name(row.size)} rows per label' if sizes and row.size else ''} "
        f"{with_interval(row.value, row.low, row.high)}"
        for row in rows_of(shown)
    ]
    return _listed("Accuracy with intervals", said)


def of_differences(comparisons: pd.DataFrame) -> str:
    """Return the differences in accuracy and their verdicts."""
    shown = comparisons[comparisons["metric"] == "accuracy"]
    said = [
        f"{row.first} minus {row.second} {points(row.difference)} points "
        f"({points(row.low)} to {points(row.high)}), {row.verdict}"
        for row in rows_of(shown)
    ]
    return _listed("Differences in accuracy", said)


def of_labels(gains: pd.DataFrame) -> str:
    """Return the gain of each label of the first pair."""
    first = gains.iloc[0]
    shown = gains[(gains["first"] == first["first"]) & (gains["second"] == first["second"])]
    shown = shown[shown["learner"] == first["learner"]].sort_values("difference", ascending=False, kind="stable")
    said = [f"{row.label} {change(row)}" for row in rows_of(shown)]
    return _listed(f"Points of F1 that {first['first']} has over {first['second']}, by label", said)


def of_confusion(confusion: pd.DataFrame) -> str:
    """Return which labels are most often taken for which others, of the first arm."""
    shown = confusion[confusion["arm"] != BASELINE]
    if shown.empty:
        return "No predictions."
    arm = shown["arm"].iloc[0]
    shown = shown[(shown["arm"] == arm) & (shown["label"] != shown["predicted"]) & (shown["rows"] > 0)]
    often = shown.nlargest(3, "rows")
    said = [f"{row.label} taken for {row.predicted} in {row.rows:.0f} rows" for row in rows_of(often)]
    return _listed(f"True against predicted labels; most frequent errors of {arm}", said or ["none"])


def of_curves(curves: pd.DataFrame) -> str:
    """Return the first and the last loss of each model, on validation rows where they were watched."""
    said = []
    for model, table in curves.groupby("model", sort=False):
        rows = table[table["part"] == table["part"].iloc[0]].sort_values("step")
        kind = "train" if rows["validation"].isna().all() else "validation"
        losses = rows[kind].dropna()
        said.append(f"{model} from {losses.iloc[0]:.2f} to {losses.iloc[-1]:.2f} ({kind})")
    return _listed("Losses by step", said)


def _listed(title: str, said: list[str]) -> str:
    left = len(said) - MOST
    return f"{title}: {'; '.join(said[:MOST])}{f'; and {left} more' if left > 0 else ''}."
