"""Tables of scores, of labels and of confusions, from predictions."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from emotion_kedro.config.analyses import ValidationMetric
from emotion_kedro.config.base import PROBABILITY_PREFIX
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.metrics.bootstrap import METRICS, error_interval, interval, resample, share_interval
from emotion_kedro.metrics.losses import losses_of
from emotion_kedro.metrics.runs import Runs, labels_of, parts_of, runs_of


def score_table(
    predictions: pd.DataFrame,
    groups: pd.Series | None,
    evaluation: EvaluationConfig,
    score_by: Sequence[str] = (),
) -> pd.DataFrame:
    """Return accuracy, macro-F1, ECE and log loss of every arm, learner and size, with intervals.

    Args:
        predictions: schema ``Predictions``, of one experiment.
        groups: near-duplicate group by ``record_id``; whole groups are resampled. None: rows are.
        evaluation: resamples, level, bins, seed.
        score_by: ``("source",)``: also for the test rows of each source by themselves.

    Returns:
        Schema ``Scores``; NaN where a metric is not defined.
    """
    rows = []
    for source, designs in parts_of(runs_of(predictions).values(), score_by):
        for runs in designs:
            if len(runs.truth):
                rows += _scores(runs, source, groups, evaluation)
    return pd.DataFrame(rows)


def _scores(runs: Runs, source: str, groups: pd.Series | None, evaluation: EvaluationConfig) -> list[dict[str, object]]:
    rows: list[dict[str, object]] = []
    for metric, values in resample(runs, tuple(METRICS), groups, evaluation).items():
        if metric == "accuracy":
            score = share_interval(values, runs.data_seeds, evaluation, runs.record_ids, groups)
        else:
            kind = error_interval if metric == "ece" else interval
            score = kind(values, runs.data_seeds, evaluation)
        rows.append(
            {
                "experiment": runs.experiment,
                **runs.design._asdict(),
                "source": source,
                "metric": metric,
                "value": score.estimate,
                "low": score.low,
                "high": score.high,
                "rows": len(runs.truth),
                "runs": len(runs.predicted),
            }
        )
    return rows


def label_scores(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return precision, recall and F1 of each label, over all runs of an arm, learner and size together.

    Returns:
        Schema ``LabelScores``; ``support`` is the label's test rows; what has no rows to be
        computed from is 0.
    """
    return pd.concat([_label_scores(runs) for runs in runs_of(predictions).values()], ignore_index=True)


def _label_scores(runs: Runs) -> pd.DataFrame:
    truth = np.tile(runs.truth, len(runs.predicted))
    precision, recall, f1, support = precision_recall_fscore_support(
        truth, runs.predicted.ravel(), labels=np.arange(len(runs.labels)), zero_division=0
    )
    figures = {"precision": precision, "recall": recall, "f1": f1, "support": support / len(runs.predicted)}
    return _described(runs, pd.DataFrame({"label": list(runs.labels), **figures}))


def confusion(predictions: pd.DataFrame) -> pd.DataFrame:
    """Return for all pairs of ``label`` (true) and ``predicted`` the mean number of ``rows`` of a run, zeros included.

    Answers that name no label are not counted.
    """
    return pd.concat([_confusion(runs) for runs in runs_of(predictions).values()], ignore_index=True)


def _confusion(runs: Runs) -> pd.DataFrame:
    count = len(runs.labels)
    truth = np.tile(runs.truth, len(runs.predicted))
    rows = confusion_matrix(truth, runs.predicted.ravel(), labels=np.arange(count)) / len(runs.predicted)
    pairs = {"label": np.repeat(list(runs.labels), count), "predicted": list(runs.labels) * count}
    return _described(runs, pd.DataFrame({**pairs, "rows": rows.ravel()}))


def _described(runs: Runs, table: pd.DataFrame) -> pd.DataFrame:
    for place, (name, value) in enumerate({"experiment": runs.experiment, **runs.design._asdict()}.items()):
        table.insert(place, name, value)
    return table


def validation_score(predictions: pd.DataFrame, metric: ValidationMetric) -> float:
    """Return the mean over seeds of accuracy, or of log loss with its sign turned, of one arm: more is better."""
    if metric == "accuracy":
        by_row = (predictions["predicted"] == predictions["label"]).astype(np.float64)
    else:
        labels = list(labels_of(predictions))
        table = predictions[[PROBABILITY_PREFIX + label for label in labels]].to_numpy(dtype=np.float64)
        places = pd.Categorical(predictions["label"], categories=labels).codes
        given = table[np.arange(len(table)), places]
        by_row = pd.Series(-losses_of(given), index=predictions.index)
    return float(by_row.groupby(predictions["seed"]).mean().mean())
