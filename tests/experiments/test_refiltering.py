"""Candidates at another threshold, and a share of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.augmentation.filters import apply_filters
from emotion_kedro.config.analyses import SearchConfig
from emotion_kedro.config.filters import LabelAgreementFilter, default_filters
from emotion_kedro.experiments.search import Settings, added_at

FILTERS = default_filters()
REAL = pd.DataFrame({"label": ["joy"] * 10 + ["fear"] * 4, "text": "nothing like it at all"})
CONFIG = SearchConfig(learning_rate=(1e-4, 1e-3), seed=3)


def candidates() -> pd.DataFrame:
    """Sixteen a label, every fourth of which is read as the other label."""
    rows = [(label, number) for label in ("fear", "joy") for number in range(16)]
    table = pd.DataFrame(rows, columns=["label", "number"])
    names = np.random.default_rng(0).permutation([f"{a}{b}{c}" * 4 for a in "bdkmn" for b in "aeiou" for c in "lrst"])
    other = table["label"].map({"fear": "joy", "joy": "fear"})
    return table.assign(
        candidate_id=table["label"] + ":" + table["number"].astype("str"),
        text=[f"the {name} of number {row} was seen" for row, name in enumerate(names[: len(table)])],
        generator="per_label",
        ended=True,
        words=7,
        repetition=0.0,
        train_similarity=0.0,
        predicted=table["label"].where(table["number"] % 4 > 0, other),
        probability=table["number"] / 16,
    ).drop(columns="number")


def at(share: float, tau: float) -> pd.DataFrame:
    return added_at(Settings(1e-3, 1, share, tau), candidates(), REAL, CONFIG, FILTERS)


@pytest.mark.parametrize("tau", [0.3, 0.5, 0.9])
def test_a_threshold_keeps_what_the_filter_would_have_kept(tau: float) -> None:
    filters = {**FILTERS, "label_agreement": LabelAgreementFilter(tau=tau)}
    decisions = apply_filters(candidates(), CONFIG.filters, filters, REAL)
    assert decisions["kept"].any()
    pd.testing.assert_frame_equal(at(100.0, tau), candidates()[decisions["kept"]])


def test_zero_leaves_the_classifier_out_and_higher_ones_keep_fewer() -> None:
    assert [len(at(100.0, tau)) for tau in (0.0, 0.01, 0.5, 0.9)] == [32, 24, 12, 2]


@pytest.mark.parametrize(
    ("share", "counts"),
    [(0.0, {}), (0.25, {"joy": 2, "fear": 1}), (0.5, {"joy": 5, "fear": 2}), (2.0, {"joy": 16, "fear": 8})],
)
def test_a_label_is_given_added_rows_by_its_real_ones(share: float, counts: dict[str, int]) -> None:
    assert at(share, 0.0)["label"].value_counts().to_dict() == counts


def test_a_larger_share_holds_the_smaller_one() -> None:
    small, large = (set(at(share, 0.0)["candidate_id"]) for share in (0.25, 0.5))
    assert small < large
