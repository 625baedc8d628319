"""The least that a label says of itself: one sentence that names it. No torch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd

ENGLISH = "This text expresses {label}"
CHINESE = "这段文字表达的是{label}"
PLACE = "{label}"


def template_texts(
    labels: Sequence[str], template: str = ENGLISH, *, words: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """Return one text for each label, in their order; columns text, label.

    Args:
        labels: the labels.
        template: with ``{label}`` where the label's word goes.
        words: label -> word; None takes the labels themselves.

    Raises:
        ValueError: if the template has no place for the word, or a label has none.
    """
    if PLACE not in template:
        raise ValueError(f"the template {template!r} has no {PLACE} in it")
    spoken = {label: label for label in labels} if words is None else words
    missing = [label for label in labels if label not in spoken]
    if missing:
        raise ValueError(f"there is no word for {', '.join(missing)}")
    return pd.DataFrame(
        [(template.replace(PLACE, spoken[label]), label) for label in labels], columns=["text", "label"]
    ).astype("str")
