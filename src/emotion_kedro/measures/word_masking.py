"""How much of what a classifier reads hangs on a few words: from predictions on masked texts to figures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.measures.arms import compare_arms
from emotion_kedro.measures.intervals import bootstrap_score
from emotion_kedro.measures.scores import probabilities
from emotion_kedro.text.word_masking import ALL_WORDS, RANDOM, Version

MEASURES = ("attribution", "attention", "rollout")


def score_versions(
    predictions: pd.DataFrame, labels: Sequence[str], *, groups: pd.Series | None, bootstrap: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return the accuracy of every version of the texts with its interval, the texts as they are first.

    Args:
        predictions: schema :class:`emotion_kedro.schemas.Predictions`; ``arm`` names the version, ``seed`` the draw.
        labels: the taxonomy.
        groups: the near-duplicate group of each ``record_id``; whole groups are resampled. None: rows are.
        bootstrap: samples, level and seed of the intervals.
    """
    rows = []
    for name, table in predictions.groupby("arm", sort=False):
        truth, predicted, ids = _classes(table, labels)
        clusters = None if groups is None else groups.loc[ids].to_numpy()
        figure = bootstrap_score(truth, predicted, len(labels), "accuracy", groups=clusters, **bootstrap)
        rows.append({**_parts(str(name)), "rows": len(truth), "draws": len(predicted), "figure": figure.as_dict()})
    return sorted(rows, key=lambda row: row["chooser"] != ALL_WORDS)


def _classes(table: pd.DataFrame, labels: Sequence[str]) -> tuple[np.ndarray, np.ndarray, list[str]]:
    """Return true classes (rows,), predicted ones (draws, rows) and the records' ids."""
    draws = [part.sort_values("record_id") for _, part in table.groupby("seed")]
    truth = np.asarray(pd.Categorical(draws[0]["label"], categories=list(labels)).codes)
    predicted = np.stack([probabilities(part, labels).argmax(axis=1) for part in draws])
    return truth, predicted, draws[0]["record_id"].tolist()


def _parts(name: str) -> dict[str, Any]:
    if name == ALL_WORDS:
        return {"chooser": ALL_WORDS, "way": "", "words": None}
    version = Version.parse(name)
    return {"chooser": version.chooser, "way": version.way, "words": version.words}


def compare_versions(
    predictions: pd.DataFrame, labels: Sequence[str], *, groups: pd.Series | None, bootstrap: dict[str, Any]
) -> list[dict[str, Any]]:
    """Return, for each chooser, way and number of words, the accuracy minus that of as many random words.

    Each random draw is set against the same informed choice, on the same rows; the intervals cover rows and draws.
    Arguments are those of :func:`score_versions`.
    """
    tables = {str(name): table for name, table in predictions.groupby("arm", sort=False) if name != ALL_WORDS}
    versions = [Version.parse(name) for name in tables]
    rows = []
    for version in versions:
        if version.chooser == RANDOM:
            continue
        random = tables[Version(RANDOM, version.way, version.words).name]
        repeated = [tables[version.name].assign(seed=draw) for draw in sorted(random["seed"].unique())]
        found = compare_arms(random, pd.concat(repeated), labels, groups=groups, **bootstrap)
        rows.append({**_parts(version.name), "rows": found["rows"], "figure": found["accuracy"]})
    return rows


def compare_with_whole(
    predictions: pd.DataFrame,
    labels: Sequence[str],
    version: Version,
    *,
    groups: pd.Series | None,
    bootstrap: dict[str, Any],
) -> dict[str, Any] | None:
    """Return the accuracy on a version of the texts minus that on the texts as they are; None if it is not there."""
    whole, changed = (predictions[predictions["arm"] == name] for name in (ALL_WORDS, version.name))
    if changed.empty:
        return None
    found = compare_arms(whole, changed, labels, groups=groups, **bootstrap)
    return {**_parts(version.name), "rows": found["rows"], "figure": found["accuracy"]}


def concentration(words: pd.DataFrame, tops: Sequence[int]) -> list[dict[str, Any]]:
    """Return which share of all weight lies on the heaviest words of a text, mean over texts.

    Args:
        words: a row a word: ``record_id`` and the weights :data:`MEASURES`.
        tops: numbers of words.

    Returns:
        For each measure and number of words the ``share`` of absolute weight, and ``even``, what it would be if all
        words of a text weighed the same.
    """
    rows = []
    for measure in MEASURES:
        texts = [np.sort(part.abs().to_numpy())[::-1] for _, part in words.groupby("record_id")[measure]]
        texts = [weights for weights in texts if weights.sum() > 0]
        for top in tops:
            shares = [weights[:top].sum() / weights.sum() for weights in texts]
            even = [min(top / len(weights), 1.0) for weights in texts]
            mean = (float(np.mean(shares)), float(np.mean(even))) if texts else (None, None)
            rows.append({"measure": measure, "words": top, "share": mean[0], "even": mean[1], "texts": len(texts)})
    return rows


def heaviest_words(
    words: pd.DataFrame, predicted: pd.Series, *, per_label: int, least_texts: int
) -> list[dict[str, Any]]:
    """Return for each predicted label the words with the highest mean attribution, as far as it is above 0.

    Args:
        words: a row a word: ``record_id``, ``word`` and ``attribution``.
        predicted: the label read in each text, by ``record_id``.
        per_label: words of a label.
        least_texts: texts with that label, at least, that have the word.
    """
    joined = words.assign(label=words["record_id"].map(predicted))
    grouped = joined.groupby(["label", "word"]).agg(mean=("attribution", "mean"), texts=("record_id", "nunique"))
    common = grouped[(grouped["texts"] >= least_texts) & (grouped["mean"] > 0)].reset_index()
    ordered = common.sort_values(["label", "mean", "word"], ascending=[True, False, True], kind="stable")
    best = ordered.groupby("label").head(per_label)
    return [{str(name): value for name, value in row.items()} for row in best.to_dict("records")]


def completeness(texts: pd.DataFrame) -> dict[str, Any]:
    """Return how far the attributions are from adding up: mean absolute gap, and its ratio to the mean change.

    Args:
        texts: a row a text: ``gap`` and ``change``, in nats.
    """
    gap, change = float(texts["gap"].abs().mean()), float(texts["change"].abs().mean())
    return {"texts": len(texts), "gap": gap, "change": change, "ratio": gap / change if change else None}
