"""What runs again after a change, in the whole job."""

from __future__ import annotations

import pandas as pd
import pytest
from project_folder import Project

from emotion_kedro.app.page import reviews

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("augment")]

COMMAND = ("run", "--pipelines=augment", "--runner=emotion_kedro.runners.IncrementalRunner")


@pytest.fixture(scope="module")
def whole(augmented: tuple[Project, str]) -> tuple[Project, str]:
    """The project, run as a whole: other tests may have run some of its nodes with other parameters."""
    project, _ = augmented
    return project, project.kedro(*COMMAND)


def test_a_whole_run_leaves_nothing_to_do(whole: tuple[Project, str]) -> None:
    project, printed = whole
    log = project.document("08_reporting/augment/run_log.json")

    again = project.kedro(*COMMAND)

    assert "0 of 26 nodes ran" in again
    assert "classifier.real.fit_arm is skipped: nothing that it depends on has changed" in again
    # The figures are shown all the same, and the log still holds the times of the nodes that ran before.
    assert next(line for line in printed.splitlines() if "accuracy" in line) in again
    assert project.document("08_reporting/augment/run_log.json")["times"] == log["times"]


def test_status_names_what_is_downstream_of_an_edit(whole: tuple[Project, str]) -> None:
    project, _ = whole

    lines = project.kedro(
        "status", "-p", "augment", "--all", "--params=augment.filters.novel.near_copy=0.5"
    ).splitlines()

    stale = {line.split()[1].rstrip(":") for line in lines if line.startswith("stale")}
    assert {"candidates", "classifier.augmented.model", "predictions", "report_page"} <= stale
    assert not {"split_records", "generator.per_label.model", "classifier.real.model", "baseline_predictions"} & stale
    assert any("params:augment.filters.novel.near_copy was 1.0, is 0.5" in line for line in lines)


def test_the_next_run_follows_what_a_person_decided(
    whole: tuple[Project, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _ = whole
    before = _added(project)
    monkeypatch.chdir(project.path)
    texts = reviews.texts_of("augment")
    rejected = texts[texts["arm_augmented"] == "kept"].iloc[0]
    edited = texts[texts["arm_augmented"] == "cut off"].drop_duplicates("label").set_index("label")["text"]
    accepted = texts[texts["arm_augmented"] == "cut off"].iloc[-1]
    train = project.table("05_model_input/augment/split_records.parquet").query("split == 'train'")
    first = train.groupby("label")["text"].first()
    news = {label: f"{first[label]}, said the kettle" for label in edited.index}
    reviews.decide("augment", rejected["text"], rejected["label"], "reject")
    reviews.decide("augment", accepted["text"], accepted["label"], "accept")
    for label, text in edited.items():
        reviews.decide("augment", text, label, "edit", news[label])

    printed = project.kedro(*COMMAND)

    for node in ("generator.per_label.draw_per_label", "classifier.real.fit_arm"):
        assert f"{node} is skipped" in printed
    assert "classifier.augmented.fit_arm is skipped" not in printed
    decided = project.table("07_synthetic/augment/candidates.parquet").merge(
        project.table("07_synthetic/augment/decisions/augmented.parquet"), on="candidate_id", validate="one_to_one"
    )
    reason = decided.set_index(["text", "label"])["reason"].groupby(level=[0, 1]).first()
    refused = {(rejected["text"], rejected["label"])}
    assert set(reason[reason == "reviewed"].index) == refused
    # What was edited has lost its old text, and is judged by the other filters; so is what was accepted.
    assert not {(text, label) for label, text in edited.items()} & set(reason.index)
    assert {reason[text, label] for label, text in news.items()} <= {
        "kept",
        "classifier disagrees",
        "resembles others",
    }
    assert reason[accepted["text"], accepted["label"]] == "cut off"
    added = set(_added(project)["text"])
    assert added & set(news.values())
    assert added == set(reason[reason == "kept"].index.get_level_values("text"))
    assert rejected["text"] in set(before["text"]) - added
    # The page knows the edited texts for those that were decided on.
    assert set(reviews.texts_of("augment", "edit")["text"]) == set(news.values())
    assert "0 of 26 nodes ran" in project.kedro(*COMMAND)

    # Without decisions all is as it was.
    (project.path / "data/07_synthetic/augment/reviews.parquet").unlink()
    assert "reviews: its content has changed" in project.kedro("status", "-p", "augment")
    project.kedro(*COMMAND)
    pd.testing.assert_frame_equal(_added(project), before)


def _added(project: Project) -> pd.DataFrame:
    rows = project.table("07_synthetic/augment/rows/augmented.parquet")
    return rows[rows["origin"] == "added"].reset_index(drop=True)
