"""The search for settings, end to end, on the tables of an ``augment`` run."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from project_folder import Project

pytestmark = pytest.mark.slow

TRIALS = 4


def tiny_tune(encoder: Path) -> dict[str, object]:
    training = {"steps": 12, "batch_size": 8, "learning_rate": 1.0e-3, "evaluate_every": 50, "checkpoint_every": 2}
    return {
        "search": {"trials": TRIALS, "startup_trials": 2, "max_epochs": 2, "train_rows": 60},
        "classification": {"classifier": {"base": str(encoder), "frozen_layers": 0, "training": training}},
    }


@pytest.fixture(scope="module")
def prepared(
    augmented: tuple[Project, str], new_project: Callable[..., Project], tiny_encoder: Path
) -> Callable[[], Project]:
    """A function that lays out a project with the tables that a run of ``augment`` left."""

    def build() -> Project:
        project = new_project(tune=tiny_tune(tiny_encoder))
        for layer in ("05_model_input", "07_synthetic"):
            shutil.copytree(augmented[0].path / "data" / layer, project.path / "data" / layer)
        return project

    return build


@pytest.fixture(scope="module")
def tuned(prepared: Callable[[], Project]) -> tuple[Project, str]:
    project = prepared()
    return project, project.kedro("run", "--pipeline=tune")


def results_of(project: Project, name: str) -> list[dict[str, object]]:
    return json.loads((project.path / "data/08_reporting/tune" / f"{name}.json").read_text(encoding="utf-8"))


def test_without_the_tables_of_augment_the_run_says_what_to_do(
    new_project: Callable[..., Project], tiny_encoder: Path
) -> None:
    printed = new_project(tune=tiny_tune(tiny_encoder)).kedro("run", "--pipeline=tune", fails=True)
    flat = " ".join(printed.split())
    assert "not there: candidates, split_records, synthetic_records; run kedro run --pipeline=augment first" in flat


def test_the_search_leaves_trials_settings_and_findings(tuned: tuple[Project, str]) -> None:
    project, printed = tuned
    trials, settings = results_of(project, "trials"), results_of(project, "settings")
    assert [trial["trial"] for trial in trials] == list(range(TRIALS))
    assert all(1 <= trial["epochs"] <= 2 and trial["real_rows"] <= 61 for trial in trials)
    best = max(trials, key=lambda trial: trial["score"])
    assert settings["trial"] == best["trial"]
    assert settings["score"] == best["score"] == -best["log_loss"]
    findings = results_of(project, "findings")
    assert [(found["system"], found["name"], found["metric"]) for found in findings] == [
        ("S15", "tuned on validation", "accuracy"),
        ("S15", "default settings", "accuracy"),
        ("S15", "difference, tuned minus default", "difference in accuracy"),
    ]
    tuned_figure, default_figure, difference = (found["figure"]["estimate"] for found in findings)
    assert difference == pytest.approx(tuned_figure - default_figure)
    assert "Settings tuned on validation" in printed
    page = (project.path / "data/08_reporting/tune/report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png") == 2


def test_the_search_is_given_no_test_row(tuned: tuple[Project, str]) -> None:
    project, _ = tuned
    seen = pd.read_parquet(project.path / "data/05_model_input/tune/development_records.parquet")
    everything = project.table("05_model_input/split_records.parquet")
    assert set(seen["split"]) == {"train", "validation"}
    assert len(seen) == (everything["split"] != "test").sum()


def test_a_second_run_finds_its_trials_done(tuned: tuple[Project, str]) -> None:
    project, _ = tuned
    before = results_of(project, "trials")
    printed = project.kedro("run", "--pipeline=tune", "--to-nodes=tune.search_settings")
    assert "trial 1 of" not in printed
    assert results_of(project, "trials") == before
    assert len(list((project.path / "data/08_reporting/tune").glob("*.db"))) == 1


def test_a_killed_search_goes_on_and_finds_the_same(
    tuned: tuple[Project, str], prepared: Callable[[], Project]
) -> None:
    project = prepared()
    process = project.start("run", "--pipeline=tune", "--to-nodes=tune.search_settings")
    kill_after_trials(process, project.path / "data/08_reporting/tune", 2)
    printed = project.kedro("run", "--pipeline=tune", "--to-nodes=tune.search_settings")
    assert "trial 1 of" not in printed
    assert "trial 4 of 4" in printed
    assert results_of(project, "trials") == results_of(tuned[0], "trials")
    assert results_of(project, "settings") == results_of(tuned[0], "settings")


def kill_after_trials(process: subprocess.Popen[str], folder: Path, trials: int) -> None:
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if finished(folder) >= trials:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return
        time.sleep(0.01)
    process.kill()
    raise AssertionError(f"no {trials} trials were seen in time: {process.communicate()[0][-2000:]}")


def finished(folder: Path) -> int:
    for file in folder.glob("*.db"):
        try:
            with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as connection:
                return int(connection.execute("select count(*) from trials where state = 'COMPLETE'").fetchone()[0])
        except sqlite3.OperationalError:
            return 0
    return 0
