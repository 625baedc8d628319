"""What is done on a worker: Kedro's own task, with the project's hooks, as a process of ``ParallelRunner`` does it."""

from __future__ import annotations

import copy
import dataclasses
import os
import signal
import sys
import traceback
from pathlib import Path
from typing import Any

import fsspec
import ray
from kedro.framework import project
from kedro.io import AbstractVersionedDataset, CatalogProtocol, DatasetError, MemoryDataset
from kedro.pipeline.node import Node
from kedro.runner.task import Task

RETRIES = "RAY_RUNNER_RETRIES"
"""The variable by which pieces of a node's work know how often they may be tried again."""


class WorkerLostError(RuntimeError):
    """The process or machine that ran a node died, each time that it was tried."""


@dataclasses.dataclass(frozen=True)
class Setting:
    """What a worker has to know of the run."""

    package: str | None
    logging: Any
    folder: str | None
    """The run's working directory; None where files travel to the workers."""
    hooks: list[Any]
    """Those that are not in the project's settings."""
    run_id: str | None
    given: set[str]
    """Data sets that the run does not make."""
    retries: int
    is_async: bool

    @classmethod
    def of(cls, hooks: Any, **run: Any) -> Setting:
        """Return that of this process's project, for a run with these fields."""
        logging_config = dict(project.LOGGING.data) if project.PACKAGE_NAME else None
        return cls(package=project.PACKAGE_NAME, logging=logging_config, hooks=plugins_to_send(hooks), **run)


@dataclasses.dataclass(frozen=True)
class Failure:
    """How a node failed by its own fault."""

    error: Exception
    told: str
    file: str
    """The source file in which the error was raised."""


_KNOWN: list[str | None] = []


def run_node(
    setting: Setting, catalog: CatalogProtocol, node: Node, kept: list[str], *inputs: MemoryDataset | None
) -> Any:
    """Run a node.

    Args:
        setting: of the run.
        catalog: a copy of the run's. Files are loaded and saved here, on the worker.
        node: what to run.
        kept: names of its inputs that other nodes left in memory, then of its outputs that are kept there.
        inputs: those inputs, as data sets.

    Returns:
        None or a Failure; and then, one by one, the outputs that are kept in memory, as data sets; None for one
        that nothing was saved to.

    Raises:
        WorkerLostError: if workers died too often. Ray counts by itself, but kills by its memory monitor, and machines
            that are taken away with notice, apart or not at all.
    """
    tries = ray.get_runtime_context().worker.core_worker.get_current_task_attempt_number()
    if tries > setting.retries:
        raise WorkerLostError(f"node {node.name}: its worker died, {tries} times of {tries}")
    outputs = kept[len(inputs) :]
    hooks = _enter(setting)
    for name in outputs:
        catalog.release(name)  # by what Kedro knows a data set without data is another object here
    for name, dataset in zip(kept, inputs, strict=False):
        _take(catalog.get(name), dataset)
    for name in set(node.inputs) - setting.given:
        if not isinstance(catalog.get(name), MemoryDataset):
            catalog.release(name)  # which version is the newest is asked again
    if tries:
        _discard(node, catalog)
    failure = None
    try:
        Task(node, catalog, setting.is_async, hooks, setting.run_id).execute()
    except (Exception, SystemExit) as error:
        failure = Failure(_sendable(error), traceback.format_exc(), _file_of(error))
    values = [catalog.get(name) if failure is None and catalog.exists(name) else None for name in outputs]
    return (failure, *values) if outputs else failure


def _enter(setting: Setting) -> Any:
    """Make this process one of the project, and return its hooks."""
    if setting.folder is not None and Path(setting.folder).is_dir():
        os.chdir(setting.folder)
    if setting.package and setting.package not in _KNOWN:
        Task._bootstrap_subprocess(setting.package, setting.logging)
        _KNOWN.append(setting.package)
    os.environ[RETRIES] = str(setting.retries)
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:
        # A shell lets what it starts in the background ignore this; and by it Ray tells a node to stop.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    threads, torch = os.environ.get("OMP_NUM_THREADS", ""), sys.modules.get("torch")
    if torch is not None and threads.isdigit():
        torch.set_num_threads(int(threads))  # Ray says it for each task, but torch reads it once
    hooks = Task._run_node_synchronization()
    for plugin in setting.hooks:
        hooks.register(plugin)
    return hooks


def _discard(node: Node, catalog: CatalogProtocol) -> None:
    """Remove the versions that a try before this one has saved: Kedro saves a version once, and stops at a second."""
    for name in node.outputs:
        dataset = getattr(catalog.get(name), "_dataset", catalog.get(name))  # inside of a CachedDataset
        if isinstance(dataset, AbstractVersionedDataset) and dataset._version is not None:
            path = str(dataset._get_versioned_path(str(dataset.resolve_save_version())))
            files = getattr(dataset, "_fs", None) or fsspec.filesystem("file")
            if files.exists(path):
                files.rm(path, recursive=True)
            dataset.release()  # what is known of the files


def _take(place: Any, dataset: Any) -> None:
    """Let a data set of the catalog hold what another worker left; validators of the catalog go on to count."""
    if dataset is None:
        place.release()
        return
    if dataset._copy_mode == "assign":
        dataset = copy.deepcopy(dataset)  # arrays that Ray brings are read only
    vars(place).update(vars(dataset))


def _sendable(error: BaseException) -> Exception:
    """Return the error, or what can be said of it where it cannot be sent."""
    try:
        ray.cloudpickle.loads(ray.cloudpickle.dumps(error))
    except Exception:
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error if isinstance(error, Exception) else RuntimeError(f"it ended its process: {error!r}")


def _file_of(error: BaseException) -> str:
    if isinstance(error, DatasetError) and error.__cause__ is not None:  # Kedro's, around what a data set raised
        return _file_of(error.__cause__)
    return [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)][-1]


def plugins_to_send(hooks: Any) -> list[Any]:
    """Return the hooks of a run that a worker would not find by itself in the project's settings.

    Raises:
        TypeError: naming one that cannot be sent.
    """
    if hooks is None or type(hooks).__name__ == "_NullPluginManager":
        return []
    registered = [*project.settings.HOOKS, *(plugin for plugin, _ in hooks.list_plugin_distinfo()), None]
    plugins = [plugin for _, plugin in hooks.list_name_plugin() if not any(plugin is other for other in registered)]
    for plugin in plugins:
        try:
            ray.cloudpickle.dumps(plugin)
        except Exception as error:
            raise TypeError(f"the hooks {plugin!r} cannot be sent to workers ({error}); name them in HOOKS") from error
    return plugins
