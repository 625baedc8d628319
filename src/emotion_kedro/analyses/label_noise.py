"""How the labels of a source came about: those of another on the same texts, rules that explain them, merging (S20)."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emotion_kedro.analyses.intervals import Statistic, figure, interval_of, mean_interval
from emotion_kedro.analyses.keyword_rules import (
    explained,
    explained_by_chance,
    learned_rule,
    named_labels,
    pieces_of,
)
from emotion_kedro.analyses.merging import merging_tables, predictions_under_splits
from emotion_kedro.config.analyses import KeywordConfig, LabelNoiseConfig, LearnedRuleConfig
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.near_duplicates import group_near_duplicates, normalise
from emotion_kedro.storage.chunks import Chunks, is_among

SOURCES = ("doubted", "trusted")
LEAST_SHARED = 30
"""Shared texts below which a learned rule does not compare the two sources' labels."""


def analyse(
    config: LabelNoiseConfig,
    *,
    taxonomy: TaxonomyConfig,
    device: object,
    evaluation: EvaluationConfig,
    unified_records: pd.DataFrame | Chunks,
) -> dict[str, pd.DataFrame]:
    """Compare the labels of two sources, explain them by rules, and train on one source and on both.

    Nothing is settled or capped before: repeats and texts under several labels stay, as they do where two tables are
    put one below the other.

    Returns:
        ``counts`` of texts. ``agreement`` and kappa, on all shared texts and on those whose labels both sources use.
        ``label_pairs``. ``keyword_rule`` and, by label, ``keyword_rule_by_label``. ``learned_rules``,
        ``learned_differences`` and ``learned_pieces`` (:func:`learned_rules`). ``merging_scores``,
        ``merging_differences`` and ``merging_leakage``: what training on both does, by split.

    Raises:
        ValueError: if a source has no row.
    """
    texts = select_texts(unified_records, config)
    pairs, counts = pair_texts(texts, config.trusted, config.doubted)
    doubted, trusted = (texts[texts["source"] == source] for source in (config.doubted, config.trusted))
    labelled = {
        config.doubted: doubted,
        f"{config.trusted}, shared texts": pairs.rename(columns={"trusted": "label"}),
        f"{config.trusted}, all rows": trusted,
    }
    rule, by_label = keyword_tables(labelled, config.keywords, evaluation)
    unique = doubted.drop_duplicates(["key", "label"])
    return {
        "counts": pd.DataFrame([counts]),
        "agreement": agreement(pairs, evaluation),
        "label_pairs": pairs.groupby(["trusted", "doubted"]).size().rename("texts").reset_index(),
        "keyword_rule": rule,
        "keyword_rule_by_label": by_label,
        **learned_rules(pairs, unique, config.learned, evaluation),
        **merging_tables(predictions_under_splits(texts, config), config, evaluation),
    }


def select_texts(records: pd.DataFrame | Chunks, config: LabelNoiseConfig) -> pd.DataFrame:
    """Return all rows of the two sources.

    ``key`` is the normalised text, ``group`` its near-duplicates over both sources, ``shared`` whether the other source
    has the text too.
    """
    names = (config.trusted, config.doubted)
    texts = Chunks.of(records).where(lambda piece: is_among(piece["source"], names)).frame()
    absent = sorted(set(names) - set(texts["source"]))
    if absent:
        raise ValueError(f"there is no row of {', '.join(absent)}; is it among records.sources?")
    keys = normalise(texts["text"])
    sources = texts["source"].groupby(keys).transform("nunique")
    groups = group_near_duplicates(texts["text"], **config.near_duplicates.model_dump(), seed=0)
    return texts.assign(key=keys, group=groups, shared=sources > 1)


# --- both labels of a text ----------------------------------------------------------------------------------------


def pair_texts(texts: pd.DataFrame, trusted: str, doubted: str) -> tuple[pd.DataFrame, dict[str, int]]:
    """Put the two sources' labels of the same text beside each other.

    Returns:
        The shared texts that have one label in each source, ``record_id`` (the doubted source's first row), ``text,
        key, group, trusted, doubted`` (the labels); and counts of texts: ``trusted``, ``doubted``, ``shared``, and
        ``several_labels``, the shared ones that are left out because a source has them under several labels.
    """
    by_source = {name: _by_text(texts[texts["source"] == name]) for name in (trusted, doubted)}
    both = by_source[doubted].join(by_source[trusted][["label", "labels"]], how="inner", rsuffix="_trusted")
    single = both[(both["labels"] == 1) & (both["labels_trusted"] == 1)].reset_index()
    pairs = single.rename(columns={"label": "doubted", "label_trusted": "trusted"})
    counts = {
        "trusted": len(by_source[trusted]),
        "doubted": len(by_source[doubted]),
        "shared": len(both),
        "several_labels": len(both) - len(single),
    }
    return pairs[["record_id", "text", "key", "group", "trusted", "doubted"]], counts


def _by_text(rows: pd.DataFrame) -> pd.DataFrame:
    first = rows.drop_duplicates("key").set_index("key")[["record_id", "text", "label", "group"]]
    return first.assign(labels=rows.groupby("key")["label"].nunique())


def agreement(pairs: pd.DataFrame, evaluation: EvaluationConfig) -> pd.DataFrame:
    """Return how often the two labels of a text are the same, and Cohen's kappa (1960), with intervals over texts.

    Returns:
        ``texts_of`` (``all`` shared texts, or those with ``labels of both``), ``metric, value, low, high, texts,
        by_chance`` (the agreement of the same labels dealt out at random).
    """
    common = set(pairs["trusted"]) & set(pairs["doubted"])
    inside = pairs["trusted"].isin(common) & pairs["doubted"].isin(common)
    return pd.DataFrame(
        [
            {"texts_of": name, **row}
            for name, part in (("all", pairs), ("labels of both", pairs[inside]))
            for row in _agreement(part, evaluation)
        ]
    )


def _agreement(pairs: pd.DataFrame, evaluation: EvaluationConfig) -> Iterator[dict[str, Any]]:
    first, second = (pairs[name].to_numpy(dtype=str) for name in ("trusted", "doubted"))
    shares = [pairs[name].value_counts(normalize=True) for name in ("trusted", "doubted")]
    counts = {"texts": len(pairs), "by_chance": float(shares[0].mul(shares[1], fill_value=0.0).sum())}
    statistics: dict[str, Statistic] = {
        "agreement": lambda rows, _: float((first[rows] == second[rows]).mean()),
        "kappa": lambda rows, _: kappa(first[rows], second[rows]),
    }
    for metric, statistic in statistics.items():
        yield {"metric": metric, **figure(interval_of(statistic, pairs["group"], evaluation)), **counts}


def kappa(first: ArrayLike, second: ArrayLike) -> float:
    """Return Cohen's kappa: agreement beyond chance, 1 at most; NaN where only one label occurs."""
    from sklearn.metrics import cohen_kappa_score

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a draw in which both sources are constant has none, and is left out
        return float(cohen_kappa_score(first, second))


# --- rules --------------------------------------------------------------------------------------------------------


def keyword_tables(
    labelled: Mapping[str, pd.DataFrame], config: KeywordConfig, evaluation: EvaluationConfig
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return how many labels the written rule explains.

    Returns:
        ``labels_of, rows_of`` (``all``, or those ``with keyword``) ``, rows, value, low, high`` (share explained)
        ``, by_chance`` with its central range ``chance_low, chance_high`` after dealing the labels out anew, and
        ``beyond_chance`` (0: as by chance, 1: all). And ``labels_of, label, rows, explained, share``.
    """
    shares, tables = [], []
    for name, rows in labelled.items():
        if rows.empty:
            continue
        named = named_labels(rows["text"], config.patterns)
        right = explained(rows["label"], named, config.otherwise)
        shares += [{"labels_of": name, **row} for row in _explained(rows, named, right, config, evaluation)]
        by_label = pd.DataFrame({"label": rows["label"].to_numpy(), "right": right}).groupby("label")["right"]
        counts = by_label.agg(rows="size", explained="sum", share="mean").reset_index()
        counts.insert(0, "labels_of", name)
        tables.append(counts.sort_values("rows", ascending=False, kind="stable"))
    return pd.DataFrame(shares), pd.concat(tables, ignore_index=True)


def _explained(
    rows: pd.DataFrame,
    named: pd.DataFrame,
    right: NDArray[np.bool_],
    config: KeywordConfig,
    evaluation: EvaluationConfig,
) -> Iterator[dict[str, Any]]:
    chance = explained_by_chance(rows["label"], named, config.otherwise, shuffles=config.shuffles, seed=evaluation.seed)
    low, high = np.quantile(chance, [(1 - evaluation.level) / 2, (1 + evaluation.level) / 2])
    mean = float(chance.mean())
    dealt = {
        **{"by_chance": mean, "chance_low": float(low), "chance_high": float(high)},
        "beyond_chance": (float(right.mean()) - mean) / (1 - mean) if mean < 1 else np.nan,
    }
    with_keyword = named.any(axis=1).to_numpy()
    for name, some, further in (("all", np.ones(len(rows), dtype=bool), dealt), ("with keyword", with_keyword, {})):
        share = mean_interval(right[some], rows["group"].to_numpy()[some], evaluation)
        yield {"rows_of": name, "rows": int(some.sum()), **figure(share), **further}


def learned_rules(
    pairs: pd.DataFrame, alone: pd.DataFrame, config: LearnedRuleConfig, evaluation: EvaluationConfig
) -> dict[str, pd.DataFrame]:
    """Return how well short learned rules read each source's labels of the same texts, out of fold.

    Args:
        pairs: of :func:`pair_texts`; taken if there are :data:`LEAST_SHARED` of them.
        alone: ``key, group, label`` of the doubted source, taken otherwise; then there is nothing to compare with.
        config: the rules.
        evaluation: of the intervals.

    Returns:
        ``learned_rules``: ``pieces, leaves, labels_of, metric, value, low, high, rows, commonest`` (share of the
        commonest label); metrics are ``accuracy`` and ``skill`` (:func:`skill`). ``learned_differences``: ``pieces,
        leaves`` and the doubted labels' skill minus the trusted ones'. ``learned_pieces``: what the shown size looks
        for when it learns from all rows, by ``rank``.
    """
    from sklearn.model_selection import GroupKFold, cross_val_predict

    compared = len(pairs) >= LEAST_SHARED
    texts = (pairs if compared else alone.rename(columns={"label": "doubted"})).reset_index(drop=True)
    sources = SOURCES if compared else SOURCES[:1]
    folds = GroupKFold(config.folds, shuffle=True, random_state=config.seed)
    keys = texts["key"].tolist()
    rules, differences, pieces = [], [], []
    for how in config.pieces:
        for leaves in config.leaves:
            rule = learned_rule(how, leaves=leaves, least_count=config.least_count, seed=config.seed)
            read = {
                source: cross_val_predict(rule, keys, texts[source].tolist(), groups=texts["group"], cv=folds)
                for source in sources
            }
            size = {"pieces": how, "leaves": leaves}
            rules += [{**size, **row} for source in sources for row in _rule(texts, source, read[source], evaluation)]
            differences += [{**size, **figure(each)} for each in _skill_difference(texts, read, evaluation)]
            if leaves == config.shown_leaves:
                pieces += [
                    {**size, "labels_of": source, "rank": rank, "piece": piece}
                    for source in sources
                    for rank, piece in enumerate(pieces_of(keys, texts[source].tolist(), rule), start=1)
                ]
    return {
        "learned_rules": pd.DataFrame(rules),
        "learned_differences": pd.DataFrame(differences, columns=["pieces", "leaves", "value", "low", "high"]),
        "learned_pieces": pd.DataFrame(pieces, columns=["pieces", "leaves", "labels_of", "rank", "piece"]),
    }


def skill(labels: NDArray[Any], read: NDArray[Any]) -> float:
    """Return the share of the errors of always predicting the commonest label that are gone: 1 if none are left.

    Goodman and Kruskal's lambda (1954) of answers that are given, not fitted; NaN where there is one label.
    """
    _, counts = np.unique(labels, return_counts=True)
    commonest = counts.max() / len(labels)
    return float(((read == labels).mean() - commonest) / (1 - commonest)) if commonest < 1 else float("nan")


def _rule(
    texts: pd.DataFrame, source: str, read: NDArray[Any], evaluation: EvaluationConfig
) -> Iterator[dict[str, Any]]:
    labels, predicted = _codes(texts[source], read)
    counts = {"rows": len(texts), "commonest": float(texts[source].value_counts(normalize=True).iloc[0])}
    statistics: dict[str, Statistic] = {
        "accuracy": lambda rows, _: float((labels[rows] == predicted[rows]).mean()),
        "skill": lambda rows, _: skill(labels[rows], predicted[rows]),
    }
    for metric, statistic in statistics.items():
        interval = interval_of(statistic, texts["group"], evaluation)
        yield {"labels_of": source, "metric": metric, **figure(interval), **counts}


def _codes(labels: pd.Series, read: NDArray[Any]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the labels and what is read as numbers of the same labels: quicker to count than words."""
    codes, _ = pd.factorize(np.concatenate([labels.to_numpy(dtype=object), read]))
    return codes[: len(labels)], codes[len(labels) :]


def _skill_difference(
    texts: pd.DataFrame, read: Mapping[str, NDArray[Any]], evaluation: EvaluationConfig
) -> Iterator[Any]:
    if len(read) == 2:
        (first, first_read), (second, second_read) = (_codes(texts[name], read[name]) for name in SOURCES)
        yield interval_of(
            lambda rows, _: skill(first[rows], first_read[rows]) - skill(second[rows], second_read[rows]),
            texts["group"],
            evaluation,
        )
