"""What a study keeps between runs: one table for each piece of work, under a fingerprint of all it depends on."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

SECONDS = "seconds"


class Store:
    """Tables by kind and fingerprint. A table is there whole or not at all; other inputs are another fingerprint.

    Unlike checkpoints, the tables stay when a run has ended: the next run of the study goes on with them.
    """

    def __init__(self, folder: Path | str) -> None:
        self.folder = Path(folder)

    def load(self, kind: str, identity: str) -> pd.DataFrame | None:
        """Return the table, or None if it was not made yet; ``attrs`` holds the ``seconds`` that it took."""
        file = self._file(kind, identity)
        return pd.read_parquet(file) if file.is_file() else None

    def has(self, kind: str, identity: str) -> bool:
        """Whether the table is there."""
        return self._file(kind, identity).is_file()

    def save(self, kind: str, identity: str, table: pd.DataFrame, *, seconds: float) -> pd.DataFrame:
        """Write the table in one step and return it as :meth:`load` does."""
        file = self._file(kind, identity)
        file.parent.mkdir(parents=True, exist_ok=True)
        staging = file.with_name(f".partial-{file.name}-{os.getpid()}")
        table = table.copy()
        table.attrs = {SECONDS: round(seconds, 3)}
        table.to_parquet(staging)
        staging.rename(file)
        return table

    def _file(self, kind: str, identity: str) -> Path:
        return self.folder / kind / f"{identity}.parquet"
