"""Invented predictions."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest

LABELS = ("anger", "joy", "love")


def invent(
    arm: str,
    accuracy: float,
    *,
    learner: str = "encoder",
    size: int = 0,
    data_seeds: Sequence[int] = (0,),
    seeds: Sequence[int] = (0, 1, 2),
    rows: int = 120,
    labels: Sequence[str] = LABELS,
) -> pd.DataFrame:
    """Predictions of one arm and learner, right in about a share ``accuracy`` of the rows."""
    random = np.random.default_rng(sum(map(ord, arm + learner)) + size)
    truth = np.arange(rows) % len(labels)
    tables = []
    for data_seed in data_seeds:
        for seed in seeds:
            scores = random.random((rows, len(labels)))
            scores[np.arange(rows), truth] += np.where(random.random(rows) < accuracy, 1.0, -1.0)
            likely = np.exp(2 * scores) / np.exp(2 * scores).sum(axis=1, keepdims=True)
            table = pd.DataFrame({f"p_{label}": likely[:, column] for column, label in enumerate(labels)})
            names = {"experiment": "invented", "arm": arm, "learner": learner, "size": size}
            table = table.assign(**names, data_seed=data_seed, seed=seed)
            table["record_id"] = [f"eit:{row:04d}" for row in range(rows)]
            table["source"] = np.where(np.arange(rows) < rows // 2, "edft", "eit")
            table["label"] = [labels[number] for number in truth]
            table["predicted"] = [labels[number] for number in likely.argmax(axis=1)]
            tables.append(table)
    return pd.concat(tables, ignore_index=True)


@pytest.fixture(scope="session")
def predictions_of() -> Callable[..., pd.DataFrame]:
    return invent


@pytest.fixture(scope="session")
def predictions() -> pd.DataFrame:
    """Two arms and a baseline."""
    baseline = invent("baseline", 0.3, learner="majority", seeds=(0,))
    return pd.concat([invent("real", 0.55), invent("augmented", 0.85), baseline], ignore_index=True)
