"""The comparison of tokenizers, end to end."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from project_folder import Project

from emotion_kedro.taxonomy import SIX, THIRTEEN

pytestmark = pytest.mark.slow

TRAINING = {"steps": 6, "batch_size": 8, "learning_rate": 1.0e-3, "evaluate_every": 6}


def parameters(encoder: Path) -> dict[str, object]:
    return {
        "classification": {"classifier": {"base": str(encoder), "training": TRAINING}, "seeds": [0, 1]},
        "lexicons": {"mined_words": {"per_label": 5, "least_count": 2}},
    }


def findings_of(project: Project, name: str) -> dict[str, dict[str, object]]:
    file = project.path / f"data/08_reporting/{name}/findings.json"
    return {finding["name"]: finding for finding in json.loads(file.read_text())}


def test_arms_differ_in_their_words_alone(new_project: Callable[..., Project], tiny_encoder: Path) -> None:
    project = new_project(lexicon=parameters(tiny_encoder))
    printed = project.kedro("run", "--pipeline=lexicon")
    assert "Emotion words kept whole, 6 labels" in printed
    words = project.table("05_model_input/lexicon/lexicon_words.parquet")
    own = words[words["arm"] == "label_words"]
    assert own["word"].tolist() == list(SIX)
    # The tiny vocabulary has none of the labels.
    assert own["new"].all()
    mined = words[words["arm"] == "mined_words"]
    assert 0 < len(mined) <= 30
    assert (mined["z"] > 0).all()
    folder = project.path / "data/06_models/lexicon/classifier"
    notes = {
        arm: json.loads(next((folder / arm).glob("*/*/classifier.json")).read_text())
        for arm in ("plain", "label_words", "mined_words")
    }
    assert "lexicon" not in notes["plain"]
    assert notes["label_words"]["lexicon"] == {"words": 6, "new": 6}
    assert notes["mined_words"]["lexicon"] == {"words": len(mined), "new": int(mined["new"].sum())}
    assert {note["log"]["steps"] for note in notes.values()} == {6}

    found = findings_of(project, "lexicon")
    assert list(found) == [
        *("plain tokenizer", "labels kept whole", "mined words kept whole"),
        *("labels kept whole minus plain", "mined words minus plain"),
    ]
    assert all(finding["system"] == "S13" and finding["seeds"] == [0, 1] for finding in found.values())
    plain, labels = (found[name]["figure"]["estimate"] for name in ("plain tokenizer", "labels kept whole"))
    assert found["labels kept whole minus plain"]["figure"]["estimate"] == pytest.approx(labels - plain)
    comparison = json.loads(next((project.path / "data/08_reporting/lexicon").glob("comparison.json/*/*")).read_text())
    tests = [test for arm in ("label_words", "mined_words") for test in comparison[arm]["mcnemar"]]
    assert len(tests) == 4
    assert all(test["p_holm"] >= test["p_value"] for test in tests)
    page = (project.path / "data/08_reporting/lexicon/report.md").read_text()
    assert "6 of 6 labels were in pieces" in page


def test_thirteen_labels_have_figures_of_their_own(new_project: Callable[..., Project], tiny_encoder: Path) -> None:
    project = new_project(lexicon_thirteen=parameters(tiny_encoder))
    project.kedro("run", "--pipeline=lexicon_thirteen")
    found = findings_of(project, "lexicon_thirteen")
    assert "labels kept whole minus plain (13 labels)" in found
    words = project.table("05_model_input/lexicon_thirteen/lexicon_words.parquet")
    assert words.loc[words["arm"] == "label_words", "word"].tolist() == list(THIRTEEN)
