"""A classifier for each source, tested on every source, end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from project_folder import Project

pytestmark = pytest.mark.slow

TRAINING = {"steps": 8, "batch_size": 8, "learning_rate": 1.0e-3, "evaluate_every": 8}


@pytest.fixture(scope="module")
def finished(new_project: Callable[..., Project], tiny_encoder: Path) -> tuple[Project, str]:
    classifier = {"base": str(tiny_encoder), "training": TRAINING}
    project = new_project(cross_dataset={"sampling": {"cap": 20}, "classification": {"classifier": classifier}})
    return project, project.kedro("run", "--pipeline=cross_dataset")


def test_every_pair_of_sources_has_its_figure(finished: tuple[Project, str]) -> None:
    project, printed = finished
    found = json.loads((project.path / "data/08_reporting/cross_dataset/findings.json").read_text())
    names = {one["name"] for one in found if one["system"] == "S6"}
    assert names == {f"{one}>{other}" for one in ("EIT", "EDFT", "EABOT", "ALL") for other in ("EIT", "EDFT", "EABOT")}
    assert {one["system"] for one in found} == {"S2", "S3", "S4", "S5", "S6"}
    assert "Does what one source teaches hold for another?" in printed
    assert "data:image/png;base64," in (project.path / "data/08_reporting/cross_dataset/report.html").read_text()


def test_a_source_trains_on_its_own_rows_and_no_text_is_on_both_sides(finished: tuple[Project, str]) -> None:
    project, _ = finished
    records = project.table("05_model_input/cross_dataset/split_records.parquet")
    assert (records.groupby("group")["split"].nunique() == 1).all()
    assert set(records["source"]) == {"eit", "edft", "eabot"}
    train = records[records["split"] == "train"]
    for source in ("eit", "edft", "eabot", "all"):
        mix = project.table(f"07_synthetic/cross_dataset/mixes/{source}.parquet")
        wanted = train if source == "all" else train[train["source"] == source]
        assert set(mix["record_id"]) == set(wanted["record_id"])
        tested = project.table(f"08_reporting/cross_dataset/predictions/{source}.parquet")
        assert set(tested["record_id"]) == set(records.loc[records["split"] == "test", "record_id"])
