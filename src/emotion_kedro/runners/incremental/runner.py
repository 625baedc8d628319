"""A runner that runs a node if, and only if, something that it depends on has changed."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from kedro.runner import SequentialRunner
from kedro.runner.task import Task

from emotion_kedro.runners.incremental.code import Sources
from emotion_kedro.runners.incremental.fingerprints import MISSING, MadeFrom, UnknownError, is_kept
from emotion_kedro.runners.incremental.status import contents_kept_nowhere, in_memory, kept_outputs, states_of_node


class IncrementalRunner(SequentialRunner):
    """Runs nodes one after another, and skips those whose outputs are there, whole, and made from what is there now.

    An input that was made anew and came out the same changes nothing: the nodes after it are skipped. What is kept in
    memory only is made when a node that runs needs it. Manifests are written by
    :class:`~emotion_kedro.runners.incremental.hooks.ManifestHooks`, which have to be among the project's hooks.
    """

    def _run(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        hook_manager: Any = None,
        run_id: str | None = None,
    ) -> None:
        run = _RunState(self, pipeline, catalog, hook_manager, run_id)
        for node in pipeline.nodes:
            run.consider(node)
        self._logger.info("%d of %d nodes ran", len(run.executed), len(pipeline.nodes))


class Reasons:
    """Why nodes have to run: asked of each node when those before it have ended.

    ``device_of`` says on which device a node computes that runs on another machine.
    """

    def __init__(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        logger: Any,
        device_of: Callable[[Node], str] = lambda node: "",
    ) -> None:
        self.pipeline, self.catalog, self.logger, self.device_of = pipeline, catalog, logger, device_of
        self.sources = Sources()
        self.contents: dict[str, str] = {}

    def log(self, node: Node) -> str:
        """Return why a node has to run, empty if it need not, and tell the log."""
        reason = self._reason(node)
        if reason:
            # That nothing is there yet is no news in a first run.
            level = logging.DEBUG if reason.endswith(f" is {MISSING}") else logging.INFO
            self.logger.log(level, "%s runs: %s", node.name, reason)
        elif kept_outputs(node, self.catalog):
            self.logger.info("%s is skipped: nothing that it depends on has changed", node.name)
        return reason

    def _reason(self, node: Node) -> str:
        """Say why a node has to run; empty if it need not."""
        try:
            made_from = MadeFrom.now(node, self.catalog, self.sources, self.contents, self.device_of(node))
        except UnknownError as error:
            return str(error)
        self.contents.update(contents_kept_nowhere(node, self.catalog, made_from))
        if not node.outputs:
            return "it has no output that could show whether it ran"
        others = [name for name in node.outputs if is_kept(self.catalog.get(name))]
        if len(others) > len(kept_outputs(node, self.catalog)):
            return "an output is not kept in files, so that it cannot be seen whether it is the newest"
        states = [state for state in states_of_node(node, self.catalog, made_from) if state.kind != "fresh"]
        if states:
            return states[0].why or f"{states[0].dataset} is {states[0].kind}"
        results = [name for name in in_memory(node, self.catalog) if name in self.pipeline.outputs()]
        return f"{results[0]} is a result that is kept in memory only" if results else ""


class _RunState:
    """One run: which nodes are settled, and what stands for data that are only in memory."""

    def __init__(
        self, runner: IncrementalRunner, pipeline: Pipeline, catalog: CatalogProtocol, hooks: Any, run_id: str | None
    ) -> None:
        self.is_async = runner._is_async
        self.pipeline, self.catalog, self.hooks, self.run_id = pipeline, catalog, hooks, run_id
        self.reasons = Reasons(pipeline, catalog, runner._logger)
        self.executed: set[Node] = set()
        self.settled: set[Node] = set()
        self.maker = {name: node for node in pipeline.nodes for name in node.outputs}
        self.users = {name: pipeline.only_nodes_with_inputs(name).nodes for name in pipeline.datasets()}

    def consider(self, node: Node) -> None:
        """Run a node if it has to be."""
        reason = self.reasons.log(node)
        if reason:
            self._execute(node)
        if reason or not in_memory(node, self.catalog):
            self._settle(node)

    def _execute(self, node: Node) -> None:
        """Run a node, and before it those that make what it needs and is only in memory."""
        for name in node.inputs:
            maker = self.maker.get(name)
            if maker is not None and maker not in self.executed and not is_kept(self.catalog.get(name)):
                self._execute(maker)
        Task(node, self.catalog, self.is_async, self.hooks, self.run_id).execute()
        self.executed.add(node)

    def _settle(self, node: Node) -> None:
        """Let go of what no node will need any more."""
        self.settled.add(node)
        for name in node.inputs:
            if not set(self.users[name]) <= self.settled:
                continue
            maker = self.maker.get(name)
            if maker is not None and maker not in self.settled:
                self._settle(maker)
            if name not in self.pipeline.inputs():
                self.catalog.release(name)
