"""What a node costs beyond its own work, by runner: nodes that do nothing, side by side and in a chain.

    python benchmarks/ray_overhead.py --nodes 100

Processes are started, and asked once, before the clock runs; the start of a cluster has a line of its own.
"""

from __future__ import annotations

import argparse
import itertools
import logging
import time

from kedro.io import DataCatalog, MemoryDataset, SharedMemoryDataCatalog
from kedro.pipeline import Pipeline, node
from kedro.runner import AbstractRunner, ParallelRunner, SequentialRunner
from measuring import machine, markdown_table

from emotion_kedro.runners import RayRunner
from emotion_kedro.runners.ray.cluster import connected

WORKERS = 2


def nothing(value: int) -> int:
    return value


def side_by_side(count: int) -> Pipeline:
    return Pipeline([node(nothing, "start", f"out_{n}", name=f"node_{n}") for n in range(count)])


def chain(count: int) -> Pipeline:
    names = ["start", *(f"out_{n}" for n in range(count))]
    return Pipeline([node(nothing, a, b, name=f"make_{b}") for a, b in itertools.pairwise(names)])


def seconds_of(runner: AbstractRunner, pipeline: Pipeline) -> float:
    kind = SharedMemoryDataCatalog if isinstance(runner, ParallelRunner) else DataCatalog
    catalog = kind({"start": MemoryDataset(1)})
    began = time.perf_counter()
    runner.run(pipeline, catalog)
    return time.perf_counter() - began


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nodes", type=int, default=100)
    count = parser.parse_args().nodes
    logging.disable(logging.WARNING)
    rows = []
    began = time.perf_counter()
    with connected(None, WORKERS, {}):
        start_up = time.perf_counter() - began
        for runner in (SequentialRunner(), ParallelRunner(WORKERS), RayRunner()):
            seconds_of(runner, side_by_side(2 * WORKERS))
            took = [seconds_of(runner, make(count)) / count for make in (side_by_side, chain)]
            rows.append([type(runner).__name__, *(f"{1000 * each:.1f} ms" for each in took)])
    print(machine(["kedro", "ray"]))
    print(markdown_table(["runner", "a node, side by side", "a node, in a chain"], rows))
    print(f"start of a local cluster: {start_up:.1f} s")


if __name__ == "__main__":
    main()
