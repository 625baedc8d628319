"""Easy data augmentation: new texts from small accidents in old ones (Wei & Zou 2019, arXiv 1901.11196).

Three of the paper's four operations, those that need no dictionary. Insertion takes a word of the same text where the
paper takes a synonym; the replacement by synonyms is left out. Texts with Chinese characters have no spaces between
words: there each character is moved by itself. No torch.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence

import numpy as np

from emotion_kedro.config.base import HAN

_HAN = re.compile(f"[{HAN}]")
_UNIT = re.compile(rf"(?:[{HAN}]|[^\s{HAN}]+)\s*")


def eda(text: str, *, strength: float, rng: np.random.Generator) -> str:
    """Return the text after one operation, drawn at random: words swapped, words deleted, or words inserted.

    Args:
        text: with at least one word.
        strength: share of the words that is touched, above 0 and at most 1; at least one word is. Of a text of one
            word, nothing is deleted.
        rng: decides everything.

    Raises:
        ValueError: if the text is blank.
    """
    units = units_of(text)
    if not units:
        raise ValueError("a blank text has no words to move")
    operation = (_swap, _delete, _insert)[rng.integers(3)]
    return _joined(operation(units, max(1, int(strength * len(units))), rng))


def eda_texts(texts: Sequence[str], label: str, count: int, *, strength: float, seed: int) -> list[str]:
    """Return new texts made from those of a label, which take turns in an order that the seed decides.

    They depend on the seed, the label and its texts alone; ``strength`` is that of :func:`eda`.
    """
    if not texts:
        return []
    rng = np.random.default_rng([seed, _number_of(label)])
    order = rng.permutation(len(texts))
    return [eda(texts[order[place % len(texts)]], strength=strength, rng=rng) for place in range(count)]


def units_of(text: str) -> list[str]:
    """Return what is moved: words with the punctuation at them, or Chinese characters with the spaces after them."""
    return _UNIT.findall(text) if _HAN.search(text) else text.split()


def _number_of(label: str) -> int:
    return int.from_bytes(hashlib.sha256(label.encode()).digest()[:8])


def _joined(units: list[str]) -> str:
    if not any(_HAN.match(unit) for unit in units):
        return " ".join(unit.strip() for unit in units)
    text = units[0]
    for unit in units[1:]:
        # Two foreign words that came to stand side by side would become one.
        apart = text[-1].isspace() or _HAN.match(text[-1]) or _HAN.match(unit)
        text += unit if apart else f" {unit}"
    return text.strip()


def _swap(units: list[str], count: int, rng: np.random.Generator) -> list[str]:
    if len(units) < 2:
        return units
    swapped = list(units)
    for _ in range(count):
        one, other = rng.choice(len(units), size=2, replace=False)
        swapped[one], swapped[other] = swapped[other], swapped[one]
    return swapped


def _delete(units: list[str], count: int, rng: np.random.Generator) -> list[str]:
    """The paper draws for each word; here the number is fixed, so that no text comes back whole, and none empty."""
    gone = set(rng.choice(len(units), size=min(count, len(units) - 1), replace=False).tolist())
    return [unit for place, unit in enumerate(units) if place not in gone]


def _insert(units: list[str], count: int, rng: np.random.Generator) -> list[str]:
    longer = list(units)
    for _ in range(count):
        longer.insert(int(rng.integers(len(longer) + 1)), units[rng.integers(len(units))])
    return longer
