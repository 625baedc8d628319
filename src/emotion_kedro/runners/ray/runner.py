"""Runners that give each node to a worker of Ray."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from click import ClickException
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import AbstractRunner

from emotion_kedro.runners.incremental.fingerprints import device_kind
from emotion_kedro.runners.incremental.runner import Reasons
from emotion_kedro.runners.ray.resources import GPUS_HIDDEN, Demands

Reason = Callable[[Node], str]
"""Says why a node has to run; empty if it need not."""


class RayRunner(AbstractRunner):
    """Runs nodes side by side, each in a process of Ray that has the resources which the node asks for.

    A node is run there as Kedro's ``ParallelRunner`` runs it, with the project's hooks; files are loaded and saved
    there. What is kept in memory goes from worker to worker, past this process.
    """

    def __init__(
        self,
        address: str | None = None,
        resources: Mapping[str, Any] | None = None,
        resources_of: Mapping[str, Mapping[str, Any]] | None = None,
        retries: int = 2,
        cpus: int | None = None,
        runtime_env: Mapping[str, Any] | None = None,
        is_async: bool = False,
    ) -> None:
        """Read what is asked for.

        Args:
            address: of a cluster, or ``auto`` for the one of this machine; None starts one that ends with the run.
            resources: what each node asks for: ``{cpu: 2, gpu: 0.5, memory: 4GB}``.
            resources_of: the same for the nodes of a tag or name.
            retries: how often a node is run again whose worker died; one that fails by its own fault never is.
            cpus: how many processors a cluster that is started here has; all if left out.
            runtime_env: of Ray, for workers that do not share this machine's files.
            is_async: whether data sets are loaded and saved in threads.

        Raises:
            ClickException: where Ray is not installed, or a value cannot be read.
        """
        super().__init__(is_async=is_async)
        if find_spec("ray") is None:
            raise ClickException(f"{type(self).__name__} needs Ray: pip install 'ray>=2.50'")
        for name, value, least in (("retries", retries, 0), ("cpus", cpus, 1)):
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise ClickException(f"{name}: {value!r} is no whole number from {least} up")
        if not isinstance(is_async, bool):
            raise ClickException(f"is_async: {is_async!r} is neither true nor false")
        if not isinstance(runtime_env or {}, Mapping):
            raise ClickException(f"runtime_env: {runtime_env!r} is no mapping (docs/ray.md)")
        self.address, self.cpus, self.retries = address, cpus, retries
        self.demands = Demands.of(resources, resources_of)
        self.runtime_env = _environment_of(runtime_env or {})

    def _get_executor(self, max_workers: int) -> None:
        """There is none: Ray decides where a node runs."""

    def _reason(self, pipeline: Pipeline, catalog: CatalogProtocol) -> Reason:
        return lambda node: "all nodes do"

    def run(self, pipeline: Pipeline, *args: Any, **keywords: Any) -> dict[str, Any]:
        """Run as any runner; names in ``resources_of`` may be of nodes whose outputs are not missing."""
        self.demands.check_names(pipeline.nodes)
        return super().run(pipeline, *args, **keywords)

    def _run(
        self, pipeline: Pipeline, catalog: CatalogProtocol, hook_manager: Any = None, run_id: str | None = None
    ) -> None:
        from emotion_kedro.runners.ray.cluster import check_room, connected, tell_of_idle_gpus
        from emotion_kedro.runners.ray.schedule import Schedule, Tasks
        from emotion_kedro.runners.ray.storage import check_storage
        from emotion_kedro.runners.ray.worker import Setting

        demands = {node: self.demands.of_node(node) for node in pipeline.nodes}
        folder = None if "working_dir" in self.runtime_env else str(Path.cwd())
        of_run = {"run_id": run_id, "given": pipeline.inputs(), "retries": self.retries, "is_async": self._is_async}
        setting = Setting.of(hook_manager, folder=folder, **of_run)

        def tasks() -> Tasks:
            cluster.enter_context(connected(self.address, self.cpus, self.runtime_env))
            check_storage(pipeline, catalog, check_room(demands))
            tell_of_idle_gpus(demands.values())
            return Tasks(catalog, setting, demands, self.retries)

        with ExitStack() as cluster:
            schedule = Schedule(pipeline, catalog, tasks, self._reason(pipeline, catalog))
            try:
                schedule.run()
            except Exception:
                self._suggest_resume_scenario(pipeline, schedule.executed, catalog)
                raise
        self._logger.info("%d of %d nodes ran", len(schedule.executed), len(pipeline.nodes))


def _environment_of(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return what Ray is to make up for its workers; variables are words, however they were written."""
    from ray.runtime_env import RuntimeEnv

    if unknown := [name for name in given if name not in RuntimeEnv.known_fields]:
        raise ClickException(f"runtime_env: there is no {unknown[0]}; there are {', '.join(RuntimeEnv.known_fields)}")
    variables = {str(name): str(value) for name, value in given.get("env_vars", {}).items()}
    return {**given, **({"env_vars": variables} if variables else {})}


class RayIncrementalRunner(RayRunner):
    """Runs a node side by side with others if, and only if, something has changed that it depends on.

    What has changed is looked at here, as by :class:`~emotion_kedro.runners.IncrementalRunner`: this machine has to see
    the files.
    """

    def _reason(self, pipeline: Pipeline, catalog: CatalogProtocol) -> Reason:
        return Reasons(pipeline, catalog, self._logger, self._device_of).log

    def _device_of(self, node: Node) -> str:
        # From nodes that ask for no GPU they are hidden; which this machine has does not matter.
        here = device_kind()
        hidden = os.environ.get(GPUS_HIDDEN, "1") == "1" and here == "cuda"
        return "cuda" if self.demands.of_node(node).gpu else "cpu" if hidden else here
