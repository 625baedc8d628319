"""What a run says of itself: how much there is to do, a line for each node that ran, and what to look at afterwards."""

from __future__ import annotations

import logging
import multiprocessing
import os
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from emotion_kedro.config.loader import DEFAULT
from emotion_kedro.hooks.project import is_incremental, shown_path
from emotion_kedro.hooks.remaining import FORECAST, Remaining, expected_seconds
from emotion_kedro.runners.incremental import states_of
from emotion_kedro.runners.incremental.fingerprints import path_of
from emotion_kedro.runners.incremental.manifest import Manifest
from emotion_kedro.runners.incremental.status import kept_outputs
from emotion_kedro.runtime.guards import work_of

logger = logging.getLogger(__name__)

SUMMARY, REPORT_PAGE, MODEL = "summary", "report_page", "recommended_model"
SECONDS_BETWEEN_LINES = 60.0
LEAST_LEFT = 10.0
"""Seconds; less is not worth saying."""


class ProgressHooks:
    """Say what will run, count what has, and name what came out.

    To be registered before the hooks that check a run: Kedro calls those that come later first.
    """

    def __init__(self) -> None:
        self.total = 0
        self.done: Any = None
        """Its ``value`` counts the nodes that ran; None in a process that was started without the run's beginning."""
        self.began = 0.0
        self.started: dict[str, float] = {}
        self.remaining = Remaining({})
        self.stop = threading.Event()

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Say how many nodes will run, and about how long."""
        nodes = nodes_to_run(run_params, pipeline, catalog)
        is_parallel = "ParallelRunner" in str(run_params.get("runner"))
        # Processes of a parallel runner count together.
        self.done = multiprocessing.Value("i", 0) if is_parallel else SimpleNamespace(value=0)
        if "runners.ray." in str(run_params.get("runner")):  # which counts itself: its nodes are elsewhere
            self.done = None
        self.total, self.began = len(nodes), time.perf_counter()
        count = str(self.total) if self.total == len(pipeline.nodes) else f"{self.total} of {len(pipeline.nodes)}"
        noun = "node" if len(pipeline.nodes) == 1 else "nodes"
        up_to = "up to " if nodes and is_incremental(run_params) else ""
        before = seconds_before(nodes, catalog)
        expected = expected_seconds([node.name for node in nodes], before)
        logger.info("%s%s %s to run%s", up_to, count, noun, foreseen(expected, before))
        one_by_one = isinstance(self.done, SimpleNamespace) and "ThreadRunner" not in str(run_params.get("runner"))
        if one_by_one:
            self.remaining = Remaining(expected)
            self.stop = threading.Event()  # a process may run several pipelines
            threading.Thread(target=self._say_on, args=[self.stop], daemon=True).start()

    def _say_on(self, stop: threading.Event) -> None:
        """Say now and then in a long node how long the run still takes."""
        while not stop.wait(SECONDS_BETWEEN_LINES):
            running = dict(self.started)
            if running and (left := self._left()):
                node, began = next(iter(running.items()))
                logger.info("%s runs for %s%s", node, duration(time.perf_counter() - began), left)

    def _left(self) -> str:
        seconds = self.remaining.seconds()
        return f"; about {duration(seconds)} left" if seconds >= LEAST_LEFT else ""

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Start the node's clock."""
        self.started[node.name] = time.perf_counter()
        self.remaining.start(node.name)

    @hook_impl
    def after_node_run(self, node: Node) -> None:
        """Count the node."""
        seconds = self._took(node)
        self.remaining.end(node.name, seconds)
        logger.info("%s%s ... %s%s", self._number(), node.name, duration(seconds), self._left())

    @hook_impl
    def on_node_error(self, node: Node) -> None:
        """Name the node that stopped the run; why is said by others."""
        self.stop.set()
        logger.info("%s%s stopped after %s", self._number(), node.name, duration(self._took(node)))

    def _took(self, node: Node) -> float:
        return time.perf_counter() - self.started.pop(node.name, time.perf_counter())

    def _number(self) -> str:
        if self.done is None:
            return ""
        with getattr(self.done, "get_lock", nullcontext)():
            self.done.value += 1
            # Should more run than was foreseen, the count says so rather than going past its end.
            return f"[{self.done.value}/{max(self.total, self.done.value)}] "

    @hook_impl
    def after_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Say what came out, where it is, and what can be done with it."""
        self.stop.set()
        if self.done is not None and not is_incremental(run_params):  # whose runner says so itself
            logger.info("ran %d nodes in %s", self.done.value, duration(time.perf_counter() - self.began))
        if FORECAST in os.environ:
            return  # emotion try tells it in its own words
        for name in sorted(pipeline.all_outputs()):
            if name.rpartition(".")[2] == SUMMARY and name in catalog:
                lines = next_steps(name.removesuffix(SUMMARY), catalog)
                print("\n".join(["", catalog.load(name).rstrip(), *lines, ""]))


def nodes_to_run(run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> list[Node]:
    """Return the nodes that a run will run.

    With the incremental runner these are all that may: an output that is made anew and comes out as before changes
    nothing after it.
    """
    pipeline = work_of(pipeline, catalog, only_missing=bool(run_params.get("only_missing_outputs")))
    if not is_incremental(run_params):
        return pipeline.nodes
    changed = {state.node for state in states_of(pipeline, catalog) if state.kind != "fresh"}
    running, wanted = list[Node](), set(pipeline.outputs())
    for node in reversed(pipeline.nodes):
        in_memory = {name for name in node.outputs if path_of(catalog.get(name)) is None}
        if node.name in changed or not node.outputs or in_memory & wanted:
            running.append(node)
            wanted.update(node.inputs)
    return running[::-1]


def seconds_before(nodes: Sequence[Node], catalog: CatalogProtocol) -> dict[str, float]:
    """Return how long nodes took when they ran last, in seconds, as the manifests of their outputs say."""
    seconds = {}
    for node in nodes:
        outputs = kept_outputs(node, catalog)
        manifests = [manifest for path in outputs.values() if (manifest := Manifest.read(path))]
        if manifests:
            seconds[node.name] = max(manifest.seconds for manifest in manifests)
        for name in outputs:
            # Which version is the newest must be asked again after the run: Kedro keeps the answer.
            catalog.release(name)
    return seconds


def foreseen(expected: Mapping[str, float], before: Mapping[str, float]) -> str:
    """Return what is expected of the time that nodes will take, or what some took before; nothing if nobody knows."""
    if expected:
        return f", about {duration(sum(expected.values()))}"
    return f"; {len(before)} of them took {duration(sum(before.values()))} before" if before else ""


def duration(seconds: float) -> str:
    """Return a time as one says it, to two figures or so."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    if seconds < 99.5:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def next_steps(prefix: str, catalog: CatalogProtocol) -> list[str]:
    """Return lines that name an experiment's report, and commands to go on with.

    Args:
        prefix: its namespace and a dot; nothing for the default experiment.
        catalog: of the run.
    """
    lines, commands = [], [f"emotion status -p {prefix.rstrip('.') or DEFAULT}"]
    if prefix + REPORT_PAGE in catalog:
        lines.append(f"Report      {shown_path(catalog.get(prefix + REPORT_PAGE))}")
    if prefix + MODEL in catalog and Path(model := shown_path(catalog.get(prefix + MODEL))).exists():
        commands.insert(0, f'emotion predict "a text" -m {model}')
    return [*lines, *(f"{head:<12}{command}" for head, command in zip(("Try", ""), commands, strict=False))]
