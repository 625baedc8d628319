"""What runs again after a change, in the whole job."""

from __future__ import annotations

import pandas as pd
import pytest
from project_folder import Project

from emotion_kedro.app import views

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("augment")]

COMMAND = ("run", "--pipelines=augment", "--runner=emotion_kedro.runners.IncrementalRunner")


def test_a_whole_run_leaves_nothing_to_do(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    printed = project.kedro(*COMMAND)  # other tests may have run some of its nodes with other parameters
    log = project.document("08_reporting/augment/run_log.json")

    again = project.kedro(*COMMAND)

    assert "0 of 26 nodes ran" in again
    assert "classifier.real.fit_arm is skipped: nothing that it depends on has changed" in again
    # The figures are shown all the same, and the log still holds the times of the nodes that ran before.
    assert next(line for line in printed.splitlines() if "accuracy" in line) in again
    assert project.document("08_reporting/augment/run_log.json")["times"] == log["times"]


def test_status_names_what_is_downstream_of_an_edit(augmented: tuple[Project, str]) -> None:
    project, _ = augmented

    lines = project.kedro(
        "status", "-p", "augment", "--all", "--params=augment.filters.novel.near_copy=0.5"
    ).splitlines()

    stale = {line.split()[1].rstrip(":") for line in lines if line.startswith("stale")}
    assert {"candidates", "classifier.augmented.model", "predictions", "report_page"} <= stale
    assert not {"split_records", "generator.per_label.model", "classifier.real.model", "baseline_predictions"} & stale
    assert any("params:augment.filters.novel.near_copy was 1.0, is 0.5" in line for line in lines)


def test_the_next_run_follows_what_a_person_decided(
    augmented: tuple[Project, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _ = augmented
    project.kedro(*COMMAND)
    before = _added(project)
    monkeypatch.chdir(project.path)
    texts = views.texts_of("augment")
    rejected, edited, accepted = texts[texts["arm_augmented"] == "kept"].head(3).to_dict(orient="records")
    views.decide("augment", rejected["text"], rejected["label"], "reject")
    views.decide("augment", edited["text"], edited["label"], "edit", f"{edited['text']} abcdefgh")
    views.decide("augment", accepted["text"], accepted["label"], "accept")

    printed = project.kedro(*COMMAND)

    for node in ("generator.per_label.draw_per_label", "classifier.real.fit_arm"):
        assert f"{node} is skipped" in printed
    assert "classifier.augmented.fit_arm is skipped" not in printed
    decided = project.table("07_synthetic/augment/candidates.parquet").merge(
        project.table("07_synthetic/augment/decisions/augmented.parquet"), on="candidate_id", validate="one_to_one"
    )
    reason = decided.set_index(["text", "label"])["reason"]
    assert reason[rejected["text"], rejected["label"]] == "reviewed"
    assert set(reason[reason == "reviewed"].index) == {(rejected["text"], rejected["label"])}
    assert (edited["text"], edited["label"]) not in reason.index
    assert reason[f"{edited['text']} abcdefgh", edited["label"]] != "reviewed"
    kept = set(reason[reason == "kept"].index)
    assert set(_added(project)[["text", "label"]].itertuples(index=False, name=None)) == kept
    assert (accepted["text"], accepted["label"]) in kept
    # The page knows the edited text for the one that was decided on.
    assert views.texts_of("augment", "edit")["text"].tolist() == [f"{edited['text']} abcdefgh"]
    assert "0 of 26 nodes ran" in project.kedro(*COMMAND)

    # Without decisions all is as it was.
    (project.path / "data/07_synthetic/augment/reviews.parquet").unlink()
    assert "candidates: reviews: its content has changed" in project.kedro("status", "-p", "augment")
    project.kedro(*COMMAND)
    pd.testing.assert_frame_equal(_added(project), before)


def _added(project: Project) -> pd.DataFrame:
    rows = project.table("07_synthetic/augment/rows/augmented.parquet")
    return rows[rows["origin"] == "added"].reset_index(drop=True)
