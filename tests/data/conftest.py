from __future__ import annotations

import random
from collections.abc import Callable

import pytest


def _random_texts(rows: int, seed: int, words: int = 400) -> list[str]:
    """Texts of 6 to 20 made-up words; every fourth is an earlier one with a word or two exchanged."""
    chance = random.Random(seed)
    vocabulary = ["".join(chance.choices("abcdefghijklmnop", k=chance.randint(2, 8))) for _ in range(words)]
    texts: list[str] = []
    for row in range(rows):
        if row % 4 == 3:
            parts = chance.choice(texts).split()
            for _ in range(chance.randint(1, 2)):
                parts[chance.randrange(len(parts))] = chance.choice(vocabulary)
        else:
            parts = chance.choices(vocabulary, k=chance.randint(6, 20))
        texts.append(" ".join(parts))
    return texts


@pytest.fixture
def random_texts() -> Callable[..., list[str]]:
    return _random_texts
