from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from design_pieces import ARMS, LINEAR, design_of, scored, split_of

from emotion_kedro.augmentation.mix import compose_arm
from emotion_kedro.config.base import ALL_ROWS
from emotion_kedro.config.filters import default_filters
from emotion_kedro.config.models import learner_config
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.subsamples import DesignSplits, Draw
from emotion_kedro.experiments import run
from emotion_kedro.experiments.run import RunContext, fit_arm, fit_baselines, plan_runs
from emotion_kedro.models.device import Device
from emotion_kedro.schemas.candidates import Decisions, TrainingRows
from emotion_kedro.schemas.runs import Predictions, Runs
from emotion_kedro.storage.cache import Cache

FILTERS: dict[str, Any] = {
    **default_filters(),
    "length": default_filters()["length"].model_copy(update={"min_words": 1}),
}


@pytest.fixture(scope="module")
def split(records: pd.DataFrame) -> pd.DataFrame:
    return split_of(records)


@pytest.fixture
def context(split: pd.DataFrame, taxonomy: TaxonomyConfig, cpu: Device, tmp_path: Path) -> RunContext:
    return RunContext("tiny", taxonomy, DesignSplits(split, design_of()), cpu, Cache(tmp_path))


def composed(
    name: str, split: pd.DataFrame, labels: tuple[str, ...], **changes: Any
) -> tuple[pd.DataFrame, pd.DataFrame]:
    design = design_of(**changes)
    return compose_arm(name, ARMS[name], DesignSplits(split, design), scored(labels, design), FILTERS)


def test_draws_are_every_size_with_every_data_seed(split: pd.DataFrame) -> None:
    splits = DesignSplits(split, design_of())
    assert splits.draws() == [Draw(3, 0), Draw(6, 0), Draw(3, 1), Draw(6, 1)]
    assert DesignSplits(split, design_of(sizes=(3, 6, 9999))).draws() == splits.draws()
    smaller, larger = splits.rows(Draw(3, 0)), splits.rows(Draw(6, 0))
    assert set(smaller["record_id"]) < set(larger["record_id"])
    assert (smaller.groupby("label").size() == 3).all()
    whole = DesignSplits(split, design_of(sizes=(ALL_ROWS,))).rows(Draw(ALL_ROWS, 0))
    assert whole["record_id"].tolist() == split.loc[split["split"] == "train", "record_id"].tolist()


def test_validation_rows_are_never_more_than_a_run_has_train_rows(split: pd.DataFrame) -> None:
    splits = DesignSplits(split, design_of())
    assert (splits.validation_rows(3).groupby("label").size() == 3).all()
    assert (splits.validation_rows(6).groupby("label").size() == 4).all()
    assert len(DesignSplits(split, design_of(validation_rows=None)).validation_rows(ALL_ROWS)) == 32


def test_an_arms_rows_are_real_ones_and_what_its_filters_leave(split: pd.DataFrame, labels: tuple[str, ...]) -> None:
    rows, decisions = composed("prompted", split, labels)
    TrainingRows.validate(rows)
    Decisions.validate(decisions)
    per_draw = rows.groupby(["size", "data_seed", "origin"]).size().unstack()
    assert per_draw["real"].tolist() == [12, 12, 24, 24]
    # Of six texts one repeats another; four are wanted of each label.
    assert per_draw["added"].tolist() == [16, 16, 16, 16]
    assert set(decisions["reason"]) >= {"kept", "beyond the quota"}
    added = rows[rows["origin"] == "added"]
    weights = added.groupby(["size", "data_seed", "label"])["weight"].sum()
    np.testing.assert_allclose(weights, 5.0)


def test_what_the_filter_reads_as_another_label_stays_out_or_weighs_less(
    split: pd.DataFrame, labels: tuple[str, ...]
) -> None:
    rows, decisions = composed("agreed", split, labels)
    assert set(rows.loc[rows["origin"] == "added", "weight"]) == {1.0}
    refused = decisions.loc[decisions["candidate_id"].str.contains(":2:0$"), "reason"]
    assert set(refused) == {"classifier disagrees"}
    weighted, _ = composed("weighted", split, labels)
    assert weighted.loc[weighted["origin"] == "added", "weight"].nunique() > 1


def test_runs_are_arms_times_draws_times_seeds_as_far_as_a_learner_goes(split: pd.DataFrame) -> None:
    splits = DesignSplits(split, design_of(seeds=(0, 1)))
    training = {"steps": 1, "learning_rate": 1e-3}
    learners = {
        "words": learner_config(LINEAR),
        "encoder": learner_config({"kind": "encoder", "base": "x", "training": training}),
        "costly": learner_config(
            {"kind": "encoder", "base": "x", "training": training, "only": {"arms": ["real"], "sizes": [3]}}
        ),
    }
    planned = list(plan_runs("real", ARMS["real"], learners, splits))
    counts = pd.Series([each.learner for each in planned]).value_counts().to_dict()
    assert counts == {"words": 4, "encoder": 8, "costly": 4}
    assert {each.draw.size for each in plan_runs("late", ARMS["late"], learners, splits)} == {6}
    assert not [each for each in plan_runs("template", ARMS["template"], learners, splits) if each.learner == "costly"]


def test_a_learner_without_anything_random_runs_with_the_first_seed_of_its_own(split: pd.DataFrame) -> None:
    splits = DesignSplits(split, design_of(seeds=(0, 1, 2), data_seeds=(0,), sizes=(3,)))
    for seeds, ran in ((None, [0]), ([1], [1]), ([2, 1], [1])):
        learners = {"words": learner_config({**LINEAR, "only": {"seeds": seeds}})}
        assert [each.seed for each in plan_runs("real", ARMS["real"], learners, splits)] == ran


def test_every_run_predicts_every_test_row_and_says_what_it_took(
    split: pd.DataFrame, labels: tuple[str, ...], context: RunContext
) -> None:
    rows, _ = composed("template", split, labels)
    fitted = fit_arm("template", ARMS["template"], rows, {"words": learner_config(LINEAR)}, context)
    Predictions.validate(fitted.predictions)
    Runs.validate(fitted.runs)
    test = split[split["split"] == "test"]
    assert len(fitted.predictions) == 4 * len(test)
    for _, part in fitted.predictions.groupby(["size", "data_seed"]):
        assert part["record_id"].tolist() == test["record_id"].tolist()
    np.testing.assert_allclose(fitted.predictions.filter(like="p_").sum(axis=1), 1.0, atol=1e-5)
    assert (fitted.runs["train_rows"] == 4 * fitted.runs["size"]).all()
    assert set(fitted.runs["added_rows"]) == {4}
    assert fitted.classifier.labels == labels


def test_the_classifier_handed_on_is_the_first_learners_on_most_rows(
    split: pd.DataFrame, labels: tuple[str, ...], context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    fit = run.fit_classifier

    def remembered(training_set: Any, *rest: Any) -> Any:
        classifier, log = fit(training_set, *rest)
        classifier.seen = (training_set.name.rpartition(".")[2], len(training_set.rows))
        return classifier, log

    monkeypatch.setattr(run, "fit_classifier", remembered)
    rows, _ = composed("real", split, labels)
    learners = {"first": learner_config(LINEAR), "second": learner_config({**LINEAR, "penalties": [1e-2]})}
    assert fit_arm("real", ARMS["real"], rows, learners, context).classifier.seen == ("first", 24)  # type: ignore[attr-defined]


def test_runs_that_are_there_are_not_run_again_unless_their_rows_differ(
    split: pd.DataFrame, labels: tuple[str, ...], context: RunContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[str] = []
    fit = run.fit_classifier
    monkeypatch.setattr(run, "fit_classifier", lambda rows, *rest: fitted.append(rows.name) or fit(rows, *rest))  # type: ignore[func-returns-value]
    rows, _ = composed("template", split, labels)
    learners = {"words": learner_config(LINEAR)}
    first = fit_arm("template", ARMS["template"], rows, learners, context)
    assert len(fitted) == 4
    again = fit_arm("template", ARMS["template"], rows, learners, context)
    # The one whose classifier is handed on is fitted anew.
    assert len(fitted) == 5
    pd.testing.assert_frame_equal(again.predictions, first.predictions)
    changed = rows.assign(weight=rows["weight"].where(rows["size"] == 3, rows["weight"] * 2))
    fit_arm("template", ARMS["template"], changed, learners, context)
    assert len(fitted) == 7


def test_a_kill_between_the_last_run_and_its_saving_costs_no_training(
    split: pd.DataFrame,
    labels: tuple[str, ...],
    context: RunContext,
    tiny_encoder: Path,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """Checkpoints of the classifier that is handed on stay until it is saved; those of other runs go with theirs."""
    caplog.set_level("INFO", "emotion_kedro")
    rows, _ = composed("real", split, labels)
    training = {"steps": 2, "batch_size": 4, "learning_rate": 1e-3, "checkpoint_every": 0}
    learners = {"encoder": learner_config({"kind": "encoder", "base": str(tiny_encoder), "training": training})}
    first = fit_arm("real", ARMS["real"], rows, learners, context)
    assert [path.name.partition("-")[0] for path in (context.cache.root / "work").iterdir()] == ["tiny.real.encoder"]
    caplog.clear()
    again = fit_arm("real", ARMS["real"], rows, learners, context)
    assert caplog.text.count("goes on from step 2 of 2") == 1
    assert caplog.text.count(": step 2 of 2") == 0
    pd.testing.assert_frame_equal(again.predictions, first.predictions)


@pytest.mark.parametrize("spaces", [True, False])
def test_baselines_say_what_any_classifier_has_to_beat(
    context: RunContext, split: pd.DataFrame, labels: tuple[str, ...], spaces: bool
) -> None:
    """Words are counted; where no spaces part them, as in Chinese, characters."""
    if not spaces:
        words = sorted(set(" ".join(split["text"]).split()))
        signs = {word: chr(0x4E00 + place) for place, word in enumerate(words)}
        written = split.assign(text=["".join(signs[word] for word in text.split()) for text in split["text"]])
        context = replace(context, design_splits=DesignSplits(written, design_of()))
    table = fit_baselines(context)
    Predictions.validate(table)
    assert set(table["learner"]) == {"majority", "tf-idf"}
    train = context.design_splits.train["label"]
    majority = table[table["learner"] == "majority"]
    [commonest] = majority["predicted"].unique()
    assert train.value_counts()[commonest] == train.value_counts().max()
    assert majority[[f"p_{label}" for label in labels]].iloc[0].tolist() == pytest.approx(
        [(train == label).mean() for label in labels]
    )
    right = table[table["learner"] == "tf-idf"]
    assert (right["predicted"] == right["label"]).mean() > 0.9
