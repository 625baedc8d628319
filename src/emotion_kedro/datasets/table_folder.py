"""Several tables of one analysis, as a folder that is there whole or not at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

from kedro.io import DatasetError
from kedro_datasets._typing import TablePreview

from emotion_kedro.datasets.previews import preview_table
from emotion_kedro.datasets.versioned import Versioned
from emotion_kedro.storage.whole_files import written_whole

if TYPE_CHECKING:
    import pandas as pd


class TableFolder(Versioned["dict[str, pd.DataFrame]", "dict[str, pd.DataFrame]"]):
    """``<filepath>/<name>.parquet`` for each table; a save replaces the folder as a whole."""

    def save(self, data: dict[str, pd.DataFrame]) -> None:
        """Write all tables.

        Raises:
            DatasetError: if there are none, or one of them is no table.
        """
        wrong = [name for name, table in data.items() if not hasattr(table, "to_parquet")]
        if not data or wrong:
            raise DatasetError(f"tables are saved as a dictionary of data frames; not one: {wrong or 'it is empty'}")
        # Beside the versions: a folder below them would be taken for one.
        folder = None if self._version is None else Path(self._filepath)
        with written_whole(Path(self._get_save_path()), folder=folder) as staging:
            staging.mkdir()
            for name, table in data.items():
                table.to_parquet(staging / f"{quote(name, safe=' ')}.parquet")

    def load(self) -> dict[str, pd.DataFrame]:
        """Return the tables by name, in the order of the alphabet.

        Raises:
            DatasetError: if the folder is not there.
        """
        import pandas as pd

        return {unquote(file.stem): pd.read_parquet(file) for file in self._files()}

    def preview(self) -> TablePreview:
        """Show the first rows of the first table in kedro-viz."""
        import pandas as pd

        return preview_table(pd.read_parquet(self._files()[0]))

    def _files(self) -> list[Path]:
        directory = Path(self._get_load_path())
        if not directory.is_dir():
            raise DatasetError(f"there is no folder of tables {directory}")
        return sorted(directory.glob("*.parquet"))
