"""Small tables of a study, with predictions that are right and wrong where a test wants them to be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd

LABELS = ("anger", "joy", "sadness")
Run = tuple[str, int, int, int]  # arm, n, data seed, seed


def predictions_of(right: Mapping[Run, Sequence[bool]], *, sureness: float = 0.8) -> pd.DataFrame:
    """Predictions on the same rows for each run, right where told; wrong ones fall on the next label."""
    tables = []
    for (arm, n, data_seed, seed), hits in right.items():
        truth = np.arange(len(hits)) % len(LABELS)
        said = np.where(np.asarray(hits, dtype=bool), truth, (truth + 1) % len(LABELS))
        likely = np.full((len(hits), len(LABELS)), (1 - sureness) / (len(LABELS) - 1))
        likely[np.arange(len(hits)), said] = sureness
        table = pd.DataFrame(likely, columns=[f"p_{label}" for label in LABELS])
        table["record_id"] = [f"r{row:04}" for row in range(len(hits))]
        table["label"] = [LABELS[number] for number in truth]
        tables.append(table.assign(source="one", arm=arm, n=n, data_seed=data_seed, seed=seed))
    return pd.concat(tables, ignore_index=True)


def cells_of(predictions: pd.DataFrame, added: Mapping[str, int] | None = None) -> pd.DataFrame:
    """The table of cells that belongs to predictions; `added` rows of each arm, 0 where not told."""
    cells = predictions[["arm", "n", "data_seed"]].drop_duplicates().reset_index(drop=True)
    return cells.assign(
        train_rows=cells["n"] * len(LABELS),
        added_rows=cells["arm"].map(added or {}).fillna(0).astype(int),
        penalty=1.0,
        seconds=0.1,
    )


def share_right(share: float, rows: int = 100) -> list[bool]:
    """Rows of which the first `share` are right: a better run is right wherever a worse one is."""
    return [row < round(share * rows) for row in range(rows)]
