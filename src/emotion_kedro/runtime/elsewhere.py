"""Pieces of a node's work that go to other workers, where the node runs on a worker of Ray."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


@contextmanager
def elsewhere(function: Callable[[Any], object], items: Sequence[Any]) -> Iterator[None]:
    """Call the function for each item on other workers, and wait for them at the end; away from Ray do nothing.

    What it makes has to go to the cache, where the node finds it afterwards. Whatever is not there, because a call
    failed or its workers died, the node makes itself, and raises what there is to raise. Each call has an equal part of
    the node's processors, one at least: calls of one thread each, side by side, take less time than calls of several
    threads in a row. The node gives its processors back while it waits. GPUs and memory it would keep, and two such
    nodes could wait for each other for ever: where it holds some, all is done by the node itself.
    """
    ray = _ray()
    given = {} if ray is None else ray.get_runtime_context().get_assigned_resources()
    if ray is None or not items or given.get("GPU") or given.get("memory"):
        yield
        return
    cpus = given.get("CPU", 0)
    options = {"num_cpus": max(min(cpus, 1), cpus // len(items)), "name": "part of a node"}
    sent, call = ray.put(function), ray.remote(_call).options(**options)
    waiting = [call.remote(sent, item, str(Path.cwd())) for item in items]
    try:
        yield
        failures = [failure for task in waiting if (failure := _failure_of(ray, task))]
        if failures:
            logger.warning(
                "%d of %d parts failed on other workers and are done here: %s", len(failures), len(items), failures[0]
            )
    finally:
        for task in waiting:
            ray.cancel(task)


def _failure_of(ray: Any, task: Any) -> str:
    try:
        ray.get(task)
    except ray.exceptions.RayError as error:
        return str(error).strip().splitlines()[-1]
    return ""


def _ray() -> Any:
    """Return Ray, if this process does a task of it."""
    ray = sys.modules.get("ray")
    is_task = ray is not None and ray.is_initialized() and ray.get_runtime_context().get_task_id() is not None
    return ray if is_task else None


def _call(function: Callable[[Any], object], item: Any, folder: str) -> None:
    os.chdir(folder)
    threads, torch = os.environ.get("OMP_NUM_THREADS", ""), sys.modules.get("torch")
    if torch is not None and threads.isdigit():
        torch.set_num_threads(int(threads))  # of this call: the process may have done another with more
    function(item)
