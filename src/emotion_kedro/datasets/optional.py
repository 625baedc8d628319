"""Documents and tables that may not have been made yet: pages are written of whatever is there."""

from __future__ import annotations

from typing import Any

from emotion_kedro.datasets.whole_file import CSVDataset, JSONDataset, ParquetDataset


class _Optional:
    """Mixin, before a dataset: loads as None where there is nothing."""

    def load(self) -> Any:
        return super().load() if self.exists() else None  # type: ignore[misc, attr-defined]


class OptionalJSON(_Optional, JSONDataset):
    """A JSON document, or None."""


class OptionalCSV(_Optional, CSVDataset):
    """A table as a CSV file, or None."""


class OptionalParquet(_Optional, ParquetDataset):
    """A table as a parquet file, or None."""
