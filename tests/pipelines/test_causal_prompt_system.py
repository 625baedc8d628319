"""The prompted causal model, end to end, with a GPT-2 that has learned nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from project_folder import Project

from emotion_kedro.taxonomy import SIX, THIRTEEN

pytestmark = pytest.mark.slow

NAMES = [
    "untuned, label words",
    "untuned, calibrated",
    "tuned, label words",
    *("untuned, free arg-max", "untuned, outside the label set"),
    *("tuned, free arg-max", "tuned, outside the label set"),
]


def parameters(base: Path) -> dict[str, Any]:
    training = {"steps": 60, "batch_size": 8, "learning_rate": 5.0e-3, "evaluate_every": 30}
    return {
        "classification": {
            "classifier": {"base": str(base), "frozen_layers": 0, "max_tokens": 24, "training": training},
            "seeds": [0, 1],
        },
        "asking": {"test_rows": 60, "validation_rows": 12},
    }


def findings_of(project: Project, name: str) -> dict[str, dict[str, Any]]:
    found = json.loads((project.path / f"data/08_reporting/{name}/findings.json").read_text())
    assert {entry["system"] for entry in found} == {"S1"}
    return {entry["name"]: entry for entry in found}


@pytest.fixture(scope="module")
def project(new_project: Callable[..., Project], tiny_causal: Path) -> Project:
    project = new_project(causal_prompt=parameters(tiny_causal), causal_prompt_thirteen=parameters(tiny_causal))
    printed = project.kedro("run", "--pipeline=causal_prompt")
    assert "untuned, free arg-max" in printed
    return project


def test_all_arms_are_asked_about_the_same_rows(project: Project) -> None:
    asked = project.table("05_model_input/causal_prompt/asked_records.parquet")
    split = project.table("05_model_input/causal_prompt/split_records.parquet")
    test = set(asked.loc[asked["split"] == "test", "record_id"])
    assert 54 <= len(test) <= 66 < (split["split"] == "test").sum()
    assert set(asked.loc[asked["split"] == "train", "record_id"]) == set(
        split.loc[split["split"] == "train", "record_id"]
    )
    for arm, seeds in (("untuned", {0}), ("calibrated", {0}), ("tuned", {0, 1})):
        predictions = project.table(f"08_reporting/causal_prompt/predictions/{arm}.parquet")
        assert set(predictions["arm"]) == {arm}
        assert set(predictions["record_id"]) == test
        assert set(predictions["seed"]) == seeds
    for arm in ("untuned", "tuned"):
        answers = project.table(f"08_reporting/causal_prompt/free_answers/{arm}.parquet")
        assert set(answers["record_id"]) == test
        assert set(answers["arm"]) == {arm}


def test_findings_are_those_of_the_saved_tables(project: Project) -> None:
    found = findings_of(project, "causal_prompt")
    assert list(found) == NAMES
    for arm in ("untuned", "tuned"):
        answers = project.table(f"08_reporting/causal_prompt/free_answers/{arm}.parquet")
        outside = found[f"{arm}, outside the label set"]
        assert outside["metric"] == "outside the label set"
        assert outside["figure"]["estimate"] == pytest.approx((~answers["inside"]).mean())
        right = (answers["named"] == answers["label"]).mean()
        assert found[f"{arm}, free arg-max"]["figure"]["estimate"] == pytest.approx(right)
        assert set(answers.loc[answers["inside"], "named"]) <= set(SIX)
    predictions = project.table("08_reporting/causal_prompt/predictions/untuned.parquet")
    read = predictions[[f"p_{label}" for label in SIX]].idxmax(axis=1).str.removeprefix("p_")
    assert found["untuned, label words"]["figure"]["estimate"] == pytest.approx((read == predictions["label"]).mean())


def test_tuning_teaches_the_form_of_the_answer(project: Project) -> None:
    found = findings_of(project, "causal_prompt")
    assert found["untuned, outside the label set"]["figure"]["estimate"] > 0.9
    assert found["tuned, outside the label set"]["figure"]["estimate"] < 0.5


def test_untuned_models_are_not_copied_and_the_tuned_one_is_whole(project: Project) -> None:
    def newest(arm: str) -> Path:
        folder = f"06_models/causal_prompt/classifier/{arm}"
        return project.path / "data" / folder / project.versions(folder)[-1] / arm

    assert (newest("tuned") / "model.safetensors").is_file()
    for arm in ("untuned", "calibrated"):
        assert not (newest(arm) / "model.safetensors").exists()
        assert (newest(arm) / "reference.json").is_file()


def test_the_page_says_what_was_found(project: Project) -> None:
    page = (project.path / "data/08_reporting/causal_prompt/report.html").read_text()
    assert page.count("data:image/png;base64,") == 3
    assert "leaves the label set in" in page
    markdown = (project.path / "data/08_reporting/causal_prompt/report.md").read_text()
    assert "Most frequent free answers" in markdown


def test_thirteen_labels_have_findings_of_their_own(project: Project) -> None:
    project.kedro("run", "--pipeline=causal_prompt_thirteen")
    assert list(findings_of(project, "causal_prompt_thirteen")) == [f"{name} (13 labels)" for name in NAMES]
    asked: pd.DataFrame = project.table("05_model_input/causal_prompt_thirteen/asked_records.parquet")
    assert set(asked["label"]) == set(THIRTEEN)
    assert set(asked["source"]) == {"edft", "eabot"}
