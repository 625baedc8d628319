from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from emotion_kedro.measures.merging import leakage_by_arm, measure_merging, sets_of_test_rows

BOOTSTRAP = {"samples": 200, "level": 0.95, "seed": 0}
NONE = "commonest label"


def rows_of(strategy: str, seed: int, arm: str, said: list[str], *, seen: bool = False) -> pd.DataFrame:
    """Rows 0 and 1 are of source a, the second of them shared; rows 2 and 3 of source b."""
    table = pd.DataFrame(
        {
            "record_id": ["r0", "r1", "r2", "r3"],
            "label": ["joy", "fear", "neutral", "joy"],
            "source": ["a", "a", "b", "b"],
            "group": [0, 1, 1, 2],
            "shared": [False, True, True, False],
        }
    )
    told = {"split_strategy": strategy, "split_seed": seed, "arm": arm, "predicted": said}
    return table.assign(**told, same_in_train=False, other_in_train=[False, seen, seen, False]).assign(
        near_in_train=lambda found: found["other_in_train"]
    )


def table() -> pd.DataFrame:
    parts = []
    for seed in (0, 1):
        for strategy in ("plain", "grouped"):
            parts.append(rows_of(strategy, seed, NONE, ["joy", "joy", "neutral", "neutral"]))
            parts.append(rows_of(strategy, seed, "a", ["joy", "fear", "fear", "joy"]))
            merged = ["joy", "neutral", "neutral", "joy"] if strategy == "plain" else ["joy", "fear", "fear", "joy"]
            parts.append(rows_of(strategy, seed, "a + b", merged, seen=strategy == "plain"))
    return pd.concat(parts, ignore_index=True)


def measured() -> dict[str, list[dict[str, Any]]]:
    rows = table()
    sets = sets_of_test_rows(rows, "a", "b", "neutral")
    return measure_merging(rows, sets, trusted="a", merged="a + b", commonest=NONE, bootstrap=BOOTSTRAP)


def test_sets_of_test_rows_are_named_by_what_is_in_them() -> None:
    sets = {one.name: one for one in sets_of_test_rows(table(), "a", "b", "neutral")}
    assert {name: int(one.rows.sum()) for name, one in sets.items()} == {
        **{"a": 24, "a, texts shared with b": 12, "b": 24, "b, all but neutral": 12}
    }
    assert [name for name, one in sets.items() if one.baseline] == ["b"]


def test_scores_are_shares_of_the_rows_of_all_splits() -> None:
    scores = {(one["tested"], one["split_strategy"], one["arm"]): one for one in measured()["scores"]}
    assert scores["a", "plain", "a + b"]["rows"] == 4
    assert scores["a", "plain", "a + b"]["accuracy"]["estimate"] == pytest.approx(0.5)
    assert scores["a", "grouped", "a + b"]["accuracy"]["estimate"] == pytest.approx(1.0)
    assert scores["b", "plain", "a + b"]["accuracy"]["estimate"] == pytest.approx(1.0)
    # One group of rows: a figure, but no interval.
    shared = scores["a, texts shared with b", "plain", "a + b"]["accuracy"]
    assert (shared["estimate"], shared["low"]) == (0.0, None)


def test_differences_are_on_the_same_rows_and_between_the_splits() -> None:
    found = {
        (one["tested"], one["split_strategy"], one["arm"], one["against"]): one["accuracy"]["estimate"]
        for one in measured()["differences"]
    }
    assert found["a", "plain", "a + b", "a"] == pytest.approx(-0.5)
    assert found["a", "grouped", "a + b", "a"] == pytest.approx(0.0)
    assert found["b", "plain", "a + b", NONE] == pytest.approx(0.5)
    assert found["a", None, "a + b, plain split", "a + b, grouped split"] == pytest.approx(-0.5)
    assert ("a", "plain", "a", NONE) not in found


def test_a_row_that_some_splits_alone_tested_counts_where_it_was_tested() -> None:
    rows = table()
    some = rows[~((rows["split_seed"] == 1) & (rows["record_id"] == "r0"))]
    sets = sets_of_test_rows(some, "a", "b", "neutral")
    found = measure_merging(some, sets, trusted="a", merged="a + b", commonest=NONE, bootstrap=BOOTSTRAP)
    (plain,) = [
        one for one in found["scores"] if (one["tested"], one["split_strategy"], one["arm"]) == ("a", "plain", "a + b")
    ]
    assert (plain["rows"], plain["accuracy"]["estimate"]) == (3, pytest.approx(1 / 3))


def test_rows_that_were_trained_on_are_counted_per_split() -> None:
    rows = table()
    leaks = leakage_by_arm(rows, sets_of_test_rows(rows, "a", "b", "neutral"), NONE)
    (one,) = leaks[(leaks["tested"] == "a") & (leaks["split_strategy"] == "plain") & (leaks["arm"] == "a + b")].to_dict(
        "records"
    )
    assert (one["rows"], one["same"], one["other"], one["near"], one["near_share"]) == (2, 0, 1, 1, 0.5)
    assert leaks.loc[leaks["split_strategy"] == "grouped", "near"].sum() == 0
    assert NONE not in set(leaks["arm"])
