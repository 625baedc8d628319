"""What long work leaves behind, by content: the identity of an entry is a hash of everything that it depends on.

Other parameters, other data or other code make another identity, so that nothing made from something else is ever
picked up. An entry is there whole or not at all: it is written beside its place, flushed to the disk and renamed,
whatever kills the process and whoever else is writing the same.
"""

from __future__ import annotations

import hashlib
import json
import shutil
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from copy import copy
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from emotion_kedro.storage.identity import mark
from emotion_kedro.storage.whole_files import (
    CHECK_SUMS,
    assert_as_written,
    clean,
    discard,
    set_aside,
    touch,
    write_check_sums,
    written_whole,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import torch
    from numpy.typing import NDArray

TABLE = "table.parquet"
WORK = "work"
SHOWN_NAME = 100
"""Characters of a name that a folder's begins with: file systems take some 250 in all."""
KEPT_CHECKPOINTS = 2
"""The newest, and the one before it in case the newest turns out to be damaged."""

OWNER: ContextVar[str] = ContextVar("owner", default="")
"""Who works in this thread: a node's name, where the hooks have set it."""
OPENED: defaultdict[str, set[Path]] = defaultdict(set)
"""Directories of the work that this process has begun or gone on with, by their owner."""


# --- the cache ----------------------------------------------------------------------------------------------------


class Cache:
    """Tables, directories, vectors and checkpoints: ``<root>/<kind>/<identity>``.

    Checkpoints are dropped with the entry that the work leads to (:meth:`towards`), at the latest when all that their
    owner makes is saved (:func:`clear_finished`). Everything else stays for later runs, and goes when nothing used it
    for 30 days. The owner is the node that runs in the thread in which the object is made.
    """

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.owner = OWNER.get()
        self._result = ""
        self._cleaned: set[str] = set()

    def table(self, kind: str, identity: str) -> pd.DataFrame | None:
        """Return a table, its ``attrs`` included, or None if it was not made yet."""
        import pandas as pd

        directory = self.directory(kind, identity)
        return None if directory is None else pd.read_parquet(directory / TABLE)

    def save_table(self, kind: str, identity: str, table: pd.DataFrame) -> None:
        """Keep a table, in a directory of its own; ``attrs`` may hold what JSON can."""
        self.save_directory(kind, identity, lambda folder: table.to_parquet(folder / TABLE))

    def directory(self, kind: str, identity: str) -> Path | None:
        """Return a directory, or None if it was not made yet, or is not what was written: then it is set aside."""
        directory = self._place(kind, identity)
        if not touch(directory):
            return None
        try:
            assert_as_written(directory)
        except (OSError, ValueError) as error:
            set_aside(directory, error)
            return None
        self.finish(kind, identity)
        return directory

    def save_directory(self, kind: str, identity: str, write: Callable[[Path], object]) -> Path:
        """Keep a directory, which ``write`` fills; it is given an empty one. Return where it lies in the end."""
        self._clean_once(kind)
        target = self._place(kind, identity)
        with written_whole(target, replace=False) as staging:
            staging.mkdir()
            write(staging)
            write_check_sums(staging)
        self.finish(kind, identity)
        return target

    def vectors(self, kind: str, identity: str) -> Vectors:
        """Return the store of vectors of one kind and identity; it grows by parts."""
        self._clean_once(kind)
        return Vectors(self.root / kind / identity)

    def work(self, name: str, identity: str) -> Work:
        """Return the checkpoints of one piece of work; its name may hold any characters, and be of any length."""
        self._clean_once(WORK)
        folder = self.root / WORK
        work = Work(folder / self._result / f"{quote(name, safe='')[:SHOWN_NAME]}-{identity}", folder)
        OPENED[self.owner].add(work.directory)
        return work

    def towards(self, kind: str, identity: str) -> Cache:
        """Return this cache for work that leads to one of its entries.

        Checkpoints that are made through it go when the entry is saved, or is found: a run that was killed in between
        has left them.
        """
        cache = copy(self)
        cache._result = f"{kind}-{identity}"
        return cache

    def finish(self, kind: str, identity: str) -> None:
        """Remove the checkpoints of all work that led to an entry."""
        discard(self.root / WORK / f"{kind}-{identity}")

    def _place(self, kind: str, identity: str) -> Path:
        return self.root / kind / f"{identity}{mark()}"

    def _clean_once(self, kind: str) -> None:
        if kind not in self._cleaned:
            self._cleaned.add(kind)
            clean(self.root / kind)


def copy_kept(source: Path, target: Path) -> None:
    """Copy a kept directory without what is the cache's own."""
    shutil.copytree(source, target, ignore=shutil.ignore_patterns(CHECK_SUMS), dirs_exist_ok=True)


def clear_finished(owner: str) -> None:
    """Remove the checkpoints of an owner's work in this process: its results are saved. Those of others stay."""
    for directory in sorted(OPENED.pop(owner, ())):
        discard(directory)


# --- what grows or is replaced ------------------------------------------------------------------------------------


class Work:
    """The checkpoints of one piece of work: ``<directory>/<step>/``, each with a check sum."""

    def __init__(self, directory: Path, folder: Path | None = None) -> None:
        """Keep finished checkpoints in ``directory``; unfinished ones are written in ``folder`` (None: its parent)."""
        self.directory, self.folder = directory, folder or directory.parent

    def save(self, step: int, tensors: dict[str, torch.Tensor], notes: dict[str, Any]) -> None:
        """Write a checkpoint in one step; of the older ones the newest stays.

        Args:
            step: where the work stands.
            tensors: any names, any shapes.
            notes: what JSON can hold.
        """
        if mark():
            return
        from safetensors.torch import save_file

        with written_whole(self.directory / f"{step:09d}", replace=False, folder=self.folder) as staging:
            staging.mkdir()
            save_file({name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}, staging / "state")
            content = {"sha256": _check_sum(staging / "state", notes), "notes": notes}
            (staging / "notes.json").write_text(json.dumps(content), encoding="utf-8")
        for used in (self.directory, self.directory.parent):
            touch(used)
        for older in self._steps()[:-KEPT_CHECKPOINTS]:
            discard(older)

    def load(
        self, assert_fits: Callable[[dict[str, torch.Tensor], dict[str, Any]], None] = lambda tensors, notes: None
    ) -> tuple[int, dict[str, torch.Tensor], dict[str, Any]] | None:
        """Return step, tensors and notes of the newest checkpoint that is whole and fits, or None.

        Any other is set aside with a warning, and the one before it is taken.

        Args:
            assert_fits: raises a ValueError that says what is wrong with tensors or notes.
        """
        from safetensors import SafetensorError

        for directory in reversed(self._steps()):
            try:
                tensors, notes = _read_checkpoint(directory)
                assert_fits(tensors, notes)
                return int(directory.name), tensors, notes
            except (OSError, ValueError, SafetensorError) as error:
                set_aside(directory, error)
        return None

    def _steps(self) -> list[Path]:
        if not self.directory.is_dir():
            return []
        return sorted(path for path in self.directory.iterdir() if path.name.isdigit())


def _read_checkpoint(directory: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Return tensors and notes.

    Raises:
        OSError, ValueError, SafetensorError: if a file is missing, or not as it was written.
    """
    from safetensors.torch import load_file

    content = json.loads((directory / "notes.json").read_text(encoding="utf-8"))
    if not isinstance(content, dict) or set(content) != {"sha256", "notes"}:
        raise ValueError("its notes are not those of a checkpoint")
    if content["sha256"] != _check_sum(directory / "state", content["notes"]):
        raise ValueError("its check sum is another")
    return load_file(directory / "state"), content["notes"]


def _hash_of_file(file: Path) -> bytes:
    with file.open("rb") as stream:
        return file.name.encode() + hashlib.file_digest(stream, "sha256").digest()


def _check_sum(state: Path, notes: dict[str, Any]) -> str:
    return hashlib.sha256(_hash_of_file(state) + json.dumps(notes).encode()).hexdigest()


class Vectors:
    """Rows of numbers by key, some hundred a file; each file is there whole or not at all, and none is changed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def load(self) -> dict[bytes, NDArray[np.float32]]:
        """Return every row that there is, by its key."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        rows: dict[bytes, NDArray[np.float32]] = {}
        for file in sorted(self.directory.glob("[0-9a-f]*.safetensors")):
            try:
                part = load_file(file)
                if _name_of_part(part["keys"], part["rows"]) != file.stem:
                    raise ValueError("its check sum is another")
                rows.update(zip(map(bytes, part["keys"]), part["rows"], strict=True))
            except (OSError, ValueError, KeyError, SafetensorError) as error:
                set_aside(file, error)
        touch(self.directory)
        return rows

    def save(self, keys: Sequence[bytes], rows: NDArray[np.float32]) -> None:
        """Add rows, (keys, width); keys are 32 bytes each."""
        if mark():
            return
        import numpy as np
        from safetensors.numpy import save_file

        as_numbers = np.frombuffer(b"".join(keys), dtype=np.uint8).reshape(-1, 32)
        # Its check sum: two runs that compute the same write the same file.
        file = self.directory / f"{_name_of_part(as_numbers, rows)}.safetensors"
        with written_whole(file, folder=self.directory.parent) as staging:
            save_file({"keys": as_numbers, "rows": rows}, staging)


def _name_of_part(keys: NDArray[np.uint8], rows: NDArray[np.float32]) -> str:
    return hashlib.sha256(keys.tobytes() + rows.tobytes()).hexdigest()[:32]
