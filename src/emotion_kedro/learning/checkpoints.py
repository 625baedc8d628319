"""What a long piece of work leaves behind while it runs, so that it can be killed at any moment and go on.

A store belongs to a fingerprint: a hash of everything the result depends on. Other parameters or other data make
another fingerprint, so that a checkpoint of something else is never picked up.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import BaseModel

import emotion_kedro

if TYPE_CHECKING:
    import torch


NOTES_ON_A_MODEL = frozenset({"README.md", "generator.json", "classifier.json"})

OPENED: set[Path] = set()
"""Directories of the work that this process has begun or gone on with."""


def fingerprint(*parts: object) -> str:
    """Return 16 hexadecimal digits that change when any part does.

    Parts may be option objects, data frames, directories of a model (weights, configuration, tokenizer), and whatever
    JSON can hold.
    """
    digest = hashlib.sha256(emotion_kedro.__version__.encode())
    for part in parts:
        digest.update(b"\x00" + _bytes_of(part))
    return digest.hexdigest()[:16]


def contents_of(name: str) -> Path | str:
    """Return what stands for a model in a fingerprint: its files if ``name`` is a directory, else the name."""
    return Path(name) if Path(name).is_dir() else name


def _bytes_of(part: object) -> bytes:
    if isinstance(part, BaseModel):
        return part.model_dump_json().encode()
    if isinstance(part, pd.DataFrame):
        columns = json.dumps([str(name) for name in part.columns]).encode()
        return columns + pd.util.hash_pandas_object(part, index=False).to_numpy().tobytes()
    if isinstance(part, Path):
        return b"".join(_hash_of_file(file) for file in sorted(part.iterdir()) if _decides(file))
    return json.dumps(part, sort_keys=True).encode()


def _decides(file: Path) -> bool:
    """Whether what a model says depends on the file; cards and notes hold times, which no two runs share."""
    return file.is_file() and file.name not in NOTES_ON_A_MODEL


def _hash_of_file(file: Path) -> bytes:
    with file.open("rb") as stream:
        return file.name.encode() + hashlib.file_digest(stream, "sha256").digest()


def discard(directory: Path) -> None:
    """Remove a directory so that a kill in between leaves nothing that looks whole: first its name, then its files."""
    if not directory.exists():
        return
    gone = directory.with_name(f".gone-{directory.name}-{os.getpid()}")
    directory.rename(gone)
    shutil.rmtree(gone, ignore_errors=True)


def clear_opened() -> None:
    """Remove the checkpoints of all work of this process: its results are saved. Those of other runs stay."""
    for directory in sorted(OPENED):
        discard(directory)
    OPENED.clear()


class Checkpoints:
    """The checkpoints of one piece of work: ``<root>/<name>-<fingerprint>/<step>/``."""

    def __init__(self, root: Path | str, name: str, identity: str) -> None:
        self.directory = Path(root) / f"{name}-{identity}"
        OPENED.add(self.directory)

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
        discard(target)
        staging.rename(target)
        for older in self._steps()[:-1]:
            discard(older)

    def load(self) -> tuple[int, dict[str, torch.Tensor], dict[str, Any]] | None:
        """Return step, tensors and notes of the newest checkpoint, or None."""
        from safetensors.torch import load_file

        steps = self._steps()
        if not steps:
            return None
        newest = steps[-1]
        notes = json.loads((newest / "notes.json").read_text(encoding="utf-8"))
        return int(newest.name), load_file(newest / "state"), notes

    def clear(self) -> None:
        """Remove every checkpoint of this work: its result is safe elsewhere."""
        discard(self.directory)

    def _steps(self) -> list[Path]:
        if not self.directory.is_dir():
            return []
        return sorted(path for path in self.directory.iterdir() if path.name.isdigit())


class TableParts:
    """A table that grows part by part: each part is a parquet file that is there whole or not at all."""

    def __init__(self, root: Path | str, name: str, identity: str) -> None:
        self.directory = Path(root) / f"{name}-{identity}"
        OPENED.add(self.directory)

    def save(self, number: int, table: pd.DataFrame) -> None:
        """Write part ``number``, counted from 0."""
        self.directory.mkdir(parents=True, exist_ok=True)
        staging = self.directory / f".partial-{number}"
        table.to_parquet(staging)
        staging.rename(self.directory / f"{number:06d}.parquet")

    def load(self) -> list[pd.DataFrame]:
        """Return the parts there are, in order, as far as none is missing."""
        parts: list[pd.DataFrame] = []
        while (file := self.directory / f"{len(parts):06d}.parquet").is_file():
            parts.append(pd.read_parquet(file))
        return parts

    def clear(self) -> None:
        """Remove every part: the whole table is safe elsewhere."""
        discard(self.directory)
