"""Machines that go away while a run uses them: several nodes of Ray on this one."""

from __future__ import annotations

import importlib.util
import os
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node

from emotion_kedro.runners import RayRunner
from emotion_kedro.runtime.elsewhere import elsewhere

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.xdist_group("ray"),
]


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A cluster whose first machine has no processor; others can be added and removed."""
    import ray
    from ray.cluster_utils import Cluster

    from emotion_kedro.runners.ray.cluster import handlers_kept

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    path = os.pathsep.join([str(Path(__file__).parent), os.environ.get("PYTHONPATH", "")])
    workers = {"env_vars": {"PYTHONPATH": path}}
    with handlers_kept():  # each machine that is made here sets one of its own, added ones too
        cluster = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
        ray.init(cluster.address, logging_level="error", log_to_driver=False, runtime_env=workers)
        yield cluster
        ray.shutdown()
        cluster.shutdown()


def drawn(folder: str) -> list[str]:
    """Return what two other workers left, who wait for leave to go on."""

    def leave(name: str) -> None:
        Path(folder, f"{name}.began").touch()
        while not Path(folder, "go").exists():
            time.sleep(0.05)
        Path(folder, name).write_text(name)

    with Path(folder, "tries").open("a") as stream:
        stream.write("x")
    with elsewhere(leave, ["a", "b"]):
        pass
    return [Path(folder, name).read_text() for name in "ab"]


def joined(texts: list[str], before: str) -> str:
    return " ".join([before, *texts])


def test_a_machine_that_goes_away_takes_nothing_with_it(tmp_path: Path, cluster: Any) -> None:
    """It ran a node, two parts of that node's work, and held what another node had left in memory."""
    first = cluster.add_node(num_cpus=2)
    nodes = [
        node(str.upper, "params:word", "before", name="before"),
        node(drawn, "params:folder", "texts", name="draw"),
        node(joined, ["texts", "before"], "made", name="join"),
    ]
    catalog = DataCatalog({"params:folder": MemoryDataset(str(tmp_path)), "params:word": MemoryDataset("x" * 10**6)})
    with ThreadPoolExecutor() as threads:  # machines are added and removed by the first thread alone
        run = threads.submit(RayRunner().run, Pipeline(nodes), catalog)
        while not run.done() and not all((tmp_path / f"{name}.began").exists() for name in "ab"):
            time.sleep(0.05)
        cluster.remove_node(first, allow_graceful=False)
        cluster.add_node(num_cpus=2)
        (tmp_path / "go").touch()
        made = run.result(timeout=60)["made"].load()

    assert made == "X" * 10**6 + " a b"
    assert (tmp_path / "tries").read_text() == "xx"
