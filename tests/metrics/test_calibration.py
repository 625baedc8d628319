from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.metrics.calibration import (
    HIGHEST,
    answered,
    answering_threshold,
    choose_arm,
    fit_temperature,
    measure_choices,
    with_temperature,
)
from emotion_kedro.metrics.runs import runs_of
from emotion_kedro.schemas.runs import Choices, Recommendation

LABELS = ("anger", "joy", "love")
EVALUATION = EvaluationConfig(bootstrap_samples=200)


def drawn(rows: int, *, temperature: float = 1.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return probabilities, and true classes drawn from what the temperature makes of them."""
    random = np.random.default_rng(seed)
    logits = random.normal(0, 2, size=(rows, len(LABELS)))
    given = with_temperature(np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True), 1.0)
    truth = np.array([random.choice(len(LABELS), p=row) for row in with_temperature(given, temperature)])
    return given, truth


def table(given: np.ndarray, truth: np.ndarray, arm: str = "real") -> pd.DataFrame:
    names = {"experiment": "x", "arm": arm, "learner": "encoder", "size": 0, "data_seed": 0, "seed": 0}
    columns = {f"p_{label}": given[:, place] for place, label in enumerate(LABELS)}
    read = np.array(LABELS)
    ids = [f"eit:{number}" for number in range(len(truth))]
    answers = {"label": read[truth], "predicted": read[given.argmax(axis=1)]}
    return pd.DataFrame({**names, "record_id": ids, "source": "eit", **answers, **columns})


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.5])
def test_the_temperature_by_which_labels_were_drawn_is_found(temperature: float) -> None:
    assert fit_temperature(*drawn(20_000, temperature=temperature)) == pytest.approx(temperature, rel=0.05)


def test_a_temperature_divides_logits_and_its_inverse_undoes_it() -> None:
    given, _ = drawn(50)
    scaled = with_temperature(given, 2.0)
    gaps, halved = (np.log(each[:, :1] / each[:, 1:]) for each in (given, scaled))
    np.testing.assert_allclose(gaps, 2.0 * halved)
    np.testing.assert_allclose(with_temperature(scaled, 0.5), given)
    np.testing.assert_array_equal(scaled.argmax(axis=1), given.argmax(axis=1))


def test_a_few_rows_that_are_all_right_or_all_wrong_ask_for_no_extreme() -> None:
    given = np.array([[0.9, 0.05, 0.05], [0.8, 0.1, 0.1]])
    assert fit_temperature(given, np.array([0, 0])) == 1.0
    assert fit_temperature(given, np.array([1, 2])) == pytest.approx(HIGHEST, rel=1e-2)


def test_the_threshold_is_the_smallest_that_keeps_the_accuracy() -> None:
    predictions = table(*drawn(400))
    threshold = answering_threshold(predictions, 0.9)
    top, right = predictions.filter(regex="^p_").max(axis=1), predictions["predicted"] == predictions["label"]
    good = [value for value in sorted(top) if right[top >= value].mean() >= 0.9]
    assert threshold == good[0] > top.min()


def test_rows_of_one_probability_are_answered_together() -> None:
    given = np.array([[0.8, 0.1, 0.1], [0.6, 0.2, 0.2], [0.6, 0.2, 0.2]])
    assert answering_threshold(table(given, np.array([0, 0, 1])), 0.9) == 0.8
    assert answering_threshold(table(given, np.array([0, 0, 0])), 0.9) == 0.0
    assert np.isnan(answering_threshold(table(given, np.array([1, 0, 1])), 0.9))
    assert np.isnan(answering_threshold(table(given, np.array([0, 0, 1])).iloc[:0], 0.9))


def test_share_answered_and_accuracy_with_intervals_that_contain_them() -> None:
    predictions = table(*drawn(300))
    (runs,) = runs_of(predictions).values()
    share, accuracy = answered(runs, 0.7, None, EVALUATION)
    inside = predictions[predictions.filter(regex="^p_").max(axis=1) >= 0.7]
    assert share.estimate == pytest.approx(len(inside) / 300)
    assert accuracy.estimate == pytest.approx((inside["predicted"] == inside["label"]).mean())
    for interval in (share, accuracy):
        assert 0 < interval.high - interval.low < 0.3
        assert interval.low <= interval.estimate <= interval.high
    assert np.isnan(answered(runs, 1.1, None, EVALUATION)[1].estimate)
    # A few answers, which many resamples lack, are all right: Wilson's interval.
    sure = np.array([[0.96, 0.02, 0.02], *[[0.4, 0.3, 0.3]] * 59])
    (few,) = runs_of(table(sure, np.zeros(60, int))).values()
    accuracy = answered(few, 0.9, None, EVALUATION)[1]
    assert accuracy.estimate == accuracy.high == 1.0
    assert 0 < accuracy.low < 1
    assert np.isnan(answered(runs, float("nan"), None, EVALUATION)[0].estimate)


@pytest.mark.parametrize(("rows", "arm"), [(1, "real"), (40, "added")])
def test_one_validation_row_is_no_reason_to_leave_the_simplest(rows: int, arm: str) -> None:
    loss = {"real": 1.0, "added": 0.1}
    runs = pd.DataFrame(
        {"arm": name, "learner": "e", "size": 0, "data_seed": 0, "seed": 0, "validation_loss": loss[name]}
        | {"temperature": 1.0}
        for name in loss
    )
    given = {"real": [0.4, 0.3, 0.3], "added": [0.9, 0.05, 0.05]}
    predictions = pd.concat(
        table(np.array([given[name]] * rows).reshape(rows, 3), np.zeros(rows, int), name).assign(learner="e")
        for name in loss
    )
    chosen = choose_arm(runs, predictions, list(loss), EVALUATION)
    assert chosen.loc[chosen["chosen"], "arm"].tolist() == [arm]


def test_the_calibration_error_falls_and_that_before_the_temperature_is_known() -> None:
    given, truth = drawn(5_000, temperature=3.0)
    temperature = fit_temperature(given, truth)
    predictions = pd.concat([table(with_temperature(given, temperature), truth), table(given, truth, "raw")])
    rows = [("real", temperature, 0.7, True), ("raw", 1.0, float("nan"), False)]
    choices = pd.DataFrame(rows, columns=["arm", "temperature", "threshold", "chosen"]).assign(
        **{"learner": "encoder", "size": 0, "data_seed": 0, "seed": 0, "validation_rows": 9, "runs": 1},
        validation_loss=0.5,
    )
    Choices.validate(choices)
    measured = measure_choices(choices, predictions, None, EVALUATION).set_index("arm")
    Recommendation.validate(measured.reset_index())
    assert measured.loc["real", "ece"] < 0.03 < 0.2 < measured.loc["real", "ece_before"]
    assert measured.loc["real", "ece_before"] == pytest.approx(measured.loc["raw", "ece"], abs=1e-6)
    assert measured["answered"].notna().tolist() == [True, False]
