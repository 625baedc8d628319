"""A masked language model that fills in the answer, end to end, with models that learn next to nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from project_folder import Project

from emotion_kedro.options import MaskedLanguageModelOptions, TrainingOptions
from emotion_kedro.pipelines.masked_prompt.nodes import describe_base
from emotion_kedro.taxonomy import THIRTEEN

TRAINING = {"batch_size": 8, "learning_rate": 1.0e-3, "evaluate_every": 50, "checkpoint_every": 2}
SCRATCH = {
    "base": "scratch",
    "scratch": {"layers": 1, "width": 32, "heads": 2, "vocabulary": 600},
    "max_tokens": 32,
    "training": {**TRAINING, "steps": 8, "epochs": None},
}
CLASSIFICATION = {
    "classifier": {"base": "scratch", "frozen_layers": 0, "max_tokens": 24, "training": {**TRAINING, "epochs": 1}},
    "seeds": [0],
}
SIX = {
    "untuned",
    "tuned, 1 epoch",
    "tuned, 3 epochs",
    "tuned, 5 epochs",
    "untuned, free arg-max",
    "untuned, outside the label set",
    "tuned, free arg-max",
    "tuned, outside the label set",
}


@pytest.fixture(scope="module")
def ran(new_project: Callable[..., Project]) -> tuple[Project, str]:
    tiny = {"masked_language_model": SCRATCH, "sampling": {"cap": 8}, "classification": CLASSIFICATION}
    project = new_project(masked_prompt=tiny, masked_prompt_thirteen={**tiny, "sampling": {"cap": 4}})
    return project, project.kedro("run", "--pipeline=masked_prompt")


def _json(project: Project, path: str) -> Any:
    return json.loads((project.path / "data" / path).read_text(encoding="utf-8"))


def _findings(project: Project, name: str) -> dict[str, dict[str, Any]]:
    folder = project.path / "data/08_reporting" / name
    file = next(path for path in sorted(folder.rglob("findings.json")) if path.is_file())
    return {found["name"]: found for found in json.loads(file.read_text(encoding="utf-8"))}


@pytest.mark.slow
def test_every_figure_of_the_report_has_its_finding(ran: tuple[Project, str]) -> None:
    project, printed = ran
    found = _findings(project, "masked_prompt")
    assert set(found) == SIX
    assert {one["system"] for one in found.values()} == {"S12"}
    assert "trained here from scratch: 8 steps" in found["tuned, 3 epochs"]["note"]
    assert "fills in the answer: 6 labels" in printed
    assert found["untuned"]["rows"] == len(project.table("08_reporting/masked_prompt/predictions/untuned.parquet"))


@pytest.mark.slow
def test_each_arm_has_its_epochs_and_starts_from_the_same_base(ran: tuple[Project, str]) -> None:
    project, _ = ran
    rows = len(project.table("07_synthetic/masked_prompt/mixes/tuned_1.parquet"))
    per_epoch = -(-rows // 8)
    for arm, epochs in {"untuned": 0, "tuned_1": 1, "tuned_3": 3, "tuned_5": 5}.items():
        (log,) = _json(project, f"06_models/masked_prompt/classifier_logs/{arm}.json")
        assert log["steps"] == epochs * per_epoch, arm
    folders = {
        name: project.path / f"data/06_models/masked_prompt/{name}"
        for name in ("masked_base", "classifier/untuned", "classifier/tuned_1")
    }
    weights = {name: next(folder.rglob("model.safetensors")).read_bytes() for name, folder in folders.items()}
    assert weights["masked_base"] == weights["classifier/untuned"]
    assert weights["masked_base"] != weights["classifier/tuned_1"]


@pytest.mark.slow
def test_the_base_never_sees_the_test_texts(ran: tuple[Project, str]) -> None:
    project, _ = ran
    split = project.table("05_model_input/masked_prompt/split_records.parquet")
    assert _json(project, "06_models/masked_prompt/masked_base_log.json")["texts"] == int(
        (split["split"] == "train").sum()
    )


@pytest.mark.slow
def test_free_answers_are_kept_row_by_row(ran: tuple[Project, str]) -> None:
    project, _ = ran
    answers = project.table("08_reporting/masked_prompt/free_answers/tuned_3.parquet")
    test = project.table("08_reporting/masked_prompt/predictions/tuned_3.parquet")
    assert set(answers["record_id"]) == set(test["record_id"])
    assert (answers["named"] == "")[~answers["inside"]].all()


@pytest.mark.slow
def test_the_page_says_what_was_trained_here(ran: tuple[Project, str]) -> None:
    project, _ = ran
    for name in ("report.html", "report.md"):
        page = (project.path / "data/08_reporting/masked_prompt" / name).read_text(encoding="utf-8")
        assert "trained here from scratch" in page
        assert "tuned, 5 epochs" in page
        assert "outside the label set" in page


@pytest.mark.slow
def test_thirteen_labels_have_findings_of_their_own(ran: tuple[Project, str]) -> None:
    project, _ = ran
    project.kedro("run", "--pipeline=masked_prompt_thirteen")
    assert set(_findings(project, "masked_prompt_thirteen")) == {f"{name} (13 labels)" for name in SIX}
    split = project.table("05_model_input/masked_prompt_thirteen/split_records.parquet")
    assert set(split["label"]) == set(THIRTEEN)


def test_a_published_base_and_one_made_here_are_told_apart() -> None:
    training = TrainingOptions(steps=5, learning_rate=1e-3)
    log = {"steps": 1500, "texts": 2000}
    said = {
        base: describe_base(MaskedLanguageModelOptions(base=base, training=training if ours else None), log)
        for base, ours in {"bert-base-uncased": False, "package:minilm": True, "scratch": True}.items()
    }
    assert said["bert-base-uncased"] == "Starts from bert-base-uncased as it was published."
    assert "MiniLM, whose masked-LM head was trained here" in said["package:minilm"]
    assert said["scratch"].endswith("from scratch: 1,500 steps on 2,000 raw train texts, no labels.")
