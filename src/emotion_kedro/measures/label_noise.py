"""How far two sources label the same texts alike, and how much of the labels a few words explain."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emotion_kedro.measures.resampling import Statistic, bootstrap_statistic
from emotion_kedro.measures.uncertainty import folds_of
from emotion_kedro.options.label_noise import KeywordOptions, LearnedRuleOptions
from emotion_kedro.text.keyword_rules import (
    explained,
    explained_by_chance,
    learned_rule,
    named_labels,
    pieces_asked_for,
    read_out_of_fold,
)

Figure = dict[str, float | None]
"""An interval as a dictionary; ``low`` and ``high`` are None where there are too few rows for one."""


def pair_texts(records: pd.DataFrame, trusted: str, doubted: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Put the two sources' labels of the same text beside each other.

    Args:
        records: ``record_id, text, label, source, key`` (the normalised text) and ``group``.
        trusted: a source.
        doubted: the other.

    Returns:
        The shared texts that have one label in each source, ``record_id`` (the doubted source's first row), ``text,
        key, group, trusted, doubted`` (the labels); and counts of texts: ``trusted``, ``doubted``, ``shared``, and
        ``several_labels``, the shared ones that are left out because a source has them under several labels.
    """
    sides = {name: _by_text(records[records["source"] == name]) for name in (trusted, doubted)}
    both = sides[doubted].join(sides[trusted][["label", "labels"]], how="inner", rsuffix="_trusted")
    single = both[(both["labels"] == 1) & (both["labels_trusted"] == 1)].reset_index()
    pairs = single.rename(columns={"label": "doubted", "label_trusted": "trusted"})
    counts = {
        "trusted": len(sides[trusted]),
        "doubted": len(sides[doubted]),
        "shared": len(both),
        "several_labels": len(both) - len(single),
    }
    return pairs[["record_id", "text", "key", "group", "trusted", "doubted"]], counts


def _by_text(rows: pd.DataFrame) -> pd.DataFrame:
    """Return the first row of each text, and how many labels the text has."""
    first = rows.drop_duplicates("key").set_index("key")[["record_id", "text", "label", "group"]]
    return first.assign(labels=rows.groupby("key")["label"].nunique())


def measure_agreement(pairs: pd.DataFrame, comparable: Sequence[str], bootstrap: Mapping[str, Any]) -> dict[str, Any]:
    """Return how often the two labels of a text are the same, and Cohen's kappa, with intervals over texts.

    Args:
        pairs: of :func:`pair_texts`.
        comparable: labels that both sources have; ``comparable`` looks at the texts whose labels are both among them.
        bootstrap: ``samples``, ``level`` and ``seed``; groups of near-duplicates are drawn together.

    Returns:
        For ``all`` shared texts and the ``comparable`` ones: ``texts``, ``agreement``, ``by_chance`` (the agreement of
        the same labels dealt out at random) and ``kappa``.
    """
    inside = pairs["trusted"].isin(comparable) & pairs["doubted"].isin(comparable)
    return {name: _agreement(part, bootstrap) for name, part in (("all", pairs), ("comparable", pairs[inside]))}


def _agreement(pairs: pd.DataFrame, bootstrap: Mapping[str, Any]) -> dict[str, Any]:
    first, second = pairs["trusted"].to_numpy(), pairs["doubted"].to_numpy()
    same = first == second
    shares = pairs["trusted"].value_counts(normalize=True), pairs["doubted"].value_counts(normalize=True)
    return {
        "texts": len(pairs),
        "agreement": figure_of(lambda rows, _: float(same[rows].mean()), pairs["group"], bootstrap),
        "by_chance": float(shares[0].mul(shares[1], fill_value=0.0).sum()) if len(pairs) else None,
        "kappa": figure_of(lambda rows, _: kappa(first[rows], second[rows]), pairs["group"], bootstrap),
    }


def kappa(first: ArrayLike, second: ArrayLike) -> float:
    """Return Cohen's kappa (1960): agreement beyond chance, 1 at most; NaN where only one label occurs."""
    from sklearn.metrics import cohen_kappa_score

    one, other = np.asarray(first, dtype=str), np.asarray(second, dtype=str)
    if len(np.union1d(one, other)) < 2:
        return float("nan")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a draw in which both sources are constant has none, and is left out
        return float(cohen_kappa_score(one, other))


def figure_of(statistic: Statistic, groups: pd.Series, bootstrap: Mapping[str, Any]) -> Figure | None:
    """Return a statistic of rows with its interval over their groups.

    Returns:
        None without rows or where the statistic has no value; without bounds for a single group.
    """
    rows = np.arange(len(groups))
    value = statistic(rows, np.zeros(1, dtype=np.int64)) if len(groups) else float("nan")
    if np.isnan(value):
        return None
    if groups.nunique() < 2:
        return {"estimate": value, "low": None, "high": None, "level": bootstrap["level"], "samples": 0}
    return {**bootstrap_statistic(statistic, len(groups), groups=groups.to_numpy(), **bootstrap).as_dict()}


def confusion_table(pairs: pd.DataFrame) -> pd.DataFrame:
    """Count the texts of each pair of labels: ``trusted, doubted, texts``, pairs that occur alone."""
    return pairs.groupby(["trusted", "doubted"]).size().rename("texts").reset_index()


def measure_keywords(
    labelled: Mapping[str, pd.DataFrame], options: KeywordOptions, bootstrap: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], pd.DataFrame]:
    """Return how many labels the written rule explains.

    Args:
        labelled: name -> ``text, label, group``.
        options: the rule.
        bootstrap: of the intervals.

    Returns:
        For each of ``labelled``: ``labels_of`` (its name), ``rows``, ``share`` explained, ``by_chance`` (a mean and
        the central range at ``level`` after dealing the labels out anew), ``beyond_chance`` (0: as by chance, 1: all),
        ``with_keyword`` (rows that contain a pattern, and the share of these that it explains). And the table
        ``labels_of, label, rows, explained, share``.
    """
    found, tables = [], []
    for name, rows in labelled.items():
        named = named_labels(rows["text"], options.patterns)
        right = explained(rows["label"], named, options.otherwise)
        found.append({"labels_of": name, "rows": len(rows), **_explained(rows, named, right, options, bootstrap)})
        by_label = pd.DataFrame({"label": rows["label"].to_numpy(), "right": right}).groupby("label")["right"]
        counts = by_label.agg(rows="size", explained="sum", share="mean").reset_index()
        tables.append(counts.sort_values("rows", ascending=False, kind="stable").assign(labels_of=name))
    return found, pd.concat(tables, ignore_index=True)


def _explained(
    rows: pd.DataFrame,
    named: pd.DataFrame,
    right: NDArray[np.bool_],
    options: KeywordOptions,
    bootstrap: Mapping[str, Any],
) -> dict[str, Any]:
    chance = explained_by_chance(
        rows["label"], named, options.otherwise, shuffles=options.shuffles, seed=bootstrap["seed"]
    )
    tail = (1 - bootstrap["level"]) / 2
    low, high = np.quantile(chance, [tail, 1 - tail])
    share, mean = float(right.mean()), float(chance.mean())
    some = named.any(axis=1).to_numpy()
    return {
        "share": figure_of(lambda drawn, _: float(right[drawn].mean()), rows["group"], bootstrap),
        "explained": int(right.sum()),
        "by_chance": {"estimate": mean, "low": float(low), "high": float(high), "level": bootstrap["level"]},
        "beyond_chance": (share - mean) / (1 - mean) if mean < 1 else None,
        "with_keyword": {
            "rows": int(some.sum()),
            "share": figure_of(lambda drawn, _: float(right[some][drawn].mean()), rows["group"][some], bootstrap),
        },
    }


def measure_learned_rules(
    pairs: pd.DataFrame, alone: pd.DataFrame, options: LearnedRuleOptions, bootstrap: Mapping[str, Any]
) -> dict[str, Any]:
    """Return how well short learned rules read each source's labels of the same texts, out of fold.

    Args:
        pairs: of :func:`pair_texts`; taken if there are ``options.least_texts`` of them.
        alone: ``key, group, label`` of the doubted source, taken otherwise; then there is nothing to compare with.
        options: the rules.
        bootstrap: of the intervals.

    Returns:
        ``compared``: whether both sources' labels were read; ``rules``: for each kind of pieces, size and source of the
        labels ``pieces, leaves, labels_of, rows, accuracy, commonest`` (share of the commonest label) and ``skill``
        (the share of the commonest label's errors that the rule removes, :func:`skill`); ``differences``: for each kind
        of pieces and size, the doubted labels' skill minus the trusted ones'; ``asked_for``: the pieces that the shown
        size asks for when it learns from all rows.
    """
    compared = len(pairs) >= options.least_texts
    texts = pairs if compared else alone.rename(columns={"label": "doubted"})
    sides = ("doubted", "trusted") if compared else ("doubted",)
    folds = folds_of(texts["group"], options.folds, options.seed)
    rules, differences, asked = [], [], []
    for how in options.pieces:
        for leaves in options.leaves:
            rule = learned_rule(how, leaves=leaves, least_count=options.least_count, seed=options.seed)
            read = {side: read_out_of_fold(texts["key"], texts[side], folds, rule) for side in sides}
            told = {"pieces": how, "leaves": leaves}
            rules += [{**told, "labels_of": side, **_read(texts, side, read[side], bootstrap)} for side in sides]
            differences += [{**told, **one} for one in _skill_difference(texts, read, bootstrap)]
            if leaves == options.shown_leaves:
                asked += [
                    {**told, "labels_of": side, "asked_for": pieces_asked_for(texts["key"], texts[side], rule)}
                    for side in sides
                ]
    return {"compared": compared, "rules": rules, "differences": differences, "asked_for": asked}


def skill(labels: NDArray[Any], read: NDArray[Any]) -> float:
    """Return the share of the errors of always saying the commonest label that are gone: 0 as bad as that, 1 none left.

    Goodman and Kruskal's lambda (1954) of the rule's answers that are given, not fitted; NaN where there is one label.
    """
    _, counts = np.unique(labels.astype(str), return_counts=True)
    commonest = counts.max() / len(labels)
    return float(((read == labels).mean() - commonest) / (1 - commonest)) if commonest < 1 else float("nan")


def _read(texts: pd.DataFrame, side: str, read: NDArray[Any], bootstrap: Mapping[str, Any]) -> dict[str, Any]:
    labels = texts[side].to_numpy(dtype=object)
    right = read == labels
    return {
        "rows": len(texts),
        "accuracy": figure_of(lambda rows, _: float(right[rows].mean()), texts["group"], bootstrap),
        "commonest": float(texts[side].value_counts(normalize=True).iloc[0]),
        "skill": figure_of(lambda rows, _: skill(labels[rows], read[rows]), texts["group"], bootstrap),
    }


def _skill_difference(
    texts: pd.DataFrame, read: Mapping[str, NDArray[Any]], bootstrap: Mapping[str, Any]
) -> Iterator[dict[str, Any]]:
    if len(read) < 2:
        return
    labels = {side: texts[side].to_numpy(dtype=object) for side in read}

    def difference(rows: NDArray[np.int64], _: NDArray[np.int64]) -> float:
        first, second = (skill(labels[side][rows], read[side][rows]) for side in ("doubted", "trusted"))
        return first - second

    yield {"skill": figure_of(difference, texts["group"], bootstrap)}
