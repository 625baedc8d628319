"""Pieces of a node's work that go to other workers, where the node runs on a worker of Ray."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any


@contextmanager
def elsewhere(function: Callable[[Any], object], items: Sequence[Any]) -> Iterator[None]:
    """Call the function for each item on other workers, and wait for them at the end; away from Ray do nothing.

    What it makes has to go to the cache, where the node finds it afterwards. Whatever is not there, because a call
    failed or its workers died, the node makes itself, and raises what there is to raise. Each call has the memory and
    the share of GPUs of the node, and of its processors an equal part, one at least: calls of one thread each, side by
    side, take less time than calls of several threads in a row. The node gives its processors back while it waits.
    """
    ray = _ray()
    if ray is None or not items:
        yield
        return
    given = ray.get_runtime_context().get_assigned_resources()
    cpus = given.get("CPU", 0)
    share = max(min(cpus, 1), cpus // len(items))
    options = {"num_cpus": share, "num_gpus": given.get("GPU", 0), "memory": given.get("memory", 0)}
    sent, call = ray.put(function), ray.remote(_call).options(**options, name="part of a node")
    waiting = [call.remote(sent, item, str(Path.cwd())) for item in items]
    try:
        yield
        for task in waiting:
            with suppress(ray.exceptions.RayError):
                ray.get(task)
    finally:
        for task in waiting:
            ray.cancel(task)


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
