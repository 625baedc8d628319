"""Which nodes run side by side, on a cluster that claims a GPU and a GB of memory."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline, node

from emotion_kedro.runners import RayRunner

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.xdist_group("ray"),
]
SECONDS_TO_MEET = 60.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    import ray

    from emotion_kedro.runners.ray.cluster import handlers_kept, path_handed_on

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    claimed = {"num_cpus": 3, "num_gpus": 1, "_memory": 10**9, "include_dashboard": False}
    quiet = {"logging_level": "error", "log_to_driver": False}
    ray.shutdown()
    with handlers_kept(), path_handed_on():
        ray.init("local", **quiet, **claimed)
    yield
    with handlers_kept():
        ray.shutdown()


def visits(folder: Path, name: str) -> tuple[bool, str]:
    """Stay until the other one is there too, or a node has run that came after both; return whether they met.

    And which GPUs it was given.
    """
    (folder / f"{name}.here").touch()
    end = time.monotonic() + SECONDS_TO_MEET
    while not (met := len(list(folder.glob("*.here"))) == 2 or (folder / f"{name}.met").exists()):
        assert time.monotonic() < end
        if (folder / "later").exists():
            break
        time.sleep(0.02)
    for other in "ab" if met else "":
        (folder / f"{other}.met").touch()  # the other may look when this one has gone
    (folder / f"{name}.here").unlink()
    return met, os.environ.get("CUDA_VISIBLE_DEVICES", "")


def leaves(folder: Path) -> str:
    (folder / "later").touch()
    return "later"


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize(
    ("asked", "meet"),
    [({"gpu": 0.5}, True), ({"gpu": 1}, False), ({"memory": "400MB"}, True), ({"memory": "600MB"}, False)],
)
def test_nodes_share_what_they_ask_half_of_and_wait_for_what_they_ask_all_of(
    asked: dict[str, Any], meet: bool, tmp_path: Path
) -> None:
    nodes = [node(partial(visits, tmp_path, name), None, name, name=name, tags="guests") for name in "ab"]
    if not meet:  # Ray has had room for a node that came last, and so looked at all before it
        nodes.append(node(partial(leaves, tmp_path), None, "last", name="last"))
    results = RayRunner(resources_of={"guests": asked}).run(Pipeline(nodes), DataCatalog())
    visitors = [results[name].load() for name in "ab"]
    assert [met for met, _ in visitors] == [meet] * 2
    assert {gpus for _, gpus in visitors} == ({"0"} if "gpu" in asked else {""})
