"""Easy data augmentation: new texts from small accidents in old ones (Wei & Zou 2019, arXiv 1901.11196).

Three of the paper's four operations, those that need no dictionary. Insertion takes a word of the same text where the
paper takes a synonym; the replacement by synonyms is left out. Texts with Chinese characters have no spaces between
words: there each character is moved by itself. No torch.
"""

from __future__ import annotations

import hashlib
import re

import numpy as np
import pandas as pd

from emotion_kedro.metrics.diversity import HAN

_HAN = re.compile(f"[{HAN}]")
_UNIT = re.compile(rf"(?:[{HAN}]|[^\s{HAN}]+)\s*")
COLUMNS = ("text", "label")


def eda(text: str, *, strength: float = 0.1, rng: np.random.Generator) -> str:
    """Return the text after one operation, drawn at random: words swapped, words deleted, or words inserted.

    Args:
        text: with at least one word.
        strength: share of the words that is touched; at least one is. Of a text of one word, nothing is deleted.
        rng: decides everything.

    Raises:
        ValueError: if the text is blank, or ``strength`` is not above 0 and at most 1.
    """
    if not 0 < strength <= 1:
        raise ValueError(f"strength is {strength}; it is a share of the words, above 0 and at most 1")
    units = units_of(text)
    if not units:
        raise ValueError("a blank text has no words to move")
    operation = (_swap, _delete, _insert)[rng.integers(3)]
    return _joined(operation(units, max(1, int(strength * len(units))), rng))


def eda_texts(records: pd.DataFrame, per_label: int, *, strength: float = 0.1, seed: int) -> pd.DataFrame:
    """Return new texts with the labels of those they were made from; columns text, label.

    Args:
        records: with text and label.
        per_label: new texts of each label that there is. Its records take turns, in an order that the seed decides.
        strength: see :func:`eda`.
        seed: a label's new texts depend on it and on the label's records alone.
    """
    rows: list[tuple[str, str]] = []
    for label, group in records.groupby("label", sort=False):
        rng = np.random.default_rng([seed, _number_of(str(label))])
        texts = group["text"].to_numpy()[rng.permutation(len(group))]
        rows.extend(
            (eda(str(texts[place % len(texts)]), strength=strength, rng=rng), str(label)) for place in range(per_label)
        )
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype("str")


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
