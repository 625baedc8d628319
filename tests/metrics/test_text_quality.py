from __future__ import annotations

import pandas as pd
import pytest

from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.metrics.text_quality import text_quality
from emotion_kedro.schemas import TextQuality


def rows(label: str, *texts: str) -> pd.DataFrame:
    return pd.DataFrame({"label": label, "text": list(texts)}).astype("str")


TRAIN = pd.concat(
    [
        rows("joy", *(f"what a happy and sunny day number {n} it was for all of us here." for n in range(12))),
        rows("anger", *(f"he was furious and loud on evening {n} when they came to the door." for n in range(12))),
    ],
    ignore_index=True,
)
TEST = pd.concat(
    [
        rows("joy", *(f"the {n} of us were happy at the lake with the dog and boat." for n in range(6))),
        rows("anger", *(f"she is furious with number {n} about the car and the bill." for n in range(6))),
    ],
    ignore_index=True,
)
COPY = TRAIN["text"].iloc[0]
ADDED = pd.concat(
    [
        rows("joy", COPY, "a happy dog", "the sky over the", "the sky over the").assign(arm="mixed"),
        rows("anger", "furious people everywhere!", "they never answered").assign(arm="mixed"),
    ],
    ignore_index=True,
)


def measure(predicted: pd.DataFrame | None) -> pd.DataFrame:
    table = TextQuality.validate(text_quality("invented", ADDED, TRAIN, TEST, predicted, EvaluationConfig()))
    return table.set_index(["label", "metric"])


def test_figures_by_hand() -> None:
    predicted = pd.concat([ADDED.assign(predicted="joy"), TEST.assign(predicted=TEST["label"])])
    table = measure(predicted[["text", "predicted"]])
    assert set(table.index.get_level_values("label")) == {"anger", "joy", "all"}
    assert table.loc[("all", "fidelity"), ["value", "real"]].tolist() == pytest.approx([4 / 6, 1])
    assert table.loc[("joy", "copied"), ["value", "real"]].tolist() == [0.25, 0]
    assert table.loc[("joy", "cut_off"), ["value", "real"]].tolist() == [0.5, 0]
    assert table.loc[("joy", "cue_word"), "value"] >= 0.5
    assert table.loc[("anger", "common_openings"), "value"] == 1
    assert table.loc[("joy", "vendi"), "value"] < 4
    assert table.loc[("all", "vendi"), "texts"] == 6


def test_without_an_evaluator_there_is_no_fidelity() -> None:
    assert "fidelity" not in measure(None).index.get_level_values("metric")


def test_an_arm_that_kept_nothing_has_no_rows() -> None:
    assert text_quality("invented", ADDED.iloc[:0], TRAIN, TEST, None, EvaluationConfig()).empty
