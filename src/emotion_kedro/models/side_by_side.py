"""Work on several models at once: on a CPU two small jobs of one thread each take less than one of two, twice."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any, TypeVar

from emotion_kedro.models.device import Device

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 4
"""Jobs at once: each may hold a model of its own."""
OPENING = threading.RLock()
"""Held while a model is opened or made: ``transformers`` does so with global state, and initial values are drawn from
the one random state of the process."""


def side_by_side(function: Callable[[Item], Result], items: Sequence[Item], device: Device) -> list[Result]:
    """Return what the function makes of each item, in their order; on a CPU in threads that share its cores.

    The function must draw no random number from the state that all threads share. The first error is raised as soon as
    it occurs; threads that are still at work end with the program.
    """
    import torch

    cores = torch.get_num_threads()
    workers = min(MOST, cores, len(items)) if device.kind == "cpu" else 1
    if workers < 2:
        return [function(item) for item in items]
    waiting: SimpleQueue[int] = SimpleQueue()
    done: SimpleQueue[tuple[int, Any, BaseException | None]] = SimpleQueue()
    for place in range(len(items)):
        waiting.put(place)
    torch.set_num_threads(cores // workers)
    try:
        for _ in range(workers):
            threading.Thread(target=_work, args=(function, items, waiting, done), daemon=True).start()
        return _collected(len(items), done)
    finally:
        # An error leaves the rest undone.
        while not waiting.empty():
            waiting.get()
        torch.set_num_threads(cores)


def _work(function: Callable[[Any], Any], items: Sequence[Any], waiting: Any, done: Any) -> None:
    while not waiting.empty():
        place = waiting.get()
        try:
            done.put((place, function(items[place]), None))
        except BaseException as error:
            done.put((place, None, error))


def _collected(count: int, done: Any) -> list[Any]:
    results: dict[int, Any] = {}
    while len(results) < count:
        place, result, error = done.get()
        if error is not None:
            raise error
        results[place] = result
    return [results[place] for place in range(count)]
