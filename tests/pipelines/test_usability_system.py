"""Every kind of classifier on the tables of an ``augment`` run, and the reference page on what it found."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from project_folder import Project

pytestmark = pytest.mark.slow

TRAINING = {"steps": 6, "batch_size": 8, "learning_rate": 1.0e-3, "evaluate_every": 6}
KINDS = ("encoder", "masked_prompt", "causal_prompt")
ARMS = ("real", "mixed", "continued", "synthetic")


def parameters(encoder: Path, causal: Path) -> dict[str, Any]:
    scratch = {"layers": 1, "width": 32, "heads": 2, "vocabulary": 600}
    rows = {"test_rows": 60, "candidates": 40}
    return {
        "encoder": {"classification": {"classifier": {"base": str(encoder), "frozen_layers": 0, "training": TRAINING}}},
        "masked_prompt": {
            "rows": rows,
            "masked_language_model": {"base": "scratch", "scratch": scratch, "training": TRAINING},
            "classification": {"classifier": {"base": "scratch", "frozen_layers": 0, "training": TRAINING}},
        },
        "causal_prompt": {
            "rows": rows,
            "classification": {"classifier": {"base": str(causal), "frozen_layers": 0, "training": TRAINING}},
        },
    }


@pytest.fixture(scope="module")
def finished(
    augmented: tuple[Project, str], new_project: Callable[..., Project], tiny_encoder: Path, tiny_causal: Path
) -> tuple[Project, str]:
    project = new_project(usability=parameters(tiny_encoder, tiny_causal))
    for layer in ("05_model_input", "07_synthetic"):
        shutil.copytree(augmented[0].path / "data" / layer, project.path / "data" / layer)
    return project, project.kedro("run", "--pipeline=usability")


def test_each_kind_has_every_arm_both_ways_and_both_differences(finished: tuple[Project, str]) -> None:
    project, printed = finished
    found = json.loads((project.path / "data/08_reporting/usability/findings.json").read_text())
    names = {(one["system"], one["name"]) for one in found}
    for kind in KINDS:
        assert {("S9", f"{kind}: real to synthetic"), ("S9", f"{kind}: synthetic to real")} <= names
        assert {("S10", f"{kind}: {arm} minus real only") for arm in ("mixed", "continued")} <= names
    assert {system for system, _ in names} == {"S7", "S8", "S9", "S10"}
    assert "Does it help, and which way of adding it?" in printed
    figures = json.loads((project.path / "data/08_reporting/usability/causal_prompt.json").read_text())
    assert set(figures["arms"]) == set(ARMS)
    assert figures["judged"]["all"] <= 42
    assert 50 <= figures["arms"]["real"]["rows"] <= 70


def test_arms_of_a_kind_take_equal_steps_and_see_what_they_should(finished: tuple[Project, str]) -> None:
    project, _ = finished
    steps = set()
    for kind in KINDS:
        for arm in ARMS:
            (log,) = json.loads(
                (project.path / f"data/06_models/usability/classifier_logs/{kind}.{arm}.json").read_text()
            )
            steps.add(log["steps"])
        mix = project.table(f"07_synthetic/usability.{kind}/mixes/continued.parquet")
        assert (mix["phase"] == (mix["origin"] == "synthetic")).all()
        assert set(project.table(f"07_synthetic/usability.{kind}/mixes/synthetic.parquet")["origin"]) == {"synthetic"}
    assert steps == {6}


def test_one_kind_runs_again_by_its_namespace(finished: tuple[Project, str]) -> None:
    project, _ = finished
    printed = project.kedro("run", "--pipeline=usability", "--namespaces=usability.encoder")
    assert "usability.encoder.measure_kind" in printed
    assert "masked_prompt" not in printed


def test_the_reference_page_takes_over_what_ran(finished: tuple[Project, str]) -> None:
    project, _ = finished
    printed = project.kedro("run", "--pipeline=report")
    assert "4 of 20 systems were run here" in printed
    page = (project.path / "data/08_reporting/reference.md").read_text()
    row = next(line for line in page.splitlines() if line.startswith("| encoder: real to synthetic |"))
    assert "| .59561 |" in row
    assert "kedro run --pipeline=usability" in page
    assert (project.path / "data/08_reporting/reference.html").is_file()


def test_without_the_tables_of_augment_it_says_what_to_run_first(new_project: Callable[..., Project]) -> None:
    project = new_project()
    printed = project.kedro("run", "--pipeline=usability", fails=True)
    assert "run kedro run --pipeline=augment first" in printed
