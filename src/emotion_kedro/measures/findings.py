"""A finding: one figure of one system, in the form in which systems hand theirs to the reference page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from emotion_kedro.measures.arms import score_arm


def finding(
    system: str,
    name: str,
    *,
    figure: Mapping[str, Any] | None,
    model: str,
    data: str,
    metric: str = "accuracy",
    rows: int | None = None,
    seeds: Sequence[int] = (),
    note: str = "",
) -> dict[str, Any]:
    """Return a finding, as JSON holds it.

    Args:
        system: row of the reference that it stands beside, ``S1`` to ``S20``.
        name: what was measured, unique within the system: ``tuned, six labels``.
        figure: an :class:`emotion_kedro.measures.intervals.Interval` as a dictionary; None: there is none.
        model: base models, as the parameters name them.
        data: sources, and how many train rows.
        metric: what the figure is.
        rows: test rows behind it.
        seeds: training seeds behind it.
        note: what a reader must know to read it rightly.
    """
    return {
        "system": system,
        "name": name,
        "metric": metric,
        "figure": None if figure is None else dict(figure),
        "rows": rows,
        "seeds": [int(seed) for seed in seeds],
        "model": model,
        "data": data,
        "note": note,
    }


def describe_rows(records: pd.DataFrame) -> str:
    """Return the sources of records and their number, in words: ``EIT + EDFT, 3,157 rows``."""
    names = sorted(str(source) for source in records["source"].unique())
    return f"{' + '.join(names)}, {len(records):,} rows"


def accuracy_finding(
    system: str,
    name: str,
    predictions: pd.DataFrame,
    labels: Sequence[str],
    *,
    groups: pd.Series | None,
    bootstrap: Mapping[str, Any],
    bins: int,
    model: str,
    data: str,
    note: str = "",
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Score one arm's predictions; return its scores (:func:`score_arm`) and its accuracy as a finding."""
    scores = score_arm(predictions, labels, groups=groups, bins=bins, **bootstrap)
    found = finding(
        system,
        name,
        figure=scores["accuracy"],
        rows=scores["rows"],
        seeds=scores["seeds"],
        model=model,
        data=data,
        note=note,
    )
    return scores, found
