"""The least that a label says of itself: one sentence that names it. No torch."""

from __future__ import annotations

import pandas as pd

from emotion_kedro.config.augmentation import LABEL
from emotion_kedro.config.taxonomy import TaxonomyConfig


def template_texts(taxonomy: TaxonomyConfig, sentence: str | None = None, *, words: int = 1) -> pd.DataFrame:
    """Return a text for each label and each of its words, in their order; columns text, label.

    Args:
        taxonomy: the labels with their words.
        sentence: with ``{label}`` where the word goes; None: the taxonomy's own.
        words: words of each label that get a sentence, at most, in the order of the taxonomy.

    Raises:
        ValueError: if the sentence has no place for the word.
    """
    sentence = taxonomy.prompt.template if sentence is None else sentence
    if LABEL not in sentence:
        raise ValueError(f"the template {sentence!r} has no {LABEL} in it")
    rows = [
        (sentence.replace(LABEL, word), label)
        for label in taxonomy.names
        for word in _words_of(label, taxonomy)[:words]
    ]
    return pd.DataFrame(rows, columns=["text", "label"]).astype("str")


def _words_of(label: str, taxonomy: TaxonomyConfig) -> list[str]:
    described = taxonomy.labels[label]
    return list(dict.fromkeys([taxonomy.spoken(label), *(() if described is None else described.words)]))
