from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.config.data import SamplingConfig
from emotion_kedro.data import sampling
from emotion_kedro.data.near_duplicates import normalise
from emotion_kedro.data.sampling import cap_rows, leakage_table, resolve_conflicts, sample_and_split
from emotion_kedro.schemas.records import SplitRecords
from emotion_kedro.storage.chunks import Chunks


def table(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """Records from (text, label, source)."""
    records = pd.DataFrame(rows, columns=["text", "label", "source"]).astype("str")
    ids = [f"{source}:{row}" for row, source in enumerate(records["source"])]
    records.insert(0, "record_id", pd.Series(ids, dtype="str"))
    return records


@pytest.fixture
def records(random_texts: Callable[..., list[str]]) -> pd.DataFrame:
    """600 texts, a quarter near-duplicates; some repeats and conflicts; two sources, three labels."""
    texts = random_texts(600, seed=5)
    texts[500:520] = texts[0:20]
    labels = [("joy", "fear", "love")[row % 3] for row in range(600)]
    labels[500:510] = labels[0:10]
    return table(*zip(texts, labels, ["a" if row % 2 else "b" for row in range(600)], strict=True))


CONTESTED = table(
    ("Same text", "joy", "a"),
    ("same text!", "fear", "a"),
    ("SAME text", "fear", "b"),
    ("tie", "love", "a"),
    ("tie.", "joy", "b"),
    ("sure", "joy", "a"),
    ("Sure", "joy", "b"),
    ("alone", "fear", "b"),
)


@pytest.mark.parametrize(
    ("conflicts", "repeats", "kept", "conflict_rows", "repeat_counts"),
    [
        ("drop", "keep_one", [5, 7], 5, (1, 1)),
        ("drop", "keep", [5, 6, 7], 5, (0, 0)),
        ("majority", "keep_one", [1, 3, 5, 7], 2, (2, 2)),
        ("majority", "keep", [1, 2, 3, 5, 6, 7], 2, (0, 0)),
        ("first", "keep_one", [0, 3, 5, 7], 3, (1, 1)),
        ("keep", "keep_one", [0, 1, 3, 4, 5, 7], 0, (2, 2)),
        ("keep", "keep", list(range(8)), 0, (0, 0)),
    ],
)
def test_conflicts_and_repeats(
    conflicts: Any, repeats: Any, kept: list[int], conflict_rows: int, repeat_counts: tuple[int, int]
) -> None:
    stays, _, report = resolve_conflicts(CONTESTED, repeats=repeats, conflicts=conflicts)
    assert np.flatnonzero(stays).tolist() == kept
    assert report == {
        "conflicts": {"texts": 2, "rows": conflict_rows},
        "repeats": {"texts": repeat_counts[0], "rows": repeat_counts[1]},
    }


@pytest.mark.parametrize("seed", [0, 1])
def test_cap_takes_the_first_rows_of_each_group_in_a_random_order(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    groups = np.random.default_rng(9).integers(0, 6, 600).astype(np.uint16)
    order = np.random.default_rng(seed).permutation(600)
    expected = sorted(row for group in range(6) for row in [row for row in order if groups[row] == group][:70])
    assert cap_rows(groups, cap=70, seed=seed).tolist() == expected
    # The same a piece at a time.
    monkeypatch.setattr(sampling, "CHUNK_ROWS", 17)
    assert cap_rows(groups, cap=70, seed=seed).tolist() == expected
    assert cap_rows(groups, cap=70, seed=seed + 1).tolist() != expected


def test_cap_that_is_not_reached_or_not_set() -> None:
    groups = np.zeros(600, dtype=np.uint16)
    assert (
        cap_rows(groups, cap=1000, seed=0).tolist() == cap_rows(groups, cap=None, seed=0).tolist() == list(range(600))
    )
    assert cap_rows(groups[:0], cap=3, seed=0).tolist() == []


@pytest.mark.parametrize("conflicts", ["drop", "majority", "first", "keep"])
@pytest.mark.parametrize("rows", [37, 250])
def test_pieces_make_no_difference(
    records: pd.DataFrame, conflicts: Any, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = with_own_test(records)
    config = SamplingConfig(cap=60, conflicts=conflicts, split={"strategy": "grouped"})
    whole, report = sample_and_split(table, config)
    leaks = leakage_table(table, config)
    # Entries are settled a few files at a time, too.
    monkeypatch.setattr(sampling, "ENTRIES_AT_ONCE", 50)
    starts = range(0, len(table), rows)
    pieces = Chunks(lambda: (table.iloc[start : start + rows].reset_index(drop=True) for start in starts))
    sample, report_of_pieces = sample_and_split(pieces, config)
    assert sample.equals(whole)
    assert report_of_pieces == report
    assert leakage_table(pieces, config).equals(leaks)


@pytest.mark.parametrize("cap", [None, 40])
def test_grouped_sample(records: pd.DataFrame, cap: int | None) -> None:
    sample, report = sample_and_split(records, SamplingConfig(cap=cap, seed=4))
    SplitRecords.validate(sample)
    assert set(sample["split"]) == {"train", "validation", "test"}
    assert sample["group"].nunique() < len(sample)
    assert report["rows"] == 600
    dropped = report["conflicts"]["rows"] + report["repeats"]["rows"] + report["capped"]
    assert report["kept"] == len(sample) == 600 - dropped
    labels = records.groupby("text")["label"].transform("nunique")  # these texts are normalised as they are
    assert report["conflicts"] == {"texts": records.loc[labels > 1, "text"].nunique(), "rows": (labels > 1).sum()}
    assert report["conflicts"]["texts"] >= 10
    assert report["groups"]["number"] == sample["group"].nunique()
    counted = {
        (split, source, label): rows
        for split, sources in report["counts"].items()
        for source, labels in sources.items()
        for label, rows in labels.items()
    }
    assert counted == sample.groupby(["split", "source", "label"]).size().to_dict()


def test_plain_sample_is_not_grouped(records: pd.DataFrame) -> None:
    options = SamplingConfig(cap=None, repeats="keep", conflicts="keep", split={"strategy": "plain", "validation": 0})
    sample, report = sample_and_split(records, options)
    SplitRecords.validate(sample)
    assert set(sample["group"]) == {-1}
    assert sample["split"].value_counts().to_dict() == {"train": 480, "test": 120}
    assert report["groups"] == {"number": 0, "rows_with_near_duplicates": 0, "largest": 0}
    assert report["counts"]["validation"] == {}


def test_few_different_texts_in_many_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "ENTRIES_AT_ONCE", 1)  # texts are dealt out to parts, most of which get none
    rows = [("a", f"a:{row}", "no" if row % 3 else "yes", "joy") for row in range(90)]
    records = pd.DataFrame(rows, columns=["source", "record_id", "text", "label"]).astype("str")
    stays, _, settled = resolve_conflicts(records, repeats="keep_one", conflicts="drop")
    assert np.flatnonzero(stays).tolist() == [0, 1]
    assert settled["repeats"]["rows"] == 88


def test_nothing_left_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"no train row is left.*conflicts"):
        sample_and_split(CONTESTED.iloc[:5], SamplingConfig())


def test_leakage_of_both_strategies(records: pd.DataFrame) -> None:
    leaks = leakage_table(records, SamplingConfig(cap=None)).set_index(["split_strategy", "source"])
    assert list(leaks.index) == [(way, source) for way in ("plain", "grouped") for source in ("all", "a", "b")]
    plain, grouped = leaks.loc[("plain", "all")], leaks.loc[("grouped", "all")]
    assert plain["test_rows"] == 120
    assert 0 < plain["exact_in_train"] < plain["near_in_train"]
    assert plain["near_share"] == pytest.approx(plain["near_in_train"] / 120)
    for measure in ("exact_in_train", "near_in_train", "exact_share", "near_share", "conflicting_in_train"):
        assert (leaks.loc["grouped", measure] == 0).all()
    assert grouped["test_rows"] > 0
    counts = leaks.loc["plain", ["test_rows", "exact_in_train", "near_in_train", "conflicting_in_train"]]
    assert (counts.loc[["a", "b"]].sum() == counts.loc["all"]).all()


def test_leakage_counts_by_hand() -> None:
    # All rows are the same text under two labels: each test row is an exact copy, and its text has another label.
    rows = [("the same words once more", ("joy", "fear")[row % 2], "a") for row in range(20)]
    options = SamplingConfig(cap=None, conflicts="first", split={"validation": 0, "test": 0.2})
    leaks = leakage_table(table(*rows), options).set_index(["split_strategy", "source"])
    assert leaks.loc[("plain", "all")].to_dict() == {
        "test_rows": 4,
        "exact_in_train": 4,
        "near_in_train": 4,
        "exact_share": 1.0,
        "near_share": 1.0,
        "conflicting_in_train": 4,
    }
    assert leaks.loc[("grouped", "all"), "test_rows"] == 0


def with_own_test(records: pd.DataFrame) -> pd.DataFrame:
    """Every fifth row of source ``a`` comes as a test row; those of ``b`` are free."""
    is_test = (records["source"] == "a") & (records.index % 10 == 1)
    return records.assign(split=is_test.map({True: "test", False: ""}).astype("str"))


@pytest.mark.parametrize("strategy", ["grouped", "plain"])
def test_rows_of_their_own_split_stay_there_and_nothing_near_them_is_learnt_from(
    records: pd.DataFrame, strategy: str
) -> None:
    table = with_own_test(records)
    config = SamplingConfig(cap=60, conflicts="first", split={"strategy": strategy})
    sample, report = sample_and_split(table, config)
    SplitRecords.validate(sample)
    own = set(table.loc[table["split"] == "test", "record_id"])
    tests = sample[sample["split"] == "test"]
    assert own <= set(tests["record_id"])
    # Source a has its test rows already; b gives some of its own.
    assert set(tests.loc[tests["source"] == "a", "record_id"]) == own
    assert (tests["source"] == "b").any()
    assert set(sample.loc[sample["source"] == "a", "split"]) == {"train", "validation", "test"}
    assert report["own_splits"]["test"] == len(own)
    assert (report["own_splits"]["near_duplicates_dropped"] > 0) == (strategy == "grouped")
    if strategy == "grouped":
        assert not set(normalise(tests["text"])) & set(normalise(sample.loc[sample["split"] == "train", "text"]))
        leaks = leakage_table(table, config).set_index(["split_strategy", "source"])
        assert leaks.loc[("grouped", "all"), "near_in_train"] == 0 < leaks.loc[("plain", "all"), "near_in_train"]


def test_named_rows_are_taken_as_they_are(records: pd.DataFrame) -> None:
    split = {"strategy": "rows", "file": "a", "train": (1, 50), "test": (51, 101)}
    sample, report = sample_and_split(records, SamplingConfig(cap=None, split=split))
    SplitRecords.validate(sample)
    assert (report["train"], report["test"], report["kept"]) == (25, 26, 51)  # ids of a are odd here
    leaks = leakage_table(records, SamplingConfig(cap=None, split=split))
    assert set(leaks["split_strategy"]) == {"rows"}
