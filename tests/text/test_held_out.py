from __future__ import annotations

import pandas as pd
import pytest

from emotion_kedro.text.held_out import HeldOut, LeakError
from emotion_kedro.text.sampling import UNGROUPED

LONG = "the last train had gone and we walked home along the river in the rain"


@pytest.fixture
def guard() -> HeldOut:
    return HeldOut(
        pd.DataFrame(
            [("test:1", "What a day!", 7), ("test:2", LONG, 8), ("validation:1", "alone again", UNGROUPED)],
            columns=["record_id", "text", "group"],
        )
    )


@pytest.mark.parametrize("text", ["What a day!", "  what a DAY ...", "what, a day"])
def test_a_held_out_text_is_refused_however_it_is_written(guard: HeldOut, text: str) -> None:
    with pytest.raises(LeakError, match=r"held-out record test:1 \(its text\) stands in the rows of nobody\."):
        guard.refuse(["quite another text", text], "the rows of nobody")


def test_a_row_of_the_same_group_is_refused_whatever_it_says(guard: HeldOut) -> None:
    rows = pd.DataFrame({"text": ["other words", "nothing like it"], "group": [3, 8]})
    with pytest.raises(LeakError, match=r"record test:2 \(a near-duplicate of it\) stands in here"):
        guard.refuse(rows, "here")


def test_rows_that_nobody_grouped_are_no_group(guard: HeldOut) -> None:
    guard.refuse(pd.DataFrame({"text": ["other words"], "group": [UNGROUPED]}), "here")
    with pytest.raises(LeakError, match="validation:1"):
        guard.refuse(pd.DataFrame({"text": ["Alone again."], "group": [UNGROUPED]}), "here")


def test_other_rows_pass_with_a_group_or_without(guard: HeldOut) -> None:
    guard.refuse(pd.DataFrame({"text": ["what a night"], "group": [9]}), "here")
    guard.refuse(pd.DataFrame({"text": ["what a night"]}), "here")
    guard.refuse(["what a night"], "here")
    guard.refuse([], "here")


def test_copies_and_near_copies_are_told_apart_from_the_rest(guard: HeldOut) -> None:
    texts = ["what a day", LONG.replace("the rain", "the snow"), LONG[:30], "we walked home", "alone again"]
    assert guard.copies(texts).tolist() == [True, True, False, False, True]
    assert guard.same(texts).tolist() == [True, False, False, False, True]
    assert guard.copies([]).tolist() == guard.same([]).tolist() == []


def test_how_near_a_near_copy_is_can_be_said() -> None:
    records = pd.DataFrame({"record_id": ["1"], "text": ["abcdefghij"], "group": [1]})
    # Of the shingles of three characters, six are shared by both and ten are in one or the other: .6.
    assert HeldOut(records, near=0.6, shingle=3).copies(["abcdefghxy"]).tolist() == [True]
    assert HeldOut(records, near=0.61, shingle=3).copies(["abcdefghxy"]).tolist() == [False]
