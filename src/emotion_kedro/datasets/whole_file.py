"""Tables, documents and plots that are there whole or not at all.

The kedro-datasets classes write straight into the target; a run killed in that moment leaves half a file, which the
next run takes for the newest version.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path, PurePosixPath
from typing import Any

from kedro.io import DatasetError
from kedro_datasets._typing import HTMLPreview, ImagePreview, TablePreview
from kedro_datasets.json import JSONDataset as _JSONDataset
from kedro_datasets.pandas import CSVDataset as _CSVDataset
from kedro_datasets.pandas import ParquetDataset as _ParquetDataset
from kedro_datasets.text import TextDataset as _TextDataset

from emotion_kedro.datasets.previews import PREVIEWED_ROWS, preview_table, preview_text
from emotion_kedro.datasets.versioned import Versioned
from emotion_kedro.storage.chunks import Chunks, frame_of
from emotion_kedro.storage.whole_files import aside, written_whole


class _WholeFile:
    """Mixin, before a file dataset: save under another name, then rename."""

    def save(self, data: Any) -> None:
        target = Path(super()._get_save_path())  # type: ignore[misc]
        with written_whole(target):
            # The parent's own save, without Kedro's wrapper: Kedro wraps this method already.
            super().save.__func__.__wrapped__(self, data)  # type: ignore[misc]

    def _get_save_path(self) -> PurePosixPath:
        return PurePosixPath(aside(Path(super()._get_save_path())))  # type: ignore[misc]


class _WholeTable(_WholeFile):
    """Mixin, before a dataset of a table."""

    def preview(self, nrows: int = PREVIEWED_ROWS) -> TablePreview:
        """Show the first rows in kedro-viz."""
        import pandas as pd

        return preview_table(pd.DataFrame(**super().preview(nrows)))  # type: ignore[misc]


class ParquetDataset(_WholeTable, _ParquetDataset):
    """A table as one parquet file."""


class TimedParquetDataset(ParquetDataset):
    """A table with a column ``seconds``: how long things took is no reason to make anything from it again."""

    def fingerprint(self, digest_of: Callable[[Path], str]) -> str:
        """Return a digest of the other columns; ``digest_of``, of whole files, sees too much."""
        rest = self.load().drop(columns="seconds", errors="ignore")
        return hashlib.sha256(rest.to_csv(index=False).encode()).hexdigest()


class _Chunked(_ParquetDataset):
    def load(self) -> Chunks:
        file = Path(self._get_load_path())
        if not file.is_file():
            raise DatasetError(f"there is no table {file}")
        return Chunks.in_parquet(file)

    def save(self, data: Chunks) -> None:
        data.write(Path(self._get_save_path()))

    def preview(self, nrows: int) -> TablePreview:
        return TablePreview(frame_of([next(iter(self.load())).slice(0, nrows)]).to_dict(orient="split"))


class ChunkedParquetDataset(_WholeTable, _Chunked):
    """A table as one parquet file that is never in memory as a whole: :class:`emotion_kedro.storage.chunks.Chunks`."""


class CSVDataset(_WholeTable, _CSVDataset):
    """A table as one CSV file, for readers of other programs."""


class JSONDataset(_WholeFile, _JSONDataset):
    """A JSON document."""


class TextDataset(_WholeFile, _TextDataset):
    """A page of text: HTML, Markdown."""

    def preview(self) -> HTMLPreview:
        """Show the page in kedro-viz."""
        file = Path(self._get_load_path())
        return preview_text(file.read_text(encoding="utf-8"), file.suffix)


class _Optional:
    """Mixin, before a dataset that may not have been made yet: loads as None where there is nothing."""

    def load(self) -> Any:
        return super().load() if self.exists() else None  # type: ignore[misc, attr-defined]


class OptionalJSON(_Optional, JSONDataset):
    """A JSON document, or None."""


class OptionalCSV(_Optional, CSVDataset):
    """A table as a CSV file, or None."""


class OptionalParquet(_Optional, ParquetDataset):
    """A table as a parquet file, or None."""


class PlotDataset(Versioned[bytes, bytes]):
    """A plot as the bytes of a PNG file."""

    def save(self, data: bytes) -> None:
        """Write the file.

        Raises:
            DatasetError: if the data are not bytes.
        """
        if not isinstance(data, bytes):
            raise DatasetError(f"a plot is saved as the bytes of a PNG file, but this is a {type(data).__name__}")
        with written_whole(Path(self._get_save_path())) as staging:
            staging.write_bytes(data)

    def load(self) -> bytes:
        """Return the bytes of the file."""
        return Path(self._get_load_path()).read_bytes()

    def preview(self) -> ImagePreview:
        """Show the plot in kedro-viz."""
        return ImagePreview(base64.b64encode(self.load()).decode())
