"""What a long piece of work leaves behind while it runs, so that it can be killed at any moment and go on.

A store belongs to a fingerprint: a hash of everything the result depends on. Other parameters or other data make
another fingerprint, so that a checkpoint of something else is never picked up.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import BaseModel

import emotion_kedro

if TYPE_CHECKING:
    import torch


def fingerprint(*parts: object) -> str:
    """Return 16 hexadecimal digits that change when any part does.

    Parts may be option objects, data frames, directories of a model (by the names, sizes and contents of their
    configuration and the hash of their weights), and whatever JSON can hold.
    """
    digest = hashlib.sha256(emotion_kedro.__version__.encode())
    for part in parts:
        digest.update(b"\x00" + _bytes_of(part))
    return digest.hexdigest()[:16]


def _bytes_of(part: object) -> bytes:
    if isinstance(part, BaseModel):
        return part.model_dump_json().encode()
    if isinstance(part, pd.DataFrame):
        columns = json.dumps([str(name) for name in part.columns]).encode()
        return columns + pd.util.hash_pandas_object(part, index=False).to_numpy().tobytes()
    if isinstance(part, Path):
        return b"".join(_hash_of_file(file) for file in sorted(part.rglob("*")) if file.is_file())
    return json.dumps(part, sort_keys=True).encode()


def _hash_of_file(file: Path) -> bytes:
    with file.open("rb") as stream:
        return file.name.encode() + hashlib.file_digest(stream, "sha256").digest()


class Checkpoints:
    """The checkpoints of one piece of work: ``<root>/<name>-<fingerprint>/<step>/``."""

    def __init__(self, root: Path | str, name: str, identity: str) -> None:
        self.directory = Path(root) / f"{name}-{identity}"

    def save(self, step: int, tensors: dict[str, torch.Tensor], notes: dict[str, Any]) -> None:
        """Write a checkpoint in one step and remove the older ones.

        Args:
            step: where the work stands.
            tensors: any names, any shapes.
            notes: what JSON can hold.
        """
        from safetensors.torch import save_file

        staging = self.directory / f".partial-{step}"
        shutil.rmtree(staging, ignore_errors=True)
        staging.mkdir(parents=True)
        save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, staging / "state")
        (staging / "notes.json").write_text(json.dumps(notes), encoding="utf-8")
        target = self.directory / f"{step:09d}"
        shutil.rmtree(target, ignore_errors=True)
        staging.rename(target)
        for older in self._steps()[:-1]:
            shutil.rmtree(older, ignore_errors=True)

    def load(self) -> tuple[int, dict[str, torch.Tensor], dict[str, Any]] | None:
        """Return step, tensors and notes of the newest checkpoint, or None."""
        from safetensors.torch import load_file

        steps = self._steps()
        if not steps:
            return None
        newest = steps[-1]
        # In use by this run: what a run has touched is dropped once its results are saved.
        self.directory.touch()
        notes = json.loads((newest / "notes.json").read_text(encoding="utf-8"))
        return int(newest.name), load_file(newest / "state"), notes

    def clear(self) -> None:
        """Remove every checkpoint of this work: its result is safe elsewhere."""
        shutil.rmtree(self.directory, ignore_errors=True)

    def _steps(self) -> list[Path]:
        if not self.directory.is_dir():
            return []
        return sorted(path for path in self.directory.iterdir() if path.name.isdigit())


class TableParts:
    """A table that grows part by part: each part is a parquet file that is there whole or not at all."""

    def __init__(self, root: Path | str, name: str, identity: str) -> None:
        self.directory = Path(root) / f"{name}-{identity}"

    def save(self, number: int, table: pd.DataFrame) -> None:
        """Write part ``number``, counted from 0."""
        self.directory.mkdir(parents=True, exist_ok=True)
        staging = self.directory / f".partial-{number}"
        table.to_parquet(staging)
        staging.rename(self.directory / f"{number:06d}.parquet")

    def load(self) -> list[pd.DataFrame]:
        """Return the parts there are, in order."""
        if not self.directory.is_dir():
            return []
        self.directory.touch()
        return [pd.read_parquet(file) for file in sorted(self.directory.glob("*.parquet"))]

    def clear(self) -> None:
        """Remove every part: the whole table is safe elsewhere."""
        shutil.rmtree(self.directory, ignore_errors=True)
