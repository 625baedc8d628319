"""Probabilities that mean what they say: a temperature, a threshold for answers, and a choice among arms by them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.special import softmax

from emotion_kedro.config.base import PROBABILITY_PREFIX
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.metrics.bootstrap import Interval, Metric, resample, share_interval
from emotion_kedro.metrics.losses import losses_of
from emotion_kedro.metrics.runs import Runs, kept_runs, runs_of

LOWEST, HIGHEST = 0.2, 5.0
"""Between these a temperature is looked for."""
SMALLEST = 1e-30
RUN = ["arm", "learner", "size", "data_seed", "seed"]
"""Columns that name a run of an experiment."""

Floats = NDArray[np.float64]


def fit_temperature(probabilities: Floats, targets: NDArray[np.int64]) -> float:
    """Return the temperature of least log loss (Guo et al. 2017, arXiv 1706.04599, section 4.2).

    Probabilities are (rows, labels), at least one row; targets (rows,) are class numbers.

    Returns:
        1 where every row is read right: the least loss would then be that of a temperature of 0, and nothing tells how
        sure is too sure.
    """
    if (probabilities.argmax(axis=1) == targets).all():
        return 1.0
    from scipy.optimize import minimize_scalar

    def loss(inverse: float) -> float:
        scaled = with_temperature(probabilities, 1.0 / inverse)
        # Not losses_of: where the largest loss is cut off, it is no longer convex.
        return float(-np.log(np.maximum(scaled[np.arange(len(targets)), targets], SMALLEST)).mean())

    # Convex in the inverse of the temperature.
    optimum = minimize_scalar(loss, bounds=(1.0 / HIGHEST, 1.0 / LOWEST), method="bounded")
    return float(1.0 / optimum.x)


def with_temperature(probabilities: Floats, temperature: float) -> Floats:
    """Return what the probabilities, (..., labels), become when their logits are divided by the temperature."""
    return softmax(np.log(np.maximum(probabilities, SMALLEST)) / temperature, axis=-1)


def answering_threshold(predictions: pd.DataFrame, accuracy: float) -> float:
    """Return the smallest probability from which on answers are right so often; 0: all; NaN: there is none.

    Args:
        predictions: schema ``Predictions``, of validation rows; may be empty.
        accuracy: that is wanted of the rows whose likeliest label has at least the probability returned.
    """
    confidence = predictions.filter(regex=f"^{PROBABILITY_PREFIX}").max(axis=1).to_numpy()
    order = np.argsort(-confidence, kind="stable")
    right = (predictions["predicted"] == predictions["label"]).to_numpy()[order]
    reached = np.cumsum(right) / np.arange(1, len(right) + 1) >= accuracy
    # Rows of equal probability are answered together: only the last of them stands for a threshold.
    reached &= np.append(np.diff(confidence[order]) != 0, True)[: len(right)]
    if not reached.any():
        return float("nan")
    last = int(np.flatnonzero(reached)[-1])
    return 0.0 if last == len(right) - 1 else float(confidence[order][last])


def answered(
    runs: Runs, threshold: float, groups: pd.Series | None, evaluation: EvaluationConfig
) -> tuple[Interval, Interval]:
    """Return the share of test rows that are answered from a threshold on, and the accuracy of those answers.

    Args:
        runs: runs on the test rows.
        threshold: of the likeliest label's probability; NaN: nothing is answered, and both are NaN.
        groups: near-duplicate group of each ``record_id``, or None.
        evaluation: resamples, level and seed of the intervals.
    """
    if np.isnan(threshold):
        return (Interval(np.nan, np.nan, np.nan),) * 2

    def of_rows(runs: Runs, run: int, bins: int) -> NDArray[np.float32]:
        given = runs.probabilities[run].max(axis=1) >= threshold
        return np.stack([given, given & runs.correct[run]], axis=1).astype(np.float32)

    metrics = {"answered": Metric(of_rows, _share), "accuracy": Metric(of_rows, _accuracy)}
    share, accuracy = resample(runs, metrics, groups, evaluation).values()
    given = runs.record_ids[(runs.probabilities.max(axis=-1) >= threshold).any(axis=0)]
    of = ((share, runs.record_ids), (accuracy, given))
    first, second = (share_interval(values, runs.data_seeds, evaluation, rows, groups) for values, rows in of)
    return first, second


def _share(totals: Floats, rows: Floats) -> Floats:
    return np.asarray(totals[..., 0] / rows)


def _accuracy(totals: Floats, rows: Floats) -> Floats:
    nothing = np.full(totals.shape[:-1], np.nan)
    return np.divide(totals[..., 1], totals[..., 0], out=nothing, where=totals[..., 0] > 0)


def choose_arm(
    runs: pd.DataFrame, validation_predictions: pd.DataFrame, arms: Sequence[str], evaluation: EvaluationConfig
) -> pd.DataFrame:
    """Choose among arms by the log loss of the validation rows, after calibration; no test row is looked at.

    The loss is the mean over the runs of the learner and size whose classifier is kept. The arm named first is the
    simplest: another is chosen only if its loss is lower by more than the standard error of the difference, paired over
    the validation rows (the one-standard-error rule of Breiman et al. 1984). Without validation rows it is the first.

    Returns:
        Schema ``Choices``.
    """
    table = pd.DataFrame([_choice(runs, validation_predictions, arm, evaluation) for arm in arms])
    losses = table["validation_loss"].fillna(np.inf)
    first, *others = (_losses_of_rows(runs, validation_predictions, arm) for arm in arms)
    worse = [not _is_lower(other, first) for other in others]
    losses[[False, *worse]] = np.inf
    return table.assign(chosen=table.index == losses.idxmin())


def _losses_of_rows(runs: pd.DataFrame, predictions: pd.DataFrame, arm: str) -> pd.Series:
    """Return the log loss of each validation row, the mean over the arm's kept runs, by ``record_id``."""
    rows = predictions.merge(kept_runs(runs[runs["arm"] == arm])[RUN])
    labels, columns = rows["label"], [name for name in map(str, rows) if name.startswith(PROBABILITY_PREFIX)]
    places = [columns.index(PROBABILITY_PREFIX + label) for label in labels]
    given = rows[columns].to_numpy()[np.arange(len(rows)), places]
    return pd.Series(losses_of(given), index=rows["record_id"]).groupby(level=0).mean()


def _is_lower(losses: pd.Series, others: pd.Series) -> bool:
    """Whether losses are lower than others of the same rows by more than a standard error of the difference."""
    gains = (others - losses).dropna().to_numpy()
    if len(gains) < 2:  # of one row there is no standard error; of none, nothing says that it is not
        return len(gains) == 0
    return bool(gains.mean() > gains.std(ddof=1) / np.sqrt(len(gains)))


def _choice(
    runs: pd.DataFrame, validation_predictions: pd.DataFrame, arm: str, evaluation: EvaluationConfig
) -> dict[str, Any]:
    kept = kept_runs(runs[runs["arm"] == arm])
    rows = validation_predictions.merge(kept.iloc[[0]][RUN], on=RUN)
    return {
        **{name: kept[name].iloc[0] for name in RUN},
        "validation_rows": len(rows),
        "validation_loss": float(kept["validation_loss"].mean()),
        "runs": len(kept),
        "temperature": float(kept["temperature"].iloc[0]),
        "threshold": answering_threshold(rows, evaluation.answered_accuracy),
    }


def measure_choices(
    choices: pd.DataFrame, predictions: pd.DataFrame, groups: pd.Series | None, evaluation: EvaluationConfig
) -> pd.DataFrame:
    """Return the arms among which a model was chosen, with what their kept classifiers do on the test rows.

    Returns:
        Schema ``Recommendation``.
    """
    measured = [_measured(choices.iloc[[place]], predictions, groups, evaluation) for place in range(len(choices))]
    return pd.concat([choices.reset_index(drop=True), pd.DataFrame(measured)], axis=1)


def of_kept_run(predictions: pd.DataFrame, choice: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions of the run whose classifier is kept; ``choice`` is one row of ``Choices``."""
    return predictions.merge(choice[RUN], on=RUN)


def _measured(
    choice: pd.DataFrame, predictions: pd.DataFrame, groups: pd.Series | None, evaluation: EvaluationConfig
) -> dict[str, float]:
    (runs,) = runs_of(of_kept_run(predictions, choice)).values()
    share, accuracy = answered(runs, float(choice["threshold"].iloc[0]), groups, evaluation)
    # What a temperature did is undone by its inverse.
    before = replace(runs, probabilities=with_temperature(runs.probabilities, 1 / float(choice["temperature"].iloc[0])))
    errors = [resample(each, ["ece"], groups, evaluation)["ece"].estimate[0] for each in (runs, before)]
    return {
        "test_rows": len(runs.truth),
        **{"answered": share.estimate, "answered_low": share.low, "answered_high": share.high},
        "answered_accuracy": accuracy.estimate,
        **{"answered_accuracy_low": accuracy.low, "answered_accuracy_high": accuracy.high},
        **{"ece": float(errors[0]), "ece_before": float(errors[1])},
    }
