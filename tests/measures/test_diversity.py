from __future__ import annotations

import math

import pytest
import sacrebleu

from emotion_kedro.measures.diversity import distinct_n, repetition, self_bleu, words


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


def test_distinct_n_refuses_zero() -> None:
    with pytest.raises(ValueError, match="n is 0"):
        distinct_n(["a"], 0)


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


def test_self_bleu_sample_is_repeatable() -> None:
    texts = [f"today {number} people were {number % 3} times sad" for number in range(30)]
    assert self_bleu(texts, sample=5, seed=1) == self_bleu(texts, sample=5, seed=1)
    assert self_bleu(texts, sample=5, seed=1) != self_bleu(texts, sample=5, seed=2)
    assert self_bleu(texts, sample=30) == pytest.approx(self_bleu(texts, sample=99))


def test_self_bleu_refuses_a_sample_of_one() -> None:
    with pytest.raises(ValueError, match="sample is 1"):
        self_bleu(["a", "b"], sample=1)


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
