"""Files and directories that are there whole or not at all, whatever kills the process and whoever else writes them.

They are written beside their place, flushed to the disk and renamed, which a file system does in one step.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import logging
import os
import platform
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

PARTIAL, DAMAGED, GONE = ".partial-", ".damaged-", ".gone-"
SECONDS_UNUSED = 30 * 24 * 3600
SECONDS_ABANDONED = 24 * 3600
"""Age from which a leftover is removed whose writer cannot be looked up: it ran on another machine."""
ATTEMPTS = 100
"""At a rename, while other processes keep putting a directory in the same place."""
FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
FULL_IN_WORDS = re.compile(r"No space left on device|Disk quota exceeded|File too large")
NO_ROOM = "the disk has no room for"

CHECK_SUMS = ".sha256"
"""The file of a directory in which the check sum of each of its files stands."""
CARD = "README.md"
"""A model's, which people may edit: it has no check sum."""

_THREAD = threading.local()


class NoRoomError(OSError):
    """The disk is full; the message names what could not be written."""


def aside(target: Path, folder: Path | None = None) -> Path:
    """Return the path at which this thread of this process writes ``target``; its name says who writes.

    It lies beside the target, or in another ``folder`` of the same file system. No two writers share a name: a process
    is told by its id and its start, which no later process with that id has; a thread by a random word.
    """
    if not hasattr(_THREAD, "word"):
        _THREAD.word = uuid.uuid4().hex[:8]
    writer = f"{_machine()}-{os.getpid()}-{_start_of(os.getpid())}-{_THREAD.word}"
    return (folder or target.parent) / f"{PARTIAL}{writer}-{target.name}"


def put_in_place(staging: Path, target: Path, *, replace: bool = True) -> None:
    """Flush a file or directory to the disk and give it its name in one step.

    Args:
        staging: what was written.
        target: its place.
        replace: whether a directory takes the place of one that is there already. If not, the other one stays: who
            asks for this knows that it holds the same. A file is always replaced.
    """
    _flush(staging)
    target.parent.mkdir(parents=True, exist_ok=True)
    if staging.is_dir():
        _rename_directory(staging, target, replace=replace)
    else:
        staging.replace(target)
    _flush_entry(target.parent)


@contextlib.contextmanager
def written_whole(target: Path, *, replace: bool = True, folder: Path | None = None) -> Iterator[Path]:
    """Yield a path to write a file or directory at; when all went well it takes the place of ``target``.

    ``replace`` is that of :func:`put_in_place`, ``folder`` that of :func:`aside`.
    """
    staging = aside(target, folder)
    try:
        staging.parent.mkdir(parents=True, exist_ok=True)
        _remove(staging)
        yield staging
        put_in_place(staging, target, replace=replace)
    except Exception as error:
        if _is_full(error):
            raise NoRoomError(f"{NO_ROOM} {target}; make some, and run the same command again to go on") from error
        raise
    finally:
        _remove(staging)


def _is_full(error: Exception) -> bool:
    """Whether the disk is full; libraries that write in Rust or C++ say so in words alone."""
    return getattr(error, "errno", None) in FULL or bool(FULL_IN_WORDS.search(str(error)))


def says_no_room(error: BaseException) -> str:
    """Return the line of :class:`NoRoomError` in an error that came of it, or nothing.

    Kedro wraps what goes wrong in saving a table, and another process hands over words alone.
    """
    return next((line for line in str(error).splitlines() if line.startswith(NO_ROOM)), "")


def point(link: Path, target: Path) -> None:
    """Let ``link`` open a directory from now on: a relative symbolic link, which takes the old one's place in one step.

    Where the file system has no links it becomes a copy, which is there whole or not at all.
    """
    staging = aside(link)
    staging.parent.mkdir(parents=True, exist_ok=True)
    _remove(staging)
    try:
        staging.symlink_to(os.path.relpath(target, link.parent), target_is_directory=True)
    except OSError as error:
        logger.info("%s becomes a copy: no symbolic link can be made (%s)", link, error)
        with written_whole(link) as copy:
            shutil.copytree(target, copy)
        return
    if link.is_dir() and not link.is_symlink():  # a copy, of a time without links
        discard(link)
    staging.replace(link)
    _flush_entry(link.parent)


def discard(path: Path) -> None:
    """Remove a directory so that a kill in between leaves nothing that looks whole: first its name, then its files."""
    renamed = path.with_name(f"{GONE}{uuid.uuid4().hex}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(renamed)
        _remove(renamed)


def _rename_directory(staging: Path, target: Path, *, replace: bool) -> None:
    for attempt in range(ATTEMPTS):
        if replace:
            discard(target)
        try:
            staging.rename(target)
            return
        except OSError as error:
            # Another process was faster; by now its directory may be on its way out again.
            if error.errno not in {errno.ENOTEMPTY, errno.EEXIST} or attempt == ATTEMPTS - 1:
                raise
            if not replace and target.is_dir():
                logger.debug("another process was faster with %s", target)
                return


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _flush(path: Path) -> None:
    """Make the disk hold what was written: a rename may reach it before the bytes do."""
    if path.is_dir():
        for child in path.iterdir():
            _flush(child)
    _flush_entry(path)


def _flush_entry(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_check_sums(directory: Path) -> None:
    """Write down in a directory what its files hold, so that :func:`assert_as_written` can tell."""
    (directory / CHECK_SUMS).write_text(json.dumps(_check_sums(directory)), encoding="utf-8")


def assert_as_written(directory: Path) -> None:
    """Compare the files of a directory with what was written.

    Raises:
        OSError, ValueError: naming the first that is missing, too much, or other.
    """
    written = json.loads((directory / CHECK_SUMS).read_text(encoding="utf-8"))
    if not isinstance(written, dict):
        raise ValueError(f"{CHECK_SUMS} holds no check sums")
    found_sums = _check_sums(directory)
    for name in [*written, *found_sums]:
        if written.get(name) != found_sums.get(name):
            raise ValueError(f"{name} is not what was written")


def assert_whole(directory: Path) -> None:
    """Raise a ValueError if a file of a saved model is not what was written; one without check sums passes."""
    if not (directory / CHECK_SUMS).is_file():
        return
    try:
        assert_as_written(directory)
    except (OSError, ValueError) as error:
        raise ValueError(
            f"the model in {directory} is damaged: {error}; copy it anew, or run again what made it (emotion status)"
        ) from None


def _check_sums(directory: Path) -> dict[str, str]:
    # What begins with a dot is the system's: an operating system or a notebook leaves such files.
    names = (file.relative_to(directory) for file in sorted(directory.rglob("*")) if file.is_file())
    seen = (name for name in names if name.name != CARD and not any(part.startswith(".") for part in name.parts))
    return {str(name): sha256_of(directory / name) for name in seen}


def sha256_of(file: Path) -> str:
    """Return the SHA-256 of a file, in hexadecimal digits."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def set_aside(path: Path, error: Exception) -> None:
    """Take a damaged entry out of the way; it stays on the disk for whoever wants to look at it."""
    damaged = path.with_name(f"{DAMAGED}{uuid.uuid4().hex[:8]}-{path.name}")
    with contextlib.suppress(FileNotFoundError):
        path.rename(damaged)
        logger.warning("%s cannot be used (%s); set aside as %s, it is made anew", path, error, damaged.name)


def clean(folder: Path) -> None:
    """Remove what nothing used for 30 days, and what writers left behind that live no more."""
    now = time.time()
    for path in sorted(folder.glob("*")) if folder.is_dir() else ():
        with contextlib.suppress(FileNotFoundError):
            if now - path.stat().st_mtime > SECONDS_UNUSED or _is_leftover(path, now):
                discard(path)


def sweep(folder: Path, skip: Callable[[Path], bool], *, alone: bool) -> None:
    """Remove, at any depth, what writers left behind that live no more.

    Args:
        folder: where to look. Links are not followed.
        skip: whether a folder in it is left as it is.
        alone: whether nobody on another machine writes there, so that its leftovers need not be old.
    """
    now = time.time()
    for root, folders, files in os.walk(folder):
        with contextlib.suppress(FileNotFoundError):
            for path in [Path(root, name) for name in (*folders, *files)]:
                if _is_leftover(path, now, alone=alone):
                    logger.info("removed what a stopped run left: %s", path)
                    _remove(path)
        folders[:] = [name for name in folders if not skip(Path(root, name))]


def _is_leftover(path: Path, now: float, *, alone: bool = False) -> bool:
    if path.name.startswith(GONE):
        return True
    if not path.name.startswith(PARTIAL):
        return False
    machine, process, start, *_ = [*path.name.removeprefix(PARTIAL).split("-"), "", ""]
    if machine == _machine() and process.isdigit():
        return not _lives(int(process)) or start != _start_of(int(process))
    return alone or now - path.stat().st_mtime > SECONDS_ABANDONED


def _machine() -> str:
    return platform.node().replace("-", "_")


def _start_of(process: int) -> str:
    """Return when a process of this machine began, in ticks since the machine did; 0 where no file tells."""
    try:
        # The name of the program, in brackets, may hold anything.
        fields = Path(f"/proc/{process}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return "0"
    return fields[19]


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # another user's
        return True
    return True


def touch(path: Path) -> bool:
    """Mark an entry as used; return whether there is one."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except PermissionError:  # a cache that is only read
        return True
    return True
