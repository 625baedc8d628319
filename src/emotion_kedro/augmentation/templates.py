"""The least that a label says of itself: a sentence that names it, or one for each of its words. No torch."""

from __future__ import annotations

from typing import Literal

import pandas as pd

from emotion_kedro.config.taxonomy import DESCRIPTION, TaxonomyConfig


def template_texts(
    taxonomy: TaxonomyConfig, sentence: str | None = None, *, words: int | Literal["all"] = 1
) -> pd.DataFrame:
    """Return a text for each label and each of its words, in their order; columns text, label.

    With all words it is what Gao et al. 2023 (arXiv 2305.02239) train on: related words of a label, each in a sentence.

    Args:
        taxonomy: the labels with their words.
        sentence: with ``{label}`` where the word goes, or ``{description}``; None: the taxonomy's own.
        words: words of each label that get a sentence, at most, in the order of the taxonomy.

    Raises:
        ValueError: if the sentence has no place for the word.
    """
    count = None if words == "all" else words
    if sentence is not None and DESCRIPTION in sentence:
        count = None
    rows = [(text, label) for label in taxonomy.names for text in taxonomy.sentences(label, sentence)[:count]]
    return pd.DataFrame(rows, columns=["text", "label"]).astype("str")
