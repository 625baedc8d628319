from __future__ import annotations

import time

import numpy as np
import pytest

from emotion_kedro.measures.diversity import words
from emotion_kedro.measures.novelty import (
    ROWS_AT_ONCE,
    exact_copies,
    longest_shared_ngram,
    nearest_similarity,
    normalised,
)


def sentences(rows: int, random: np.random.Generator, *, vocabulary: int, length: int) -> list[str]:
    """Sentences of made-up words, the first of them common as in a language."""
    share = 1 / np.arange(1, vocabulary + 1)
    drawn = random.choice(vocabulary, size=(rows, length), p=share / share.sum())
    return [" ".join(f"w{number}" for number in row) for row in drawn]


def contains(text: str, reference: str, length: int) -> bool:
    mine, theirs = words(text), words(reference)
    runs = {tuple(theirs[start : start + length]) for start in range(len(theirs) - length + 1)}
    return any(tuple(mine[start : start + length]) in runs for start in range(len(mine) - length + 1))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  I\tam\n  SAD... ", "i am sad"),
        ("don't, don`t, don\u2019t", "dont dont dont"),
        ("well-known@home", "well known home"),
        ("so happy 😀!", "so happy 😀"),
        ("我很高兴, 真的。", "我很高兴真的"),
        ("我 love 你", "我 love 你"),
        ("?!", ""),
    ],
)
def test_normalised(text: str, expected: str) -> None:
    assert normalised(text) == expected


def test_exact_copies() -> None:
    references = ["I'm so happy!", "我很高兴。", "..."]
    texts = ["im  SO happy", "我很高兴", "I'm so happy 😀", "I'm happy", "!", ""]
    found = exact_copies(texts, references)
    assert found.dtype == bool
    assert found.tolist() == [True, True, False, False, False, False]
    assert exact_copies(["a"], []).tolist() == [False]
    assert exact_copies([], ["a"]).shape == (0,)


def test_longest_shared_ngram_by_hand() -> None:
    references = ["I was so happy to see you", "it rains, it pours"]
    texts = [
        "she was so happy today",  # was so happy
        "I was so happy to see YOU!",  # the whole reference
        "see you it rains",  # two words from either, none across the border
        "completely unlike",
        "so it pours",
        "happy happy happy",
        "",
    ]
    assert longest_shared_ngram(texts, references).tolist() == [3, 7, 2, 0, 2, 1, 0]


def test_longest_shared_ngram_counts_chinese_characters() -> None:
    assert longest_shared_ngram(["今天我很高兴"], ["我很高兴见到你"]).tolist() == [4]


def test_longest_shared_ngram_without_words() -> None:
    assert longest_shared_ngram(["a b"], []).tolist() == [0]
    assert longest_shared_ngram(["", "!"], ["", "?"]).tolist() == [0, 0]
    assert longest_shared_ngram([], ["a"]).shape == (0,)


def test_longest_shared_ngram_against_a_plain_search() -> None:
    random = np.random.default_rng(0)
    texts = sentences(30, random, vocabulary=8, length=9)
    references = sentences(20, random, vocabulary=8, length=9)
    found = longest_shared_ngram(texts, references)
    expected = [
        max(n for n in range(10) if n == 0 or any(contains(text, other, n) for other in references)) for text in texts
    ]
    assert found.tolist() == expected
    assert len(set(expected)) > 2  # else this would say little


def test_longest_shared_ngram_is_quick() -> None:
    random = np.random.default_rng(0)
    references = sentences(10_000, random, vocabulary=5000, length=15)
    texts = sentences(1900, random, vocabulary=5000, length=15) + references[:100]
    started = time.perf_counter()
    found = longest_shared_ngram(texts, references)
    assert time.perf_counter() - started < 5
    assert (found[-100:] == 15).all()


def test_nearest_similarity_by_hand() -> None:
    # " ab " has the grams " ab", "ab ", " ab "; " ac " has none of them, and " ab" alone is in " abc ".
    found = nearest_similarity(["ab", "ac", "xyz"], ["ab"])
    np.testing.assert_allclose(found, [1.0, 0.0, 0.0])
    # One reference: every document frequency is 1 or 0, so weights are 1 for its grams, 1 + ln 2 for others.
    new = 1 + np.log(2)
    shared, mine = 1.0, 1 + 5 * new**2  # of " abc ": " ab" shared; abc, "bc ", " abc", "abc ", " abc " new
    np.testing.assert_allclose(nearest_similarity(["abc"], ["ab"]), shared / np.sqrt(3 * mine))


def test_nearest_similarity_ranks_a_paraphrase_between() -> None:
    references = ["i was so happy to see you again", "the rain never stops in this town"]
    texts = ["I was SO happy to see you again!", "i was so glad to see you again", "my dog has died"]
    copy, near, far = nearest_similarity(texts, references)
    assert copy == pytest.approx(1.0)
    assert 0.3 < near < 0.95
    assert far < 0.2


def test_nearest_similarity_does_not_depend_on_the_other_texts() -> None:
    random = np.random.default_rng(1)
    references = sentences(40, random, vocabulary=50, length=6)
    texts = sentences(ROWS_AT_ONCE + 20, random, vocabulary=80, length=6)
    together = nearest_similarity(texts, references)
    alone = [nearest_similarity([text], references)[0] for text in texts[-25:]]
    np.testing.assert_allclose(together[-25:], alone)
    assert together.max() <= 1.0


def test_nearest_similarity_of_short_and_empty_texts() -> None:
    np.testing.assert_allclose(nearest_similarity(["好", "", "!"], ["好", ""]), [1.0, 0.0, 0.0])
    assert nearest_similarity(["a"], []).tolist() == [0.0]
    assert nearest_similarity(["", "?"], ["!"]).tolist() == [0.0, 0.0]
    assert nearest_similarity([], ["a"]).shape == (0,)
