"""A model as a versioned directory that is there whole or not at all."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Protocol

from kedro.io import DatasetError, Version
from kedro_datasets._typing import JSONPreview

from emotion_kedro.config.base import CLASSIFIER_NOTES, GENERATOR_NOTES
from emotion_kedro.datasets.versioned import Versioned
from emotion_kedro.storage.whole_files import CARD, CHECK_SUMS, assert_whole, point, write_check_sums, written_whole


class SavesItself(Protocol):
    """A model that can write itself, with all it needs, into an empty directory."""

    def save(self, directory: Path) -> None:
        """Write model, tokenizer, card and whatever else belongs to it."""


class ModelDirectory(Versioned[SavesItself, Path]):
    """``<filepath>/<version>/<name>/``: one directory a version, as ``transformers`` or ``peft`` write and open it.

    Saving goes into a directory beside the versions, which is then renamed: a killed run leaves nothing that loads.
    Loading returns the path, so that the catalog stays free of torch and a node loads on to the device it wants.
    """

    def __init__(
        self,
        *,
        filepath: str,
        latest: str | None = None,
        version: Version | None = None,
        metadata: dict[str, Any] | None = None,
    ) -> None:
        """Keep the versions below ``filepath``.

        Args:
            filepath: of the versions.
            latest: a path, as seen from the folder that ``filepath`` is in, which always opens the newest version. Not
                below ``filepath``: Kedro would take it for a version.
            version: given by Kedro.
            metadata: for other programs.
        """
        super().__init__(filepath=filepath, version=version, metadata=metadata)
        self._latest = None if latest is None else Path(os.path.normpath(Path(filepath).parent / latest))

    def save(self, data: SavesItself) -> None:
        """Write a new version.

        Raises:
            DatasetError: if this version is there already.
        """
        target = Path(self._get_save_path())
        # Beside the versions: a folder below them would be taken for one.
        folder = None if self._version is None else Path(self._filepath)
        with written_whole(target, folder=folder) as staging:
            staging.mkdir()
            data.save(staging)
            write_check_sums(staging)
        if self._latest is not None:
            # The newest, and not this one: two runs may end in another order than they began.
            versions = sorted(Path(self._filepath).glob(f"*/{target.name}"))
            point(self._latest, target if folder is None else versions[-1])

    def load(self) -> Path:
        """Return the directory of the version asked for, or of the newest.

        Raises:
            DatasetError: if there is none, or a file of it is not what was written.
        """
        path = self._directory()
        try:
            assert_whole(path)
        except ValueError as error:
            raise DatasetError(str(error)) from None
        return path

    def restore_latest(self) -> None:
        """Let ``latest`` open the newest version again, where somebody has removed it."""
        if self._latest is not None and not self._latest.exists() and self._exists():
            point(self._latest, self._directory())

    def _directory(self) -> Path:
        path = Path(self._get_load_path())
        if not path.is_dir():
            raise DatasetError(f"there is no model directory {path}")
        return path

    def fingerprint(self, digest_of: Callable[[Path], str]) -> str:
        """Return a digest of what the model says: cards, and how long it took, are no part of it."""
        digest = hashlib.sha256()
        for file in sorted(
            path for path in self._directory().rglob("*") if path.is_file() and path.name not in (CARD, CHECK_SUMS)
        ):
            if file.name in (CLASSIFIER_NOTES, GENERATOR_NOTES):
                content = _notes_without_times(file)
            else:
                content = digest_of(file)
            digest.update(f"{file.name} {content}\n".encode())
        return digest.hexdigest()

    def preview(self) -> JSONPreview:
        """Show the model's configuration in kedro-viz."""
        for name in ("config.json", "adapter_config.json", "reference.json"):
            file = self._directory() / name
            if file.is_file():
                return JSONPreview(json.dumps(json.loads(file.read_text(encoding="utf-8"))))
        return JSONPreview(json.dumps({}))


def _notes_without_times(file: Path) -> str:
    try:
        return json.dumps(_without_times(json.loads(file.read_bytes())), sort_keys=True)
    except ValueError:  # they are damaged: other than any that can be read
        return hashlib.sha256(file.read_bytes()).hexdigest()


def _without_times(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_times(part) for key, part in value.items() if key != "seconds"}
    return [_without_times(part) for part in value] if isinstance(value, list) else value
