from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats
from scipy.linalg import eigvalsh

from emotion_kedro.measures.diversity import first_words, vendi_score


def test_ends_of_the_scale() -> None:
    assert vendi_score(np.tile([[0.6, 0.8]], (7, 1))) == pytest.approx(1.0)
    assert vendi_score(np.eye(7)) == pytest.approx(7.0)
    assert vendi_score([[1.0, 0.0]]) == pytest.approx(1.0)


def test_two_clusters_count_two() -> None:
    assert vendi_score(np.repeat(np.eye(2), 5, axis=0)) == pytest.approx(2.0)
    # Of unequal size they count less: shares 3/4 and 1/4.
    expected = math.exp(-(0.75 * math.log(0.75) + 0.25 * math.log(0.25)))
    assert vendi_score(np.repeat(np.eye(2), [6, 2], axis=0)) == pytest.approx(expected)


def test_two_rows_at_an_angle() -> None:
    # K / 2 has the eigenvalues (1 + cos) / 2 and (1 - cos) / 2.
    shares = np.array([1.6, 0.4]) / 2
    assert vendi_score([[1.0, 0.0], [0.6, 0.8]]) == pytest.approx(math.exp(-(shares * np.log(shares)).sum()))


@pytest.mark.parametrize("width", [5, 80])
def test_is_the_entropy_of_the_eigenvalues_by_scipy(width: int) -> None:
    rows = np.random.default_rng(2).normal(size=(40, width))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    eigenvalues = np.clip(eigvalsh(rows @ rows.T / 40), 0, None)
    assert vendi_score(rows) == pytest.approx(math.exp(stats.entropy(eigenvalues)))


def test_sample_bounds_it_and_is_repeatable() -> None:
    assert vendi_score(np.eye(50), sample=12) == pytest.approx(12.0)
    rows = np.repeat(np.eye(9), np.arange(1, 10), axis=0)
    assert vendi_score(rows, sample=8, seed=1) == vendi_score(rows, sample=8, seed=1)
    assert vendi_score(rows, sample=8, seed=1) != vendi_score(rows, sample=8, seed=2)


def test_no_rows_have_no_score() -> None:
    assert math.isnan(vendi_score(np.zeros((0, 3))))


@pytest.mark.parametrize(
    ("rows", "message"), [([[1.0, 1.0]], "unit length"), ([[math.nan, 1.0]], "unit length"), ([1.0, 0.0], "shape")]
)
def test_refuses(rows: list[list[float]], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        vendi_score(rows)


@pytest.mark.parametrize(
    ("text", "count", "expected"),
    [
        ("I'm SO happy, really!", 2, "I'm SO"),
        ("I'm SO happy, really!", 4, "I'm SO happy, really!"),
        ("I\u2019m here", 9, "I\u2019m here"),
        ("我很高兴!", 3, "我很高"),
        ("some words", 0, ""),
        ("...", 0, "..."),
    ],
)
def test_first_words(text: str, count: int, expected: str) -> None:
    assert first_words(text, count) == expected
