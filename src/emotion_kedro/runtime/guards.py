"""What guards a run: it is alone in its data folder, can write there, and stops with one line when it is told to."""

from __future__ import annotations

import contextlib
import fcntl
import logging
import multiprocessing
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING, Any

from click import ClickException

from emotion_kedro.storage.whole_files import sweep

if TYPE_CHECKING:  # Kedro is slow to import, and training asks for its signals alone
    from kedro.io import CatalogProtocol
    from kedro.pipeline import Pipeline

logger = logging.getLogger(__name__)

LOCK = "run.lock"
RAW_LAYER = "01_raw"
"""Folder of raw tables, in which nothing is ever removed."""
WATCH_SECONDS = 1.0
STOPPING = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
"""Signals that stop a run, with the handlers that are replaced: a host program's own stay as they are."""


class FolderError(ClickException):
    """A run cannot work in its data folder; the command line shows the message alone."""


# --- one run a data folder ----------------------------------------------------------------------------------------

_HELD: set[int] = set()


def _release_in_child() -> None:
    """A forked process must not keep the lock of the one that it came from, should that one be killed."""
    for descriptor in _HELD:
        os.close(descriptor)
    _HELD.clear()


os.register_at_fork(after_in_child=_release_in_child)


@contextlib.contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Let no other run into a data folder, and remove what stopped runs left there.

    The kernel drops the locks of a process that dies, however it dies. The folder itself is locked, so that a file that
    somebody deletes lets nobody in, and the file too: on network disks folders cannot be. Where no lock can be had (a
    folder that is only read, a file system without locks) the run goes on without one.

    Raises:
        FolderError: if another run is using the folder; it says which.
    """
    opened = _opened(folder / LOCK)
    try:
        locked = _locked(opened, folder)
        sweep(folder, lambda path: path.name == RAW_LAYER or (path / LOCK).is_file(), alone=locked)
        yield
    finally:
        for descriptor in opened:
            if descriptor in _HELD:
                # Said aloud: a process that was forked a moment ago may not have closed its copy yet.
                fcntl.flock(descriptor, fcntl.LOCK_UN)
            _HELD.discard(descriptor)
            os.close(descriptor)


def _opened(file: Path) -> list[int]:
    """Open what is locked: the folder, and the file in it last; none if there can be no folder."""
    opened = []
    with contextlib.suppress(OSError):
        file.parent.mkdir(parents=True, exist_ok=True)
        opened.append(os.open(file.parent, os.O_RDONLY))
    with contextlib.suppress(OSError):
        opened.append(opened_to_lock(file))
    return opened


def opened_to_lock(file: Path) -> int:
    """Open a file that stands for what is locked: on network disks folders cannot be, nor files that are only read.

    Raises:
        OSError: if there is none, and none can be made.
    """
    try:
        return os.open(file, os.O_RDWR | os.O_CREAT, 0o666)
    except PermissionError:
        return os.open(file, os.O_RDONLY)  # another user's, which can be locked here, but not written to


def _locked(opened: Sequence[int], folder: Path) -> bool:
    """Take the locks and enter who has them; return whether there are any."""
    failed = ""
    for descriptor in opened:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            _HELD.add(descriptor)
        except BlockingIOError as error:
            raise FolderError(_busy(folder, _holder(folder))) from error
        except OSError as error:
            failed = str(error)
    if not _HELD.intersection(opened):
        level = logging.WARNING if opened else logging.DEBUG  # nothing can be made where nothing can be opened
        logger.log(level, "%s has no locks (%s): see to it that no other run uses it", folder, failed)
        return False
    words = " ".join(["kedro", *sys.argv[1:]])
    with contextlib.suppress(OSError):  # a full disk, or the file of another user
        os.truncate(opened[-1], 0)
        os.write(opened[-1], f"{os.getpid()}\n{platform.node()}\n{time.strftime('%Y-%m-%d %H:%M')}\n{words}\n".encode())
    return True


def _holder(folder: Path) -> list[str]:
    try:
        return (folder / LOCK).read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def _busy(folder: Path, holder: Sequence[str]) -> str:
    shown = _shown(folder)
    if len(holder) < 4:
        return f"another run is using {shown}/; wait until it ends"
    process, machine, since, command = holder[:4]
    where = "" if machine == platform.node() else f" on {machine}"
    return (
        f"run PID {process}{where} since {since} is using {shown}/ ({command}); wait until it ends, stop it with "
        f"kill {process}, or keep this run's tables elsewhere (data_root in conf/local/globals.yml)"
    )


def _shown(path: Path) -> Path:
    return path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path


@contextlib.contextmanager
def in_turn(dataset: Any) -> Iterator[None]:
    """Let the processes of a run change a data set's file one after another, where a file beside it can be locked."""
    with contextlib.ExitStack() as closing:
        for path in places_of([dataset]):
            with contextlib.suppress(OSError):
                descriptor = opened_to_lock(path.with_name(f".{path.name}.lock"))
                closing.callback(os.close, descriptor)
                fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield


# --- what a run will write ----------------------------------------------------------------------------------------


def work_of(pipeline: Pipeline, catalog: CatalogProtocol, *, only_missing: bool) -> Pipeline:
    """Return the nodes that a run will do: with ``only_missing`` those alone whose outputs are missing."""
    from kedro.runner import SequentialRunner

    return SequentialRunner()._filter_pipeline_for_missing_outputs(pipeline, catalog) if only_missing else pipeline


def check_writable(places: Iterable[Path]) -> None:
    """Stop a run that could not save what it makes.

    Raises:
        FolderError: naming the folder that is only read.
    """
    for place in places:
        # What is there already is replaced by a rename, for which its own rights do not matter.
        folder = next(path for path in (place, *place.parents) if path.is_dir())
        if not os.access(folder, os.W_OK | os.X_OK):
            raise FolderError(
                f"{_shown(folder)} cannot be written to, and this run would save {_shown(place)}; nothing was run. "
                "Change its permissions, or keep the run's tables elsewhere (data_root in conf/local/globals.yml)"
            )


def check_versions(outputs: Iterable[Any]) -> None:
    """Stop a run whose versions would not be the newest by name: what reads the newest would read another's.

    Raises:
        FolderError: naming the version in the way, what the clock says, and what to do.
    """
    from kedro.io.core import generate_timestamp

    for dataset in outputs:
        version = getattr(dataset, "_version", None)
        if version is None or not places_of([dataset]):
            continue
        (path,) = places_of([dataset])
        newest = max((file.parent.name for file in path.glob(f"*/{path.name}")), default="")
        now = version.save or generate_timestamp()
        if newest > now:
            raise FolderError(
                f"the clock says {now}, but {_shown(path / newest)} is newer by its name and would still be the one "
                "that is read; nothing was run. Set the clock right, or, if that version was made when the clock was "
                "wrong, move its folder away or rename it to a date of the past"
            )


def places_of(outputs: Iterable[Any]) -> list[Path]:
    """Return the files and folders of those data sets that have one on this machine."""
    local = [dataset for dataset in outputs if getattr(dataset, "_protocol", "file") == "file"]
    return [Path(dataset._filepath) for dataset in local if getattr(dataset, "_filepath", None) is not None]


# --- when a run is stopped ----------------------------------------------------------------------------------------


@contextlib.contextmanager
def stopped_by_signals() -> Iterator[None]:
    """Let SIGINT and SIGTERM unwind the run with one line and exit code 130 or 143; a second one kills at once.

    Processes of ``ParallelRunner`` are told too. Outside of the main thread, and where signals are ignored
    (``nohup``) or a host program has handlers of its own, nothing changes.
    """
    _HELPERS[:] = [process.pid for process in multiprocessing.active_children() if process.pid]
    replaced = {}
    if threading.current_thread() is threading.main_thread():
        replaced = {number: handler for number, handler in STOPPING.items() if signal.getsignal(number) == handler}
    for number in replaced:
        signal.signal(number, _stop)
    try:
        yield
    finally:
        for number, handler in replaced.items():
            signal.signal(number, handler)
        _STOPPED.clear()  # processes of a later run in this process take over what is set here


@contextlib.contextmanager
def handlers_kept(when_told_to_end: Callable[[int, FrameType | None], object] | None = None) -> Iterator[None]:
    """Restore the handlers of SIGINT and SIGTERM that what is done meanwhile replaces, as Ray does.

    ``when_told_to_end`` handles SIGTERM meanwhile. A SIGTERM that came to Ray's handler is raised again. Outside of the
    main thread nothing is done.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    handlers, ended = {number: signal.getsignal(number) for number in STOPPING}, None
    try:
        if when_told_to_end is not None:
            signal.signal(signal.SIGTERM, when_told_to_end)
        yield
    except SystemExit as error:
        ended = error
    finally:
        for number, handler in handlers.items():
            if handler is not None:  # set by other means than Python's
                signal.signal(number, handler)
    if ended is not None:
        if ended.code == signal.SIGTERM:  # so Ray's ends the process
            signal.raise_signal(signal.SIGTERM)
        raise ended


def _stop(number: int, frame: FrameType | None) -> None:
    child = multiprocessing.parent_process() is not None
    for each in STOPPING:
        # A process of ParallelRunner is told by the terminal and by its run: the second time it is unwinding already.
        signal.signal(each, _pass if child else signal.SIG_DFL)
    if not child:
        for process in multiprocessing.active_children():
            process.terminate()
        # Past sys.stderr, which may be in the middle of a line.
        os.write(2, f"stopped by {signal.Signals(number).name}; run the same command again to go on\n".encode())
    _STOPPED.set()
    raise SystemExit(128 + number)


@contextlib.contextmanager
def signals_held() -> Iterator[Callable[[Callable[[], object]], None]]:
    """Keep a signal that would stop the run until the work is at a place that it can go on from; a second one kills.

    Yields:
        To be called at such a place with what saves the work: if a signal has come, that is done, and the run stops.
    """
    held: list[int] = []
    is_main = threading.current_thread() is threading.main_thread()
    numbers = [number for number in STOPPING if is_main and signal.getsignal(number) is _stop]

    def hold(number: int, frame: FrameType | None) -> None:
        if held and multiprocessing.parent_process() is None:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)
        held.append(number)

    def stop_here(save: Callable[[], object]) -> None:
        if held:
            save()
            _stop(held[0], None)

    for number in numbers:
        signal.signal(number, hold)
    try:
        yield stop_here
    finally:
        for number in (each for each in numbers if signal.getsignal(each) is hold):
            signal.signal(number, _stop)
    stop_here(lambda: None)


def _pass(number: int, frame: FrameType | None) -> None:
    """Do nothing: a signal that is set to be ignored while one is on its way makes Python complain."""


_STOPPED, _WATCHING = threading.Event(), threading.Event()
_HELPERS: list[int] = []
"""Processes of a runner's own that were there before the run: Kedro's for shared memory waits for ever without it."""


def check_going_on() -> None:
    """Let a process of ``ParallelRunner`` begin no node after it was told to stop, and end with the run it is of."""
    parent = multiprocessing.parent_process()
    if parent is None:
        return
    if _STOPPED.is_set():
        raise SystemExit(128 + signal.SIGTERM)
    if not _WATCHING.is_set():
        _WATCHING.set()
        threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: Any) -> None:
    first = os.getppid()
    while os.getppid() == first and parent.is_alive():
        time.sleep(WATCH_SECONDS)
    for process in _HELPERS:
        with contextlib.suppress(OSError):
            os.kill(process, signal.SIGTERM)
    os._exit(1)
