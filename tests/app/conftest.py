"""Fixtures of the tests of what people do with models."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset

from emotion_kedro.config.taxonomy import TaxonomyConfig


@pytest.fixture
def moods(records: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_gpt2: Path, tmp_path: Path) -> DataCatalog:
    """The catalog of an experiment ``moods``: ``asked`` is a language model, ``tuned`` was not kept."""
    asked = {"kind": "prompted", "base": str(tiny_gpt2), "request": "{label} like {examples}", "examples": 2}
    decoding = {"min_new_tokens": 3, "max_new_tokens": 6}
    turn = records.groupby("label").cumcount()
    split = turn.map(lambda place: "test" if place % 2 else "train")
    catalog = DataCatalog()
    for name, value in {
        "params:moods.generators": {
            "asked": {**asked, "decoding": decoding},
            "tuned": {"kind": "fine_tuned", "base": "scratch", "training": {"learning_rate": 1, "steps": 1}},
        },
        "params:moods.arms": {
            "real": {},
            "more": {"add": ["asked"], "filters": ["reviewed", "length", "label_agreement"]},
        },
        "params:moods.filters": {"length": {"min_words": 5}},
        "params:moods.design": {"sizes": [3, 6], "data_seeds": [0, 1]},
        "params:device": "cpu",
        "params:cache": str(tmp_path / "cache"),
        "params:latest": "data/06_models/latest",
        "moods.split_records": records.assign(split=split, group=range(len(records))),
        "moods.taxonomy": taxonomy.model_dump(mode="json"),
    }.items():
        catalog[name] = MemoryDataset(value)
    return catalog
