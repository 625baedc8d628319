"""The search: resumed, it finds the same; other data has another study; no test row gets in."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from emotion_kedro.learning.tuning import Settings, search, with_settings
from emotion_kedro.options import (
    ClassificationOptions,
    FilterOptions,
    SynthesisOptions,
    UnificationOptions,
)
from emotion_kedro.options.tune import TuneOptions
from emotion_kedro.pipelines.tune.nodes import search_settings


def options(folder: Path, **changes: Any) -> TuneOptions:
    settings = {"trials": 8, "startup_trials": 3, "learning_rate": (1e-4, 1e-2), "max_epochs": 4}
    return TuneOptions(storage=str(folder), **{**settings, **changes})


class Bowl:
    """An objective with a best rate of 1e-3 and a best share of a half, that may lose its power."""

    def __init__(self, power_for: int = 1000) -> None:
        self.asked: list[Settings] = []
        self.power_for = power_for

    def __call__(self, settings: Settings) -> dict[str, float]:
        if len(self.asked) == self.power_for:
            raise KeyboardInterrupt
        self.asked.append(settings)
        score = -abs(math.log10(settings.learning_rate) + 3) - abs(settings.synthetic_share - 0.5) - settings.tau / 10
        return {"score": score, "steps": settings.epochs}


def test_a_search_that_was_cut_off_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    undisturbed = search(Bowl(), options(tmp_path / "a"), identity="x")
    first, second = Bowl(power_for=5), Bowl()
    with pytest.raises(KeyboardInterrupt):
        search(first, options(tmp_path / "b"), identity="x")
    assert search(second, options(tmp_path / "b"), identity="x") == undisturbed
    assert (len(first.asked), len(second.asked)) == (5, 3)


def test_the_best_trial_is_that_of_the_highest_score(tmp_path: Path) -> None:
    objective = Bowl()
    trials, best = search(objective, options(tmp_path), identity="x")
    assert [row["trial"] for row in trials] == list(range(8))
    assert best["score"] == max(row["score"] for row in trials)
    assert Settings(**best["settings"]) == objective.asked[best["trial"]]
    assert trials[0]["steps"] == objective.asked[0].epochs
    assert sum(best["importance"].values()) == pytest.approx(1.0)


def test_settings_stay_in_their_ranges(tmp_path: Path) -> None:
    objective = Bowl()
    search(objective, options(tmp_path, trials=12, taus=(0.2, 0.7), synthetic_shares=(0.5,)), identity="x")
    assert all(1e-4 <= one.learning_rate <= 1e-2 and 1 <= one.epochs <= 4 for one in objective.asked)
    assert {one.tau for one in objective.asked} == {0.2, 0.7}
    assert {one.synthetic_share for one in objective.asked} == {0.5}


def test_more_trials_go_on_with_the_same_study_and_another_identity_does_not(tmp_path: Path) -> None:
    search(Bowl(), options(tmp_path, trials=3), identity="x")
    more, other = Bowl(), Bowl()
    trials, _ = search(more, options(tmp_path, trials=5), identity="x")
    assert (len(trials), len(more.asked)) == (5, 2)
    search(other, options(tmp_path, trials=3), identity="y")
    assert len(other.asked) == 3
    assert sorted(file.name for file in tmp_path.glob("*.db")) == ["x.db", "y.db"]


def test_too_few_trials_say_nothing_of_importance(tmp_path: Path) -> None:
    assert search(Bowl(), options(tmp_path, trials=2), identity="x")[1]["importance"] == {}


def test_a_trial_changes_rate_and_epochs_alone() -> None:
    training = {"steps": 12, "batch_size": 8, "learning_rate": 0.1}
    before = ClassificationOptions.model_validate({"classifier": {"base": "b", "training": training}})
    after = with_settings(before, Settings(0.5, 3, 0.0, 0.0)).classifier.training
    assert (after.learning_rate, after.epochs, after.steps, after.batch_size) == (0.5, 3.0, None, 8)
    assert after.steps_for(10) == 6


# --- on real classifiers ------------------------------------------------------------------------------------------


@pytest.fixture
def split(records: pd.DataFrame) -> pd.DataFrame:
    sides = ["train", "train", "validation", "test"]
    table = records.assign(group=range(len(records)), split=[sides[row % 4] for row in range(len(records))])
    return table.assign(label=table["label"].replace({"anger": "love"}))


@pytest.fixture
def candidates() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "candidate_id": ["joy:1", "fear:1"],
            "text": ["dancing in the wonderful sunshine", "hiding and trembling in the cellar"],
            "label": ["joy", "fear"],
            "probability": [0.9, 0.6],
            "kept": True,
            "reason": "kept",
        }
    )


def run(development: pd.DataFrame, candidates: pd.DataFrame, folder: Path, encoder: Path) -> Any:
    training = {"steps": 4, "batch_size": 8, "learning_rate": 1e-3}
    return search_settings(
        development,
        candidates,
        options(folder / "studies", trials=2, max_epochs=1, train_rows=24, synthetic_shares=(0.5,), taus=(0.8,)),
        SynthesisOptions(quota=1, filter=FilterOptions(tau=0.5)),
        ClassificationOptions.model_validate({"classifier": {"base": str(encoder), "training": training}}),
        UnificationOptions(taxonomy="six"),
        "cpu",
        str(folder / "checkpoints"),
    )


def test_a_test_row_among_the_records_is_refused(
    split: pd.DataFrame, candidates: pd.DataFrame, tmp_path: Path, tiny_encoder: Path
) -> None:
    with pytest.raises(ValueError, match="test rows among the records of the search"):
        run(split, candidates, tmp_path, tiny_encoder)
    assert not (tmp_path / "studies").exists()


@pytest.mark.slow
def test_what_the_test_rows_say_changes_nothing(
    split: pd.DataFrame, candidates: pd.DataFrame, tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emotion_kedro.learning.classifiers import encoder
    from emotion_kedro.pipelines.generation.nodes import select_training_texts

    seen: list[str] = []
    encode = encoder.EncoderClassifier.encode
    monkeypatch.setattr(
        encoder.EncoderClassifier, "encode", lambda self, texts: seen.extend(texts) or encode(self, texts)
    )
    poisoned = split.assign(text=split["text"].where(split["split"] != "test", "SENTINEL " + split["text"]))
    trials, best = run(select_training_texts(poisoned), candidates, tmp_path, tiny_encoder)
    assert seen
    assert not [text for text in seen if "SENTINEL" in text]
    # At tau 0.8 the fear candidate is out; joy has one candidate for its six rows' half.
    assert [(row["real_rows"], row["synthetic_rows"]) for row in trials] == [(24, 1), (24, 1)]
    assert best["settings"]["tau"] == 0.8
