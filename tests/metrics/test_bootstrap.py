from __future__ import annotations

import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score, log_loss

from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.metrics.bootstrap import (
    METRICS,
    clusters_of,
    interval,
    mean_over_runs,
    picked_runs,
    resample,
    row_counts,
)
from emotion_kedro.metrics.runs import Runs, runs_of

EVALUATION = EvaluationConfig(bootstrap_samples=400)
Invent = Callable[..., pd.DataFrame]


def single(table: pd.DataFrame) -> Runs:
    (runs,) = runs_of(table).values()
    return runs


def calibration_error(runs: Runs, run: int) -> float:
    """The gap between confidence and accuracy, bin by bin, which scikit-learn does not have."""
    confidence, right = runs.probabilities[run].max(axis=1), runs.probabilities[run].argmax(axis=1) == runs.truth
    edges = np.linspace(0, 1, EVALUATION.calibration_bins + 1)
    bins = [(low < confidence) & (confidence <= high) for low, high in pairwise(edges)]
    return sum(abs((confidence[rows] - right[rows]).sum()) for rows in bins) / len(confidence)


def test_estimates_are_those_of_scikit_learn(predictions_of: Invent) -> None:
    runs = single(predictions_of("real", 0.6))
    values = resample(runs, tuple(METRICS), None, EVALUATION)
    for run in range(3):
        truth, guess = runs.truth, runs.predicted[run]
        assert values["accuracy"].estimate[run] == pytest.approx((truth == guess).mean())
        assert values["macro_f1"].estimate[run] == pytest.approx(f1_score(truth, guess, average="macro"))
        assert values["log_loss"].estimate[run] == pytest.approx(log_loss(truth, runs.probabilities[run]), abs=1e-5)
        assert values["ece"].estimate[run] == pytest.approx(calibration_error(runs, run), abs=1e-5)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_resamples_are_those_of_a_plain_loop(predictions_of: Invent, metric: str) -> None:
    runs = single(predictions_of("real", 0.6, data_seeds=(0, 1), seeds=(3, 4)))
    groups = pd.Series(np.arange(120) // 3, index=runs.record_ids)
    values = resample(runs, [metric], groups, EVALUATION)[metric]
    member = clusters_of(runs.record_ids, groups)
    means, picked = mean_over_runs(values, runs.data_seeds, EVALUATION), picked_runs(runs.data_seeds, 400, 0)
    for sample in (0, 7, 399):
        drawn = np.repeat(np.arange(120), row_counts(40, 400, 0)[sample][member])
        for run in range(4):
            truth, guess = runs.truth[drawn], runs.predicted[run, drawn]
            expected = (truth == guess).mean() if metric == "accuracy" else f1_score(truth, guess, average="macro")
            assert values.samples[sample, run] == pytest.approx(expected)
        assert means[sample] == pytest.approx(values.samples[sample, picked[sample]].mean())


def test_width_of_a_single_run_is_the_binomial_one(predictions_of: Invent) -> None:
    runs = single(predictions_of("real", 0.6, seeds=(0,), rows=900))
    score = interval(resample(runs, ["accuracy"], None, EVALUATION)["accuracy"], runs.data_seeds, EVALUATION)
    deviation = np.sqrt(score.estimate * (1 - score.estimate) / 900)
    assert score.high - score.low == pytest.approx(2 * 1.96 * deviation, rel=0.15)
    assert score.low < score.estimate < score.high


def test_rows_with_a_negative_group_stand_alone() -> None:
    ids = np.array(["a", "b", "c", "d"], dtype=object)
    groups = pd.Series([-1, 5, -1, 5], index=ids)
    member = clusters_of(ids, groups)
    assert member[1] == member[3]
    assert len(set(member)) == 3
    with pytest.raises(ValueError, match="'e' is not among"):
        clusters_of(np.array(["a", "e"], dtype=object), groups)


def test_runs_of_a_data_seed_are_drawn_together() -> None:
    picked = picked_runs([7, 7, 8, 8, 9, 9], samples=2000, seed=0)
    data_seed = picked // 2
    assert (data_seed.reshape(2000, 3, 2)[:, :, 0] == data_seed.reshape(2000, 3, 2)[:, :, 1]).all()
    np.testing.assert_allclose(np.bincount(picked.ravel()) / picked.size, 1 / 6, atol=0.01)
    with pytest.raises(ValueError, match=r"\[2, 1\] runs"):
        picked_runs([0, 0, 1], samples=5, seed=0)


def test_what_is_not_defined_is_nan(predictions_of: Invent) -> None:
    table = predictions_of("real", 0.6)
    free = table.assign(predicted="", **{name: 0.0 for name in table if str(name).startswith("p_")})
    values = resample(single(free), tuple(METRICS), None, EVALUATION)
    assert values["accuracy"].estimate.tolist() == [0, 0, 0]
    assert np.isnan(values["ece"].estimate).all()
    assert np.isnan(values["log_loss"].estimate).all()
    lacking = single(table[table["label"] != "joy"])
    assert np.isnan(resample(lacking, ["macro_f1"], None, EVALUATION)["macro_f1"].estimate).all()


def test_a_dozen_arms_take_seconds(predictions_of: Invent) -> None:
    runs = single(predictions_of("real", 0.6, data_seeds=range(5), seeds=(0, 1), rows=1200))
    started = time.perf_counter()
    for _ in range(12):
        resample(runs, ("accuracy", "macro_f1"), None, EvaluationConfig())
    assert time.perf_counter() - started < 10
