"""Files of the project's packages: those of its modules, and the data that lie beside them, such as page templates."""

from __future__ import annotations

import functools
import importlib.util
import time
from collections.abc import Iterable
from pathlib import Path

BEGAN = time.time_ns()
"""When this was imported: the project's modules that are read later are those of the files as they are now."""
CODE = {".py", ".pyc", ".so"}
LONGEST_NAME = 200
"""Characters of a string that may name a file."""
LONGEST_TEXT = 2**20
"""Bytes of a data file that is searched for names of others."""


def file_of(module: str) -> Path | None:
    """Return the source of a module, found without importing the packages above it."""
    top, *below = module.split(".")
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError):  # a console's own module has none
        return None
    if spec is None:
        return None
    if not below and spec.origin is not None:
        return Path(spec.origin)
    for folder in spec.submodule_search_locations or ():
        path = Path(folder, *below)
        for file in (path.with_name(f"{path.name}.py"), path / "__init__.py"):
            if file.is_file():
                return file
    return None


def edited(files: Iterable[Path]) -> list[Path]:
    """Return the files that were touched since this process began: what runs may be older than what they hold."""
    return [file for file in files if not file.exists() or _touched(file) > BEGAN]


def _touched(file: Path) -> int:
    status = file.stat()  # a file that is moved or copied in may bring an old time of change along
    return max(status.st_mtime_ns, status.st_ctime_ns)


def data_named(module: str, file: Path, strings: Iterable[str]) -> dict[str, Path]:
    """Return the data files that a module names by strings, and those that these name in turn.

    They, or folders of them, lie beside the module, in a package above it, or in one that a string names
    (``"package.templates"``).

    Returns:
        Path as seen from the folder that the outermost package lies in -> file.
    """
    depth = module.count(".") + (file.name == "__init__.py")
    root, top = file.parents[depth], module.partition(".")[0]
    names = [text for text in strings if 0 < len(text) <= LONGEST_NAME]
    named = [root.joinpath(*text.split(".")) for text in names if text.startswith(f"{top}.")]
    folders = [*file.parents[:depth], *(folder for folder in named if folder.is_dir())]
    waiting = [each for folder in folders for name in names for each in _data_at(folder, name)]
    files: dict[str, Path] = {}
    while waiting:
        path = waiting.pop()
        if (key := path.relative_to(root).as_posix()) not in files:
            files[key] = path
            waiting += _named_in(path)
    return files


def _data_at(folder: Path, name: str) -> list[Path]:
    if name.partition("/")[0] not in _entries(folder, folder.stat().st_mtime_ns):
        return []
    path = folder / name
    if path.is_file():
        return [path] if path.suffix not in CODE else []
    if any(path.glob("*.py")):  # a package
        return []
    return [each for each in sorted(path.rglob("[!.]*")) if each.is_file() and each.suffix not in CODE]


def _named_in(path: Path) -> list[Path]:
    if path.stat().st_size > LONGEST_TEXT:
        return []
    text, folder = path.read_text(encoding="utf-8", errors="replace"), path.parent
    names = [name for name in _entries(folder, folder.stat().st_mtime_ns) if "." in name and name in text]
    return [each for name in names for each in _data_at(folder, name)]


@functools.cache
def _entries(folder: Path, changed: int) -> frozenset[str]:
    return frozenset(path.name for path in folder.iterdir())
