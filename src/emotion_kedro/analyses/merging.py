"""Train on one source, on another, and on both together, under several splits, and test on the rows of both.

The classifier is a linear one on weighted words: seconds a fit, so that a figure can rest on several splits.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from emotion_kedro.analyses.intervals import figure, interval_of
from emotion_kedro.config.analyses import LabelNoiseConfig, MergingConfig
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.data.splitting import split_grouped, split_plain
from emotion_kedro.metrics.bootstrap import Interval

logger = logging.getLogger(__name__)

COMMONEST = "commonest label"
"""The arm that learns nothing: it predicts the commonest train label of the row's own source."""
PLAIN, GROUPED = "plain", "grouped"
SOLVER_STEPS = 1000  # it converges well before
SEEN = ("same", "other", "near")
Term = tuple[str, str, int]
"""Split strategy, arm, and whether its accuracy is added (1) or taken away (-1)."""


def arms_of(config: LabelNoiseConfig) -> dict[str, tuple[str, ...]]:
    """Return the arms that are trained, with the sources of their train rows."""
    trusted, doubted = config.trusted, config.doubted
    return {trusted: (trusted,), f"{trusted} + {doubted}": (trusted, doubted), doubted: (doubted,)}


def predictions_under_splits(texts: pd.DataFrame, config: LabelNoiseConfig) -> pd.DataFrame:
    """Fit every arm under every split, and return what it predicts for each test row.

    Args:
        texts: ``record_id, label, source, key`` (the normalised text), ``group`` and ``shared`` (whether the other
            source has the text too) of both sources.
        config: sources, splits and classifier.

    Returns:
        A row for each split strategy, split seed, arm and test row: ``record_id, label, source, group, shared,
        split_strategy, split_seed, arm, predicted``, and whether the arm's train rows have the same text under the same
        label (``same_in_train``), under another one (``other_in_train``), or a near-duplicate (``near_in_train``,
        which includes both).
    """
    tables = []
    for strategy in config.merging.strategies:
        for seed in config.merging.split_seeds:
            splits = _split(texts, strategy, config.merging.test, seed)
            train, test = texts[splits == "train"], texts[splits == "test"]
            for arm, rows in _predicted_by_arm(train, test, config):
                tables.append(rows.assign(split_strategy=strategy, split_seed=seed, arm=arm))
            logger.info("%s split, seed %d: %d train rows, %d test rows", strategy, seed, len(train), len(test))
    return pd.concat(tables, ignore_index=True)


def _split(texts: pd.DataFrame, strategy: str, test: float, seed: int) -> pd.Series:
    if strategy == PLAIN:
        return split_plain(texts, validation=0.0, test=test, seed=seed)
    return split_grouped(texts, texts["group"].to_numpy(), validation=0.0, test=test, seed=seed)


def _predicted_by_arm(
    train: pd.DataFrame, test: pd.DataFrame, config: LabelNoiseConfig
) -> Iterator[tuple[str, pd.DataFrame]]:
    rows = test[["record_id", "label", "source", "group", "shared"]]
    commonest = train.groupby("source")["label"].agg(lambda labels: labels.value_counts().index[0])
    unseen = {f"{name}_in_train": False for name in SEEN}
    yield COMMONEST, rows.assign(predicted=test["source"].map(commonest), **unseen)
    for arm, sources in arms_of(config).items():
        fitted = train[train["source"].isin(sources)]
        yield (
            arm,
            rows.assign(predicted=predict_by_words(fitted, test["key"], config.merging), **seen_in_train(fitted, test)),
        )


def seen_in_train(train: pd.DataFrame, test: pd.DataFrame) -> dict[str, NDArray[np.bool_]]:
    """Say of each test row whether its text stands in train under its label, under another, or nearly."""
    labels = train.groupby("key")["label"].agg(set).to_dict()
    pairs = [(labels.get(key, set()), label) for key, label in zip(test["key"], test["label"], strict=True)]
    return {
        "same_in_train": np.array([label in known for known, label in pairs], dtype=np.bool_),
        "other_in_train": np.array([bool(known - {label}) for known, label in pairs], dtype=np.bool_),
        "near_in_train": test["group"].isin(train["group"]).to_numpy(),
    }


def predict_by_words(
    train: pd.DataFrame, texts: Sequence[str] | pd.Series, config: MergingConfig
) -> NDArray[np.object_]:
    """Fit a logistic regression on the train rows' words, weighted by TF-IDF, and return what it predicts, (n,).

    Returns:
        Labels, (n,).

    Raises:
        ValueError: if the train rows have fewer than two labels.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline

    if train["label"].nunique() < 2:
        raise ValueError(f"{len(train)} train rows have fewer than two labels: there is nothing to learn")
    words = TfidfVectorizer(
        ngram_range=(1, config.longest_ngram), min_df=config.least_count, sublinear_tf=True, token_pattern=r"\S+"
    )
    model = make_pipeline(words, LogisticRegression(C=config.inverse_penalty, max_iter=SOLVER_STEPS))
    # Thousands of small products: beside other work two threads took four times as long, waiting for each other.
    with threadpool_limits(1):
        model.fit(train["key"].tolist(), train["label"].tolist())
        return np.asarray(model.predict(list(texts)), dtype=object)


# --- figures ------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class RowSet:
    """Test rows that are scored together."""

    name: str
    inside: pd.Series
    """Booleans over the table of predictions."""
    baseline: bool
    """Whether the arms are compared with always predicting the commonest label."""


def sets_of_test_rows(table: pd.DataFrame, config: LabelNoiseConfig) -> list[RowSet]:
    """Return the sets of test rows, those without rows left out.

    They are the trusted source's rows, those of its rows whose text the doubted source has too, the doubted source's
    rows, and those of its rows whose label is not the written rule's ``otherwise``.
    """
    trusted, doubted = table["source"] == config.trusted, table["source"] == config.doubted
    otherwise = config.keywords.otherwise
    sets = [
        RowSet(config.trusted, trusted, False),
        RowSet(f"{config.trusted}, texts shared with {config.doubted}", trusted & table["shared"], False),
        RowSet(config.doubted, doubted, True),
        RowSet(f"{config.doubted}, all but {otherwise}", doubted & (table["label"] != otherwise), False),
    ]
    return [rows for rows in sets if rows.inside.any()]


def merging_tables(
    table: pd.DataFrame, config: LabelNoiseConfig, evaluation: EvaluationConfig
) -> dict[str, pd.DataFrame]:
    """Return what training on both sources does to accuracy, by split, and how much of the test rows train has.

    Groups of near-duplicates and split seeds are drawn with replacement, both arms of a difference on the same draw; a
    row that several splits tested is one row.

    Returns:
        ``merging_scores``: ``tested, split_strategy, arm, rows`` (test rows of all splits together, a row tested in two
        splits counting twice) ``, value, low, high``: accuracy. ``merging_differences``: ``tested, split_strategy``
        (``plain - grouped``: between the splits) ``, first, second, value, low, high``. ``merging_leakage``:
        ``tested, split_strategy, arm, rows, same, other, near, near_share``, means over the split seeds.
    """
    scores, differences, leakage = [], [], []
    for tested in sets_of_test_rows(table, config):
        counts = _Counts.of(table[tested.inside])
        for strategy, arm in counts.right:
            rows = int(counts.tested[strategy].sum())
            row = {"tested": tested.name, "split_strategy": strategy, "arm": arm, "rows": rows}
            scores.append({**row, **figure(counts.interval([(strategy, arm, 1)], evaluation))})
        for names, terms in _comparisons(counts, config, baseline=tested.baseline):
            row = dict(zip(("split_strategy", "first", "second"), names, strict=True))
            differences.append({"tested": tested.name, **row, **figure(counts.interval(terms, evaluation))})
        leakage += list(_leakage(table, tested))
    return {
        "merging_scores": pd.DataFrame(scores),
        "merging_differences": pd.DataFrame(differences),
        "merging_leakage": pd.DataFrame(leakage),
    }


def _comparisons(
    counts: _Counts, config: LabelNoiseConfig, *, baseline: bool
) -> Iterator[tuple[tuple[str, str, str], list[Term]]]:
    trusted, merged, _ = arms_of(config)
    for strategy in counts.tested:
        pairs = [(merged, trusted)]
        if baseline:
            pairs += [(arm, COMMONEST) for where, arm in counts.right if where == strategy and arm != COMMONEST]
        for first, second in pairs:
            yield (strategy, first, second), [(strategy, first, 1), (strategy, second, -1)]
    if {PLAIN, GROUPED} <= set(counts.tested):
        for arm in (trusted, merged):
            yield (f"{PLAIN} - {GROUPED}", arm, arm), [(PLAIN, arm, 1), (GROUPED, arm, -1)]


@dataclass(frozen=True)
class _Counts:
    """Right predictions and test rows of each group and split seed, (G, S) each."""

    right: dict[tuple[str, str], NDArray[np.float64]]
    tested: dict[str, NDArray[np.float64]]

    @classmethod
    def of(cls, table: pd.DataFrame) -> _Counts:
        groups, group = np.unique(table["group"].to_numpy(), return_inverse=True)
        seeds, seed = np.unique(table["split_seed"].to_numpy(), return_inverse=True)
        shape = (len(groups), len(seeds))
        right, tested = {}, {}
        hits = (table["predicted"] == table["label"]).to_numpy(dtype=np.float64)
        names = table[["split_strategy", "arm"]]
        for strategy, arm in names.drop_duplicates().itertuples(index=False):
            some = ((names["split_strategy"] == strategy) & (names["arm"] == arm)).to_numpy()
            place = np.ravel_multi_index((group[some], seed[some]), shape)
            counts = np.bincount(place, hits[some], shape[0] * shape[1]).astype(np.float64)
            right[str(strategy), str(arm)] = counts.reshape(shape)
            tested[str(strategy)] = np.bincount(place, minlength=shape[0] * shape[1]).astype(np.float64).reshape(shape)
        return cls(right, tested)

    def interval(self, terms: Sequence[Term], evaluation: EvaluationConfig) -> Interval:
        """Return the sum of the terms' accuracies; a draw in which a term has no test rows is left out."""
        groups, seeds = next(iter(self.tested.values())).shape

        def total(rows: NDArray[np.int64], drawn: NDArray[np.int64]) -> float:
            weights = np.bincount(rows, minlength=groups).astype(np.float64)
            times = np.bincount(drawn, minlength=seeds).astype(np.float64)
            value = 0.0
            for strategy, arm, sign in terms:
                number = weights @ self.tested[strategy] @ times
                if not number:
                    return float("nan")
                value += sign * float(weights @ self.right[strategy, arm] @ times) / float(number)
            return value

        return interval_of(total, np.arange(groups), evaluation, seeds=seeds)


def _leakage(table: pd.DataFrame, tested: RowSet) -> Iterator[dict[str, object]]:
    """Count the test rows whose text the arm was trained on, mean over the split seeds."""
    part = table[tested.inside & (table["arm"] != COMMONEST)]
    for (strategy, arm), rows in part.groupby(["split_strategy", "arm"], sort=False):
        splits = table.loc[table["split_strategy"] == strategy, "split_seed"].nunique()
        copies = {name: float(rows[f"{name}_in_train"].sum()) / splits for name in SEEN}
        row = {"tested": tested.name, "split_strategy": strategy, "arm": arm, "rows": len(rows) / splits}
        yield {**row, **copies, "near_share": float(rows["near_in_train"].mean())}
