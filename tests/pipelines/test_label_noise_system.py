"""Labels of one source against another's, end to end: on the sample, and on an invented table that shares texts."""

from __future__ import annotations

import csv
import itertools
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from project_folder import Project

pytestmark = pytest.mark.slow

PLACES = ("in the kitchen", "on the bus", "by the sea", "at my desk", "after lunch", "before the rain", "all alone")
MOODS = {"glad": "happy", "merry": "happy", "cross": "anger", "bitter": "anger", "scared": "fear", "shaky": "fear"}


def noise(project: Project, name: str) -> object:
    return json.loads((project.path / f"data/08_reporting/label_noise/{name}.json").read_text(encoding="utf-8"))


def page(project: Project) -> str:
    return (project.path / "data/08_reporting/label_noise/report.md").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def on_sample(new_project: Callable[..., Project]) -> tuple[Project, str]:
    project = new_project(label_noise={"noise": {"merging": {"split_seeds": [0, 1]}}})
    return project, project.kedro("run", "--pipeline=label_noise")


@pytest.fixture(scope="module")
def on_invented(new_project: Callable[..., Project], tmp_path_factory: pytest.TempPathFactory) -> Project:
    """EIT by mood; EABOT has every text too and calls it worry where it says `bus`, else neutral."""
    folder = tmp_path_factory.mktemp("invented")
    texts = [
        (f"{opening} {mood} {place}", label)
        for opening, (mood, label), place in itertools.product(("i felt so", "we were rather"), MOODS.items(), PLACES)
    ]
    relabelled = [(text, "worry" if "bus" in text else "neutral") for text, _ in texts]
    write(folder / "eit/Emotion_final.csv", ["Text", "Emotion"], texts)
    write(
        folder / "eabot/emotion_sentimen_dataset.csv",
        ["Unnamed: 0", "text", "Emotion"],
        [(row, *one) for row, one in enumerate(relabelled)],
    )
    project = new_project(
        ingestion={"use": ["eit", "eabot"]},
        label_noise={
            "noise": {
                "near_duplicates": {"threshold": 1.0},
                "learned": {"leaves": [2, 4], "shown_leaves": 4},
                "merging": {"split_seeds": [0, 1]},
            }
        },
    )
    project.kedro("run", "--pipeline=label_noise", f"--params=raw_root={folder}")
    return project


def write(file: Path, head: list[str], rows: list[tuple[object, ...]]) -> None:
    file.parent.mkdir()
    with file.open("w", newline="", encoding="utf-8") as opened:
        csv.writer(opened).writerows([head, *rows])


def test_the_sample_shares_too_few_texts_and_the_page_says_so(on_sample: tuple[Project, str]) -> None:
    project, printed = on_sample
    agreement = noise(project, "agreement")
    assert agreement["counts"] == {"trusted": 396, "doubted": 579, "shared": 6, "several_labels": 0}
    assert agreement["all"]["agreement"]["estimate"] == pytest.approx(2 / 6)
    assert "On 6 shared texts too little to tell." in printed
    assert "there is nothing to compare it with" in page(project)


def test_both_splits_test_every_arm_and_only_the_plain_one_leaks(on_sample: tuple[Project, str]) -> None:
    project, _ = on_sample
    rows = project.table("08_reporting/label_noise/tested_rows.parquet")
    assert set(rows["arm"]) == {"commonest label", "eit", "eit + eabot", "eabot"}
    assert set(rows["split_seed"]) == {0, 1}
    assert not rows.loc[rows["split_strategy"] == "grouped", "near_in_train"].any()
    assert {one["system"] for one in noise(project, "findings")} == {"EABOT"}


def test_labels_that_lie_in_a_word_are_found_out(on_invented: Project) -> None:
    assert noise(on_invented, "agreement")["all"]["agreement"]["estimate"] == pytest.approx(4 / 84)
    learned = noise(on_invented, "keyword_rules")["learned"]
    assert learned["compared"]
    best = {(one["pieces"], one["leaves"], one["labels_of"]): one for one in learned["rules"]}
    assert best["words", 2, "doubted"]["accuracy"]["estimate"] == 1.0
    assert "The two hardly agree; a few words read EABOT's labels better than EIT's." in page(on_invented)


def test_merging_costs_the_plain_splits_texts_their_labels(on_invented: Project) -> None:
    project = on_invented
    leaks = project.table("08_reporting/label_noise/merging_leakage.parquet").set_index(
        ["tested", "split_strategy", "arm"]
    )
    assert leaks.loc[("eit", "plain", "eit + eabot"), "other"] > 0
    assert leaks.loc[("eit", "plain", "eit"), "near"] == 0
    assert leaks.loc[("eit", "grouped", "eit + eabot"), "near"] == 0
    assert str(project.path) not in page(project)
