"""Chinese sets, end to end, with models that learn next to nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pandas as pd
import pytest
from project_folder import Project

from emotion_kedro.pipelines.chinese.nodes import arm_names, epochs_in, pairs_of
from emotion_kedro.taxonomy import POLARITY, SEVEN

TRAINING = {"batch_size": 16, "learning_rate": 1.0e-3, "evaluate_every": 50, "checkpoint_every": 2}
TINY = {
    "masked_language_model": {
        "scratch": {"layers": 1, "width": 32, "heads": 2, "vocabulary": 900},
        "max_tokens": 32,
        "training": {**TRAINING, "steps": 6},
    },
    "classification": {"classifier": {"max_tokens": 16, "training": {**TRAINING, "epochs": 1}}},
}
NAMES = {
    "chnsenticorp": {"report's rows", "report's rows, encoder head", "all rows", "all rows, encoder head"},
    "ocemotion": {
        *("report's rows, 3 epochs", "report's rows, 5 epochs", "report's rows, encoder head"),
        *("all rows", "all rows, encoder head"),
    },
}
SYSTEM = {"chnsenticorp": "S16", "ocemotion": "S17"}
WORDS = {"chnsenticorp": set("正负"), "ocemotion": set("乐哀怒爱惊惧恶")}


@pytest.fixture(scope="module", params=list(NAMES))
def ran(request: pytest.FixtureRequest, new_project: Callable[..., Project]) -> tuple[str, Project, str]:
    name = request.param
    project = new_project(**{name: TINY})
    return name, project, project.kedro("run", f"--pipeline={name}")


def _json(project: Project, path: str) -> Any:
    return json.loads((project.path / "data" / path).read_text(encoding="utf-8"))


@pytest.mark.slow
def test_every_figure_of_the_report_has_its_finding(ran: tuple[str, Project, str]) -> None:
    name, project, printed = ran
    file = next((project.path / f"data/08_reporting/{name}").rglob("findings.json/**/findings.json"), None)
    file = file or project.path / f"data/08_reporting/{name}/findings.json"
    found = {one["name"]: one for one in json.loads(file.read_text(encoding="utf-8"))}
    assert set(found) == NAMES[name]
    assert {one["system"] for one in found.values()} == {SYSTEM[name]}
    first = next(one for key, one in found.items() if key.startswith("report's rows"))
    assert first["rows"] == 40
    assert "points on 40 test rows" in first["note"]
    assert "test texts are train texts too" in first["note"]
    assert "test texts are train texts too" not in found["all rows"]["note"]
    assert "Chinese text" in printed


@pytest.mark.slow
def test_the_reports_rows_are_taken_as_they_lie(ran: tuple[str, Project, str]) -> None:
    name, project, _ = ran
    rows = project.table(f"05_model_input/{name}/report_records.parquet")
    numbers = rows["record_id"].str.rpartition(":")[2].astype(int)
    train = {"chnsenticorp": 100, "ocemotion": 140}[name]
    assert numbers[rows["split"] == "train"].tolist() == list(range(1, train + 1))
    assert numbers[rows["split"] == "test"].tolist() == list(range(train + 1, train + 41))
    assert rows["record_id"].str.contains("train").all()


@pytest.mark.slow
def test_the_encoder_has_read_no_test_text(ran: tuple[str, Project, str]) -> None:
    name, project, _ = ran
    read = project.table(f"05_model_input/{name}/base_records.parquet")
    all_rows = project.table(f"05_model_input/{name}/split_records.parquet")
    report = project.table(f"05_model_input/{name}/report_records.parquet")
    for tested in (all_rows[all_rows["split"] == "test"], report[report["split"] == "test"]):
        assert not set(read["text"]) & set(tested["text"])
    assert _json(project, f"06_models/{name}/masked_base_log.json")["texts"] == int((read["split"] == "train").sum())


@pytest.mark.slow
def test_answers_are_chinese_words_of_one_token(ran: tuple[str, Project, str]) -> None:
    name, project, _ = ran
    folder = project.path / f"data/06_models/{name}/classifier/all_rows"
    prompt = json.loads(next(folder.rglob("prompt.json")).read_text(encoding="utf-8"))
    assert set(prompt["words"].values()) == WORDS[name]
    assert "情感" in prompt["question"]


@pytest.mark.slow
def test_each_arm_has_its_length(ran: tuple[str, Project, str]) -> None:
    name, project, _ = ran
    epochs = {"chnsenticorp": (3,), "ocemotion": (3, 5)}[name]
    lengths = {f"report_rows_{count}": count for count in epochs} | {"report_rows_head": 3}
    lengths |= {"all_rows": 1, "all_rows_head": 1}
    for arm, count in lengths.items():
        rows = len(project.table(f"07_synthetic/{name}/mixes/{arm}.parquet"))
        (log,) = _json(project, f"06_models/{name}/classifier_logs/{arm}.json")
        assert log["steps"] == count * -(-rows // 16), arm


@pytest.mark.slow
def test_predictions_cover_the_labels(ran: tuple[str, Project, str]) -> None:
    name, project, _ = ran
    labels = {"chnsenticorp": POLARITY, "ocemotion": SEVEN}[name]
    table: pd.DataFrame = project.table(f"08_reporting/{name}/predictions/all_rows_head.parquet")
    assert {column for column in table.columns if column.startswith("p_")} == {f"p_{label}" for label in labels}


@pytest.mark.slow
def test_the_page_warns_of_few_rows(ran: tuple[str, Project, str]) -> None:
    name, project, _ = ran
    for page in ("report.html", "report.md"):
        text = (project.path / f"data/08_reporting/{name}/{page}").read_text(encoding="utf-8")
        assert "points either way" in text
        assert "trained here from scratch" in text


def test_arms_are_named_as_the_reference_names_them() -> None:
    assert arm_names((3,))["report_rows_3"] == "report's rows"
    assert arm_names((3, 5))["report_rows_5"] == "report's rows, 5 epochs"
    assert epochs_in(dict.fromkeys(arm_names((3, 5)))) == (3, 5)
    assert pairs_of((3, 5)) == (
        ("report_rows_3", "report_rows_5"),
        ("report_rows_head", "report_rows_3"),
        ("all_rows_head", "all_rows"),
    )
