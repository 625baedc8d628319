"""Uncertain texts back into the generators, end to end: rounds, findings, and a kill between two of them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from project_folder import Project

from emotion_kedro.taxonomy import SIX

pytestmark = pytest.mark.slow

ROUNDS = 2


def tiny_iteration(encoder: Path) -> dict[str, object]:
    training = {"steps": 12, "batch_size": 8, "learning_rate": 1.0e-3, "evaluate_every": 6, "checkpoint_every": 4}
    scratch = {"layers": 1, "width": 32, "heads": 2, "vocabulary": 600, "training": {**training, "steps": 40}}
    return {
        "loop": {
            "rounds": ROUNDS,
            "patience": ROUNDS,
            "judge_steps": 6,
            "feedback": {**training, "steps": 2},
        },
        "generation": {
            "base": "scratch",
            "tuning": "lora",
            "last_layers": 1,
            "scratch": scratch,
            "warm_up": None,
            "training": {**training, "steps": 4},
        },
        "synthesis": {
            "quota": 5,
            "max_draws": 1,
            "decoding": {"batch_size": 8, "min_new_tokens": 4},
            "filter": {"tau": 0.0, "max_repetition": 1.0, "min_words": 1},
        },
        "classification": {
            "classifier": {"base": str(encoder), "frozen_layers": 0, "training": training},
            "seeds": [0, 1],
        },
    }


@pytest.fixture(scope="module")
def build(new_project: Callable[..., Project], tiny_encoder: Path) -> Callable[[], Project]:
    return lambda: new_project(iteration=tiny_iteration(tiny_encoder))


@pytest.fixture(scope="module")
def iterated(build: Callable[[], Project]) -> tuple[Project, str]:
    project = build()
    return project, project.kedro("run", "--pipeline=iteration")


def results_of(project: Project, name: str) -> object:
    return json.loads((project.path / "data/08_reporting/iteration" / f"{name}.json").read_text(encoding="utf-8"))


def test_every_round_is_scored_on_both_sides(iterated: tuple[Project, str]) -> None:
    project, _ = iterated
    records = project.table("05_model_input/iteration/split_records.parquet")
    for name, side in (("predictions", "test"), ("validation_predictions", "validation")):
        table = project.table(f"08_reporting/iteration/{name}.parquet")
        ids = set(records.loc[records["split"] == side, "record_id"])
        assert set(table["arm"]) == {f"round_{number}" for number in range(ROUNDS + 1)}
        for _, one in table.groupby(["arm", "seed"]):
            assert set(one["record_id"]) == ids
        assert set(table["seed"]) == {0, 1}


def test_each_round_feeds_its_share_back_and_draws_anew(iterated: tuple[Project, str]) -> None:
    project, _ = iterated
    records = project.table("05_model_input/iteration/split_records.parquet")
    train = records[records["split"] == "train"]["label"].value_counts()
    rounds = results_of(project, "rounds")["rounds"]
    assert [entry["round"] for entry in rounds] == list(range(ROUNDS + 1))
    assert rounds[0]["synthetic"] == 0
    candidates = project.table("07_synthetic/iteration/candidates.parquet")
    for entry in rounds[1:]:
        assert entry["uncertain"] == {label: max(1, round(0.3 * train[label])) for label in SIX}
        drawn = candidates[candidates["round"] == entry["round"]]
        assert entry["synthetic"] == drawn["kept"].sum() > 0
        assert entry["text"]["drawn"] == len(drawn) == 8 * len(SIX)
    assert candidates["candidate_id"].is_unique
    first, second = (set(candidates.loc[candidates["round"] == number, "text"]) for number in (1, 2))
    assert first != second


def test_the_findings_have_their_names(iterated: tuple[Project, str]) -> None:
    project, printed = iterated
    findings = results_of(project, "findings")
    assert [(found["system"], found["name"]) for found in findings] == [
        ("S11", "round 0"),
        ("S11", "best round by validation"),
        ("S11", "difference, best round minus round 0"),
        ("S11", "round 1"),
        ("S11", "round 2"),
    ]
    figures = results_of(project, "rounds")
    by_validation = [entry["validation"]["estimate"] for entry in figures["rounds"]]
    assert figures["best"] == by_validation.index(max(by_validation))
    assert findings[1]["figure"] == figures["rounds"][figures["best"]]["test"]
    assert (findings[2]["figure"] is None) == (figures["best"] == 0)
    assert "Uncertain texts back into the generators" in printed
    assert not list((project.path / "data/06_models/checkpoints").iterdir())
    version = project.versions("06_models/iteration/classifier")[-1]
    saved = project.path / "data/06_models/iteration/classifier" / version / "classifier"
    notes = json.loads((saved / "classifier.json").read_text(encoding="utf-8"))
    assert notes["name"] == f"classifier.round_{figures['best']}"


def test_a_kill_between_rounds_changes_nothing(iterated: tuple[Project, str], build: Callable[[], Project]) -> None:
    project = build()
    _kill_in_round_two(project.start("run", "--pipeline=iteration"), project.path / "data/06_models/checkpoints")
    assert not project.versions("08_reporting/iteration/predictions.parquet")
    printed = project.kedro("run", "--pipeline=iteration", "--only-missing-outputs")
    assert "goes on after round 1" in " ".join(printed.split())
    assert "round 1 of 2," not in " ".join(printed.split())
    for path in (
        "08_reporting/iteration/predictions.parquet",
        "08_reporting/iteration/validation_predictions.parquet",
        "07_synthetic/iteration/candidates.parquet",
    ):
        pd.testing.assert_frame_equal(project.table(path), iterated[0].table(path))
    assert results_of(project, "rounds") == results_of(iterated[0], "rounds")


def _kill_in_round_two(process: subprocess.Popen[str], checkpoints: Path) -> None:
    """Wait until some generators of round 2 are saved, and not all; then kill the run."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        if 0 < len(list(checkpoints.glob("rounds-*/generators_2/*"))) < len(SIX):
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return
        time.sleep(0.01)
    process.kill()
    raise AssertionError(f"round 2 was not seen in time: {process.communicate()[0][-2000:]}")
