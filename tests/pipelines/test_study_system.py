"""Studies end to end, with models that learn next to nothing: what they leave, and that none of it is done twice."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from project_folder import Project

pytestmark = pytest.mark.slow

TRAINING = {"steps": 1, "batch_size": 4, "learning_rate": 1.0e-3}
DECODING = {"min_new_tokens": 4, "max_new_tokens": 8, "batch_size": 32}
SCRATCH = {"layers": 1, "width": 32, "heads": 2, "vocabulary": 400}
WARMED_UP = {"texts": 6, "unlabelled": {"steps": 4, "batch_size": 8}, "decoding": DECODING}
SHARED = {
    "sizes": [3, 5],
    "data_seeds": [0, 1],
    "added_rows": 4,
    "unlabelled_rows": 60,
    "heads": {"steps": 20, "batch_size": 16},
    "filter": {"min_words": 1, "max_repetition": 1.0},
    "writers": {"warmed_up": {**WARMED_UP, "tuning": {"scratch": SCRATCH, "training": TRAINING}}},
}
FEW = ("generated", "generated_novel", "generated_agreed", "generated_filtered", "generated_weighted", "conditioned")
ENGLISH, CHINESE = "study_eit", "study_chnsenticorp"


def english(encoder: Path, causal: Path) -> dict[str, Any]:
    tuned = {"texts": 6, "decoding": DECODING, "tuning": {"base": str(causal), "tuning": "full", "training": TRAINING}}
    asked = {"base": str(causal), "texts": 6, "rows": 3, "decoding": DECODING}
    request = {"request": "{label}: {examples}", "neutral": "{examples}", "examples": 1, "requests": 2}
    return {
        **SHARED,
        "features": {"base": str(encoder), "max_tokens": 24},
        "arms": {name: {"sizes": [3]} for name in (*FEW, "generated_full")},
        "without": ["generated_full", "asked_weighted", "named_template"],
        "writers": {
            **SHARED["writers"],
            "per_label": tuned,
            "conditioned": tuned,
            "asked": {**asked, "asking": request},
            "named": {**asked, "asking": {"request": "{label}", "neutral": "any"}},
            "continued": {**asked, "asking": {"request": "{label}", "neutral": "any", "requests": 2}},
        },
        "confirm": {
            "arms": ["real", "template", "asked_template"],
            "sizes": [3],
            "data_seeds": [0, 1],
            "classifier": {"base": str(encoder), "frozen_layers": 0, "max_tokens": 24, "training": {"steps": 2}},
        },
    }


@pytest.fixture(scope="module")
def build(new_project: Callable[..., Project], tiny_encoder: Path, tiny_causal: Path) -> Callable[[], Project]:
    return lambda: new_project(**{ENGLISH: {"plan": english(tiny_encoder, tiny_causal)}, CHINESE: {"plan": SHARED}})


@pytest.fixture(scope="module")
def finished(build: Callable[[], Project]) -> tuple[Project, str]:
    project = build()
    return project, project.kedro("run", f"--pipeline={ENGLISH}")


@pytest.fixture(scope="module")
def chinese(build: Callable[[], Project]) -> tuple[Project, str]:
    project = build()
    return project, project.kedro("run", f"--pipeline={CHINESE}")


def figures_of(project: Project, name: str) -> Any:
    return json.loads((project.path / f"data/08_reporting/{name}/figures.json").read_text(encoding="utf-8"))


def predictions_of(project: Project, name: str) -> pd.DataFrame:
    return project.table(f"08_reporting/{name}/cell_predictions.parquet")


def there_already(printed: str) -> tuple[int, int]:
    """Return how many cells a run had, and how many of them it found."""
    found = re.search(r"study: (\d+) cells, (\d+) of them were there already", " ".join(printed.split()))
    assert found, printed[-3000:]
    return int(found[1]), int(found[2])


def test_the_cost_is_said_before_the_first_text_is_written(finished: tuple[Project, str]) -> None:
    project, whole = finished
    printed = " ".join(whole.split())
    said = printed.index("test rows; about")
    assert said < printed.index(" written; 1 of") < printed.index("study: cell real, n=3")
    assert printed.index("heads") > said
    cost = json.loads((project.path / f"data/08_reporting/{ENGLISH}/cost.json").read_text(encoding="utf-8"))
    parts = [one["part"] for one in cost]
    assert parts[-3:] == ["features", "heads", "fine-tuning to confirm"]
    assert {part.split(":")[0] for part in parts[:-3]} == {
        *("per_label", "conditioned", "asked", "continued", "named", "warmed_up")
    }
    for one in cost:
        assert one["seconds"] == pytest.approx(one["units"] * one["seconds_per_unit"], rel=0.1, abs=0.1)


def test_every_arm_has_its_cells_and_every_cell_the_same_test_rows(finished: tuple[Project, str]) -> None:
    project, printed = finished
    figures = figures_of(project, ENGLISH)
    cells = project.table(f"08_reporting/{ENGLISH}/cells.parquet")
    predictions = predictions_of(project, ENGLISH)
    assert set(cells["arm"]) == set(predictions["arm"]) == set(figures["arms"])
    assert "generated_full" not in figures["arms"]
    assert there_already(printed)[0] == len(cells)
    rows = {tuple(part["record_id"]) for _, part in predictions.groupby(["arm", "n", "data_seed", "seed"])}
    assert len(rows) == 1
    split = project.table(f"05_model_input/{ENGLISH}/split_records.parquet")
    side = split.set_index("record_id")["split"]
    assert set(side[list(rows.pop())]) == {"test"}
    assert len(predictions) == len(cells) * 2 * figures["test_rows"]
    confirmed = project.table(f"08_reporting/{ENGLISH}/confirmed_cells.parquet")
    assert set(confirmed["arm"]) == {"real", "template", "asked_template"}
    assert len(figures["confirmed"]["cells"]) == 3
    added = project.table(f"07_synthetic/{ENGLISH}/added_texts.parquet")
    assert set(added["arm"]) <= set(figures["arms"]) - {"real"}
    assert not set(added["text"]) & set(split.loc[split["split"] != "train", "text"])


@pytest.mark.parametrize("name", [ENGLISH, CHINESE])
def test_pages_and_pictures_name_every_arm(name: str, request: pytest.FixtureRequest) -> None:
    project, printed = request.getfixturevalue("finished" if name == ENGLISH else "chinese")
    folder = project.path / "data/08_reporting" / name
    arms = figures_of(project, name)["arms"]
    html, page = ((folder / f"report.{ending}").read_text(encoding="utf-8") for ending in ("html", "md"))
    for arm in arms:
        assert arm in html
        assert arm in page
    pictures = list((folder / "images").iterdir())
    assert pictures
    assert all(picture.stat().st_size > 1000 for picture in pictures)
    for picture in pictures:
        assert picture.name in page
    assert "Does added text help, and at which size?" in page
    assert "Report" in printed


def test_a_second_run_writes_nothing_and_fits_no_cell(finished: tuple[Project, str]) -> None:
    project, _ = finished
    before = predictions_of(project, ENGLISH)
    printed = " ".join(project.kedro("run", f"--pipeline={ENGLISH}").split())
    cells, found = there_already(printed)
    assert cells == found
    assert " written; " not in printed
    assert "fine-tuned cell" not in printed
    pd.testing.assert_frame_equal(predictions_of(project, ENGLISH), before, check_exact=True)


def test_a_run_that_is_killed_among_its_cells_goes_on_and_ends_the_same(
    finished: tuple[Project, str], build: Callable[[], Project]
) -> None:
    undisturbed, disturbed = finished[0], build()
    kept = Path("data/06_models/study")
    for kind in ("written", "bases", "features"):
        shutil.copytree(undisturbed.path / kept / kind, disturbed.path / kept / kind)
    process = disturbed.start("run", f"--pipeline={ENGLISH}")
    deadline = time.monotonic() + 300
    try:
        while len(list((disturbed.path / kept / "cells").glob("*.parquet"))) < 3:
            assert process.poll() is None, "the run ended before it could be killed"
            assert time.monotonic() < deadline, "no cell was seen in time"
            time.sleep(0.01)
    finally:
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
    assert not (disturbed.path / f"data/08_reporting/{ENGLISH}/cells.parquet").exists()
    printed = disturbed.kedro("run", f"--pipeline={ENGLISH}")
    cells, found = there_already(printed)
    assert 3 <= found < cells
    assert " written; " not in printed
    pd.testing.assert_frame_equal(
        predictions_of(disturbed, ENGLISH), predictions_of(undisturbed, ENGLISH), check_exact=True
    )


def test_chinese_takes_characters_and_a_writer_from_scratch(chinese: tuple[Project, str]) -> None:
    project, _ = chinese
    figures = figures_of(project, CHINESE)
    assert figures["labels"] == ["negative", "positive"]
    assert figures["confirmed"] is None
    assert figures["generated"] == [arm for arm in figures["arms"] if arm.startswith("warmed_up")]
    added = project.table(f"07_synthetic/{CHINESE}/added_texts.parquet")
    template = added[added["arm"] == "template"]
    assert set(template["text"]) == {"这段文字表达的情感是负面", "这段文字表达的情感是正面"}
    written = project.table(f"07_synthetic/{CHINESE}/written_texts.parquet")
    assert set(written["writer"]) == {"warmed_up"}
    assert len(list((project.path / "data/06_models/study/bases").iterdir())) == 1
