"""What a result depends on, as a name: parameters, data, models, the code that computes, and its libraries.

Two results with the same name are the same; other parameters, data, code or libraries make another.
"""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import platform
import sys
import uuid
from importlib import metadata
from pathlib import Path

from pydantic import BaseModel

import emotion_kedro
from emotion_kedro.config.base import digest_of_model

logger = logging.getLogger(__name__)

COMPUTING = ("analyses", "augmentation", "config", "data", "experiments", "metrics", "models")
"""Rooms whose code decides what long work comes to."""
LIBRARIES = (
    "torch",
    "transformers",
    "tokenizers",
    "peft",
    "numpy",
    "pandas",
    "scikit-learn",
    "scipy",
    "captum",
    "optuna",
)
"""On whose versions results depend."""
PACKAGE = Path(emotion_kedro.__file__).parent
MARK: list[str] = []
"""What goes behind the names of entries, once code was edited under this process."""


def fingerprint(*parts: object) -> str:
    """Return 16 hexadecimal digits that change when any part does.

    Parts may be parameters, data frames, directories of a model (weights, configuration, tokenizer), and whatever
    JSON can hold. The code that long work runs is always one of them.
    """
    digest = hashlib.sha256(_code().encode())
    for part in parts:
        digest.update(b"\x00" + _bytes_of(part))
    return digest.hexdigest()[:16]


@functools.cache
def _code() -> str:
    """Return a digest of all source that long work may run, and of the libraries' versions, read once in a process.

    Not of what a piece of work reaches alone: a change too many costs time, one too few a wrong result.
    """
    parts = [f"{file.relative_to(PACKAGE)} {hashlib.sha256(file.read_bytes()).hexdigest()}" for file in _computing()]
    versions = [platform.python_version(), *(f"{name} {version_of(name)}" for name in LIBRARIES)]
    return hashlib.sha256("\n".join([emotion_kedro.__version__, *versions, *parts]).encode()).hexdigest()


@functools.cache
def _computing() -> list[Path]:
    return sorted(file for room in COMPUTING for file in (PACKAGE / room).rglob("*.py"))


def version_of(library: str) -> str:
    """Return the version of a library that is installed, or ``absent``."""
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "absent"


def mark() -> str:
    """Return the suffix of names in the cache: empty, until code was edited after this process began.

    Modules are read when they are first needed: after an edit nobody knows which code made an entry, and only this
    process may use it again.
    """
    if not MARK and any(_touched(file) > emotion_kedro.BEGAN for file in _computing()):
        MARK.append(f"-{uuid.uuid4().hex[:12]}")
        logger.warning("code was edited while this process runs: what it keeps from now on is not used by others")
    return "".join(MARK)


def _touched(file: Path) -> int:
    try:
        status = file.stat()
    except OSError:
        return sys.maxsize
    return max(status.st_mtime_ns, status.st_ctime_ns)


def contents_of(name: str) -> Path | str:
    """Return what stands for a model in a fingerprint: its files if ``name`` is a directory, else the name."""
    return Path(name) if Path(name).is_dir() else name


def _bytes_of(part: object) -> bytes:
    if isinstance(part, BaseModel):
        return part.model_dump_json().encode()
    if isinstance(part, Path):
        return digest_of_model(part).encode()
    # Where pandas was never imported nothing can be a table.
    pandas = sys.modules.get("pandas")
    if pandas is not None and isinstance(part, pandas.DataFrame):
        columns = json.dumps([str(name) for name in part.columns]).encode()
        return bytes(columns + pandas.util.hash_pandas_object(part, index=False).to_numpy().tobytes())
    return json.dumps(part, sort_keys=True).encode()
