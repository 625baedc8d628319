"""Filtering again at another threshold keeps what filtering at that threshold would have kept."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.options import FilterOptions
from emotion_kedro.text.filters import (
    KEPT,
    TextFilter,
    mark_disagreement,
    mark_duplicates,
    mark_pooled_duplicates,
    mark_surplus,
)
from emotion_kedro.text.refiltering import filter_again, synthetic_part

TRAIN = ["we were laughing in the sunshine all afternoon", "nobody came to the station and it rained"]
TEXTS = [
    "the whole street was dancing when the band began",
    "the whole street was dancing when the band began!",
    "he was trembling behind the curtain until midnight",
    "no",
    "she kept the letter and cried on every page of it",
    "she kept the letters and cried on every page of it",
    "we were laughing in the sunshine all afternoon",
    "what a mess of a morning this has turned out to be",
    "they slammed the door and nobody said a word to us",
    "a quiet week with nothing but soup and old records",
]
LABELS = ("fear", "joy")


def drawn(tau: float, *, quota: int = 100) -> pd.DataFrame:
    """Candidates of both labels as the sieve makes them: checks on the text, the classifier, duplicates, quota."""
    options = FilterOptions(tau=tau)
    tables = []
    for number, label in enumerate(LABELS):
        table = TextFilter.build(TRAIN, options).measure([*TEXTS, f"one more {label} that no other label has at all"])
        first = np.random.default_rng(number).uniform(size=len(table))
        given = np.column_stack([first, 1 - first])
        table = mark_disagreement(table, given, number, options)
        table = mark_surplus(mark_duplicates(table, [], options), quota)
        ids = [f"{label}:{row}" for row in range(len(table))]
        tables.append(table.assign(label=label, candidate_id=ids, kept=table["reason"] == KEPT))
    return mark_pooled_duplicates(pd.concat(tables, ignore_index=True))


@pytest.mark.parametrize("first", [0.3, 0.5, 0.8])
@pytest.mark.parametrize("second", [0.0, 0.3, 0.5, 0.6, 0.9])
def test_another_threshold_gives_what_it_would_have_given(first: float, second: float) -> None:
    again = filter_again(drawn(first), FilterOptions(tau=second))
    pd.testing.assert_frame_equal(again, drawn(second))


def test_the_rows_differ_between_the_thresholds() -> None:
    kept = [drawn(tau)["kept"].sum() for tau in (0.0, 0.5, 0.9)]
    assert kept[0] != kept[1]
    assert kept[1] > kept[2] > 0


def test_what_was_beyond_the_quota_comes_back() -> None:
    again = filter_again(drawn(0.5, quota=1), FilterOptions(tau=0.5))
    pd.testing.assert_frame_equal(again, drawn(0.5))


def test_a_candidate_without_a_probability_is_unsure() -> None:
    table = drawn(0.0).assign(probability=np.nan)
    again = filter_again(table, FilterOptions(tau=0.5))
    assert not again["kept"].any()
    assert filter_again(table, FilterOptions(tau=0.0))["kept"].any()


def candidates(**kept: int) -> pd.DataFrame:
    rows = [(label, number) for label, count in kept.items() for number in range(count + 1)]
    table = pd.DataFrame(rows, columns=["label", "number"])
    ids = table["label"] + ":" + table["number"].astype(str)
    # The first of each label was turned away.
    return table.assign(candidate_id=ids, text="text " + ids, kept=table["number"] > 0).drop(columns="number")


REAL = pd.DataFrame({"label": ["joy"] * 10 + ["fear"] * 4})


@pytest.mark.parametrize(
    ("share", "counts"),
    [(0.0, {}), (0.25, {"joy": 2, "fear": 1}), (0.5, {"joy": 5, "fear": 2}), (2.0, {"joy": 6, "fear": 8})],
)
def test_a_label_is_given_synthetic_records_by_its_real_ones(share: float, counts: dict[str, int]) -> None:
    found = synthetic_part(candidates(joy=6, fear=9), REAL, share, seed=0)
    assert found["label"].value_counts().to_dict() == counts
    assert list(found.columns) == ["record_id", "text", "label", "source"]
    assert not found["record_id"].str.endswith(":0").any()


def test_a_larger_share_holds_the_smaller_one() -> None:
    table = candidates(joy=6, fear=9)
    small, large = (set(synthetic_part(table, REAL, share, seed=3)["record_id"]) for share in (0.25, 0.5))
    assert small < large


def test_nothing_kept_gives_no_records() -> None:
    assert synthetic_part(candidates(joy=0), REAL, 1.0, seed=0).empty
