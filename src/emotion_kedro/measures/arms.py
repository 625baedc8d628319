"""From prediction tables to the figures of the arms, and of the difference between two of them.

Everything here is computed from saved predictions and from nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.measures.intervals import Interval, bootstrap_score, paired_bootstrap
from emotion_kedro.measures.scores import confusion, per_label, probabilities, reliability, score
from emotion_kedro.measures.significance import holm, mcnemar


def score_arm(
    predictions: pd.DataFrame,
    labels: Sequence[str],
    *,
    groups: pd.Series | None = None,
    samples: int,
    level: float,
    seed: int,
    bins: int,
) -> dict[str, Any]:
    """Return the figures of one arm: intervals over test rows and seeds, each seed's own scores, and by source.

    Args:
        predictions: schema :class:`emotion_kedro.schemas.Predictions`, all seeds, the same rows for each.
        labels: the taxonomy.
        groups: the near-duplicate group of each ``record_id``; whole groups are resampled. None: rows are.
        samples: bootstrap samples.
        level: of the intervals.
        seed: of the bootstrap.
        bins: of the calibration error.
    """
    options: dict[str, Any] = {"samples": samples, "level": level, "seed": seed}
    by_seed = _by_seed(predictions)
    single = [
        {"seed": number, **score(table["label"].tolist(), probabilities(table, labels), labels, bins=bins)}
        for number, table in by_seed.items()
    ]
    return {
        "rows": len(next(iter(by_seed.values()))),
        "seeds": list(by_seed),
        **_intervals(predictions, labels, groups, options),
        "ece": float(np.mean([entry["ece"] for entry in single])),
        "log_loss": float(np.mean([entry["log_loss"] for entry in single])),
        "per_seed": single,
        "sources": {
            str(source): {"rows": table["record_id"].nunique(), **_intervals(table, labels, groups, options)}
            for source, table in predictions.groupby("source")
            if table["record_id"].nunique() > 1 and (groups is None or groups[table["record_id"]].nunique() > 1)
        },
    }


def _intervals(
    predictions: pd.DataFrame, labels: Sequence[str], groups: pd.Series | None, options: dict[str, Any]
) -> dict[str, Any]:
    truth, predicted = _indices(predictions, labels)
    options = options | _resampled(predictions, groups)
    # Macro-F1 over labels of which a source has no rows would count each of them as 0.
    complete = len(np.unique(truth)) == len(labels)
    return {
        "accuracy": bootstrap_score(truth, predicted, len(labels), "accuracy", **options).as_dict(),
        "macro_f1": bootstrap_score(truth, predicted, len(labels), "macro_f1", **options).as_dict()
        if complete
        else None,
    }


def _resampled(predictions: pd.DataFrame, groups: pd.Series | None) -> dict[str, np.ndarray]:
    """Return the groups of the rows in the order of their ids, as the bootstrap takes them."""
    if groups is None:
        return {}
    return {"groups": groups.loc[sorted(predictions["record_id"].unique())].to_numpy()}


def detail_tables(
    arms: dict[str, pd.DataFrame], labels: Sequence[str], *, bins: int
) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return per-label scores, confusion and reliability of every arm, over all its seeds together."""
    details, confusions, reliabilities = [], [], []
    for arm, predictions in arms.items():
        truth, given = predictions["label"].tolist(), probabilities(predictions, labels)
        seeds = predictions["seed"].nunique()
        details.append(per_label(truth, given, labels).assign(arm=arm))
        details[-1]["support"] = details[-1]["support"] / seeds
        confusions.append(confusion(truth, given, labels).assign(arm=arm))
        confusions[-1]["rows"] = confusions[-1]["rows"] / seeds
        index = pd.Categorical(predictions["label"], categories=list(labels)).codes
        reliabilities.append(reliability(np.asarray(index), given, bins=bins).assign(arm=arm))
    return pd.concat(details), pd.concat(confusions), pd.concat(reliabilities)


def compare_arms(
    first: pd.DataFrame,
    second: pd.DataFrame,
    labels: Sequence[str],
    *,
    groups: pd.Series | None = None,
    samples: int,
    level: float,
    seed: int,
) -> dict[str, Any]:
    """Return the difference second - first with paired bootstrap intervals, McNemar per seed, and a verdict.

    ``groups`` gives each ``record_id`` its near-duplicate group; whole groups are resampled, since near-duplicates are
    not independent rows. The verdict rests on the interval of the accuracy alone, which is stated before looking.
    """
    if not np.array_equal(_tested(first), _tested(second)):
        raise ValueError("the two arms were not tested on the same rows with the same seeds; run both arms again")
    truth, before = _indices(first, labels)
    _, after = _indices(second, labels)
    names = first["arm"].iloc[0], second["arm"].iloc[0]
    options: dict[str, Any] = {"samples": samples, "level": level, "seed": seed, **_resampled(first, groups)}
    accuracy = paired_bootstrap(truth, before, after, len(labels), "accuracy", **options)
    macro_f1 = paired_bootstrap(truth, before, after, len(labels), "macro_f1", **options)
    seeds = sorted(first["seed"].unique())
    verdict = verdict_of(accuracy)
    return {
        "first": names[0],
        "second": names[1],
        "rows": len(truth),
        "seeds": [int(number) for number in seeds],
        "accuracy": accuracy.as_dict(),
        "macro_f1": macro_f1.as_dict(),
        "mcnemar": _mcnemar(truth, before, after, seeds),
        "verdict": verdict,
        "sentence": _sentence(verdict, accuracy, len(truth), len(seeds)),
    }


def _tested(predictions: pd.DataFrame) -> np.ndarray:
    """Seed, record and true label of every prediction, in an order that does not depend on the table's."""
    return predictions[["seed", "record_id", "label"]].sort_values(["seed", "record_id"]).to_numpy(dtype=object)


def _mcnemar(truth: np.ndarray, before: np.ndarray, after: np.ndarray, seeds: Sequence[int]) -> list[dict[str, Any]]:
    tests = {str(number): mcnemar(before[row] == truth, after[row] == truth) for row, number in enumerate(seeds)}
    adjusted = holm({number: test["p_value"] for number, test in tests.items()})
    return [{"seed": int(number), **test, "p_holm": adjusted[number]} for number, test in tests.items()]


def verdict_of(accuracy: Interval) -> str:
    """Say ``helped`` or ``harmed`` where the interval of a difference leaves zero out, else that none is shown."""
    if not accuracy.excludes_zero:
        return "no difference shown"
    return "helped" if accuracy.estimate > 0 else "harmed"


def _sentence(verdict: str, accuracy: Interval, rows: int, seeds: int) -> str:
    points = f"{100 * accuracy.estimate:+.1f} points of accuracy"
    interval = f"{100 * accuracy.level:.0f} % interval {100 * accuracy.low:+.1f} to {100 * accuracy.high:+.1f}"
    on = f"{rows} test rows, {seeds} seed{'s' if seeds > 1 else ''}"
    return {
        "helped": f"Adding synthetic text helped: {points} ({interval}; {on}).",
        "harmed": f"Adding synthetic text harmed: {points} ({interval}; {on}).",
        "no difference shown": f"No gain or loss from synthetic text is shown: {points} ({interval}; {on}).",
    }[verdict]


def accuracy_of(
    predictions: pd.DataFrame, labels: Sequence[str], *, samples: int, level: float, seed: int
) -> dict[str, Any] | None:
    """Return the accuracy with its interval, or None where there are fewer than two rows."""
    if predictions["record_id"].nunique() < 2:
        return None
    truth, predicted = _indices(predictions, labels)
    options: dict[str, Any] = {"samples": samples, "level": level, "seed": seed}
    return bootstrap_score(truth, predicted, len(labels), "accuracy", **options).as_dict()


def _by_seed(predictions: pd.DataFrame) -> dict[int, pd.DataFrame]:
    ordered = predictions.sort_values(["seed", "record_id"])
    return {int(seed): ordered[ordered["seed"] == seed] for seed in ordered["seed"].unique()}


def _indices(predictions: pd.DataFrame, labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return true classes (rows,) and predicted ones (seeds, rows), rows in the order of their ids."""
    tables = list(_by_seed(predictions).values())
    truth = np.asarray(pd.Categorical(tables[0]["label"], categories=list(labels)).codes)
    return truth, np.stack([probabilities(table, labels).argmax(axis=1) for table in tables])
