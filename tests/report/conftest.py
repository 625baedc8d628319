"""Invented tables, as the metrics leave them."""

from __future__ import annotations

import pandas as pd
import pytest

LABELS = ("anger", "joy")


@pytest.fixture
def scores() -> pd.DataFrame:
    rows = [
        ("invented", arm, learner, size, "all", metric, value, value - 0.05, value + 0.05, 120, 3)
        for arm, learner, value in (("real", "encoder", 0.6), ("<b>", "encoder", 0.7), ("baseline", "majority", 0.5))
        for size in (10, 50)
        for metric in ("accuracy", "macro_f1", "ece", "log_loss")
    ]
    names = ["experiment", "arm", "learner", "size", "source", "metric", "value", "low", "high", "rows", "runs"]
    return pd.DataFrame(rows, columns=names)


@pytest.fixture
def comparisons() -> pd.DataFrame:
    rows = [
        ("invented", "<b>", "real", "encoder", size, "all", metric, 0.1, low, 0.2, 0.14, p, p, 120, 3, verdict)
        for size, low, verdict in ((10, 0.01, "helped"), (50, -0.01, "no difference shown"))
        for metric, p in (("accuracy", 0.02), ("macro_f1", float("nan")), ("log_loss", float("nan")))
    ]
    names = ["experiment", "first", "second", "learner", "size", "source", "metric", "difference", "low", "high"]
    return pd.DataFrame(rows, columns=[*names, "detectable", "p_value", "p_holm", "rows", "runs", "verdict"])


@pytest.fixture
def confusion() -> pd.DataFrame:
    rows = [
        ("invented", arm, "encoder", size, label, predicted, 30.0 + 10 * (label == predicted))
        for arm in ("real", "<b>")
        for size in (10, 50)
        for label in LABELS
        for predicted in LABELS
    ]
    return pd.DataFrame(rows, columns=["experiment", "arm", "learner", "size", "label", "predicted", "rows"])


@pytest.fixture
def label_scores() -> pd.DataFrame:
    rows = [("invented", arm, "encoder", 50, label, 0.5, 0.5, 0.5, 60.0) for arm in ("real", "<b>") for label in LABELS]
    names = ["experiment", "arm", "learner", "size", "label", "precision", "recall", "f1", "support"]
    return pd.DataFrame(rows, columns=names)
