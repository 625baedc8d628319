from __future__ import annotations

import pandas as pd
import pytest

from emotion_kedro.learning.mixes import compose_mix
from emotion_kedro.options import AugmentationOptions
from emotion_kedro.schemas import Mix

MIX, CONTINUE = AugmentationOptions(), AugmentationOptions(how="continue")


@pytest.fixture
def real(records: pd.DataFrame) -> pd.DataFrame:
    return records.iloc[[3, 60, 100]].assign(group=[4, 5, 6], split="train")


@pytest.fixture
def synthetic(records: pd.DataFrame) -> pd.DataFrame:
    part = records.iloc[[7, 8]]
    return part.assign(record_id="synthetic:" + part["record_id"], source="synthetic")


@pytest.mark.parametrize(("augmentation", "phases"), [(MIX, [0, 0, 0, 0, 0]), (CONTINUE, [0, 0, 0, 1, 1])])
def test_synthetic_rows_come_after_real_ones_in_continue_alone(
    real: pd.DataFrame, synthetic: pd.DataFrame, augmentation: AugmentationOptions, phases: list[int]
) -> None:
    mix = compose_mix("augmented", real=real, synthetic=synthetic, augmentation=augmentation)
    assert mix["phase"].tolist() == phases
    assert mix["origin"].tolist() == ["real"] * 3 + ["synthetic"] * 2
    assert mix["record_id"].tolist() == [*real["record_id"], *synthetic["record_id"]]
    assert mix["text"].tolist() == [*real["text"], *synthetic["text"]]
    assert set(mix["arm"]) == {"augmented"}
    Mix.validate(mix)


@pytest.mark.parametrize("augmentation", [MIX, CONTINUE])
def test_one_kind_of_rows_alone_is_one_phase(
    real: pd.DataFrame, synthetic: pd.DataFrame, augmentation: AugmentationOptions
) -> None:
    for arm, parts in (
        ("real", {"real": real, "synthetic": None}),
        ("synthetic", {"real": None, "synthetic": synthetic}),
    ):
        mix = compose_mix(arm, **parts, augmentation=augmentation)
        assert set(mix["origin"]) == {arm}
        assert set(mix["phase"]) == {0}
        assert list(mix.columns) == ["arm", "record_id", "text", "label", "origin", "phase"]
        Mix.validate(mix)
