"""A folder of raw files as one entry of the catalog."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from emotion_kedro.config.base import files_named
from emotion_kedro.config.data import IngestionConfig, SourceConfig, UnlabelledConfig


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
        patterns = [file for value in parameters.values() for source in _sources_of(value) for file in source.all_files]
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


def _sources_of(parameter: Any) -> list[SourceConfig]:
    """Return the sources that a parameter names; those of a pipeline that a run does not name have no types in it."""
    if isinstance(parameter, IngestionConfig | UnlabelledConfig):
        return list(parameter.sources.values())
    sources = parameter.get("sources") if isinstance(parameter, Mapping) else None
    return [SourceConfig.model_validate(source) for source in sources.values()] if isinstance(sources, Mapping) else []
