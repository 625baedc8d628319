"""What runs again after a change, in the whole job."""

from __future__ import annotations

import pytest
from project_folder import Project

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
