"""What is found on GoEmotions, in each of the taxonomies that it is read into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from emotion_kedro.measures.findings import describe_rows, finding

NAMES = {"goemotions": "28 labels", "ekman": "Ekman", "six": "six labels", "eleven": "thirteen labels"}
"""Taxonomy -> how its finding is called."""
NOT_THE_OFFICIAL_SPLIT = (
    "Rows are capped per label and split here, by near-duplicates, with one label a row. The published figures (BERT: "
    "macro-F1 .46 over 28 labels, Demszky et al. 2020) are multi-label, on the official split, with all rows: not "
    "comparable one to one."
)
ELEVEN_OF_THIRTEEN = "GoEmotions has no boredom and no empty: these are eleven of the thirteen labels."


def findings_on_source(
    scores: Mapping[str, Any], split_records: pd.DataFrame, taxonomy: str, model: str
) -> list[dict[str, Any]]:
    """Return accuracy and macro-F1 as findings of S20.

    Args:
        scores: of :func:`emotion_kedro.measures.arms.score_arm`.
        split_records: what the classifier was trained and tested on.
        taxonomy: the labels.
        model: what the classifier started from.
    """
    name = NAMES.get(taxonomy, f"{taxonomy} labels")
    note = f"{ELEVEN_OF_THIRTEEN} {NOT_THE_OFFICIAL_SPLIT}" if taxonomy == "eleven" else NOT_THE_OFFICIAL_SPLIT
    common: dict[str, Any] = {
        "rows": scores["rows"],
        "seeds": scores["seeds"],
        "model": model,
        "data": f"{describe_rows(split_records[split_records['split'] == 'train'])} of train",
        "note": note,
    }
    return [
        finding("S20", name, figure=scores["accuracy"], **common),
        finding("S20", f"{name}, macro-F1", figure=scores["macro_f1"], metric="macro-F1", **common),
    ]


def commonest_label(split_records: pd.DataFrame) -> dict[str, Any]:
    """Return the label that most train rows have (of equals the first in the alphabet), and its share of test rows."""
    train, test = (split_records[split_records["split"] == side] for side in ("train", "test"))
    label = str(train["label"].value_counts().sort_index().idxmax())
    return {"label": label, "accuracy": float((test["label"] == label).mean())}
