"""The findings on generated text: what it is like, what it teaches, and whether adding it helps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from statsmodels.stats.proportion import proportion_confint

from emotion_kedro.measures.findings import finding
from emotion_kedro.measures.synthetic_text import EVERYTHING, PASSED, describe_synthetic_text
from emotion_kedro.taxonomy import PROBABILITY_PREFIX

LEVEL = 0.95
ARMS = {"real": "real only", "mixed": "mixed", "continued": "continued"}
"""Arm -> how its finding is called."""


def share_with_interval(hits: int, rows: int) -> dict[str, Any]:
    """Return a share of independent rows with its Wilson interval (Wilson 1927), as an interval's dictionary."""
    low, high = proportion_confint(hits, rows, alpha=1 - LEVEL, method="wilson")
    return {"estimate": hits / rows, "low": float(low), "high": float(high), "level": LEVEL, "samples": 0}


def predicted_labels(predictions: pd.DataFrame) -> pd.Series:
    """Return the likeliest label of each row of a table of predictions."""
    columns = [column for column in predictions.columns if column.startswith(PROBABILITY_PREFIX)]
    likeliest = [str(name).removeprefix(PROBABILITY_PREFIX) for name in predictions[columns].idxmax(axis=1)]
    return pd.Series(likeliest, index=predictions.index, dtype="str")


def findings_on_text(
    candidates: pd.DataFrame, judged: pd.DataFrame, split_records: pd.DataFrame, generator: str, seed: int
) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """Return the findings on the generators (S7) and on short continuation (S8), and the figures behind them.

    Args:
        candidates: schema :class:`emotion_kedro.schemas.Candidates`.
        judged: predictions of every candidate by a classifier that took no part in filtering.
        split_records: the real records; novelty is measured against train, diversity beside test.
        generator: base model of the generators.
        seed: of the samples drawn.
    """
    sides = {side: table for side, table in split_records.groupby("split")}
    predicted = judged[["record_id"]].assign(predicted=predicted_labels(judged))
    quality = describe_synthetic_text(candidates, predicted, sides["train"], sides["test"], seed=seed)
    whole = quality[quality["label"] == EVERYTHING].iloc[0]
    figures = {
        str(name): None if pd.isna(value) else value.item() if isinstance(value, np.generic) else value
        for name, value in whole.items()
    }
    passed = int(candidates["reason"].isin(PASSED).sum())
    common: dict[str, Any] = {"model": generator, "data": f"{len(sides['train']):,} train rows"}
    words = candidates.loc[candidates["kept"], "words"]
    found = [
        finding(
            "S7",
            "candidates that pass every check",
            metric="share",
            figure=share_with_interval(passed, len(candidates)),
            rows=len(candidates),
            note="checks: length, repetition, left-over prompts, copies of train texts, duplicates, a classifier.",
            **common,
        ),
        finding(
            "S8",
            "distinct-2 of kept texts",
            metric="distinct-2",
            figure=_bare(figures["distinct_2"]),
            rows=int(candidates["kept"].sum()),
            note=(
                f"held-out real texts cut to the same lengths: {figures['real_distinct_2']:.3f}; kept texts have "
                f"{words.mean():.1f} words on average."
            ),
            **common,
        ),
    ]
    return found, figures


def findings_on_kind(kind: Mapping[str, Any], generator: str) -> list[dict[str, Any]]:
    """Return the findings on usability (S9) and augmented training (S10) of one kind of classifier."""
    name, arms = kind["kind"], kind["arms"]
    model = f"{kind['model']}; generators {generator}"
    common: dict[str, Any] = {"model": model, "data": f"{kind['train_rows']:,} real train rows, {kind['length']}"}
    seeds = arms["real"]["seeds"]
    found = [
        finding(
            "S9",
            f"{name}: real to synthetic",
            figure=kind["usability"]["real_to_synthetic_all"],
            rows=kind["judged"]["all"],
            seeds=seeds[:1],
            note="trained on real text, tested on all candidates, kept or not.",
            **common,
        ),
        finding(
            "S9",
            f"{name}: synthetic to real",
            figure=arms["synthetic"]["accuracy"],
            rows=arms["synthetic"]["rows"],
            seeds=seeds,
            note="trained on synthetic text alone, tested on real test rows.",
            **common,
        ),
    ]
    for arm, called in ARMS.items():
        scores = arms[arm]
        figure = scores["accuracy"]
        found.append(finding("S10", f"{name}: {called}", figure=figure, rows=scores["rows"], seeds=seeds, **common))
    for arm, difference in kind["differences"].items():
        found.append(
            finding(
                "S10",
                f"{name}: {ARMS[arm]} minus real only",
                metric="difference in accuracy",
                figure=difference["accuracy"],
                rows=difference["rows"],
                seeds=seeds,
                note="the same optimiser steps in every arm; paired over test rows and seeds.",
                **common,
            )
        )
    return found


def _bare(value: float | None) -> dict[str, Any] | None:
    """Return a figure of a whole set, which has no interval."""
    return None if value is None else {"estimate": value, "low": None, "high": None, "level": LEVEL, "samples": 0}
