from __future__ import annotations

import pandas as pd
import pytest

from emotion_kedro.text.unification import unify_labels


def records(**labels: list[str]) -> pd.DataFrame:
    rows = [
        (f"{name}:{row}", f"text {row}", label, name) for name in labels for row, label in enumerate(labels[name], 1)
    ]
    return pd.DataFrame(rows, columns=["record_id", "text", "label", "source"]).astype("str")


def test_drops_and_counts_what_is_outside() -> None:
    table = records(a=["negative", "relief", "positive"], b=["relief", "relief", "joy", "negative"])
    kept, report = unify_labels(table, "polarity", "drop")
    assert kept["record_id"].tolist() == ["a:1", "a:3", "b:4"]
    assert kept.index.tolist() == [0, 1, 2]
    assert report == {
        "taxonomy": "polarity",
        "rows": 7,
        "kept": 3,
        "dropped": {"a": {"relief": 1}, "b": {"joy": 1, "relief": 2}},
        "labels": {"a": {"negative": 1, "positive": 1}, "b": {"negative": 1}},
    }


def test_error_names_rows_and_labels() -> None:
    table = records(a=["negative", "relief", "positive"])
    with pytest.raises(ValueError, match=r"1 rows.*'polarity'.*a:2 \(relief\).*outside_taxonomy: drop"):
        unify_labels(table, "polarity", "error")
    kept, report = unify_labels(table.drop(index=1), "polarity", "error")
    assert len(kept) == 2
    assert report["dropped"] == {}


def test_label_without_a_row_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no row is labelled positive \(taxonomy 'polarity'; sources: a, b\)"):
        unify_labels(records(a=["negative"], b=["joy"]), "polarity", "drop")


def test_unknown_taxonomy() -> None:
    with pytest.raises(ValueError, match="no taxonomy 'twelve'"):
        unify_labels(records(a=["joy"]), "twelve", "drop")
