"""Easy data augmentation: new texts from small accidents in old ones (Wei & Zou 2019, arXiv 1901.11196).

With synonyms the paper's four operations. Without, three: insertion takes a word of the same text, and replacement is
left out. Texts with Chinese characters have no spaces between words: there each character is moved by itself. No torch.
"""

from __future__ import annotations

import functools
import hashlib
import re
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from emotion_kedro.config.augmentation import WORDNET
from emotion_kedro.config.base import HAN

_HAN = re.compile(f"[{HAN}]")
_UNIT = re.compile(rf"(?:[{HAN}]|[^\s{HAN}]+)\s*")
_WORD = re.compile(r"[^\W\d_](?:.*\w)?", re.DOTALL)
_MARK = re.compile(r"\(\w+\)$")

# As adverbs, nouns or chemical elements WordNet has synonyms for most of these.
FUNCTION_WORDS = """
a an the this that these those such same other another each every either neither both all any some no none few many
much more most i me my mine myself we us our ours ourselves you your yours yourself yourselves he him his himself
she her hers herself it its itself they them their theirs themselves one ones who whom whose which what when where
why how am is are was were be been being have has had having do does did doing done can could may might must shall
should will would ought and or nor but if then else than as because while until although though since so yet of at
by for with about against between among into onto through during before after above below to from up down in out
on off over under within without upon again further once here there not very too just only also even ever never
now still
"""

Synonyms = Mapping[str, Sequence[str]]
NONE: Synonyms = {}
Operation = Callable[[list[str], int, np.random.Generator], list[str]]
"""What is done to the words, to how many of them, and what decides the rest."""


def eda(text: str, *, strength: float, rng: np.random.Generator, synonyms: Synonyms = NONE) -> str:
    """Return the text after one operation, drawn at random: words swapped, deleted, inserted, or said otherwise.

    Args:
        text: with at least one word.
        strength: share of the words that is touched, above 0 and at most 1; at least one word is. Of a text of one
            word, nothing is deleted.
        rng: decides everything.
        synonyms: others for a word in lower case; a text without such a word is treated as if there were none.

    Raises:
        ValueError: if the text is blank.
    """
    units = units_of(text)
    if not units:
        raise ValueError("a blank text has no words to move")
    known = [place for place, unit in enumerate(units) if _word_of(unit).lower() in synonyms]
    operations: list[Operation] = [_swap, _delete, _insert]
    if known:
        operations[2:] = [
            functools.partial(operation, known=known, synonyms=synonyms) for operation in (_insert_synonyms, _replace)
        ]
    operation = operations[rng.integers(len(operations))]
    return _joined(operation(units, max(1, int(strength * len(units))), rng))


def eda_texts(
    texts: Sequence[str], label: str, count: int, *, strength: float, seed: int, synonyms: Synonyms = NONE
) -> list[str]:
    """Return ``count`` texts made from those of a label, which take turns in an order that the seed decides.

    Less those that came back as they were: one word cannot be swapped, and a real text is none that was written.

    They depend on the seed, the label and its texts alone; ``strength`` and ``synonyms`` are those of :func:`eda`.
    """
    if not texts:
        return []
    rng = np.random.default_rng([seed, _number_of(label)])
    order = rng.permutation(len(texts))
    turns = [texts[order[place % len(texts)]] for place in range(count)]
    changed = [eda(text, strength=strength, rng=rng, synonyms=synonyms) for text in turns]
    return [new for new, text in zip(changed, turns, strict=True) if new.split() != text.split()]


@functools.cache
def synonyms_in(wordnet: Path, contents: str = "") -> Synonyms:
    """Return, of each English word, all that share a meaning with it, in whatever sense; of function words none.

    Words are those of the dictionary: ``love`` has synonyms, and ``loved`` those of the adjective alone.

    Args:
        wordnet: the folder of WordNet 3 (Fellbaum 1998), with the files of :data:`WORDNET`.
        contents: a digest of them: what a process has read is not taken for what stands there now.

    Raises:
        OSError: if one of these is not there.
    """
    unsaid, synonyms = set(FUNCTION_WORDS.split()), defaultdict[str, dict[str, None]](dict)
    for part in WORDNET:
        for line in (wordnet / part).read_text(encoding="latin-1").splitlines():
            if line.startswith(" "):  # the licence
                continue
            fields = line.split(" ")
            # Behind place, file and part of speech: the number of words, and each with a number of its own.
            words = fields[4 : 4 + 2 * int(fields[3], 16) : 2]
            names = [_MARK.sub("", word).replace("_", " ") for word in words]
            for name in names:
                synonyms[name.lower()].update(dict.fromkeys(other for other in names if other.lower() != name.lower()))
    return {word: tuple(others) for word, others in synonyms.items() if others and word not in unsaid}


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
        first, second = rng.choice(len(units), size=2, replace=False)
        swapped[first], swapped[second] = swapped[second], swapped[first]
    return swapped


def _delete(units: list[str], count: int, rng: np.random.Generator) -> list[str]:
    """The paper draws for each word; here the number is fixed, so that none comes back empty."""
    dropped = set(rng.choice(len(units), size=min(count, len(units) - 1), replace=False).tolist())
    return [unit for place, unit in enumerate(units) if place not in dropped]


def _insert(units: list[str], count: int, rng: np.random.Generator) -> list[str]:
    longer = list(units)
    for _ in range(count):
        longer.insert(int(rng.integers(len(longer) + 1)), units[rng.integers(len(units))])
    return longer


def _word_of(unit: str) -> str:
    """Return a word without the punctuation at it."""
    match = _WORD.search(unit)
    return match[0] if match else ""


def _synonym_of(unit: str, synonyms: Synonyms, rng: np.random.Generator) -> str:
    others = synonyms[_word_of(unit).lower()]
    return others[int(rng.integers(len(others)))]


def _insert_synonyms(
    units: list[str], count: int, rng: np.random.Generator, *, known: list[int], synonyms: Synonyms
) -> list[str]:
    longer = list(units)
    for _ in range(count):
        synonym = _synonym_of(units[rng.choice(known)], synonyms, rng)
        longer.insert(int(rng.integers(len(longer) + 1)), synonym)
    return longer


def _replace(
    units: list[str], count: int, rng: np.random.Generator, *, known: list[int], synonyms: Synonyms
) -> list[str]:
    replaced = list(units)
    for place in rng.choice(known, size=min(count, len(known)), replace=False):
        unit = units[place]
        replaced[place] = unit.replace(_word_of(unit), _synonym_of(unit, synonyms, rng), 1)
    return replaced
