from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.metrics.text_quality import TARGETS, text_quality
from emotion_kedro.metrics.two_sample import two_sample_auc
from emotion_kedro.schemas.figures import TextQuality


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


SUBJECTS = ("my sister", "the old man", "our teacher", "a neighbour", "that driver", "his mother", "the cook")
ENDINGS = ("left the house early", "found a letter", "sang in the rain", "lost the keys", "called me back")


def sentences(start: int, count: int) -> list[str]:
    """Varied invented sentences, any two ranges of one kind."""
    rng = np.random.default_rng(start)
    return [f"{rng.choice(SUBJECTS)} {rng.choice(ENDINGS)} {rng.choice(SUBJECTS)}." for _ in range(count)]


def embed(texts: Sequence[str]) -> np.ndarray:
    """One direction for texts with "happy", another for the rest."""
    return np.array([[1.0, 0.0] if "happy" in text else [0.0, 1.0] for text in texts], dtype=np.float32)


def measure(predicted: pd.DataFrame | None, added: pd.DataFrame = ADDED, test: pd.DataFrame = TEST) -> pd.DataFrame:
    table = text_quality("invented", added, TRAIN, test, predicted, EvaluationConfig(), embed)
    return TextQuality.validate(table).set_index(["label", "metric"])


def test_figures_by_hand() -> None:
    predicted = pd.concat([ADDED.assign(predicted="joy"), TEST.assign(predicted=TEST["label"])])
    table = measure(predicted[["text", "predicted"]])
    assert set(table.index.get_level_values("label")) == {"anger", "joy", "all"}
    assert table.loc[("all", "fidelity"), ["value", "real", "met"]].tolist() == [pytest.approx(4 / 6), 1, "no"]
    assert table.loc[("joy", "copied"), ["value", "real", "met"]].tolist() == [0.25, 0, "no"]
    assert table.loc[("joy", "cut_off"), ["value", "real", "met"]].tolist() == [0.5, 0, "no"]
    assert table.loc[("anger", "cut_off"), ["value", "real", "met"]].tolist() == [0, 0, "yes"]
    assert table.loc[("joy", "cue_word"), "value"] >= 0.5
    assert table.loc[("joy", "nearest_train"), ["value", "real"]].tolist() == [1, 1]
    assert table.loc[("all", "nearest_train"), ["target", "met"]].tolist() == ["", ""]
    assert table.loc[("all", "vendi"), "texts"] == 6


def test_few_texts_have_no_figure_of_a_set() -> None:
    table = measure(None)
    for metric in ("common_openings", "distinct_2", "self_bleu", "vendi", "auc_words"):
        assert table.loc[("all", metric), ["value", "real"]].isna().all()
        assert table.loc[("all", metric), "met"] == ""


def test_one_template_over_and_over_misses_the_targets_and_varied_text_meets_them() -> None:
    test = rows("joy", *sentences(0, 60))
    templated = rows("joy", *(f"i feel so happy about {n}" for n in range(60))).assign(arm="mixed")
    varied = rows("joy", *sentences(1, 60)).assign(arm="mixed")
    metrics = ["common_openings", "vendi", "auc_words", "auc_characters"]
    poor, good = measure(None, templated, test).loc["joy"], measure(None, varied, test).loc["joy"]
    assert poor.loc[metrics, "met"].tolist() == ["no"] * 4
    assert good.loc[metrics, "met"].tolist() == ["yes"] * 4
    assert poor.loc["auc_words", "value"] == 1
    assert good.loc["auc_words", "value"] < 0.7


def test_texts_are_measured_whole() -> None:
    long = rows("joy", *(text.rstrip(".") + " and went on to the" for text in sentences(2, 20)))
    table = measure(None, rows("joy", *["short one."] * 20).assign(arm="mixed"), long)
    assert table.loc[("joy", "cut_off"), "real"] == 1
    assert table.loc[("joy", "distinct_2"), "real"] > table.loc[("joy", "distinct_2"), "value"]


def test_two_samples_of_one_kind_are_not_told_apart() -> None:
    assert two_sample_auc(sentences(3, 200), sentences(4, 200), "word") == pytest.approx(0.5, abs=0.1)
    assert two_sample_auc(["a b"] * 20, ["c d"] * 20, "char_wb") == 1
    assert np.isnan(two_sample_auc(["a b"] * 19, ["c d"] * 19, "word"))


@pytest.mark.parametrize(
    ("metric", "value", "real", "met"),
    [
        ("cut_off", 0.10, 0.05, True),
        ("cut_off", 0.11, 0.05, False),
        ("vendi", 80.0, 100.0, True),
        ("vendi", 79.0, 100.0, False),
        ("copied", 0.0, 0.0, True),
        ("distinct_2", 0.59, 0.9, False),
        ("auc_words", np.nan, 0.5, None),
        ("cut_off", 0.1, np.nan, None),
    ],
)
def test_targets(metric: str, value: float, real: float, met: bool | None) -> None:
    assert TARGETS[metric].met(value, real) is met


def test_without_an_evaluator_there_is_no_fidelity() -> None:
    assert "fidelity" not in measure(None).index.get_level_values("metric")


def test_of_all_labels_real_text_counts_by_label_as_the_added_does() -> None:
    cut, whole = [f"they went home on day {n} and" for n in range(8)], [f"they came on day {n}." for n in range(8)]
    added = pd.concat([rows("joy", *whole), rows("anger", *cut)], ignore_index=True).assign(arm="a")
    test = pd.concat([rows("joy", *whole), rows("anger", *cut[:2])], ignore_index=True)
    figures = measure(None, added, test)
    assert figures.loc[("all", "cut_off"), ["value", "real", "met"]].tolist() == [0.5, 0.5, "yes"]


def test_an_arm_that_kept_nothing_has_no_rows() -> None:
    assert text_quality("invented", ADDED.iloc[:0], TRAIN, TEST, None, EvaluationConfig()).empty


def test_texts_that_several_draws_share_count_once_in_figures_of_a_set() -> None:
    written = pd.concat([rows("joy", *sentences(1, 20)), rows("anger", *sentences(2, 20))], ignore_index=True).assign(
        arm="mixed", size=8
    )
    test = pd.concat([rows("joy", *sentences(3, 30)), rows("anger", *sentences(4, 30))], ignore_index=True)
    once = measure(None, written.assign(data_seed=0), test)
    draws = measure(None, pd.concat([written.assign(data_seed=seed) for seed in range(3)]), test)

    assert draws.loc[("all", "distinct_2"), "texts"] == 3 * once.loc[("all", "distinct_2"), "texts"]
    for metric in ("distinct_2", "vendi"):
        pooled = measure(None, pd.concat([written] * 3), test).loc[("all", metric), "value"]
        assert draws.loc[("all", metric), "value"] == pytest.approx(once.loc[("all", metric), "value"])
        assert pooled < once.loc[("all", metric), "value"]
