"""Filters that follow a judge: a classifier, or a person."""

from __future__ import annotations

import numpy as np
import pandas as pd

from emotion_kedro.augmentation.filters.reasons import (
    DISAGREES,
    PASSED,
    REVIEWED,
    UNSURE,
    FilterContext,
    reason_where,
)
from emotion_kedro.config.filters import LabelAgreementFilter, ReviewedFilter
from emotion_kedro.schemas.candidates import Reviews


def label_agreement(candidates: pd.DataFrame, config: LabelAgreementFilter, context: FilterContext) -> pd.Series:
    """Refuse what the classifier reads as another label, or gives less than ``tau`` to its own."""
    disagrees = candidates["predicted"] != candidates["label"]
    unsure = ~(candidates["probability"] >= config.tau)
    return pd.Series(np.select([disagrees, unsure], [DISAGREES, UNSURE], PASSED), index=candidates.index, dtype="str")


def reviewed(candidates: pd.DataFrame, config: ReviewedFilter, context: FilterContext) -> pd.Series:
    """Refuse what a person rejected."""
    if "review" not in candidates:
        raise ValueError(
            "these candidates know no reviews: in the experiment that wrote them, no arm's filters name reviewed; "
            "let one do so, and run it again"
        )
    return reason_where(candidates["review"] == "reject", REVIEWED)


def with_reviews(candidates: pd.DataFrame, reviews: pd.DataFrame | None) -> pd.DataFrame:
    """Return the candidates with the decision on each as ``review``; what was edited has its new text, and an end.

    Args:
        candidates: with ``text``, ``label`` and ``ended``.
        reviews: schema ``Reviews``; None: nobody has decided anything.
    """
    if reviews is None:
        return candidates.assign(review=pd.Series("", index=candidates.index, dtype="str"))
    decided = (
        candidates[["text", "label"]].merge(Reviews.validate(reviews), on=["text", "label"], how="left").fillna("")
    )
    edited = (decided["decision"] == "edit").to_numpy()
    text = candidates["text"].mask(edited, decided["edited_text"].set_axis(candidates.index))
    return candidates.assign(
        text=text,
        ended=candidates["ended"] | edited,
        review=decided["decision"].astype("str").set_axis(candidates.index),
    )
