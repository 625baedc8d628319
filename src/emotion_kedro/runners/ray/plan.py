"""How long a pipeline would take with more workers, by the times of its nodes in the log of the last run."""

from __future__ import annotations

import heapq
from collections.abc import Mapping
from pathlib import Path

import click
from kedro.framework.cli.utils import _split_params
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

Seconds = Mapping[str, float]
"""How long each node took, by its name; one that is left out takes no time."""
RUN_LOG = "run_log"
"""The data set with the log: ``{times: [{node: NAME, seconds: 1.5}]}``; it may have the pipeline's namespace."""


def critical_path(pipeline: Pipeline, seconds: Seconds) -> list[Node]:
    """Return the chain of nodes that takes longest: no number of workers makes a run shorter."""
    rest = time_to_end(pipeline, seconds)
    children = _children(pipeline)
    path = [max(pipeline.nodes, key=lambda node: rest[node])]
    while children[path[-1]]:
        path.append(max(children[path[-1]], key=lambda node: rest[node]))
    return path


def time_to_end(pipeline: Pipeline, seconds: Seconds) -> dict[Node, float]:
    """Return the seconds of each node and the longest chain after it."""
    children = _children(pipeline)
    rest: dict[Node, float] = {}
    for node in reversed(pipeline.nodes):
        rest[node] = seconds.get(node.name, 0) + max((rest[child] for child in children[node]), default=0)
    return rest


def _children(pipeline: Pipeline) -> dict[Node, list[Node]]:
    children: dict[Node, list[Node]] = {node: [] for node in pipeline.nodes}
    for node, parents in pipeline.node_dependencies.items():
        for parent in parents:
            children[parent].append(node)
    return children


def wall_time(pipeline: Pipeline, seconds: Seconds, workers: int, overhead: float = 0) -> float:
    """Return how long a run takes, in seconds.

    A worker that is free takes, of the nodes that can start, the one with most work after it (list scheduling by the
    critical path; at most ``2 - 1 / workers`` times the best there is: Graham 1969).

    Args:
        pipeline: the nodes.
        seconds: their times.
        workers: how many nodes run at a time, each on processors of its own.
        overhead: seconds that each node costs beyond its own.
    """
    rest, children = time_to_end(pipeline, seconds), _children(pipeline)
    rank = {node: (-rest[node], number) for number, node in enumerate(pipeline.nodes)}
    waiting = {node: len(parents) for node, parents in pipeline.node_dependencies.items()}
    ready = [(rank[node], node) for node in pipeline.nodes if not waiting[node]]
    heapq.heapify(ready)
    running: list[tuple[float, int, Node]] = []
    now = 0.0
    while ready or running:
        while ready and len(running) < workers:
            (_, number), node = heapq.heappop(ready)
            heapq.heappush(running, (now + overhead + seconds.get(node.name, 0), number, node))
        now, _, ended = heapq.heappop(running)
        for child in children[ended]:
            waiting[child] -= 1
            if not waiting[child]:
                heapq.heappush(ready, (rank[child], child))
    return now


def times_of(pipeline: Pipeline, name: str, catalog: CatalogProtocol) -> dict[str, float]:
    """Return the seconds of the nodes of a pipeline, from the log in its namespace or the one without."""
    nodes = {node.name for node in pipeline.nodes}
    for log in (f"{name}.{RUN_LOG}", RUN_LOG):
        if log in catalog and catalog.exists(log):
            times = {each["node"]: float(each["seconds"]) for each in catalog.load(log)["times"]}
            if seconds := {node: took for node, took in times.items() if node in nodes}:
                return seconds
    raise click.ClickException(f"no log says how long nodes of {name} take: run kedro run --pipelines={name} first")


@click.command()
@click.argument("name", metavar="EXPERIMENT")
@click.option("--workers", "-w", type=click.IntRange(1), multiple=True, default=(1, 2, 13), help="May be repeated.")
@click.option("--overhead", type=click.FloatRange(0), default=0.0, help="Seconds that each node costs beyond its own.")
@click.option("--start-up", type=click.FloatRange(0), default=0.0, help="Seconds until the first node can start.")
@click.option("--env", "-e", default=None, help="The environment of the configuration.")
@click.option("--params", default="", help="As for kedro run.", callback=_split_params)
def plan(
    name: str, workers: tuple[int, ...], overhead: float, start_up: float, env: str | None, params: dict[str, object]
) -> None:
    """Say how long a run would take with more workers.

    \b
    emotion plan augment --workers 13
    emotion plan augment --workers 1 --workers 13 --overhead 0.05 --start-up 10
    """  # noqa: D301 - click wants the character itself
    if name not in pipelines:
        raise click.ClickException(f"there is no pipeline {name}; there are: {', '.join(sorted(pipelines))}")
    with KedroSession.create(project_path=Path.cwd(), env=env, runtime_params=params) as session:
        catalog = session.load_context().catalog  # type: ignore[attr-defined]  # of the class that create returns
        seconds = times_of(pipelines[name], name, catalog)
    for line in described(pipelines[name], seconds, workers, overhead, start_up):
        click.echo(line)


def described(
    pipeline: Pipeline, seconds: Seconds, workers: tuple[int, ...], overhead: float, start_up: float
) -> list[str]:
    """Return the work, the chain that no number of workers shortens, and a line for each number of workers."""
    work, path = sum(seconds.values()), critical_path(pipeline, seconds)
    unknown = [node.name for node in pipeline.nodes if node.name not in seconds]
    chain = " -> ".join(f"{node.name} {seconds.get(node.name, 0):.1f} s" for node in path)
    lines = [f"{len(pipeline.nodes)} nodes, {work:.1f} s of work in the log of the last run"]
    lines += [f"no time is known of {len(unknown)} of them, which count as nothing: {', '.join(unknown)}"][
        : len(unknown)
    ]
    lines += [f"critical path {sum(seconds.get(node.name, 0) for node in path):.1f} s: {chain}"]
    for count in workers:
        took = start_up + wall_time(pipeline, seconds, count, overhead)
        workers_there = f"{count:>6} worker{'s' * (count > 1)}"
        gain = work / max(took, 1e-9)
        lines += [f"{workers_there} {took:10.1f} s, {gain:.2f} times as fast as the nodes' own times in a row"]
    return lines
