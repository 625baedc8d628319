"""Pieces of work that go to other workers of Ray: of a node that runs on one, or of a command that uses a cluster."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
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


def each_elsewhere(function: Callable[[Any], Any], items: Iterable[Any], *, retries: int = 2) -> Iterator[Any]:
    """Yield what the function returns for each item, as workers of the cluster that this process uses end with it.

    Each call has a processor, and where the cluster has GPUs one of these. Items are taken when there is room: two for
    each worker are under way at most. A call whose worker died is made again; one that fails is not.

    Raises:
        Exception: what the function raised.
        ChildProcessError: if a worker died too often.
    """
    import ray

    there = ray.cluster_resources()
    gpus = int(there.get("GPU", 0))
    options = {"num_cpus": 1, "num_gpus": min(gpus, 1), "max_retries": retries, "name": "part of a command"}
    call, sent = ray.remote(_answer).options(**options), ray.put(function)
    most = 2 * max(1, gpus or int(there.get("CPU", 1)))
    waiting: list[Any] = []
    try:
        for item in items:
            waiting.append(call.remote(sent, item))
            if len(waiting) >= most:
                yield _first(ray, waiting, retries)
        while waiting:
            yield _first(ray, waiting, retries)
    finally:
        for task in waiting:
            ray.cancel(task)


def _first(ray: Any, waiting: list[Any], retries: int) -> Any:
    """Return the result of the task that ends first, which is taken from those that are waited for."""
    [ended], waiting[:] = ray.wait(waiting)
    try:
        return ray.get(ended)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from None
    except ray.exceptions.RayError as error:
        said = f"the worker of a part died, {retries + 1} times of {retries + 1}; run the same command again to go on"
        raise ChildProcessError(f"{said} ({str(error).strip().splitlines()[0]})") from error


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
    _answer(function, item)


def _answer(function: Callable[[Any], Any], item: Any) -> Any:
    threads, torch = os.environ.get("OMP_NUM_THREADS", ""), sys.modules.get("torch")
    if torch is not None and threads.isdigit():
        torch.set_num_threads(int(threads))  # of this call: the process may have done another with more
    return function(item)
