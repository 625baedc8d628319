"""Cleaning of texts: one by one, and of a column. No pandas for the first.

Of a column a step looks at all rows with a cheap test and changes only those that hold its trigger; several steps look
at those alone that hold any of theirs, so that a row with nothing to clean is looked at once.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from emotion_kedro.storage.chunks import as_strings

if TYPE_CHECKING:
    import pandas as pd

MENTION_MARK = "@user"
_BROKEN_SEQUENCE = "ï¿½"  # U+FFFD written as UTF-8 and read as Latin-1
# Control characters that are not white space, the replacement character, and marks without width.
_BROKEN = re.compile(_BROKEN_SEQUENCE + "|[\x00-\x08\x0e-\x1b\x7f-\x84\x86-\x9f\ufffd\ufeff\u200b\u2060]")

# A link ends at the first character that is not printable ASCII: Chinese text follows links without a space.
_LINK = re.compile(
    r"https?://[!#-;=?-~]*"
    r"|(?<![a-z0-9])www\.[!#-;=?-~]+"
    r"|(?<![a-z0-9.@-])(?:[a-z0-9-]+\.)+(?:ly|com|net|org|gd|me|co|cn|tv|fm|cc|us|uk|de)/[!#-;=?-~]*",
    re.IGNORECASE,
)
# An HTML tag that lost its punctuation: "a class x href http www somewhere". Most texts are cut off after the first
# word of the address; a longer rest is text again and stays.
_LINK_REMAINS = re.compile(
    r"(?:\b(?:a|img|link|iframe|script)\s+)?(?:\b(?:class|rel|target|title|alt|id|type)\s+\w+\s+)*"
    r"\b(?:href|src)(?:\s*$|\s+https?\b(?:\s+www\b)?(?:\s+\w+\s*$)?)",
    re.IGNORECASE,
)
_MENTION = re.compile(r"(?<![A-Za-z0-9_.])@\w+")  # the look-behind spares e-mail addresses

_TRIGGERS = {
    "unescape_html": "&",
    "drop_broken_characters": "[^ -~]",
    "drop_links": r"/|(?i:www\.|href|src)",
    "drop_mentions": "@",
    "mask_mentions": "@",
    "collapse_space": "^ | $|  |[^ -~]",
}
"""A pattern without which a step leaves a text as it is; cheap to look for, and some of what has it stays too."""


def _holds(texts: pd.Series, *steps: str) -> np.ndarray:
    """Mask of the rows that one of the steps may change, and of some others: no Python for each."""
    pattern = "|".join(_TRIGGERS[step] for step in steps)
    return np.asarray(pc.match_substring_regex(as_strings(texts), pattern), dtype=bool)


def unescape_html(text: str) -> str:
    """Replace HTML entities by the characters they stand for, also where they were escaped twice."""
    for _ in range(3):  # "&amp;amp;quot;" has been seen; more than three layers has not
        plain = html.unescape(text)
        if plain == text:
            break
        text = plain
    return text


def drop_broken_characters(text: str) -> str:
    """Remove what a wrong decoding left behind (U+FFFD, also as three Latin-1 letters) and control characters."""
    return _BROKEN.sub("", text)


def drop_links(text: str) -> str:
    """Remove links (``http://...``, ``www....``, ``bit.ly/...``) and the words that are left of HTML links."""
    return _LINK_REMAINS.sub("", _LINK.sub("", text))


def drop_mentions(text: str) -> str:
    """Remove ``@name``."""
    return _MENTION.sub("", text)


def mask_mentions(text: str) -> str:
    """Replace every ``@name`` by the same mark, so that no name can stand for a label."""
    return _MENTION.sub(MENTION_MARK, text)


def collapse_space(text: str) -> str:
    """Make every run of white space one space, and remove it at both ends."""
    return " ".join(text.split())


STEPS: dict[str, Callable[[str], str]] = {
    "unescape_html": unescape_html,
    "drop_broken_characters": drop_broken_characters,
    "drop_links": drop_links,
    "drop_mentions": drop_mentions,
    "mask_mentions": mask_mentions,
    "lower": str.lower,
    "collapse_space": collapse_space,
}


def clean_text(text: str, steps: Sequence[str]) -> str:
    """Apply the cleaning ``steps`` to one text, in the order given."""
    for step in steps:
        text = STEPS[step](text)
    return text


def clean(texts: pd.Series, steps: Sequence[str]) -> pd.Series:
    """Apply the cleaning ``steps`` in the order given.

    Raises:
        ValueError: if there is no step of a name.
    """
    unknown = [step for step in steps if step not in STEPS]
    if unknown:
        raise ValueError(f"no cleaning step is called {', '.join(unknown)}; there are: {', '.join(STEPS)}")
    if len(steps) < 2 or "lower" in steps:  # that changes nearly every row
        return _applied(texts, steps)
    where = _holds(texts, *steps)
    if not where.any():
        return texts
    changed = texts.copy()
    changed[where] = _applied(texts[where], steps)
    return changed


def _applied(texts: pd.Series, steps: Sequence[str]) -> pd.Series:
    for step in steps:
        where = np.ones(len(texts), dtype=bool) if step == "lower" else _holds(texts, step)
        if where.any():
            texts = texts.copy()
            texts[where] = [STEPS[step](text) for text in texts[where].tolist()]
    return texts


def is_filled(texts: pa.LargeStringArray) -> np.ndarray:
    """Return of each text whether it holds more than white space."""
    is_longer = pc.greater(pc.binary_length(texts), 0)
    return np.asarray(pc.and_not(is_longer, pc.utf8_is_space(texts)), dtype=bool)
