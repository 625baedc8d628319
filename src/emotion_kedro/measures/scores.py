"""Scores of one table of predictions: overall, for each label, for each pair of labels, and calibration.

Throughout, `L` is the number of labels and `n` the number of rows; the predicted label is the most probable
one, the first of them in the order of `labels` where several are equal.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray
from sklearn.metrics import (
    accuracy_score,
    confusion_matrix,
    f1_score,
    log_loss,
    precision_recall_fscore_support,
)

from emotion_kedro.taxonomy import PROBABILITY_PREFIX

SUM_TOLERANCE = 1e-3  # room for probabilities that were rounded on their way through a CSV file


def probabilities(predictions: pd.DataFrame, labels: Sequence[str]) -> NDArray[np.float64]:
    """The columns `p_<label>` of a prediction table as an array (n, L), in the order of `labels`.

    Rows are scaled to sum to exactly 1, which undoes rounding and changes nothing else.

    Raises ValueError if a column is missing, a value is negative or not a number, or a row is further than
    1e-3 from summing to 1.
    """
    columns = [PROBABILITY_PREFIX + label for label in labels]
    missing = [column for column in columns if column not in predictions.columns]
    if missing:
        raise ValueError(
            f"the prediction table lacks {missing}; one column {PROBABILITY_PREFIX}<label> a label is needed"
        )
    return _checked(predictions[columns].to_numpy(dtype=np.float64), labels)


def score(truth: Sequence[str], probabilities: ArrayLike, labels: Sequence[str], *, bins: int = 15) -> dict[str, float]:
    """`rows`, `accuracy`, `macro_f1`, `ece` and `log_loss` (natural logarithm) of probabilities (n, L).

    Macro-F1 is the plain mean over all of `labels`: one that is neither true nor predicted anywhere counts
    as 0, so pass the labels that the task has. A true label given probability 0 costs -log(machine
    epsilon), about 36.

    Raises ValueError as `probabilities` does, and for unknown labels, no rows, or shapes that do not fit.
    """
    index, likely = _aligned(truth, probabilities, labels)
    predicted, every = likely.argmax(axis=1), np.arange(len(labels))
    return {
        "rows": float(len(index)),
        "accuracy": float(accuracy_score(index, predicted)),
        "macro_f1": float(f1_score(index, predicted, labels=every, average="macro", zero_division=0)),
        "ece": expected_calibration_error(index, likely, bins=bins),
        "log_loss": float(log_loss(index, likely, labels=every)),
    }


def per_label(truth: Sequence[str], probabilities: ArrayLike, labels: Sequence[str]) -> pd.DataFrame:
    """One row a label, in the order given: `label`, `precision`, `recall`, `f1`, `support` (true rows).

    What has no rows to be computed from is 0. Takes and raises what `score` does.
    """
    index, likely = _aligned(truth, probabilities, labels)
    precision, recall, f1, support = precision_recall_fscore_support(
        index, likely.argmax(axis=1), labels=np.arange(len(labels)), zero_division=0
    )
    columns = {"label": list(labels), "precision": precision, "recall": recall, "f1": f1, "support": support}
    return pd.DataFrame(columns)


def confusion(truth: Sequence[str], probabilities: ArrayLike, labels: Sequence[str]) -> pd.DataFrame:
    """All L * L pairs of `label` (true) and `predicted` with the number of `rows` in each, zeros included.

    Takes and raises what `score` does.
    """
    index, likely = _aligned(truth, probabilities, labels)
    cells = confusion_matrix(index, likely.argmax(axis=1), labels=np.arange(len(labels)))
    return pd.DataFrame(
        {
            "label": np.repeat(list(labels), len(labels)),
            "predicted": list(labels) * len(labels),
            "rows": cells.ravel(),
        }
    )


def expected_calibration_error(truth_index: ArrayLike, probabilities: ArrayLike, *, bins: int = 15) -> float:
    """Mean gap, in 0..1, between confidence and accuracy over bins of confidence, weighted by their rows.

    Guo et al. 2017, On Calibration of Modern Neural Networks (arXiv 1706.04599), equation 3. The figure
    depends on `bins` and is biased upwards on few rows: compare it only between equal numbers of both.

    Takes and raises what `reliability` does.
    """
    table = reliability(truth_index, probabilities, bins=bins)
    gaps = (table["accuracy"] - table["confidence"]).abs().fillna(0.0)
    return float((gaps * table["rows"]).sum() / table["rows"].sum())


def reliability(truth_index: ArrayLike, probabilities: ArrayLike, *, bins: int = 15) -> pd.DataFrame:
    """The reliability diagram's table, one row a bin: `bin` (from 0), `confidence`, `accuracy`, `rows`.

    `truth_index` (n,) holds column numbers of `probabilities` (n, L). Bin b takes the rows whose highest
    probability lies in (b / bins, (b + 1) / bins]; `confidence` and `accuracy` are their means, NaN in a
    bin without rows.

    Raises ValueError for `bins` below 1, no rows, shapes that do not fit, or an index outside 0..L-1.
    """
    index, likely = np.asarray(truth_index), np.asarray(probabilities, dtype=np.float64)
    if bins < 1:
        raise ValueError(f"bins is {bins}; at least 1 is needed")
    if likely.ndim != 2 or index.shape != likely.shape[:1] or len(index) == 0:
        raise ValueError(f"shapes are {index.shape} and {likely.shape}; truth (n,) and probabilities (n, L) are needed")
    if index.min() < 0 or index.max() >= likely.shape[1]:
        raise ValueError(f"truth_index runs {index.min()}..{index.max()}; 0..{likely.shape[1] - 1} are needed")
    confidence, correct = likely.max(axis=1), likely.argmax(axis=1) == index
    member = np.digitize(confidence, np.linspace(0, 1, bins + 1)[1:-1], right=True)
    rows = np.bincount(member, minlength=bins)
    # An empty bin has no mean: NaN keeps it out of plots, where 0 would be drawn as a point.
    divisor = np.where(rows > 0, rows, np.nan)
    sums = (np.bincount(member, weights=values, minlength=bins) for values in (confidence, correct))
    means = [total / divisor for total in sums]
    return pd.DataFrame({"bin": np.arange(bins), "confidence": means[0], "accuracy": means[1], "rows": rows})


def _aligned(
    truth: Sequence[str], likely: ArrayLike, labels: Sequence[str]
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """True labels as column numbers (n,), and the checked probabilities (n, L)."""
    place = {label: number for number, label in enumerate(labels)}
    if len(place) != len(labels) or len(labels) < 2:
        raise ValueError(f"labels are {list(labels)}; at least two, all different, are needed")
    unknown = sorted({str(label) for label in truth if label not in place})
    if unknown:
        raise ValueError(f"true labels {unknown} are not in {list(labels)}; unify the labels before scoring")
    index = np.array([place[label] for label in truth], dtype=np.int64)
    checked = _checked(np.asarray(likely, dtype=np.float64), labels)
    if len(index) == 0 or len(index) != len(checked):
        raise ValueError(f"{len(index)} true labels, {len(checked)} rows of probabilities; as many of both are needed")
    return index, checked


def _checked(likely: NDArray[np.float64], labels: Sequence[str]) -> NDArray[np.float64]:
    if likely.ndim != 2 or likely.shape[1] != len(labels):
        raise ValueError(f"probabilities have shape {likely.shape}; (n, {len(labels)}), a column a label, is needed")
    sums = likely.sum(axis=1)
    # Written so that NaN, which compares false with everything, is refused too.
    wrong = ~((np.abs(sums - 1) <= SUM_TOLERANCE) & (likely >= 0).all(axis=1))
    if wrong.any():
        first = int(wrong.argmax())
        raise ValueError(
            f"{int(wrong.sum())} rows are not probabilities, first row {first}: {likely[first].tolist()};"
            " values of at least 0 that sum to 1 are needed (are they logits?)"
        )
    scaled: NDArray[np.float64] = likely / sums[:, np.newaxis]
    return scaled
