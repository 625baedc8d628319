from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from emotion_kedro.config.data import UnificationConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data import unification
from emotion_kedro.storage.chunks import Chunks

POLARITY = TaxonomyConfig.from_labels(("negative", "positive"))
DROP = UnificationConfig(taxonomy=POLARITY, max_lost=1.0)
ERROR = UnificationConfig(taxonomy=POLARITY, outside_taxonomy="error")


def records(**labels: list[str]) -> pd.DataFrame:
    rows = [
        (f"{name}:{row}", f"text {row}", label, name) for name in labels for row, label in enumerate(labels[name], 1)
    ]
    return pd.DataFrame(rows, columns=["record_id", "text", "label", "source"]).astype("str")


def unify_labels(table: pd.DataFrame, config: UnificationConfig) -> tuple[pd.DataFrame, TaxonomyConfig, dict[str, Any]]:
    """Unify a table in pieces of two rows."""
    starts = range(0, len(table), 2)
    pieces = Chunks(lambda: (table.iloc[start : start + 2].reset_index(drop=True) for start in starts))
    kept, taxonomy, report = unification.unify_labels(pieces, config)
    return kept.frame(), taxonomy, report


def test_drops_and_counts_what_is_outside() -> None:
    table = records(a=["negative", "relief", "positive"], b=["relief", "relief", "joy", "negative"])
    kept, taxonomy, report = unify_labels(table, DROP)
    assert kept["record_id"].tolist() == ["a:1", "a:3", "b:4"]
    assert taxonomy == POLARITY
    assert kept.index.tolist() == [0, 1, 2]
    assert report == {
        "taxonomy": ["negative", "positive"],
        "rows": 7,
        "kept": 3,
        "dropped": {"a": {"relief": 1}, "b": {"joy": 1, "relief": 2}},
        "labels": {"a": {"negative": 1, "positive": 1}, "b": {"negative": 1}},
    }


def test_an_experiment_may_read_labels_as_others_of_its_taxonomy() -> None:
    table = records(a=["joy", "negative", "relief"], b=["positive", "joy"])
    kept, _, report = unify_labels(table, DROP.model_copy(update={"label_map": {"joy": "positive"}}))
    assert kept["record_id"].tolist() == ["a:1", "a:2", "b:1", "b:2"]
    assert kept["label"].tolist() == ["positive", "negative", "positive", "positive"]
    assert report["dropped"] == {"a": {"relief": 1}}


def test_error_names_rows_and_labels() -> None:
    table = records(a=["negative", "relief", "positive"])
    with pytest.raises(ValueError, match=r"1 rows.*\(negative, positive\).*a:2 \(relief\).*outside_taxonomy: drop"):
        unify_labels(table, ERROR)
    kept, _, report = unify_labels(table.drop(index=1), ERROR)
    assert len(kept) == 2
    assert report["dropped"] == {}


def test_label_without_a_row_is_an_error() -> None:
    with pytest.raises(
        ValueError, match=r"no row is labelled positive \(taxonomy: negative, positive; sources: a, b\)"
    ):
        unify_labels(records(a=["negative"], b=["joy"]), DROP)


def test_the_taxonomy_may_be_that_of_the_data() -> None:
    table = records(a=["pages", "tests"], b=["code"])
    kept, taxonomy, _ = unify_labels(table, UnificationConfig(taxonomy="from_data"))
    assert taxonomy.names == ("code", "pages", "tests")
    assert len(kept) == 3
    with pytest.raises(ValueError, match=r"make no taxonomy: .*at least 2.*There are 1: 'code'"):
        unify_labels(records(b=["code"]), UnificationConfig(taxonomy="from_data"))
