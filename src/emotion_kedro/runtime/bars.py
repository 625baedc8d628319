"""A bar for work that takes long, where somebody watches: on a terminal, and nowhere else."""

from __future__ import annotations

import logging
import multiprocessing
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_LIVE = threading.Lock()
"""Held while a bar is shown: there is one at a time, and work inside of other work has none."""


@contextmanager
def bar(description: str, total: int) -> Iterator[Callable[[int], None]]:
    """Show on standard error how far work is; nothing where that is no terminal, and in processes of a run's own.

    Yields:
        What takes how much is done by now, of ``total``.
    """
    if not _is_watched() or not _LIVE.acquire(blocking=False):
        yield _unseen
        return
    try:
        from rich import progress
        from rich.console import Console

        columns = (
            progress.TextColumn("{task.description}", markup=False),
            progress.BarColumn(),
            progress.MofNCompleteColumn(),
            progress.TimeRemainingColumn(),
        )
        with progress.Progress(*columns, console=Console(stderr=True), transient=True) as shown, _lines_above():
            task = shown.add_task(description, total=total)
            yield lambda done: shown.update(task, completed=done)
    finally:
        _LIVE.release()


def is_shown() -> bool:
    """Whether there is a bar just now, so that lines which say the same can be left out."""
    return _LIVE.locked()


def _is_watched() -> bool:
    return sys.stderr is not None and sys.stderr.isatty() and multiprocessing.parent_process() is None


def _unseen(done: int) -> None:
    """Show nothing."""


@contextmanager
def _lines_above() -> Iterator[None]:
    """Let lines of the log that go to a terminal be written above the bar: rich has put itself into the streams."""
    handlers = [each for each in logging.getLogger().handlers if isinstance(each, logging.StreamHandler)]
    before = [(each, each.stream) for each in handlers if each.stream is not None and each.stream.isatty()]
    for handler, _ in before:
        handler.setStream(sys.stdout)
    try:
        yield
    finally:
        for handler, stream in before:
            handler.setStream(stream)
