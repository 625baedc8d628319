"""Train on one source, on another, and on both together, under several splits, and test on the rows of both.

The classifier is a linear one on weighted words: seconds a fit, so that a figure can rest on several splits.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd

from emotion_kedro.options.label_noise import MergingOptions
from emotion_kedro.text.splitting import split_grouped, split_plain

logger = logging.getLogger(__name__)

COMMONEST = "commonest label"
"""The arm that learns nothing: it says the commonest train label of the row's own source."""
TOLERANCE_STEPS = 1000  # of the solver; it converges well before


def arms_of(trusted: str, doubted: str) -> dict[str, tuple[str, ...]]:
    """Return the arms that are trained, with the sources of their train rows."""
    return {trusted: (trusted,), f"{trusted} + {doubted}": (trusted, doubted), doubted: (doubted,)}


def rows_under_splits(records: pd.DataFrame, trusted: str, doubted: str, options: MergingOptions) -> pd.DataFrame:
    """Fit every arm under every split, and return what it says of each test row.

    Nothing is settled before the split: repeats and texts under several labels stay, as they do where two tables are
    put one below the other.

    Args:
        records: ``record_id, label, source, key`` (the normalised text), ``group`` and ``shared`` (whether the other
            source has the text too) of both sources.
        trusted: a source.
        doubted: the other.
        options: splits and classifier.

    Returns:
        A row for each split strategy, split seed, arm and test row: ``record_id, label, source, group, shared,
        split_strategy, split_seed, arm, predicted``, and whether the arm's train rows have the same text under the same
        label (``same_in_train``), under another one (``other_in_train``), or a near-duplicate (``near_in_train``,
        which includes both).
    """
    tables = []
    for strategy in options.strategies:
        for seed in options.split_seeds:
            sides = _sides(records, strategy, options.test, seed)
            train, test = records[sides == "train"], records[sides == "test"]
            for arm, rows in _tested_arms(train, test, arms_of(trusted, doubted), options):
                tables.append(rows.assign(split_strategy=strategy, split_seed=seed, arm=arm))
            logger.info("%s split, seed %d: %d train rows, %d test rows", strategy, seed, len(train), len(test))
    return pd.concat(tables, ignore_index=True)


def _sides(records: pd.DataFrame, strategy: str, test: float, seed: int) -> pd.Series:
    if strategy == "plain":
        return split_plain(records, validation=0.0, test=test, seed=seed)
    return split_grouped(records, records["group"].to_numpy(), validation=0.0, test=test, seed=seed)


def _tested_arms(
    train: pd.DataFrame, test: pd.DataFrame, arms: dict[str, tuple[str, ...]], options: MergingOptions
) -> Iterator[tuple[str, pd.DataFrame]]:
    told = test[["record_id", "label", "source", "group", "shared"]]
    commonest = train.groupby("source")["label"].agg(lambda labels: labels.value_counts().index[0])
    nothing = dict.fromkeys(("same_in_train", "other_in_train", "near_in_train"), False)
    yield COMMONEST, told.assign(predicted=test["source"].map(commonest), **nothing)
    for arm, sources in arms.items():
        rows = train[train["source"].isin(sources)]
        yield arm, told.assign(predicted=read_by_words(rows, test["key"], options), **seen_in_train(rows, test))


def seen_in_train(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, np.ndarray]:
    """Say of each test row whether its text stands in train under its label, under another, or nearly."""
    labels = train.groupby("key")["label"].agg(set).to_dict()
    pairs = [(labels.get(key, set()), label) for key, label in zip(test["key"], test["label"], strict=True)]
    return {
        "same_in_train": np.array([label in known for known, label in pairs], dtype=np.bool_),
        "other_in_train": np.array([bool(known - {label}) for known, label in pairs], dtype=np.bool_),
        "near_in_train": test["group"].isin(train["group"]).to_numpy(),
    }


def read_by_words(train: pd.DataFrame, texts: Sequence[str] | pd.Series, options: MergingOptions) -> np.ndarray:
    """Fit a logistic regression on the train rows' words, weighted by TF-IDF, and return the label it reads in texts.

    Args:
        train: ``key`` and ``label``.
        texts: n normalised texts.
        options: n-grams and penalty.

    Returns:
        Labels, (n,).

    Raises:
        ValueError: if the train rows have fewer than two labels.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression

    if train["label"].nunique() < 2:
        raise ValueError(f"{len(train)} train rows have fewer than two labels: there is nothing to learn")
    vectors = TfidfVectorizer(
        ngram_range=(1, options.longest_ngram),
        min_df=options.least_count,
        sublinear_tf=True,
        token_pattern=r"\S+",
    )
    model = LogisticRegression(C=options.inverse_penalty, max_iter=TOLERANCE_STEPS)
    model.fit(vectors.fit_transform(train["key"]), train["label"])
    return np.asarray(model.predict(vectors.transform(texts)), dtype=object)
