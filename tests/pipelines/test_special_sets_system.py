"""Special sets, end to end with tiny models: unlabelled texts widen the generators and are judged before and after."""

from __future__ import annotations

import html
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from project_folder import Project, tiny_parameters

from emotion_kedro.taxonomy import SIX

pytestmark = pytest.mark.slow

STRESS = "stress told from no stress"
FINDINGS = {
    *(("S18", f"love letters read as love, {arm}", "share") for arm in ("before", "after")),
    *(("S18", f"love letters, mean confidence, {arm}", "confidence") for arm in ("before", "after")),
    *(
        ("S18", f"{name}: {STRESS}, {arm}", "AUC")
        for name in ("Reddit titles", "Twitter", "Dreaddit")
        for arm in ("before", "after")
    ),
    *(("S18", f"in-domain accuracy, {arm}", "accuracy") for arm in ("before", "after")),
    *(("S19", f"jokes read as joy, {arm}", "share") for arm in ("before", "after")),
    *(("S19", f"jokes, mean confidence, {arm}", "confidence") for arm in ("before", "after")),
}


@pytest.fixture(scope="module")
def ran(new_project: Callable[..., Project], tiny_encoder: Path) -> tuple[Project, str]:
    parameters = tiny_parameters(tiny_encoder)
    own = {name: parameters[name] for name in ("generation", "synthesis", "classification")}
    project = new_project(special_sets=own)
    return project, project.kedro("run", "--pipeline=special_sets")


def reported(project: Project, name: str) -> Any:
    path = project.path / "data/08_reporting/special_sets" / name
    newest = sorted(path.glob(f"*/{name}"))[-1] if path.is_dir() else path
    return json.loads(newest.read_text()) if name.endswith(".json") else newest.read_text()


def test_every_question_has_a_finding_before_and_after(ran: tuple[Project, str]) -> None:
    project, printed = ran
    found = reported(project, "findings.json")
    assert {(one["system"], one["name"], one["metric"]) for one in found} == FINDINGS
    assert all(0 <= one["figure"]["low"] <= one["figure"]["estimate"] <= one["figure"]["high"] <= 1 for one in found)
    assert {tuple(one["seeds"]) for one in found} == {(0, 1)}
    assert "love letters read as love, after" in printed


def test_generators_never_see_a_text_that_is_judged(ran: tuple[Project, str]) -> None:
    project, _ = ran
    texts = project.table("02_intermediate/special_sets/unlabelled_texts.parquet")
    judged, widening = (texts[texts["part"] == part] for part in ("judged", "widening"))
    widened = project.table("05_model_input/special_sets/widened_records.parquet")
    added = widened[widened["label"] == "unlabelled"]
    assert sorted(added["record_id"]) == sorted(widening["record_id"])
    assert set(added["split"]) == {"train"}
    assert not set(widened["record_id"]) & set(judged["record_id"])
    assert not set(judged["source"] + judged["group"]) & set(widening["source"] + widening["group"])
    split = project.table("05_model_input/special_sets/split_records.parquet")
    assert not set(widened["record_id"]) & set(split.loc[split["split"] == "test", "record_id"])


def test_both_arms_read_the_judged_texts_and_the_test_rows(ran: tuple[Project, str]) -> None:
    project, _ = ran
    texts = project.table("02_intermediate/special_sets/unlabelled_texts.parquet")
    split = project.table("05_model_input/special_sets/split_records.parquet")
    read = {*texts.loc[texts["part"] == "judged", "record_id"], *split.loc[split["split"] == "test", "record_id"]}
    mixes = {}
    for arm in ("before", "after"):
        predictions = project.table(f"08_reporting/special_sets/predictions/{arm}.parquet")
        assert set(predictions["arm"]) == {arm}
        assert predictions.groupby("seed")["record_id"].apply(set).tolist() == [read, read]
        mixes[arm] = pd.read_parquet(project.path / f"data/07_synthetic/special_sets/mixes/{arm}.parquet")
    assert set(mixes["before"]["origin"]) == {"real"}
    assert (mixes["after"]["origin"] == "real").sum() == len(mixes["before"])
    assert set(mixes["after"]["label"]) == set(SIX)


def test_sentences_of_the_sets_stand_in_the_html_page_alone(ran: tuple[Project, str]) -> None:
    project, _ = ran
    examples = pd.read_parquet(project.path / "data/08_reporting/special_sets/set_examples.parquet")
    page, markdown = html.unescape(reported(project, "report.html")), reported(project, "report.md")
    assert all(text in page for text in examples.loc[examples["arm"] == "before", "text"])
    assert not any(text in markdown for text in examples["text"])
    assert page.count("data:image/png;base64,") == 2
    assert "telephone number" in markdown
