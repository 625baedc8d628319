"""The pictures of a page as one entry of the catalog."""

from __future__ import annotations

import json
import os
import shutil
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from kedro.io import AbstractDataset, DatasetError
from kedro_datasets._typing import JSONPreview


class PictureFolder(AbstractDataset[Mapping[str, bytes], dict[str, bytes]]):
    """A folder of PNG files: a name for each, without its ending, and its bytes.

    Saving fills a folder beside it, which then takes its place: a killed run leaves no half a picture, and no picture
    of an earlier run stays.
    """

    def __init__(self, *, filepath: str, metadata: dict[str, Any] | None = None) -> None:
        """Keep the pictures in the folder ``filepath``."""
        self._folder = Path(filepath).expanduser()
        self.metadata = metadata

    def save(self, data: Mapping[str, bytes]) -> None:
        """Write all pictures, in place of those that are there.

        Raises:
            DatasetError: if a name is not one of a file.
        """
        odd = [name for name in data if not name or Path(name).name != name]
        if odd:
            raise DatasetError(f"no names of pictures: {', '.join(map(repr, odd))}")
        mark = f"{os.getpid()}-{threading.get_ident()}"
        staging, old = (self._folder.with_name(f".{self._folder.name}.{mark}.{part}") for part in ("partial", "old"))
        staging.mkdir(parents=True)
        try:
            for name, picture in data.items():
                (staging / f"{name}.png").write_bytes(picture)
            if self._folder.exists():
                self._folder.rename(old)
            staging.rename(self._folder)
        finally:
            shutil.rmtree(staging, ignore_errors=True)
            shutil.rmtree(old, ignore_errors=True)

    def load(self) -> dict[str, bytes]:
        """Return the pictures by name.

        Raises:
            DatasetError: if they have not been drawn.
        """
        if not self._folder.is_dir():
            raise DatasetError(f"there is no folder of pictures {self._folder}")
        return {file.stem: file.read_bytes() for file in sorted(self._folder.glob("*.png"))}

    def _exists(self) -> bool:
        return self._folder.is_dir()

    def _describe(self) -> dict[str, Any]:
        return {"filepath": str(self._folder)}

    def preview(self) -> JSONPreview:
        """List the pictures and their sizes in bytes, for kedro-viz."""
        return JSONPreview(json.dumps({file.name: file.stat().st_size for file in sorted(self._folder.glob("*.png"))}))
