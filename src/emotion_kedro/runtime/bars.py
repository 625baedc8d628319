"""How far work is that takes long: a bar where somebody watches, on a terminal, and lines of the log now and then."""

from __future__ import annotations

import logging
import multiprocessing
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 10.0
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


def lines(description: str, total: int) -> Callable[[int], None]:
    """Return what takes how many texts are read more, of ``total``, and says now and then how far that is.

    The longest texts come first where they are sorted: it gets faster.
    """
    began = reported = time.perf_counter()
    done = 0

    def more(count: int) -> None:
        nonlocal done, reported
        done += count
        if (now := time.perf_counter()) - reported > SECONDS_BETWEEN_LINES:
            reported = now
            logger.info("%s %d of %d texts, %.3g texts/s", description, done, total, done / (now - began))

    return more


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
