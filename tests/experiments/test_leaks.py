"""A held-out row is planted where something could learn from it; each place has to refuse it."""

from __future__ import annotations

import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))

from design_pieces import ARMS, design_of, scored, split_of

from emotion_kedro.augmentation.mix import compose_arm
from emotion_kedro.config.filters import default_filters
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.leak_guard import LeakError
from emotion_kedro.data.subsamples import DesignSplits, Draw
from emotion_kedro.experiments.run import fit_baselines


@pytest.fixture(scope="module")
def split(records: pd.DataFrame) -> pd.DataFrame:
    return split_of(records)


def planted(split: pd.DataFrame, held: str, *, how: str) -> pd.DataFrame:
    """Return the split with a row of the split ``held`` among the train rows: itself, or one of its group."""
    row = split[split["split"] == held].iloc[[5]]
    changes: dict[str, Any] = {"record_id": "planted:1", "split": "train"}
    if how == "near-duplicate":
        changes["text"] = "quite another text of the same group"
    if how == "disguised":
        changes |= {"text": row["text"].str.upper() + "\u200b!", "group": 10_000}
    # First of its label in every order: every draw takes it.
    return pd.concat([row.assign(**changes)] * 1 + [split], ignore_index=True)


@pytest.mark.parametrize("held", ["validation", "test"])
@pytest.mark.parametrize("how", ["same", "near-duplicate", "disguised"])
@pytest.mark.parametrize("arm", ["real", "template", "prompted"])
def test_real_rows_of_an_arm(arm: str, how: str, held: str, split: pd.DataFrame, labels: tuple[str, ...]) -> None:
    design = design_of(sizes=(0,), data_seeds=(0,))
    splits = DesignSplits(planted(split, held, how=how), design)
    with pytest.raises(LeakError, match=f"the real rows of the arm {arm}"):
        compose_arm(arm, ARMS[arm], splits, scored(labels, design), default_filters())


@pytest.mark.parametrize("arm", ["agreed", "weighted", "template"])
def test_added_rows_of_an_arm(arm: str, split: pd.DataFrame, labels: tuple[str, ...]) -> None:
    """However a held-out text came to be a candidate: from a table that was saved under another split, say."""
    design = design_of(sizes=(3,), data_seeds=(0,))
    splits = DesignSplits(split, design)
    candidates = scored(labels, design)
    held = str(splits.test["text"].iloc[5])
    candidates["text"] = candidates["text"].where(candidates["candidate_id"].str.split(":").str[4] != "0", held)
    with pytest.raises(LeakError, match=f"the training rows of the arm {arm}"):
        compose_arm(arm, ARMS[arm], splits, candidates, default_filters())


def test_train_rows_of_the_baselines(split: pd.DataFrame, taxonomy: TaxonomyConfig) -> None:
    splits = DesignSplits(planted(split, "test", how="same"), design_of(sizes=(0,), data_seeds=(0,)))
    context: Any = SimpleNamespace(design_splits=splits, taxonomy=taxonomy, experiment="mine")
    with pytest.raises(LeakError, match="the train rows of the baselines"):
        fit_baselines(context)


def test_every_validation_row_is_guarded_whether_a_run_uses_it_or_not(split: pd.DataFrame) -> None:
    splits = DesignSplits(split, design_of(validation_rows=1, test_rows=20))
    guard = splits.guard
    assert guard.copies(splits.validation["text"].tolist()).all()
    assert guard.copies(splits.test["text"].tolist()).all()
    guard.assert_disjoint(splits.rows(Draw(0, 0)), "the train rows")
