"""Choosing on validation rows: one figure for a table of predictions, and which of several rounds is best."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from emotion_kedro.measures.scores import probabilities, score
from emotion_kedro.options.iteration import ValidationMetric


def validation_score(predictions: pd.DataFrame, labels: Sequence[str], metric: ValidationMetric) -> float:
    """Return the mean over seeds of accuracy, or of log loss with its sign turned: more is better.

    Args:
        predictions: schema :class:`emotion_kedro.schemas.Predictions`, validation rows, one arm.
        labels: the taxonomy.
        metric: which of the two.
    """
    found = [
        score(table["label"].tolist(), probabilities(table, labels), labels)[metric]
        for _, table in predictions.groupby("seed")
    ]
    return float(np.mean(found)) * (-1.0 if metric == "log_loss" else 1.0)


def best_round(scores: Sequence[float], min_gain: float) -> int:
    """Return the best round: a later one takes the place of an earlier one if it gains more than ``min_gain`` on it.

    Raises:
        ValueError: if there are no rounds.
    """
    if not scores:
        raise ValueError("there are no rounds to choose from")
    best = 0
    for number, found in enumerate(scores):
        if found - scores[best] > min_gain:
            best = number
    return best


def has_stalled(scores: Sequence[float], *, min_gain: float, patience: int) -> bool:
    """Whether the last ``patience`` rounds brought no better one."""
    return len(scores) - 1 - best_round(scores, min_gain) >= patience
