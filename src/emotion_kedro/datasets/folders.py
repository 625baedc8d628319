"""A folder of raw files as one entry of the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from emotion_kedro.config.base import files_named
from emotion_kedro.config.data import IngestionConfig, UnlabelledConfig


class RawFolder(AbstractDataset[None, Path]):
    """The folder that the sources' files lie in. Loads as its path; nothing is ever written to it."""

    def __init__(self, *, path: str, metadata: dict[str, Any] | None = None) -> None:
        """Point to the folder at ``path`` (absolute, or relative to the project)."""
        self._path = Path(path).expanduser()
        self.metadata = metadata

    def load(self) -> Path:
        """Return the folder's path.

        Raises:
            DatasetError: if there is no such folder.
        """
        if not self._path.is_dir():
            raise DatasetError(
                f"there is no folder {self._path} with the raw tables; name yours with --params=raw_root=FOLDER"
            )
        return self._path

    def files_for(self, parameters: Mapping[str, Any]) -> dict[str, Path]:
        """Return the files that the sources among a node's parameters name, in this folder or elsewhere."""
        configs = [value for value in parameters.values() if isinstance(value, IngestionConfig | UnlabelledConfig)]
        patterns = [file for config in configs for source in config.sources.values() for file in source.all_files]
        return {shown: file for pattern in patterns for shown, file in files_named(self._path, pattern).items()}

    def save(self, data: None) -> None:
        """Refuse: raw data is only read."""
        raise DatasetError(f"{self._path} holds raw data, which is never written")

    def _exists(self) -> bool:
        return self._path.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"path": str(self._path)}

    def preview(self) -> JSONPreview:
        """List the files and their sizes in bytes, for kedro-viz."""
        import json

        files = sorted(path for path in self._path.rglob("*") if path.is_file())
        return JSONPreview(json.dumps({str(file.relative_to(self._path)): file.stat().st_size for file in files}))
