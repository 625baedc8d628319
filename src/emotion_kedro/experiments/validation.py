"""Choosing on validation rows: what a table of predictions scores, which round is best, and the rows of a choice."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.augmentation.mix import compose_rows
from emotion_kedro.config.analyses import ValidationMetric
from emotion_kedro.config.base import PROBABILITY_PREFIX
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.config.experiment import ArmConfig, DesignConfig
from emotion_kedro.data.leak_guard import LeakGuard
from emotion_kedro.data.subsamples import DesignSplits
from emotion_kedro.metrics.calibration import answering_threshold
from emotion_kedro.metrics.runs import kept_runs


def chosen(kinds: str, configs: Mapping[str, Any], name: str | None) -> tuple[str, Any]:
    """Return the name and the parameters of one of the experiment's learners or generators; None: the first.

    Raises:
        ValueError: if there is none of that name.
    """
    if not configs or (name is not None and name not in configs):
        raise ValueError(f"{kinds} has no {name or 'entry'}; there are: {', '.join(configs) or 'none'}")
    key = name or next(iter(configs))
    return key, configs[key]


def with_validation_tested(splits: DesignSplits, *further: pd.DataFrame) -> DesignSplits:
    """Return splits whose runs predict the validation rows, and beside them the rows in ``further``; no others."""
    validation = splits.validation.assign(split="test")
    rows = [splits.train, splits.validation, validation, *further]
    return DesignSplits(pd.concat(rows, ignore_index=True), splits.design.model_copy(update={"test_rows": None}))


def training_rows(
    real: pd.DataFrame, added: pd.DataFrame, *, size: int, data_seed: int, guard: LeakGuard, place: str
) -> pd.DataFrame:
    """Return real rows and candidates that were kept as training rows, each of weight 1.

    Args:
        real: ``record_id, text, label``.
        added: schema ``ScoredCandidates``, without those that filters refused; may be empty.
        size: of the draw that the rows belong to.
        data_seed: of the draw.
        guard: knows the held-out rows.
        place: what learns from them, for messages.

    Returns:
        Schema :class:`emotion_kedro.schemas.TrainingRows`.

    Raises:
        LeakError: if a held-out row is among them.
    """
    arm = ArmConfig(add=tuple(added["generator"].unique()))
    rows, _ = compose_rows(arm, real, added, DesignConfig(), {}, guard=guard, name=place)
    return rows.assign(size=size, data_seed=data_seed)


def validation_score(predictions: pd.DataFrame, metric: ValidationMetric) -> float:
    """Return the mean over seeds of accuracy, or of log loss with its sign turned: more is better.

    Args:
        predictions: schema :class:`emotion_kedro.schemas.Predictions`, validation rows, one arm.
        metric: which of the two.
    """
    if metric == "accuracy":
        by_row = (predictions["predicted"] == predictions["label"]).astype(np.float64)
    else:
        labels = [str(name).removeprefix(PROBABILITY_PREFIX) for name in predictions if _is_probability(name)]
        table = predictions[[PROBABILITY_PREFIX + label for label in labels]].to_numpy(dtype=np.float64)
        places = pd.Categorical(predictions["label"], categories=labels).codes
        given = table[np.arange(len(table)), places]
        by_row = pd.Series(np.log(np.maximum(given, np.finfo(np.float64).eps)), index=predictions.index)
    return float(by_row.groupby(predictions["seed"]).mean().mean())


def _is_probability(column: object) -> bool:
    return str(column).startswith(PROBABILITY_PREFIX)


def choose_arm(
    runs: pd.DataFrame, validation_predictions: pd.DataFrame, arms: Sequence[str], evaluation: EvaluationConfig
) -> pd.DataFrame:
    """Choose among arms by the log loss of the validation rows, after calibration; no test row is looked at.

    The loss is the mean over the runs of the learner and size whose classifier is kept. Of equal arms the first named
    is chosen, and the first of all where there are no validation rows.

    Args:
        runs: schema :class:`emotion_kedro.schemas.Runs`.
        validation_predictions: schema :class:`emotion_kedro.schemas.Predictions`, of validation rows.
        arms: names, at least one.
        evaluation: how accurate the answers are to be that a model does not keep to itself.

    Returns:
        Schema :class:`emotion_kedro.schemas.Choices`.
    """
    table = pd.DataFrame([_choice(runs, validation_predictions, arm, evaluation) for arm in arms])
    losses = table["validation_loss"].fillna(np.inf)
    return table.assign(chosen=table.index == losses.idxmin())


def _choice(
    runs: pd.DataFrame, validation_predictions: pd.DataFrame, arm: str, evaluation: EvaluationConfig
) -> dict[str, Any]:
    names = ["arm", "learner", "size", "data_seed", "seed"]
    kept = kept_runs(runs[runs["arm"] == arm])
    rows = validation_predictions.merge(kept.iloc[[0]][names], on=names)
    return {
        **{name: kept[name].iloc[0] for name in names},
        "validation_rows": len(rows),
        "validation_loss": float(kept["validation_loss"].mean()),
        "runs": len(kept),
        "temperature": float(kept["temperature"].iloc[0]),
        "threshold": answering_threshold(rows, evaluation.answered_accuracy),
    }


def best_round(scores: Sequence[float], min_gain: float) -> int:
    """Return the best round: a later one takes the place of an earlier one if it gains more than ``min_gain`` on it.

    Raises:
        ValueError: if there are no rounds.
    """
    if not scores:
        raise ValueError("there are no rounds to choose from")
    best = 0
    for number, score in enumerate(scores):
        if score - scores[best] > min_gain:
            best = number
    return best


def has_stalled(scores: Sequence[float], *, min_gain: float, patience: int) -> bool:
    """Whether the last ``patience`` rounds brought no better one."""
    return len(scores) - 1 - best_round(scores, min_gain) >= patience


def fidelity(candidates: pd.DataFrame) -> dict[str, float]:
    """Return the share of the candidates, and of those kept, in which round 0 reads their label."""
    if "read_as" not in candidates or candidates.empty:
        return {"fidelity": np.nan, "fidelity_kept": np.nan}
    right = candidates["read_as"] == candidates["label"]
    return {"fidelity": float(right.mean()), "fidelity_kept": float(right[candidates["kept"]].mean())}
