"""GoEmotions in its own labels and in others, end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from project_folder import Project

from emotion_kedro.taxonomy import labels_of

pytestmark = pytest.mark.slow

TRAINING = {"steps": 8, "batch_size": 8, "learning_rate": 1.0e-3, "evaluate_every": 8}
SYSTEMS = {
    "goemotions": ("goemotions", "28 labels"),
    "goemotions_ekman": ("ekman", "Ekman"),
    "goemotions_six": ("six", "six labels"),
}


@pytest.fixture(scope="module")
def project(new_project: Callable[..., Project], tiny_encoder: Path) -> Project:
    own = {"classification": {"classifier": {"base": str(tiny_encoder), "frozen_layers": 0, "training": TRAINING}}}
    return new_project(**{name: own for name in (*SYSTEMS, "goemotions_thirteen")})


@pytest.mark.parametrize("name", SYSTEMS)
def test_a_taxonomy_of_goemotions_runs_to_its_page(name: str, project: Project) -> None:
    taxonomy, called = SYSTEMS[name]
    project.kedro("run", f"--pipeline={name}")
    folder = project.path / "data/08_reporting" / name
    found = {one["name"]: one for one in json.loads((folder / "findings.json").read_text())}
    assert set(found) == {called, f"{called}, macro-F1"}
    assert {one["system"] for one in found.values()} == {"S20"}
    assert found[f"{called}, macro-F1"]["metric"] == "macro-F1"
    records = project.table(f"05_model_input/{name}/split_records.parquet")
    assert set(records["label"]) == set(labels_of(taxonomy))
    assert (records.groupby("group")["split"].nunique() == 1).all()
    assert "GoEmotions" in (folder / "report.html").read_text()


def test_the_ingestion_report_counts_rows_with_several_labels(project: Project) -> None:
    project.kedro("run", "--pipeline=goemotions_thirteen")
    report = json.loads((project.path / "data/02_intermediate/goemotions_thirteen/ingestion_report.json").read_text())
    (source,) = report.values()
    assert source["rows"] > source["kept"] > 0
    assert "several" in json.dumps(source)
