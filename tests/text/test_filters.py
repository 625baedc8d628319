from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.options import FilterOptions
from emotion_kedro.text.filters import (
    COPY,
    DISAGREES,
    DUPLICATE,
    KEPT,
    LEFTOVER,
    NEAR_COPY,
    REPETITION,
    SURPLUS,
    TOO_SHORT,
    UNSURE,
    TextFilter,
    mark_disagreement,
    mark_duplicates,
    mark_pooled_duplicates,
    mark_surplus,
)

TRAIN = ["I couldn't stop smiling on the way home, what a day!", "so long so long so long my friend"]
OPTIONS = FilterOptions(leftovers=("The answer is", "<|"))


def measured(*texts: str, options: FilterOptions = OPTIONS) -> pd.DataFrame:
    return TextFilter.build(TRAIN, options).measure(texts)


def reasons(*kept_or_not: str) -> pd.DataFrame:
    return pd.DataFrame({"text": [f"text {row}" for row in range(len(kept_or_not))], "reason": kept_or_not})


# --- text alone ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("the kettle sang before anyone was awake", KEPT),
        ("the kettle sang loudly", KEPT),
        ("the kettle sang", TOO_SHORT),
        ("", TOO_SHORT),
        ("!!! ... :) 🎂", TOO_SHORT),
        ("oh no oh no oh no oh no", REPETITION),
        ("the answer IS that the kettle sang", LEFTOVER),
        ("the kettle sang <|end of all", LEFTOVER),
        ("i couldnt stop smiling on the way home -- what a day", COPY),
        ("I couldn't stop smiling on the way home, what a night", NEAR_COPY),
        ("stop smiling on the way home", NEAR_COPY),
    ],
)
def test_each_fault_has_its_reason(text: str, reason: str) -> None:
    assert measured(text)["reason"].tolist() == [reason]


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        # Each has this fault and all that are checked later.
        ("no no <|", TOO_SHORT),
        ("so long so long so long my friend <|", REPETITION),
        ("the answer is I couldn't stop smiling on the way home, what a day!", LEFTOVER),
        ("I couldn't stop smiling on the way home, what a day!", COPY),
    ],
)
def test_the_first_fault_is_the_reason(text: str, reason: str) -> None:
    assert measured(text)["reason"].tolist() == [reason]


def test_figures_stand_beside_the_reason() -> None:
    table = measured("ha ha ha what a day", "the kettle sang before anyone was awake", "xyz")
    assert list(table.columns) == ["text", "words", "repetition", "train_similarity", "reason"]
    assert table["words"].tolist() == [6, 7, 1]
    # "ha ha ha": the second repeats the first, and the second pair the first pair.
    assert table["repetition"].tolist() == pytest.approx([2 / 6, 0, 0])
    assert table["train_similarity"].tolist()[2] == 0.0


def test_the_similarity_is_the_larger_of_likeness_and_containment() -> None:
    text_filter = TextFilter.build(["abcdefgh"], FilterOptions(shingle=5))
    # The train text has the pieces abcde bcdef cdefg defgh.
    table = text_filter.measure(["abcdef", "abcdexyz", "abcdefgh", "qrstuvw"])
    assert table["train_similarity"].tolist() == pytest.approx([2 / 2, 1 / 4, 1.0, 0.0])


@pytest.mark.parametrize(("near_copy", "reason"), [(0.6, NEAR_COPY), (0.60001, KEPT)])
def test_a_similarity_at_the_threshold_is_a_near_copy(near_copy: float, reason: str) -> None:
    text_filter = TextFilter.build(["abcdefghi"], FilterOptions(min_words=1, near_copy=near_copy))
    # Of five pieces three stand in the train text: abcde, bcdef, cdefg of "abcdefgxy".
    table = text_filter.measure(["abcdefgxy"])
    assert table["train_similarity"].tolist() == pytest.approx([0.6])
    assert table["reason"].tolist() == [reason]


def test_thresholds_can_be_moved() -> None:
    text = "ha ha ha what a day"
    assert measured(text)["reason"].tolist() == [REPETITION]
    assert measured(text, options=FilterOptions(max_repetition=0.34))["reason"].tolist() == [KEPT]
    assert measured(text, options=FilterOptions(min_words=7))["reason"].tolist() == [TOO_SHORT]


def test_no_candidates_are_an_empty_table() -> None:
    table = measured()
    assert len(table) == 0
    assert list(table.columns) == ["text", "words", "repetition", "train_similarity", "reason"]


# --- duplicates ---------------------------------------------------------------------------------------------------


def test_what_repeats_an_earlier_text_or_one_above_is_a_duplicate() -> None:
    texts = ["seven birds sat on the wire", "Seven birds sat, on the wire!", "a bus went by", "two cups of tea"]
    table = pd.DataFrame({"text": texts, "reason": KEPT})
    marked = mark_duplicates(table, ["Two cups of tea."], OPTIONS)
    assert marked["reason"].tolist() == [KEPT, DUPLICATE, KEPT, DUPLICATE]
    assert table["reason"].tolist() == [KEPT] * 4


@pytest.mark.parametrize(("threshold", "reason"), [(0.6, DUPLICATE), (0.61, KEPT)])
def test_nearly_the_same_is_a_duplicate_from_the_threshold_on(threshold: float, reason: str) -> None:
    # Pieces abcde bcdef cdefg defgh against abcde bcdef cdefg defgx: three of five are shared.
    table = pd.DataFrame({"text": ["abcdefgx"], "reason": [KEPT]})
    options = FilterOptions(near_duplicate=threshold)
    assert mark_duplicates(table, ["abcdefgh"], options)["reason"].tolist() == [reason]


def test_what_is_not_kept_makes_no_duplicates_and_keeps_its_reason() -> None:
    table = pd.DataFrame({"text": ["a bus went by", "a bus went by"], "reason": [UNSURE, KEPT]})
    assert mark_duplicates(table, [], OPTIONS)["reason"].tolist() == [UNSURE, KEPT]
    earlier = mark_duplicates(table, ["a bus went by"], OPTIONS)
    assert earlier["reason"].tolist() == [UNSURE, DUPLICATE]


def test_texts_without_letters_are_compared_too() -> None:
    table = pd.DataFrame({"text": ["", "", ":)", ":)", ":("], "reason": KEPT})
    assert mark_duplicates(table, [], OPTIONS)["reason"].tolist() == [KEPT, DUPLICATE, KEPT, DUPLICATE, KEPT]


# --- the classifier -----------------------------------------------------------------------------------------------

PROBABILITIES = np.array([[0.6, 0.3, 0.1], [0.45, 0.3, 0.25], [0.3, 0.6, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8]])


def test_a_classifier_disagrees_or_is_unsure() -> None:
    table = reasons(KEPT, KEPT, KEPT, KEPT, COPY)
    marked = mark_disagreement(table, PROBABILITIES, 0, FilterOptions(tau=0.5))
    assert marked["reason"].tolist() == [KEPT, UNSURE, DISAGREES, KEPT, COPY]
    assert marked["probability"].tolist() == [0.6, 0.45, 0.3, 0.5, 0.1]


def test_another_label_reads_another_column() -> None:
    marked = mark_disagreement(reasons(*[KEPT] * 5), PROBABILITIES, 1, FilterOptions(tau=0.5))
    assert marked["reason"].tolist() == [DISAGREES, DISAGREES, KEPT, DISAGREES, DISAGREES]
    assert marked["probability"].tolist() == [0.3, 0.3, 0.6, 0.4, 0.1]


def test_tau_zero_marks_nothing_but_gives_the_probability() -> None:
    marked = mark_disagreement(reasons(KEPT, KEPT, KEPT, KEPT, COPY), PROBABILITIES, 0, FilterOptions(tau=0.0))
    assert marked["reason"].tolist() == [KEPT, KEPT, KEPT, KEPT, COPY]
    assert marked["probability"].tolist() == [0.6, 0.45, 0.3, 0.5, 0.1]


# --- how many -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (5, [KEPT, COPY, KEPT, KEPT, COPY]),
        (3, [KEPT, COPY, KEPT, KEPT, COPY]),
        (2, [KEPT, COPY, KEPT, SURPLUS, COPY]),
        (1, [KEPT, COPY, SURPLUS, SURPLUS, COPY]),
        (0, [SURPLUS, COPY, SURPLUS, SURPLUS, COPY]),
    ],
)
def test_the_first_kept_stay_and_the_rest_are_surplus(wanted: int, expected: list[str]) -> None:
    assert mark_surplus(reasons(KEPT, COPY, KEPT, KEPT, COPY), wanted)["reason"].tolist() == expected


def test_a_text_of_several_labels_is_kept_for_none_and_surplus_takes_its_place() -> None:
    candidates = pd.DataFrame(
        [
            ("what now", "anger", UNSURE, UNSURE),
            ("What now", "fear", KEPT, DUPLICATE),
            ("what NOW", "joy", KEPT, DUPLICATE),
            ("what now", "love", COPY, COPY),
            ("what then", "love", KEPT, KEPT),
            # One of joy is lost: the first that is left over takes its place. Fear has none but what love wrote too.
            ("so it goes", "joy", SURPLUS, KEPT),
            ("all over now", "joy", SURPLUS, SURPLUS),
            ("why not", "fear", SURPLUS, DUPLICATE),
            ("why not", "love", KEPT, DUPLICATE),
            # The same label twice, and twice in what was turned away, is no quarrel between labels.
            ("who knows", "anger", KEPT, KEPT),
            ("Who knows", "anger", SURPLUS, SURPLUS),
            ("who knows", "joy", UNSURE, UNSURE),
        ],
        columns=["text", "label", "reason", "expected"],
    )
    candidates["kept"] = candidates["reason"] == KEPT
    marked = mark_pooled_duplicates(candidates)
    assert marked["reason"].tolist() == candidates["expected"].tolist()
    assert marked["kept"].tolist() == (candidates["expected"] == KEPT).tolist()
    assert candidates["reason"].tolist()[1] == KEPT


def test_where_no_label_says_the_same_nothing_changes() -> None:
    candidates = pd.DataFrame({"text": ["one", "two"], "label": ["joy", "fear"], "reason": [KEPT, SURPLUS]})
    candidates["kept"] = [True, False]
    pd.testing.assert_frame_equal(mark_pooled_duplicates(candidates), candidates)
