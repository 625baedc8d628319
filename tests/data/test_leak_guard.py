from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.data.leak_guard import LeakError, LeakGuard
from emotion_kedro.data.splitting import UNGROUPED

LONG = "the last train had gone and we walked home along the river in the rain"


@pytest.fixture
def guard() -> LeakGuard:
    return LeakGuard(
        pd.DataFrame(
            [("test:1", "What a day!", 7), ("test:2", LONG, 8), ("validation:1", "alone again", UNGROUPED)],
            columns=["record_id", "text", "group"],
        )
    )


@pytest.mark.parametrize(
    "text",
    [
        "What a day!",
        "  what a DAY ...",
        "what, a day",
        "what a\u200b day",  # a zero-width space
        "wh\u00adat a day",  # a soft hyphen
        "\uff57hat a d\uff41y",  # full-width letters
        "what a d\u034fay\ufe0f\U000e0041",  # a grapheme joiner, a variation selector, a tag
    ],
)
def test_a_held_out_text_is_refused_however_it_is_written(guard: LeakGuard, text: str) -> None:
    with pytest.raises(LeakError, match=r"held-out record test:1 \(its text\) stands in the rows of nobody\."):
        guard.assert_disjoint(["quite another text", text], "the rows of nobody")


def test_a_row_of_the_same_group_is_refused_whatever_it_says(guard: LeakGuard) -> None:
    rows = pd.DataFrame({"text": ["other words", "nothing like it"], "group": [3, 8]})
    with pytest.raises(LeakError, match=r"record test:2 \(a near-duplicate of it\) stands in here"):
        guard.assert_disjoint(rows, "here")


def test_rows_that_nobody_grouped_are_no_group(guard: LeakGuard) -> None:
    guard.assert_disjoint(pd.DataFrame({"text": ["other words"], "group": [UNGROUPED]}), "here")
    with pytest.raises(LeakError, match="validation:1"):
        guard.assert_disjoint(pd.DataFrame({"text": ["Alone again."], "group": [UNGROUPED]}), "here")


def test_other_rows_pass_with_a_group_or_without(guard: LeakGuard) -> None:
    # The point is that none of these raises.
    guard.assert_disjoint(pd.DataFrame({"text": ["what a night"], "group": [9]}), "here")
    guard.assert_disjoint(pd.DataFrame({"text": ["what a night"]}), "here")
    guard.assert_disjoint(["what a night"], "here")
    guard.assert_disjoint([], "here")


def test_copies_and_near_copies_are_told_apart_from_the_rest(guard: LeakGuard) -> None:
    texts = ["what a day", LONG.replace("the rain", "the snow"), LONG[:30], "we walked home", "alone again"]
    assert guard.copies(texts).tolist() == [True, True, True, False, True]
    assert guard.same(texts).tolist() == [True, False, False, False, True]
    assert guard.copies([]).tolist() == guard.same([]).tolist() == []


def sentences(count: int, seed: int, words: int = 12) -> list[str]:
    """Texts of invented words, of which the commonest stand in most texts, as in a language."""
    letters, draws = np.random.default_rng(99), np.random.default_rng(seed)
    vocabulary = ["".join(letters.choice(list("abdegiklmnorstu"), 2 + number % 7)) for number in range(400)]
    weights = 1 / np.arange(1, 401)
    return [" ".join(draws.choice(vocabulary, words, p=weights / weights.sum())) for _ in range(count)]


def without_a_word(text: str, place: int) -> str:
    words = text.split()
    return " ".join(words[:place] + words[place + 1 :])


ALTERED = {
    "a word dropped": [without_a_word(text, number % 12) for number, text in enumerate(sentences(200, 0))],
    "a letter changed": [text[:9] + "q" + text[10:] for text in sentences(200, 0)],
    "the first half": [text[: len(text) // 2] for text in sentences(200, 0, 20)],
    "the second half": [text[len(text) // 2 :] for text in sentences(200, 0, 20)],
    "two in one": [f"{first} {second}" for first, second in pairwise(sentences(200, 0))],
    "one after an ordinary text": [f"{own} {text}" for own, text in zip(sentences(9, 1), sentences(9, 0), strict=True)],
}


@pytest.mark.parametrize("how", ALTERED)
def test_altered_copies_are_found_and_ordinary_texts_are_not(how: str) -> None:
    texts = sentences(200, 0, 20 if "half" in how else 12)
    guard = LeakGuard(pd.DataFrame({"record_id": map(str, range(200)), "text": texts, "group": UNGROUPED}))
    ordinary = sentences(1200, 2)[200:]  # other sentences of the same length
    assert guard.copies(ALTERED[how]).mean() >= 0.97
    assert not guard.copies(ordinary).any()
