"""The variant with thirteen labels: its own tables, models and figures, beside those of six."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from project_folder import Project

from emotion_kedro.taxonomy import THIRTEEN

pytestmark = pytest.mark.slow


def test_thirteen_labels_run_beside_six(new_project: Callable[..., Project]) -> None:
    project = new_project(synthesis={"quota": 2, "max_draws": 1, "decoding": {"batch_size": 8}, "filter": {"tau": 0.0}})
    printed = project.kedro("run", "--pipeline=augment_thirteen", "--params=generation.training.steps=1")
    assert "13 labels" in printed
    records = project.table("05_model_input/thirteen/split_records.parquet")
    assert set(records["label"]) == set(THIRTEEN)
    assert set(records["source"]) == {"edft", "eabot"}
    assert project.versions("06_models/thirteen/generator/relief")
    log = json.loads((project.path / "data/08_reporting/thirteen/run_log.json").read_text())
    assert {f"thirteen.generator.{label}.train_generator" for label in THIRTEEN} <= {
        entry["node"] for entry in log["times"]
    }
    assert not (project.path / "data/08_reporting/scores.json").exists()
    assert not (project.path / "data/08_reporting/run_log.json").exists()


def test_a_taxonomy_without_its_generators_is_refused(new_project: Callable[..., Project]) -> None:
    project = new_project()
    printed = project.kedro("run", "--pipeline=augment", "--params=unification.taxonomy=thirteen", fails=True)
    assert "--pipeline=augment_thirteen" in printed
    assert not (project.path / "data/02_intermediate").exists()
