"""Two tables put one below the other: who trains on what, and which test rows stand in train."""

from __future__ import annotations

import itertools

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.analyses.merging import (
    COMMONEST,
    arms_of,
    merging_tables,
    predict_by_words,
    predictions_under_splits,
    seen_in_train,
)
from emotion_kedro.config.analyses import LabelNoiseConfig
from emotion_kedro.config.evaluation import EvaluationConfig

CONFIG = LabelNoiseConfig.model_validate(
    {
        "trusted": "a",
        "doubted": "b",
        "keywords": {"patterns": {"joy": ["glad"]}},
        "merging": {"split_seeds": [0, 1], "test": 0.25, "least_count": 1},
    }
)


def doubled() -> pd.DataFrame:
    """Forty texts of source a; source b has the first twenty of them too, all as neutral."""
    words = {"joy": ("glad", "sunny"), "anger": ("cross", "unfair")}
    texts = [
        (f"{word} {number}th day", label) for number in range(10) for label, some in words.items() for word in some
    ]
    a = pd.DataFrame(texts, columns=["key", "label"]).assign(source="a")
    b = a.iloc[:20].assign(source="b", label=["neutral"] * 18 + ["relief"] * 2)
    table = pd.concat([a, b], ignore_index=True)
    table["group"] = pd.factorize(table["key"])[0]
    table["shared"] = table["key"].isin(b["key"])
    return table.assign(record_id=[f"r{row}" for row in range(len(table))])


def test_the_same_text_in_train_is_told_by_its_label() -> None:
    train = pd.DataFrame({"key": ["t", "t", "u"], "label": ["joy", "fear", "joy"], "group": [0, 0, 1]})
    test = pd.DataFrame({"key": ["t", "u", "v", "w"], "label": ["joy", "fear", "joy", "joy"], "group": [0, 1, 1, 2]})
    seen = seen_in_train(train, test)
    assert seen["same_in_train"].tolist() == [True, False, False, False]
    assert seen["other_in_train"].tolist() == [True, True, False, False]
    assert seen["near_in_train"].tolist() == [True, True, True, False]


def test_words_that_give_the_label_away_are_read() -> None:
    rows = doubled()
    predicted = predict_by_words(rows[rows["source"] == "a"], ["glad day", "unfair day"], CONFIG.merging)
    assert predicted.tolist() == ["joy", "anger"]
    with pytest.raises(ValueError, match="fewer than two labels"):
        predict_by_words(rows[rows["label"] == "joy"], ["glad"], CONFIG.merging)


def test_every_arm_is_tested_on_the_same_rows_of_each_split() -> None:
    table = predictions_under_splits(doubled(), CONFIG)
    arms = [COMMONEST, "a", "a + b", "b"]
    assert list(arms_of(CONFIG)) == arms[1:]
    assert table["arm"].unique().tolist() == arms
    for strategy, seed in itertools.product(("plain", "grouped"), (0, 1)):
        split = table[(table["split_strategy"] == strategy) & (table["split_seed"] == seed)]
        rows = {arm: part["record_id"].tolist() for arm, part in split.groupby("arm")}
        assert all(ids == rows["a"] for ids in rows.values())
    plain = table[table["split_strategy"] == "plain"]
    assert plain.groupby(["split_seed", "arm"]).size().unique().tolist() == [15]


def test_only_the_plain_split_trains_on_the_tested_texts_and_only_the_other_source_relabels_them() -> None:
    table = predictions_under_splits(doubled(), CONFIG)
    grouped, plain = (table[table["split_strategy"] == name] for name in ("grouped", "plain"))
    assert not grouped[["same_in_train", "other_in_train", "near_in_train"]].to_numpy().any()
    ours = plain[plain["source"] == "a"]
    assert not ours.loc[ours["arm"] == "a", "other_in_train"].any()
    merged = ours[(ours["arm"] == "a + b") & ours["shared"]]
    assert merged["other_in_train"].any()
    assert not merged["same_in_train"].any()


def test_the_commonest_label_is_that_of_the_rows_own_source() -> None:
    table = predictions_under_splits(doubled(), CONFIG)
    baseline = table[table["arm"] == COMMONEST]
    assert set(baseline.loc[baseline["source"] == "b", "predicted"]) == {"neutral"}
    assert set(baseline.loc[baseline["source"] == "a", "predicted"]) <= {"joy", "anger"}
    assert not np.any(baseline["near_in_train"])


def test_scores_differences_and_leakage_are_those_of_the_table() -> None:
    table = predictions_under_splits(doubled(), CONFIG)
    tables = merging_tables(table, CONFIG, EvaluationConfig(bootstrap_samples=100))
    scores = tables["merging_scores"].set_index(["tested", "split_strategy", "arm"])
    ours = table[(table["source"] == "a") & (table["split_strategy"] == "plain") & (table["arm"] == "a")]
    assert scores.loc[("a", "plain", "a"), "value"] == pytest.approx((ours["predicted"] == ours["label"]).mean())
    assert scores.loc[("a", "plain", "a"), "rows"] == len(ours)
    differences = tables["merging_differences"].set_index(["tested", "split_strategy", "first", "second"])["value"]
    plain, grouped = (scores.loc[("a", strategy, "a"), "value"] for strategy in ("plain", "grouped"))
    assert differences["a", "plain - grouped", "a", "a"] == pytest.approx(plain - grouped)
    merged = scores.loc[("a", "plain", "a + b"), "value"]
    assert differences["a", "plain", "a + b", "a"] == pytest.approx(merged - plain)
    leakage = tables["merging_leakage"].set_index(["tested", "split_strategy", "arm"])
    assert (leakage.xs("grouped", level=1)["near"] == 0).all()
    assert leakage.loc[("a, texts shared with b", "plain", "a + b"), "other"] > 0
