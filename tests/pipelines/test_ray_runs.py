"""The project's own nodes on workers of Ray: the same tables as one after another."""

from __future__ import annotations

import importlib.util
import json
import signal
import time
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from project_folder import Project

pytestmark = [
    pytest.mark.slow,
    pytest.mark.xdist_group("ray"),
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
]


def _manifests(project: Project) -> dict[str, Any]:
    files = (project.path / "data").rglob(".*.manifest.json")
    read = [json.loads(file.read_text(encoding="utf-8")) for file in files]
    return {each["dataset"]: each["made_from"] for each in read}


@pytest.mark.usefixtures("ray_cluster")
def test_tables_and_manifests_are_those_of_a_run_one_after_another(new_project: Callable[[], Project]) -> None:
    """Although the process of the command is killed in between, and with it the cluster that it had started.

    What was made before is not made again, on another cluster.
    """
    import ray

    apart, together = new_project(), new_project()
    slice_of = ("run", "--pipelines=lexicon", "--namespaces=lexicon.records")
    apart.kedro(*slice_of)
    on_ray = (*slice_of, "--runner=emotion_kedro.runners.RayIncrementalRunner")
    folder = together.path / "data" / "02_intermediate" / "lexicon"
    manifests = [folder / f".{name}.manifest.json" for name in ("records.parquet", "ingestion_report.json")]
    process = together.start(*on_ray, "--runner-params=cpus=2")
    while process.poll() is None and not all(file.exists() for file in manifests):
        time.sleep(0.02)
    process.kill()
    process.communicate()
    before = [file.stat().st_mtime_ns for file in manifests]
    together.kedro(*on_ray, f"--runner-params=address={ray.get_runtime_context().gcs_address}")

    assert process.returncode == -signal.SIGKILL
    assert [file.stat().st_mtime_ns for file in manifests] == before
    for table in ("03_primary/lexicon/unified_records.parquet", "05_model_input/lexicon/split_records.parquet"):
        pd.testing.assert_frame_equal(together.table(table), apart.table(table))
    assert len(_manifests(together)) > 3
    assert _manifests(together) == _manifests(apart)
    assert _nodes(together) == _nodes(apart)


def _nodes(project: Project) -> set[str]:
    return {each["node"] for each in project.document("08_reporting/lexicon/run_log.json")["times"]}
