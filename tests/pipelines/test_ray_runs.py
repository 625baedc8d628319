"""The project's own nodes on workers of Ray: the same tables as one after another."""

from __future__ import annotations

import importlib.util
import json
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


def test_tables_and_manifests_are_those_of_a_run_one_after_another(new_project: Callable[[], Project]) -> None:
    apart, together = new_project(), new_project()
    slice_of = ("run", "--pipelines=lexicon", "--namespaces=lexicon.records")
    apart.kedro(*slice_of)
    together.kedro(*slice_of, "--runner=emotion_kedro.runners.RayRunner", "--runner-params=cpus=2")

    for table in ("03_primary/lexicon/unified_records.parquet", "05_model_input/lexicon/split_records.parquet"):
        pd.testing.assert_frame_equal(together.table(table), apart.table(table))
    assert len(_manifests(together)) > 3
    assert _manifests(together) == _manifests(apart)
    assert _nodes(together) == _nodes(apart)


def _nodes(project: Project) -> set[str]:
    return {each["node"] for each in project.document("08_reporting/lexicon/run_log.json")["times"]}
