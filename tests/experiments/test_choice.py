"""Which model is recommended: the validation rows choose, and no test row is looked at."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from design_pieces import ARMS, LINEAR, design_of, scored, split_of

from emotion_kedro.augmentation.mix import compose_arm
from emotion_kedro.config.base import ALL_ROWS
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.config.filters import default_filters
from emotion_kedro.config.models import learner_config
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.subsamples import DesignSplits
from emotion_kedro.experiments.run import FittedArm, RunContext, fit_arm
from emotion_kedro.metrics.calibration import choose_arm
from emotion_kedro.models.classifiers.fitting import log_loss, targets_of
from emotion_kedro.models.device import Device
from emotion_kedro.pipelines.evaluation import create_pipeline
from emotion_kedro.schemas.runs import Choices, Predictions
from emotion_kedro.storage.cache import Cache

EVALUATION = EvaluationConfig()
RUN = ["arm", "learner", "size", "data_seed", "seed"]


def runs(*rows: tuple[Any, ...]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=[*RUN, "validation_loss"]).assign(temperature=1.5)


def nothing() -> pd.DataFrame:
    return pd.DataFrame(columns=[*RUN, "record_id", "label", "predicted", "p_joy"])


def choice(table: pd.DataFrame, *arms: str) -> pd.Series:
    choices = Choices.validate(choose_arm(table, nothing(), arms, EVALUATION))
    return choices[choices["chosen"]].iloc[0]


def test_the_mean_over_the_seeds_of_the_kept_learner_on_most_rows_decides() -> None:
    table = runs(
        *[("real", "encoder", ALL_ROWS, 0, seed, loss) for seed, loss in ((3, 0.2), (4, 0.8))],
        *[("real", "encoder", 50, 0, 3, 0.01), ("real", "words", ALL_ROWS, 0, 3, 0.01)],
        *[("mixed", "encoder", ALL_ROWS, 0, seed, loss) for seed, loss in ((3, 0.4), (4, 0.5))],
    )
    chosen = choice(table, "real", "mixed")
    assert (chosen["arm"], chosen["seed"], chosen["runs"]) == ("mixed", 3, 2)
    assert chosen["validation_loss"] == pytest.approx(0.45)
    assert choice(table, "real")["arm"] == "real"


def test_of_equal_arms_the_first_named_and_without_validation_rows_the_first_of_all() -> None:
    for losses in ((0.5, 0.5), (np.nan, np.nan), (0.5, np.nan)):
        table = runs(*[(arm, "encoder", 0, 0, 0, loss) for arm, loss in zip("ab", losses, strict=True)])
        assert choice(table, "a", "b")["arm"] == "a"
        if losses[0] is losses[1]:
            assert choice(table, "b", "a")["arm"] == "b"


@pytest.mark.parametrize(("gains", "chosen"), [((0.3, 0.1, 0.2), "b"), ((0.9, -0.4, 0.1), "a"), ((-0.1, -0.2), "a")])
def test_an_arm_is_chosen_before_the_first_only_if_it_is_better_by_more_than_chance(
    gains: tuple[float, ...], chosen: str
) -> None:
    losses = {"a": [1.5] * len(gains), "b": [1.5 - gain for gain in gains]}
    table = runs(*[(arm, "encoder", 0, 0, 0, float(np.mean(each))) for arm, each in losses.items()])
    rows = [
        {**dict(zip(RUN, (arm, "encoder", 0, 0, 0), strict=True)), "record_id": str(row), "label": "joy", "p_joy": p}
        for arm, each in losses.items()
        for row, p in enumerate(np.exp(-np.array(each)))
    ]
    predictions = pd.DataFrame(rows).assign(predicted="joy")
    choices = choose_arm(table, predictions, ["a", "b"], EVALUATION)
    assert choices[choices["chosen"]].iloc[0]["arm"] == chosen


def fitted(split: pd.DataFrame, arm: str, taxonomy: TaxonomyConfig, cpu: Device, cache: Path) -> FittedArm:
    design = design_of(sizes=(6,), data_seeds=(0,))
    splits = DesignSplits(split, design)
    filters = {**default_filters(), "length": default_filters()["length"].model_copy(update={"min_words": 1})}
    rows, _ = compose_arm(arm, ARMS[arm], splits, scored(taxonomy.names, design), filters)
    learners = {"words": learner_config({**LINEAR, "temperature": True})}
    return fit_arm(arm, ARMS[arm], rows, learners, RunContext("tiny", taxonomy, splits, cpu, Cache(cache)))


def test_a_run_keeps_calibrated_predictions_of_validation_rows_apart_from_those_of_test_rows(
    records: pd.DataFrame, taxonomy: TaxonomyConfig, cpu: Device, tmp_path: Path
) -> None:
    split = split_of(records)
    # One of the validation rows is read wrongly: without that there is nothing to calibrate by.
    row = split.index[split["split"] == "validation"][0]
    split.loc[row, "label"] = next(name for name in taxonomy.names if name != split.loc[row, "label"])
    arm = fitted(split, "real", taxonomy, cpu, tmp_path)
    of = split.set_index("record_id")["split"]
    for table, name in ((arm.predictions, "test"), (arm.validation_predictions, "validation")):
        Predictions.validate(table)
        assert set(of[table["record_id"]]) == {name}
    assert len(arm.predictions) == (of == "test").sum()
    given = arm.validation_predictions
    loss = log_loss(given.filter(regex="^p_").to_numpy(), targets_of(given, taxonomy.names))
    assert arm.runs["validation_loss"].tolist() == pytest.approx([loss])
    assert arm.runs["temperature"].iloc[0] == arm.classifier.notes["calibration"]["temperature"] != 1.0  # type: ignore[attr-defined]
    assert arm.classifier.notes["calibration"]["loss"] == pytest.approx(loss)  # type: ignore[attr-defined]
    # From the cache they are the same.
    again = fitted(split, "real", taxonomy, cpu, tmp_path)
    pd.testing.assert_frame_equal(again.validation_predictions, given)
    pd.testing.assert_frame_equal(again.runs.drop(columns="seconds"), arm.runs.drop(columns="seconds"))


def test_the_choice_never_sees_a_test_row(
    records: pd.DataFrame, taxonomy: TaxonomyConfig, cpu: Device, tmp_path: Path
) -> None:
    """Other test rows with other labels: the same arm, the same losses, the same threshold."""
    split = split_of(records)
    test = split["split"] == "test"
    turned = dict(zip(taxonomy.names, (*taxonomy.names[1:], taxonomy.names[0]), strict=True))
    other = split.assign(
        label=split["label"].where(~test, split["label"].map(turned)),
        text=split["text"].where(~test, [f"no such words {number}" for number in range(len(split))]),
    )
    tables = []
    for number, table in enumerate((split, other)):
        arms = [fitted(table, arm, taxonomy, cpu, tmp_path / str(number)) for arm in ("real", "template")]
        runs_of_arms = pd.concat([arm.runs for arm in arms])
        validated = pd.concat([arm.validation_predictions for arm in arms])
        tables.append(choose_arm(runs_of_arms, validated, ["real", "template"], EVALUATION))
    pd.testing.assert_frame_equal(*tables)


def test_what_the_choosing_node_is_handed_comes_from_no_table_of_test_rows() -> None:
    from types import SimpleNamespace

    arms = {"real": SimpleNamespace(add=())}
    experiment: Any = SimpleNamespace(
        **{"arms": arms, "analyses": {}, "reference": (), "from_experiment": "x", "recommend": ("real",)},
        design=SimpleNamespace(sizes=(0,)),
    )
    (node,) = [node for node in create_pipeline(experiment).nodes if node.short_name == "choose_model"]
    assert set(node.inputs) == {"runs", "validation_predictions", "params:recommend", "params:evaluation"}
