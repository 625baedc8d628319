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

    from emotion_kedro.runners.ray.cluster import handlers_kept, path_handed_on, set_defaults

    set_defaults()
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
    return met, os.environ.get("CUDA_VISIBLE_DEVICES", "all")


def process(before: object = None) -> int:
    return os.getpid()


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


@pytest.mark.usefixtures("cluster")
def test_a_node_with_a_gpu_has_a_process_of_its_own() -> None:
    """Else it would take the device that the process has met before."""
    chain = [node(process, None, "a"), node(process, "a", "b"), node(process, "b", "c"), node(process, "c", "d")]
    kept = [each.tag("gpu") if each.outputs[0] in "bc" else each for each in chain]
    pipeline = Pipeline([*kept, node(lambda *each: each, list("abcd"), "all")])
    a, b, c, d = RayRunner(resources_of={"gpu": {"gpu": 1}}).run(pipeline, DataCatalog())["all"].load()
    assert len({a, b, c}) == 3
    assert d not in {b, c}


@pytest.mark.usefixtures("cluster")
@pytest.mark.parametrize("asked", [0, 1])
def test_gpus_that_no_node_asks_for_are_told_of(asked: int, caplog: pytest.LogCaptureFixture) -> None:
    pipeline = Pipeline([node(process, None, "a", tags="tuned")])
    RayRunner(resources_of={"tuned": {"gpu": asked}}).run(pipeline, DataCatalog())
    assert ("no node asks for one" in caplog.text) is (asked == 0)
