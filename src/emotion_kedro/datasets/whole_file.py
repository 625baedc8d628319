"""Tables and documents that are there whole or not at all.

The kedro-datasets classes write straight into the target; a run killed in that moment leaves half a file, which the
next run takes for the newest version. These write beside the target and rename, which a file system does in one step.
"""

from __future__ import annotations

import os
import threading
from pathlib import Path, PurePosixPath
from typing import Any

from kedro_datasets.json import JSONDataset as _JSONDataset
from kedro_datasets.pandas import ParquetDataset as _ParquetDataset
from kedro_datasets.text import TextDataset as _TextDataset


class _WholeFile:
    """Mixin, before a file dataset: save under another name, then rename."""

    def save(self, data: Any) -> None:
        target = super()._get_save_path()  # type: ignore[misc]
        # The parent's own save, without Kedro's wrapper: Kedro wraps this method already.
        super().save.__func__.__wrapped__(self, data)  # type: ignore[misc]
        Path(self._get_save_path()).replace(target)

    def _get_save_path(self) -> PurePosixPath:
        target: PurePosixPath = super()._get_save_path()  # type: ignore[misc]
        # Labels may run side by side: each writer has a name of its own.
        return target.with_name(f".{target.name}.{os.getpid()}-{threading.get_ident()}.partial")


class ParquetDataset(_WholeFile, _ParquetDataset):
    """A table as one parquet file."""


class JSONDataset(_WholeFile, _JSONDataset):
    """A JSON document."""


class TextDataset(_WholeFile, _TextDataset):
    """A page of text: HTML, Markdown."""
