"""Which node runs when: as soon as what it needs is there and the cluster has room."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, wait
from functools import cache
from typing import Any

import ray
from kedro.io import CatalogProtocol, MemoryDataset
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from emotion_kedro.runners.ray.resources import Resources
from emotion_kedro.runners.ray.worker import Failure, Setting, WorkerLostError, run_node

logger = logging.getLogger(__name__)
SECONDS_TO_STOP = 10.0
"""A node that is told to stop may end what it writes; then its process is killed."""


class Tasks:
    """Gives nodes to workers."""

    def __init__(self, catalog: CatalogProtocol, setting: Setting, demands: Mapping[Node, Resources], retries: int):
        self.catalog, self.demands, self.retries = catalog, demands, retries
        self.sent = ray.put(setting), _put(catalog)
        self.run_node = ray.remote(run_node)
        # A process knows the GPU that it has met first, or that there was none, for good; and it keeps the memory that
        # it has taken there. So these nodes have processes of their own, each for one of them.
        variables = {"env_vars": {"RAY_RUNNER_GPU": "1"}}
        self.run_on_gpu = ray.remote(max_calls=1, runtime_env=variables)(run_node)

    def start(self, node: Node, held: Mapping[str, Any]) -> list[Any]:
        """Hand a node over; return references to how it ended, and to its outputs that are kept in memory."""
        inputs = [name for name in dict.fromkeys(node.inputs) if name in held]
        outputs = [name for name in node.outputs if in_memory(name, self.catalog)]
        options = {**self.demands[node].options(), "max_retries": self.retries, "name": node.name}
        function = self.run_on_gpu if self.demands[node].gpu else self.run_node
        task = function.options(**options, num_returns=1 + len(outputs))
        sent = task.remote(*self.sent, node, inputs + outputs, *(held[name] for name in inputs))
        return sent if outputs else [sent]


def in_memory(name: str, catalog: CatalogProtocol) -> bool:
    """Whether a data set is in memory alone."""
    return isinstance(catalog.get(name), MemoryDataset)


def _put(catalog: CatalogProtocol) -> Any:
    try:
        return ray.put(catalog)
    except TypeError as error:
        for name in catalog:
            try:
                ray.cloudpickle.dumps(catalog.get(name))
            except Exception as why:
                raise TypeError(f"data set {name} cannot be sent to workers: {why}") from error
        raise


class Schedule:
    """One run: what is settled, what runs, and what is held in memory by the workers."""

    def __init__(
        self,
        pipeline: Pipeline,
        catalog: CatalogProtocol,
        tasks: Callable[[], Tasks],
        reason: Callable[[Node], str],
    ) -> None:
        self.pipeline, self.catalog, self.reason = pipeline, catalog, reason
        self.tasks = cache(tasks)  # no cluster is started where nothing has to run
        self.given, self.results = pipeline.inputs(), pipeline.outputs()
        self.parents = pipeline.node_dependencies
        self.maker = {name: node for node in pipeline.nodes for name in node.outputs}
        self.users = {name: set(pipeline.only_nodes_with_inputs(name).nodes) for name in pipeline.datasets()}
        self.undecided = list(pipeline.nodes)
        self.wanted: dict[Node, None] = {}
        self.running: dict[Future[Any], tuple[Node, list[Any]]] = {}
        """References to how a node ended, and to its outputs in memory."""
        self.held: dict[str, Any] = {}
        self.executed: set[Node] = set()

    def run(self) -> None:
        """Run what has to be.

        Raises:
            Exception: what a node raised; the log and a note of the error name the node.
            WorkerLostError: if a node's worker died too often.
        """
        for name in self.given:
            if in_memory(name, self.catalog) and not self.catalog.exists(name):
                self.catalog.load(name)  # which says so: a worker could not tell
        try:
            while self._start() or self.running:
                # Not by Ray's own wait: the exit code of a signal that comes in there would be lost.
                self._end(wait(self.running, return_when=FIRST_COMPLETED).done.pop())
            for name in self.results & set(self.held):
                self._bring(name)
        finally:
            _stop([how for _, (how, *_) in self.running.values()])

    def _bring(self, name: str) -> None:
        """Let the catalog here hold a result that is in memory."""
        try:
            dataset = ray.get(self.held[name])
        except ray.exceptions.RayError as error:
            raise _meant(self.maker[name], error, self.tasks().retries + 1) from error
        if dataset is not None:
            vars(self.catalog.get(name)).update(vars(dataset))

    def _start(self) -> bool:
        """Start each node that can be; return whether any was."""
        for node in list(self.undecided):
            if not self.parents[node] & {*self.undecided, *self.wanted}:
                self.undecided.remove(node)
                if self.reason(node):
                    self._want(node)
        running = {node for node, _ in self.running.values()}
        ready = [node for node in self.wanted if node not in running and not self.parents[node] & set(self.wanted)]
        for node in ready:
            sent = self.tasks().start(node, self.held)
            self.running[sent[0].future()] = (node, sent)
        return bool(ready)

    def _want(self, node: Node) -> None:
        """Want a node, and with it those that make what it needs and nobody holds."""
        self.wanted[node] = None
        for name in node.inputs:
            maker = self.maker.get(name)
            if maker and maker not in self.wanted and name not in self.held and in_memory(name, self.catalog):
                self._want(maker)

    def _end(self, ended: Future[Any]) -> None:
        node, (_, *outputs) = self.running.pop(ended)
        try:
            failure = ended.result()
        except ray.exceptions.RayError as error:
            raise _meant(node, error, self.tasks().retries + 1) from error
        if isinstance(failure, Failure):
            failure.error.raised_in = failure.file  # type: ignore[attr-defined]  # whose traceback is not sent
            logger.error("node %s failed:\n%s", node.name, failure.told)
            failure.error.add_note(f"in node {node.name}, on a worker")
            raise failure.error
        del self.wanted[node]
        self.executed.add(node)
        self.held.update(zip(self._memory_outputs(node), outputs, strict=True))
        logger.info("%s is done, %d of %d", node.name, len(self.executed), len(self.pipeline.nodes))
        self._let_go(node)

    def _memory_outputs(self, node: Node) -> Iterator[str]:
        return (name for name in node.outputs if in_memory(name, self.catalog))

    def _let_go(self, node: Node) -> None:
        """Let go of what no node will need any more."""
        for name in {*node.inputs, *node.outputs} - self.given:
            if not in_memory(name, self.catalog):
                self.catalog.release(name)  # which version is the newest is asked again
            elif name not in self.results and not self.users[name] & {*self.undecided, *self.wanted}:
                self.held.pop(name, None)


def _meant(node: Node, error: BaseException, tries: int) -> Exception:
    """Return what it means for a node that Ray has an error where its result should be."""
    while isinstance(error, ray.exceptions.RayTaskError):  # one within another where the node got what is one
        error = error.cause
    if isinstance(error, WorkerLostError):
        return error
    if isinstance(error, ray.exceptions.OutOfMemoryError):
        killed = "its worker was killed for want of memory"
        return WorkerLostError(f"node {node.name}: {killed}; ask for more (resources_of), so that fewer run: {error}")
    if isinstance(error, ray.exceptions.RayError):
        return WorkerLostError(f"node {node.name}: its worker died, {tries} times of {tries}: {error}")
    # What the node itself raises comes back as a Failure.
    return TypeError(f"node {node.name}: what it takes or makes cannot be sent to or from a worker: {error}")


def _stop(running: list[Any]) -> None:
    """End nodes that still run: first by an interrupt, as from the keyboard, then by force."""
    for task in running:
        ray.cancel(task, force=False)
    _, stubborn = ray.wait(running, num_returns=len(running), timeout=SECONDS_TO_STOP) if running else ([], [])
    for task in stubborn:
        ray.cancel(task, force=True)
