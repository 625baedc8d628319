from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_recall_fscore_support

from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.metrics.scores import confusion, label_scores, score_table
from emotion_kedro.schemas.figures import LabelScores, Scores
from emotion_kedro.schemas.runs import Predictions

EVALUATION = EvaluationConfig(bootstrap_samples=200)


def test_scores_fit_their_schema(predictions: pd.DataFrame) -> None:
    Predictions.validate(predictions)
    scores = Scores.validate(score_table(predictions, None, EVALUATION, ("source",)))
    assert list(dict.fromkeys(scores["arm"])) == ["real", "augmented", "baseline"]
    assert set(scores["source"]) == {"all", "edft", "eit"}
    assert set(scores["metric"]) == {"accuracy", "macro_f1", "ece", "log_loss"}
    whole = scores[(scores["arm"] == "real") & (scores["metric"] == "accuracy")].set_index("source")
    assert whole["rows"].to_dict() == {"all": 120, "edft": 60, "eit": 60}
    assert whole.loc["all", "value"] == pytest.approx(whole.loc[["edft", "eit"], "value"].mean())
    assert set(scores.loc[scores["arm"] == "baseline", "runs"]) == {1}


@pytest.mark.parametrize("seed", range(6))
def test_a_calibration_error_lies_within_its_interval(seed: int) -> None:
    random = np.random.default_rng(seed)
    sure = random.uniform(0.34, 1.0, 300)
    right = random.random(300) < sure  # calibrated: resamples look worse than the rows do
    rest = (1 - sure) / 2
    table = pd.DataFrame(
        {"experiment": "x", "arm": "real", "learner": "e", "size": 0, "data_seed": 0, "seed": 0, "source": "s"},
        index=range(300),
    )
    table = table.assign(
        record_id=[f"s:{row}" for row in range(300)], label=np.where(right, "joy", "fear"), predicted="joy"
    )
    table = table.assign(p_anger=rest, p_fear=rest, p_joy=sure)
    ece = score_table(table, None, EVALUATION).set_index("metric").loc["ece"]
    assert 0 <= ece["low"] < ece["value"] < ece["high"]


def test_order_of_rows_does_not_matter(predictions: pd.DataFrame) -> None:
    shuffled = predictions.sample(frac=1, random_state=0)
    keys = ["arm", "learner", "metric"]
    first, second = (score_table(table, None, EVALUATION).set_index(keys) for table in (predictions, shuffled))
    pd.testing.assert_frame_equal(first, second.loc[first.index])


def test_labels_and_confusions_are_means_over_runs(predictions: pd.DataFrame) -> None:
    scores = LabelScores.validate(label_scores(predictions))
    real = predictions[predictions["arm"] == "real"]
    expected = precision_recall_fscore_support(real["label"], real["predicted"], labels=["anger", "joy", "love"])
    shown = scores[scores["arm"] == "real"]
    np.testing.assert_allclose(shown[["precision", "recall", "f1"]].to_numpy().T, expected[:3])
    assert shown["support"].tolist() == [40, 40, 40]
    pairs = confusion(predictions)
    assert pairs.groupby("arm")["rows"].sum().to_dict() == pytest.approx(dict.fromkeys(pairs["arm"], 120))
    right = pairs[(pairs["arm"] == "real") & (pairs["label"] == pairs["predicted"])]
    assert right["rows"].sum() / 120 == pytest.approx((real["label"] == real["predicted"]).mean())


def test_errors_name_the_fault(predictions: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match=r"\['grief'\] have no column"):
        score_table(predictions.assign(label="grief"), None, EVALUATION)
    with pytest.raises(ValueError, match=r"arm real, learner encoder.* same rows"):
        score_table(predictions.iloc[1:], None, EVALUATION)


def test_where_all_rows_are_right_the_interval_still_has_a_width(predictions: pd.DataFrame) -> None:
    """Wilson's for a share of 1: its low end is n / (n + z^2), with a near-duplicate group counted once."""
    real = predictions[predictions["arm"] == "real"]
    right = real.assign(predicted=real["label"])
    groups = pd.Series({row: number // 2 for number, row in enumerate(sorted(set(right["record_id"])))})
    for grouping, count in ((None, 120), (groups, 60)):
        scores = score_table(right, grouping, EVALUATION).set_index("metric").loc["accuracy"]
        assert (scores["value"], scores["high"]) == (1, pytest.approx(1))
        assert scores["low"] == pytest.approx(count / (count + 1.959964**2))
    wrong = score_table(real.assign(predicted="love", label="joy"), None, EVALUATION).set_index("metric")
    assert wrong.loc["accuracy", "high"] == pytest.approx(1 - 120 / (120 + 1.959964**2))
