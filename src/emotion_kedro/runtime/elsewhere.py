"""Pieces of work that go to other workers of Ray: of a node that runs on one, or of a command that uses a cluster."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)


RETRIES = "RAY_RUNNER_RETRIES"
"""The variable in which the runner's worker says how often a piece may be tried again."""


_IN_PART: ContextVar[bool] = ContextVar("in_part", default=False)


class LostError(ChildProcessError):
    """The workers of a piece of work died, each time that it was tried."""


@contextmanager
def elsewhere(function: Callable[[Any], object], items: Sequence[Any]) -> Iterator[bool]:
    """Call the function for each item on other workers, and wait for them at the end; away from Ray do nothing.

    A part of a node's work gives nothing away itself, and a thread of a node nothing.

    What it makes has to go to the cache, where the node finds it afterwards. A call whose workers died too often the
    node makes itself. Each call has an equal part of the node's processors, one at least: calls of one thread each,
    side by side, take less time than calls of several threads in a row. The node gives its processors back while it
    waits. GPUs and memory it would keep (Ray takes back processors alone), and two such nodes could wait for each other
    for ever: where it holds some, all is done by the node itself.

    Yields:
        Whether it is done on other workers.

    Raises:
        Exception: what the function raised: here it would raise the same.
    """
    ray = None if _IN_PART.get() else _ray()
    given = {} if ray is None else ray.get_runtime_context().get_assigned_resources()
    in_thread = threading.current_thread() is not threading.main_thread()  # for its waits Ray gives nothing back
    if ray is None or in_thread or not items or given.get("GPU") or given.get("memory"):
        yield False
        return
    from kedro.framework import project

    cpus, retries = given.get("CPU", 0), int(os.environ.get(RETRIES, 0))
    name = f"a part of {ray.get_runtime_context().get_task_name()}"
    options = {"num_cpus": max(min(cpus, 1), cpus // len(items)), "max_retries": retries, "name": name}
    sent, call = ray.put(function), ray.remote(_call).options(**options)
    setting = (str(Path.cwd()), dict(project.LOGGING.data))
    waiting = [call.remote(sent, item, retries, *setting) for item in items]
    left, lost = list(waiting), 0
    try:
        yield True
        while left:
            # By Ray's own wait, which lets the parts have the node's processors.
            [ended], left = ray.wait(left)
            try:
                _result(ray, ended, retries)
            except LostError:
                lost += 1
        if lost:
            logger.warning(
                "%d of %d parts lost each worker that they were given to, and are done here", lost, len(items)
            )
    finally:
        for task in waiting:
            ray.cancel(task)


def each_elsewhere(function: Callable[[Any], Any], items: Iterable[Any], *, retries: int = 2) -> Iterator[Any]:
    """Yield what the function returns for each item, as workers of the cluster that this process uses end with it.

    Each call has a processor, and where the cluster has GPUs one of these. Items are taken when there is room: two for
    each worker are under way at most, and those that join meanwhile get some, too. A call whose worker died is made
    again; one that fails is not.

    Raises:
        Exception: what the function raised.
        LostError: if a worker died too often.
    """
    import ray

    call, sent = ray.remote(_answer), ray.put(function)
    waiting: dict[Future[Any], Any] = {}
    try:
        for item in items:
            resources = ray.cluster_resources()
            gpus = int(resources.get("GPU", 0))
            options = {"num_cpus": 1, "num_gpus": min(gpus, 1), "max_retries": retries, "name": "part of a command"}
            task = call.options(**options).remote(sent, item, retries)
            waiting[task.future()] = task
            while len(waiting) >= 2 * max(1, gpus or int(resources.get("CPU", 1))):
                yield _result(ray, _first(waiting), retries)
        while waiting:
            yield _result(ray, _first(waiting), retries)
    finally:
        for task in waiting.values():
            ray.cancel(task)


def _first(waiting: dict[Future[Any], Any]) -> Any:
    """Return the task that ends first, which is taken from those that are waited for."""
    # Not by Ray's own wait: the exit code of a signal that comes in there would be lost.
    return waiting.pop(wait(waiting, return_when=FIRST_COMPLETED).done.pop())


def _result(ray: Any, ended: Any, retries: int) -> Any:
    """Return the result of a task that has ended.

    Raises:
        Exception: what the function raised.
        LostError: if a worker died too often.
    """
    try:
        return ray.get(ended)
    except ray.exceptions.RayTaskError as error:
        raise (error.cause if isinstance(error.cause, Exception) else error) from error
    except _of_workers(ray) as error:
        raise LostError(f"{_died(retries + 1)} ({str(error).strip().splitlines()[0]})") from error


def _of_workers(ray: Any) -> tuple[type[Exception], ...]:
    """Return the errors by which Ray tells that a process or machine has gone."""
    errors = ray.exceptions
    lost = (errors.ObjectLostError, errors.LocalRayletDiedError)
    return (errors.WorkerCrashedError, errors.NodeDiedError, errors.OutOfMemoryError, *lost)


def _died(tries: int) -> str:
    return f"the worker of a part died, {tries} times of {tries}; run the same command again to go on"


def _ray() -> Any:
    """Return Ray, if this process does a task of it."""
    ray = sys.modules.get("ray")
    is_task = ray is not None and ray.is_initialized() and ray.get_runtime_context().get_task_id() is not None
    return ray if is_task else None


def _call(function: Callable[[Any], object], item: Any, retries: int, folder: str, log: dict[str, Any]) -> None:
    from kedro.framework import project

    if Path(folder).is_dir():  # the project may be installed as a package there, and have no folder
        os.chdir(folder)
    if project.LOGGING.data != log:  # else a process that has not run a node would not log its progress
        project.configure_logging(log)
    _answer(function, item, retries)


def _answer(function: Callable[[Any], Any], item: Any, retries: int) -> Any:
    tries = _ray().get_runtime_context().worker.core_worker.get_current_task_attempt_number()
    if tries > retries:  # kills by Ray's memory monitor it counts apart, without an end
        raise LostError(_died(tries))
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # as for a node: Ray tells a part to stop by it
        signal.signal(signal.SIGINT, signal.default_int_handler)
    threads, torch = os.environ.get("OMP_NUM_THREADS", ""), sys.modules.get("torch")
    if torch is not None and threads.isdigit():
        torch.set_num_threads(int(threads))  # of this call: the process may have done another with more
    part = _IN_PART.set(True)
    try:
        return function(item)
    finally:
        _IN_PART.reset(part)
