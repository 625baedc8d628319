"""A folder of raw files as one entry of the catalog."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview

from emotion_kedro.config.data import FORMATS


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

    def fingerprint(self, digest_of: Callable[[Path], str]) -> str:
        """Return a digest of the tables and texts in it: other files, such as logs, are none of the sources'.

        Args:
            digest_of: of a file.
        """
        files = sorted(path for path in self.load().rglob("*") if path.suffix.lower() in {*FORMATS, ".txt"})
        lines = [f"{file.relative_to(self._path)} {digest_of(file)}" for file in files]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()

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
