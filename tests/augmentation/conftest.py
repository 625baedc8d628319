"""Draws of invented rows, and a language model small enough to train in a second."""

from __future__ import annotations

import pandas as pd
import pytest

from emotion_kedro.augmentation.draws import DrawContexts
from emotion_kedro.augmentation.generators import GenerationContext
from emotion_kedro.config.experiment import DesignConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.leak_guard import LeakGuard
from emotion_kedro.models.device import Device
from emotion_kedro.storage.cache import Cache


@pytest.fixture(scope="session")
def split(records: pd.DataFrame) -> pd.DataFrame:
    """The records with 24 train, 8 validation and 16 test rows of each label, each a group of its own."""
    splits = ["train", "test", "train", "validation", "test", "train"]
    turn = records.groupby("label").cumcount()
    return records.assign(group=range(len(records)), split=[splits[place % 6] for place in turn]).reset_index(drop=True)


@pytest.fixture
def context(split: pd.DataFrame, taxonomy: TaxonomyConfig, cpu: Device, cache: Cache) -> GenerationContext:
    """A draw of three rows a label."""
    train = split[split["split"] == "train"].reset_index(drop=True)
    held_out = split[split["split"] != "train"].reset_index(drop=True)
    return GenerationContext(
        rows=train.groupby("label").head(3).reset_index(drop=True),
        taxonomy=taxonomy,
        data_seed=1,
        device=cpu,
        cache=cache,
        guard=LeakGuard(held_out),
        validation=held_out[held_out["split"] == "validation"].reset_index(drop=True),
        further_rows=train.groupby("label").nth([3, 4]).reset_index(drop=True),
        unlabelled=train[["record_id", "text", "group"]],
    )


@pytest.fixture
def contexts(split: pd.DataFrame, taxonomy: TaxonomyConfig, cpu: Device, cache: Cache) -> DrawContexts:
    """A design of two sizes and two data seeds."""
    design = DesignConfig(sizes=(3, 6), data_seeds=(0, 1), validation_rows=4, unlabelled_rows=60, added_rows=4)
    return DrawContexts(split, design, taxonomy, cpu, cache)
