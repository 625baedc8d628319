from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from sklearn.calibration import calibration_curve

from emotion_kedro.measures import scores

LABELS = ["anger", "joy", "sadness"]
TRUTH = ["anger", "joy", "joy", "sadness"]
LIKELY = np.array([[0.8, 0.1, 0.1], [0.2, 0.7, 0.1], [0.6, 0.3, 0.1], [0.5, 0.3, 0.2]])  # predicted: a, j, a, a


def test_score_by_hand() -> None:
    # F1: anger 2*1/(3+1) = 1/2, joy 2*1/(1+2) = 2/3, sadness 0.
    # ECE with one row a bin: |1-.8|, |1-.7|, |0-.6|, |0-.5|, each a quarter.
    found = scores.score(TRUTH, LIKELY, LABELS)
    assert found == pytest.approx(
        {
            "rows": 4,
            "accuracy": 0.5,
            "macro_f1": (1 / 2 + 2 / 3) / 3,
            "ece": 1.6 / 4,
            "log_loss": -np.log([0.8, 0.7, 0.3, 0.2]).mean(),
        }
    )


def test_order_of_labels_is_the_one_given() -> None:
    turned = scores.score(TRUTH, LIKELY[:, ::-1], LABELS[::-1])
    assert turned == pytest.approx(scores.score(TRUTH, LIKELY, LABELS))


def test_macro_f1_counts_labels_without_rows() -> None:
    likely = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    assert scores.score(["anger", "joy"], likely, LABELS)["macro_f1"] == pytest.approx(2 / 3)


def test_per_label_by_hand() -> None:
    table = scores.per_label(TRUTH, LIKELY, LABELS)
    assert table["label"].tolist() == LABELS
    np.testing.assert_allclose(table["precision"], [1 / 3, 1, 0])
    np.testing.assert_allclose(table["recall"], [1, 1 / 2, 0])
    np.testing.assert_allclose(table["f1"], [1 / 2, 2 / 3, 0])
    assert table["support"].tolist() == [1, 2, 1]


def test_confusion_has_every_pair() -> None:
    table = scores.confusion(TRUTH, LIKELY, LABELS)
    assert table.columns.tolist() == ["label", "predicted", "rows"]
    wide = table.pivot(index="label", columns="predicted", values="rows").loc[LABELS, LABELS]
    assert wide.to_numpy().tolist() == [[1, 0, 0], [1, 1, 0], [1, 0, 0]]


def test_truth_may_be_a_series_with_another_index() -> None:
    series = pd.Series(TRUTH, index=[7, 7, 8, 9])
    assert scores.score(series, LIKELY, LABELS) == scores.score(TRUTH, LIKELY, LABELS)


def test_probabilities_pick_and_scale_columns() -> None:
    table = pd.DataFrame({"record_id": ["a"], "p_joy": [0.3333], "p_anger": [0.6666]})
    found = scores.probabilities(table, ["anger", "joy"])
    np.testing.assert_allclose(found, [[0.6666 / 0.9999, 0.3333 / 0.9999]])


@pytest.mark.parametrize("row", [[0.5, 0.4], [1.5, -0.5], [np.nan, 1.0], [0.499, 0.499]])
def test_rows_that_are_no_probabilities_are_refused(row: list[float]) -> None:
    table = pd.DataFrame([[0.5, 0.5], row], columns=["p_anger", "p_joy"])
    with pytest.raises(ValueError, match="first row 1"):
        scores.probabilities(table, ["anger", "joy"])


def test_missing_column_is_named() -> None:
    with pytest.raises(ValueError, match="p_joy"):
        scores.probabilities(pd.DataFrame({"p_anger": [1.0]}), ["anger", "joy"])


@pytest.mark.parametrize(
    ("truth", "likely", "labels", "message"),
    [
        (["fear"], [[0.5, 0.5]], ["anger", "joy"], "fear"),
        (["joy", "joy"], [[0.5, 0.5]], ["anger", "joy"], "2 true labels, 1 rows"),
        ([], np.zeros((0, 2)), ["anger", "joy"], "0 true labels"),
        (["joy"], [[0.5, 0.5]], ["joy", "joy"], "all different"),
        (["joy"], [[1.0]], ["anger", "joy"], "shape"),
    ],
)
def test_score_refuses(truth: list[str], likely: np.ndarray, labels: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scores.score(truth, likely, labels)


def test_calibration_error_by_hand() -> None:
    likely = np.array([[0.9, 0.1], [0.8, 0.2], [0.4, 0.6], [0.3, 0.7]])
    # Two bins: all four rows lie in the upper one, with accuracy 3/4 and confidence 3/4.
    assert scores.expected_calibration_error([0, 0, 1, 0], likely, bins=2) == pytest.approx(0.0)
    # Five bins: (.6, .8] holds .8 (right), .61 (right), .7 (wrong); (.8, 1] holds .9 (right).
    likely[2] = [0.39, 0.61]
    expected = 3 / 4 * abs(2 / 3 - (0.8 + 0.61 + 0.7) / 3) + 1 / 4 * 0.1
    assert scores.expected_calibration_error([0, 0, 1, 0], likely, bins=5) == pytest.approx(expected)


def test_reliability_edges_belong_to_the_lower_bin() -> None:
    likely = [[0.7, 0.3], [0.71, 0.29], [1.0, 0.0]]
    table = scores.reliability([0, 0, 0], likely, bins=10)
    assert table["rows"].tolist() == [0, 0, 0, 0, 0, 0, 1, 1, 0, 1]
    assert table["confidence"].isna().tolist() == (table["rows"] == 0).tolist()


def test_reliability_agrees_with_scikit_learn() -> None:
    random = np.random.default_rng(0)
    top = random.uniform(0.5, 1.0, size=500)
    likely, truth = np.stack([top, 1 - top], axis=1), random.integers(2, size=500)
    share, mean = calibration_curve(truth == 0, top, n_bins=15)
    table = scores.reliability(truth, likely).dropna()
    np.testing.assert_allclose(table["accuracy"], share)
    np.testing.assert_allclose(table["confidence"], mean)


@pytest.mark.parametrize(
    ("truth", "likely", "bins", "message"),
    [
        ([0], [[0.5, 0.5]], 0, "bins"),
        ([2], [[0.5, 0.5]], 15, "2..2"),
        ([0, 1], [[0.5, 0.5]], 15, "shapes"),
        ([], np.zeros((0, 2)), 15, "shapes"),
    ],
)
def test_reliability_refuses(truth: list[int], likely: np.ndarray, bins: int, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        scores.reliability(truth, likely, bins=bins)
