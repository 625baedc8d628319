from __future__ import annotations

import os
import random
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.data.near_duplicates import (
    MISS_RATE,
    NearIndex,
    _normal,
    bands,
    group_near_duplicates,
    normalise,
    shingles,
    text_hashes,
)

SETTINGS = {"threshold": 0.7, "shingle": 5, "permutations": 64, "seed": 0}


def column(*texts: str) -> pd.Series:
    return pd.Series(list(texts), dtype="str")


def jaccard(first: str, second: str, n: int = 5) -> float:
    a, b = shingles(first, n), shingles(second, n)
    return len(a & b) / len(a | b)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("  Don't   STOP!!! now... ", "dont stop now"),
        ("well-known/other_thing", "well known other thing"),
        ("我很高兴，你呢？", "我很高兴 你呢"),
        ("नमस्ते दुनिया।", "नमस्ते दुनिया"),
        ("great 😀 <3", "great 😀 3"),
        (":)", ":)"),
        ("", ""),
    ],
)
def test_normalise(text: str, expected: str) -> None:
    once = normalise(column(text))
    assert once.tolist() == [expected]
    assert normalise(once).tolist() == [expected]


def test_shingles() -> None:
    assert shingles("abcd", 2) == {"ab", "bc", "cd"}
    assert shingles("A-b", 2) == {"a ", " b"}
    assert shingles("abc", 5) == {"abc"}
    assert shingles("", 5) == set()
    assert shingles("高兴极了", 3) == {"高兴极", "兴极了"}


def test_groups_are_numbered_by_first_appearance() -> None:
    texts = column(
        "something else altogether",
        "i was so happy to see my old friends again today",
        "Something else, altogether!",
        "nobody came to the station that evening",
        "i was so happy to see my old friends again today xx",
        "i was so happy to see my old friends again today xx yy",
    )
    assert group_near_duplicates(texts, **SETTINGS).tolist() == [0, 1, 0, 2, 1, 1]


def test_groups_are_transitive() -> None:
    words = [f"word{letter}" for letter in "abcdefghijklmnopqrst"]
    chain = column(*(" ".join(words[start : start + 14]) for start in range(4)))
    assert jaccard(chain[0], chain[1]) >= 0.7 > jaccard(chain[0], chain[3])
    assert group_near_duplicates(chain, **SETTINGS).tolist() == [0, 0, 0, 0]


def test_short_and_chinese_texts() -> None:
    texts = column(
        "ok",
        "OK!",
        "no",
        ":)",
        ":(",
        "今天天气真好我们一起去公园玩吧",
        "今天天气真好我们一起去公园玩吧吧",
        "今天下雨了",
    )
    assert group_near_duplicates(texts, **SETTINGS).tolist() == [0, 0, 1, 2, 3, 4, 4, 5]


@pytest.mark.parametrize("texts", [column(), column("one"), column("", " ", "")])
def test_nothing_to_group(texts: pd.Series) -> None:
    groups = group_near_duplicates(texts, **SETTINGS)
    assert groups.dtype == np.int64
    assert groups.tolist() == [0] * len(texts)


@pytest.mark.parametrize("threshold", [0.5, 0.7, 0.9])
def test_groups_agree_with_comparing_every_pair(threshold: float, random_texts: Callable[..., list[str]]) -> None:
    texts = random_texts(240, seed=1)
    root = list(range(len(texts)))
    pieces = [shingles(text, 5) for text in texts]
    for left, right in combinations(range(len(texts)), 2):
        if len(pieces[left] & pieces[right]) >= threshold * len(pieces[left] | pieces[right]):
            root = [root[left] if each == root[right] else each for each in root]
    expected = pd.factorize(np.array(root))[0]
    groups = group_near_duplicates(column(*texts), **SETTINGS | {"threshold": threshold})
    assert groups.tolist() == expected.tolist()
    assert groups.max() < len(texts) - 1


def test_groups_are_the_same_in_every_process() -> None:
    program = (
        "import pandas as pd; from emotion_kedro.data.near_duplicates import group_near_duplicates as group; "
        "texts = pd.Series([f'the weather of day {i % 7} was fine and {i} of us went out' for i in range(60)]); "
        "groups = group(texts, threshold=0.8, shingle=4, permutations=16, seed=3).tolist()"
    )
    elsewhere = subprocess.run(  # Python salts its hashes anew in every process
        [sys.executable, "-c", program + "; print(groups)"],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    here: dict[str, list[int]] = {}
    exec(program, here)
    assert elsewhere.strip() == str(here["groups"])


@pytest.mark.parametrize("threshold", [0.3, 0.5, 0.7, 0.9, 1.0])
@pytest.mark.parametrize("permutations", [2, 16, 64, 128])
def test_bands_fit_and_keep_the_miss_rate_if_they_can(threshold: float, permutations: int) -> None:
    number, rows = bands(threshold, permutations)
    assert number >= 2
    assert number * rows <= permutations
    assert rows == 1 or (1 - threshold**rows) ** number <= MISS_RATE


def test_a_large_cluster_does_not_take_for_ever() -> None:
    texts = column(*(f"we had such lovely weather all week and went out a lot, number {row}" for row in range(1000)))
    started = time.perf_counter()
    assert set(group_near_duplicates(texts, **SETTINGS)) == {0}
    assert time.perf_counter() - started < 10


def test_index_similarity_is_the_exact_maximum(random_texts: Callable[..., list[str]]) -> None:
    texts = random_texts(120, seed=2)
    references, queries = texts[:80], texts[80:]
    expected = [max(jaccard(query, reference) for reference in references) for query in queries]
    found = NearIndex(column(*references), shingle=5).similarity(column(*queries))
    np.testing.assert_allclose(found, expected)


def test_index_containment_finds_pieces_of_longer_texts() -> None:
    long = "when i came home last night the whole family was waiting for me with cake and songs and candles"
    piece = "The whole family was waiting for me, with cake!"
    index = NearIndex(column(long, "an other text", "the whole world"), shingle=5)
    assert index.similarity(column(piece))[0] < 0.7
    assert index.containment(column(piece))[0] == 1.0
    assert index.containment(column(long + " " + piece[::-1]))[0] < 0.8
    # Two references that hold half each are not one reference that holds it all.
    halves = NearIndex(column(long[:40], long[40:]), shingle=5)
    assert halves.containment(column(long))[0] < 0.65


def test_index_of_unrelated_and_empty_texts() -> None:
    index = NearIndex(column("abcdefgh"), shingle=5)
    queries = column("zzzzzzzz", "", "ab", "abcdefgh")
    assert index.similarity(queries).tolist() == [0, 0, 0, 1]
    assert index.containment(queries).tolist() == [0, 0, 0, 1]
    assert NearIndex(column(), shingle=5).similarity(queries).tolist() == [0, 0, 0, 0]
    assert index.similarity(column()).shape == (0,)


def test_texts_hashed_all_at_once_are_those_normalised_one_by_one() -> None:
    chance = random.Random(0)
    everyday = [*map(chr, range(1, 128)), *"  ab  AB..''``!?" * 4]
    for letters in (everyday, [*everyday, "\0", *"éß´’İ\u200b\u212a😀"]):
        for number in (0, 1, 2000):
            texts = column(*("".join(chance.choices(letters, k=chance.randint(0, 12))) for _ in range(number)))
            normal = [_normal(text) for text in texts]
            assert normalise(texts).tolist() == normal
            hashes = text_hashes(texts)
            assert len(set(hashes)) == len(set(normal)) == len(set(zip(hashes, normal, strict=True)))
            assert (text_hashes(texts[::2]) == hashes[::2]).all()


def test_awkward_texts_are_compared_as_one_by_one() -> None:
    long = "a very long text " * 4000
    texts = [
        *(
            "",
            " ",
            "\t\n",
            "\0",
            "\0\0",
            "a",
            "a\0",
            "A",
            " a ",
            "a  a",
            "a a",
            "'",
            "''a''",
            "don't",
            "DONT",
            "Don\u2019t",
        ),
        *(
            ":)",
            ":(",
            " :) ",
            "...",
            "\u200b",
            "\u200bjoy\u200d",
            "joy",
            "JOY",
            "\uff2aoy",
            "\uff4a\uff4f\uff59",
            "\ufb01ne",
            "fine",
        ),
        *(
            "\u212a",
            "k",
            "\u0130",
            "i\u0307",
            "e\u0301",
            "\u00e9",
            "stra\u00dfe",
            "STRASSE",
            "\u4eca\u5929\u3002",
            "\u4eca\u5929",
            "\u4eca \u5929",
        ),
        *(
            "\ufeff",
            "\u3000a\u3000b",
            "a b",
            "12345678",
            "1234567",
            "12345678\0",
            "1234567812345678",
            "\x1ca\x1f",
            "a\x7f",
        ),
        *(long, long + "x", long.upper(), long.replace("very", "VERY\u200b"), long[:-1] + "\u00a0", "x" + long),
    ]
    chance = random.Random(1)
    texts = [*texts, *("".join(chance.choices(texts[:-6], k=3)) for _ in range(6000))]
    chance.shuffle(texts)
    normal = [_normal(text) for text in texts]
    hashes = text_hashes(column(*texts))
    assert normalise(column(*texts)).tolist() == normal
    assert len(set(hashes)) == len(set(normal)) == len(set(zip(hashes, normal, strict=True)))
