from __future__ import annotations

import time

import numpy as np

from emotion_kedro.metrics.diversity import words
from emotion_kedro.metrics.novelty import copied, exact_copies, longest_shared_ngram


def sentences(rows: int, random: np.random.Generator, *, vocabulary: int, length: int) -> list[str]:
    """Sentences of made-up words, the first of them common as in a language."""
    share = 1 / np.arange(1, vocabulary + 1)
    drawn = random.choice(vocabulary, size=(rows, length), p=share / share.sum())
    return [" ".join(f"w{number}" for number in row) for row in drawn]


def contains(text: str, reference: str, length: int) -> bool:
    mine, theirs = words(text), words(reference)
    runs = {tuple(theirs[start : start + length]) for start in range(len(theirs) - length + 1)}
    return any(tuple(mine[start : start + length]) in runs for start in range(len(mine) - length + 1))


def test_exact_copies() -> None:
    references = ["I'm so happy!", "我很高兴。", ":)"]
    texts = ["im  SO happy", "我很高兴", "I'm so happy 😀", "I'm happy", ":(", ""]
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


def test_copied_texts_equal_a_reference_or_share_eight_words() -> None:
    reference = "one two three four five six seven eight nine"
    texts = ["Hello!", "zero one two three four five six seven eight", "one two three four five six seven 8"]
    assert copied(texts, [reference, "hello"]).tolist() == [True, True, False]
