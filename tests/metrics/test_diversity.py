from __future__ import annotations

import math

import numpy as np
import pytest
import sacrebleu

from emotion_kedro.metrics.diversity import (
    common_openings,
    distinct_n,
    is_cut_off,
    repetition,
    self_bleu,
    vendi_of_kernel,
    vendi_score,
    words,
)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I'm SO happy, really!", ["i'm", "so", "happy", "really"]),
        ("I`m / I\u2019m", ["i'm", "i'm"]),
        ("'quoted' well-known snake_case", ["quoted", "well", "known", "snake", "case"]),
        ("我很高兴!", ["我", "很", "高", "兴"]),
        ("我love你 2 much", ["我", "love", "你", "2", "much"]),
        ("cafe\u0301 \uff21", ["café", "a"]),
        ("😀 ... ", []),
    ],
)
def test_words(text: str, expected: list[str]) -> None:
    assert words(text) == expected


def test_distinct_n_by_hand() -> None:
    texts = ["I am sad", "i am glad!"]
    assert distinct_n(texts, 1) == pytest.approx(4 / 6)
    assert distinct_n(texts, 2) == pytest.approx(3 / 4)
    assert distinct_n(texts, 3) == 1.0
    assert math.isnan(distinct_n(texts, 4))
    assert math.isnan(distinct_n([], 1))
    assert distinct_n(["哈哈哈哈"], 1) == pytest.approx(1 / 4)


def test_self_bleu_ends_of_the_scale() -> None:
    assert self_bleu(["I am very sad today", "i am very sad, today!"]) == pytest.approx(1.0)
    assert self_bleu(["one two three four five", "six seven eight nine ten"]) == pytest.approx(0.0, abs=0.1)
    assert self_bleu(["我今天很高兴", "我今天很高兴"]) == pytest.approx(1.0)
    assert self_bleu(["sad", "sad"]) == pytest.approx(1.0)


def test_self_bleu_is_sacrebleu_against_the_others() -> None:
    texts = ["i am so very sad today", "i am so very glad today", "we were never so very glad"]
    metric = sacrebleu.BLEU(tokenize="none", effective_order=True)
    rest = [(text, [other for other in texts if other != text]) for text in texts]
    expected = sum(metric.sentence_score(text, others).score for text, others in rest) / 300
    assert self_bleu(texts) == pytest.approx(expected)
    assert 0 < expected < 1


def test_self_bleu_leaves_out_texts_without_words() -> None:
    assert math.isnan(self_bleu([]))
    assert math.isnan(self_bleu(["alone here", "...", ""]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("so so so so happy happy happy", 5 / 7),
        ("i am so happy " * 5, 16 / 20),
        ("i am very very glad", 1 / 5),
        ("the cat sat on the mat and the dog lay on the floor", 2 / 13),
        ("i never thought that it would end like this", 0.0),
        ("no yes no", 0.0),
        ("哈哈哈哈哈", 4 / 5),
        ("word", 0.0),
        ("", 0.0),
    ],
)
def test_repetition_by_hand(text: str, expected: float) -> None:
    assert repetition(text) == pytest.approx(expected)


def test_vendi_of_kernels_by_hand() -> None:
    assert vendi_of_kernel(np.ones((7, 7))) == pytest.approx(1.0)
    assert vendi_of_kernel(np.eye(7)) == pytest.approx(7.0)
    assert vendi_of_kernel(np.kron(np.eye(2), np.ones((5, 5)))) == pytest.approx(2.0)
    # K / 2 has the eigenvalues (1 + cos) / 2 and (1 - cos) / 2.
    shares = np.array([1.6, 0.4]) / 2
    assert vendi_of_kernel([[1.0, 0.6], [0.6, 1.0]]) == pytest.approx(math.exp(-(shares * np.log(shares)).sum()))


def test_vendi_counts_different_texts() -> None:
    assert vendi_score(["so happy today"] * 5) == pytest.approx(1.0)
    assert vendi_score(["happy", "furious", "我很高兴"]) == pytest.approx(3.0)
    assert math.isnan(vendi_score([]))


def test_common_openings_by_hand() -> None:
    texts = ["I am so sad", "i am so glad", "we are here now", "you and me", "they left early", "no"]
    assert common_openings(texts) == pytest.approx(4 / 6)
    assert math.isnan(common_openings([]))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("I was.", False),
        ("she said \u201cno\u201d", False),
        ("great 😀", False),
        ("我很高兴。", False),
        ("I was", True),
        ("", False),
    ],
)
def test_cut_off(text: str, expected: bool) -> None:
    assert is_cut_off(text) is expected
