"""The search: resumed, it finds the same; other data has another one; no test row gets in."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from emotion_kedro.augmentation.draws import _numbered
from emotion_kedro.config.analyses import SearchConfig
from emotion_kedro.config.experiment import DesignConfig
from emotion_kedro.config.filters import default_filters, filter_configs
from emotion_kedro.config.models import learner_config
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.subsamples import DesignSplits, Draw
from emotion_kedro.datasets import TableFolder
from emotion_kedro.experiments.run import RunContext
from emotion_kedro.experiments.search import Settings, _Trial, analyse, importance, search, with_settings
from emotion_kedro.models.device import Device
from emotion_kedro.schemas.runs import Predictions, Runs
from emotion_kedro.storage.cache import Cache

TRAINING = {"steps": 4, "batch_size": 8, "learning_rate": 1e-3, "checkpoint_every": 0}


def config(**changes: Any) -> SearchConfig:
    settings = {"trials": 8, "startup_trials": 3, "learning_rate": (1e-4, 1e-2), "max_epochs": 4}
    return SearchConfig.model_validate({**settings, **changes})


class Bowl:
    """An objective with a best rate of 1e-3 and a best share of a half, that may lose its power."""

    def __init__(self, power_for: int = 1000) -> None:
        self.tried: list[Settings] = []
        self.power_for = power_for

    def __call__(self, settings: Settings) -> dict[str, float]:
        if len(self.tried) == self.power_for:
            raise KeyboardInterrupt
        self.tried.append(settings)
        score = -abs(math.log10(settings.learning_rate) + 3) - abs(settings.synthetic_share - 0.5) - settings.tau / 10
        return {"score": score, "steps": settings.epochs}


def test_a_search_that_was_cut_off_goes_on_as_if_it_had_not(tmp_path: Path) -> None:
    undisturbed = search(Bowl(), config(), Cache(tmp_path / "a"), "x")
    first, second = Bowl(power_for=5), Bowl()
    with pytest.raises(KeyboardInterrupt):
        search(first, config(), Cache(tmp_path / "b"), "x")
    resumed = search(second, config(), Cache(tmp_path / "b"), "x")
    pd.testing.assert_frame_equal(resumed, undisturbed)
    assert (len(first.tried), len(second.tried)) == (5, 3)


def test_settings_stay_in_their_ranges_and_trials_say_what_was_tried(tmp_path: Path) -> None:
    objective = Bowl()
    limits = config(trials=12, taus=(0.2, 0.7), synthetic_shares=(0.5,))
    trials = search(objective, limits, Cache(tmp_path), "x")
    assert all(1e-4 <= each.learning_rate <= 1e-2 and 1 <= each.epochs <= 4 for each in objective.tried)
    assert {each.tau for each in objective.tried} == {0.2, 0.7}
    assert {each.synthetic_share for each in objective.tried} == {0.5}
    assert trials["trial"].tolist() == list(range(12))
    assert trials["steps"].tolist() == [each.epochs for each in objective.tried]


def test_more_trials_go_on_with_the_same_search_and_another_identity_does_not(tmp_path: Path) -> None:
    search(Bowl(), config(trials=3), Cache(tmp_path), "x")
    more, other = Bowl(), Bowl()
    assert len(search(more, config(trials=5), Cache(tmp_path), "x")) == 5
    assert len(more.tried) == 2
    search(other, config(trials=3), Cache(tmp_path), "y")
    assert len(other.tried) == 3


def test_importance_adds_up_to_one_and_too_few_trials_say_nothing_of_it(tmp_path: Path) -> None:
    trials = search(Bowl(), config(), Cache(tmp_path), "x")
    assert importance(trials, config())["share"].sum() == pytest.approx(1.0)
    assert importance(trials.head(3), config()).empty


def test_a_trial_changes_rate_and_epochs_alone() -> None:
    training = {"steps": 12, "batch_size": 8, "learning_rate": 0.1}
    before: Any = learner_config({"kind": "encoder", "base": "b", "training": training})
    after = with_settings(before, Settings(0.5, 3, 0.0, 0.0))
    assert (after.training.learning_rate, after.training.epochs, after.training.steps) == (0.5, 3.0, None)
    assert after.training.steps_for(10) == 6
    assert after.model_copy(update={"training": before.training}) == before


# --- on real classifiers ------------------------------------------------------------------------------------------


@pytest.fixture
def split_records(records: pd.DataFrame) -> pd.DataFrame:
    splits = ["train", "train", "validation", "test"]
    return records.assign(group=range(len(records)), split=[splits[row % 4] for row in range(len(records))])


@pytest.fixture
def candidates() -> pd.DataFrame:
    return pd.DataFrame(
        {
            "candidate_id": ["joy:1", "fear:1"],
            "text": ["we were dancing in the wonderful sunshine", "he sat there hiding and trembling in the cellar"],
            "label": ["joy", "fear"],
            "generator": "per_label",
            "size": 0,
            "data_seed": 0,
            "words": [7, 9],
            "ended": True,
            "repetition": 0.0,
            "train_similarity": 0.1,
            "predicted": ["joy", "fear"],
            "probability": [0.9, 0.6],
        }
    )


@pytest.fixture
def run(tiny_encoder: Path, taxonomy: TaxonomyConfig, cpu: Device, tmp_path: Path) -> Any:
    def analysed(
        split_records: pd.DataFrame, candidates: pd.DataFrame, searched: dict[str, Any] | None = None, **changes: Any
    ) -> Any:
        draw = Draw(int(candidates["size"].iloc[0]), 0)
        numbered = _numbered(candidates, "per_label", draw, DesignSplits(split_records, DesignConfig()))
        limits = {"trials": 2, "max_epochs": 1, "train_rows": 24, "synthetic_shares": (0.5,), "taus": (0.8,)}
        learner = {"kind": "encoder", "base": str(tiny_encoder), "training": TRAINING, **changes}
        return analyse(
            config(**{**limits, **(searched or {})}),
            taxonomy=taxonomy,
            device=cpu,
            cache=Cache(tmp_path / "cache"),
            name="search",
            design=DesignConfig(seeds=(0, 1)),
            learners={"encoder": learner_config(learner)},
            filters=filter_configs({"strict": {"kind": "label_agreement"}}),
            split_records=split_records,
            candidates=candidates.assign(candidate_id=numbered["candidate_id"]),
        )

    return analysed


def test_other_validation_rows_make_another_search(
    split_records: pd.DataFrame, candidates: pd.DataFrame, taxonomy: TaxonomyConfig, cpu: Device, tmp_path: Path
) -> None:
    learner: Any = learner_config({"kind": "encoder", "base": "none", "training": TRAINING})

    def identity(**changes: Any) -> str:
        design = DesignConfig.model_validate({"validation_rows": 2, **changes})
        context = RunContext("search", taxonomy, DesignSplits(split_records, design), cpu, Cache(tmp_path))
        return _Trial(candidates, config(), design, default_filters(), "encoder", learner, context).identity()

    assert identity() == identity(added_rows=3)
    assert len({identity(), identity(validation_rows=None), identity(validation_rows=1), identity(seed=1)}) == 4


@pytest.mark.slow
def test_no_trial_sees_a_test_row_and_both_arms_are_tested(
    run: Any, split_records: pd.DataFrame, candidates: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from emotion_kedro.experiments import search as module
    from emotion_kedro.models.classifiers import encoder

    seen: list[str] = []
    encode, default_arm = encoder.EncoderClassifier.encode, module._Trial.default_arm

    def checked(self: Any) -> Any:
        assert seen
        assert not [text for text in seen if "SENTINEL" in text]
        return default_arm(self)

    monkeypatch.setattr(
        encoder.EncoderClassifier, "encode", lambda self, texts: seen.extend(texts) or encode(self, texts)
    )
    monkeypatch.setattr(module._Trial, "default_arm", checked)
    poisoned = split_records["text"].where(split_records["split"] != "test", "SENTINEL " + split_records["text"])
    tables, predictions, runs = run(split_records.assign(text=poisoned), candidates)
    assert [text for text in seen if "SENTINEL" in text]
    TableFolder(filepath=str(tmp_path / "tables")).save(tables)
    Predictions.validate(predictions)
    Runs.validate(runs)
    # At tau 0.8 the fear candidate is out; joy has one candidate for its six rows' half.
    assert tables["trials"][["train_rows", "added_rows"]].to_numpy().tolist() == [[24, 1], [24, 1]]
    assert tables["settings"]["tau"].tolist() == [0.8]
    assert set(predictions["record_id"]) == set(split_records.loc[split_records["split"] == "test", "record_id"])
    assert runs.set_index(["arm", "seed"])["added_rows"].to_dict() == {
        **{("default", 0): 2, ("default", 1): 2, ("tuned", 0): 1, ("tuned", 1): 1}
    }
    # However many trials there are, none leaves checkpoints for the next.
    assert list((tmp_path / "cache" / "work").iterdir()) == []


def test_what_cannot_be_searched_is_refused(run: Any, split_records: pd.DataFrame, candidates: pd.DataFrame) -> None:
    unread = candidates.assign(probability=math.nan)
    with pytest.raises(ValueError, match=r"label_agreement \(kind label_agreement\), but no candidate has a prob"):
        run(split_records, unread)
    # By its kind, whatever it is called: at a tau of 0, too, the settings before tuning filter by it.
    with pytest.raises(ValueError, match=r"strict \(kind label_agreement\), but no candidate has a probability"):
        run(split_records, unread, {"filters": ("strict",), "taus": (0.0,)})
    with pytest.raises(ValueError, match="there are no candidates of size 0"):
        run(split_records, candidates.assign(size=10))
