"""Agreement, keyword rules and their skill, on tables small enough to count by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.measures.label_noise import (
    confusion_table,
    kappa,
    measure_agreement,
    measure_keywords,
    measure_learned_rules,
    pair_texts,
    skill,
)
from emotion_kedro.options.label_noise import KeywordOptions, LearnedRuleOptions

BOOTSTRAP = {"samples": 200, "level": 0.95, "seed": 0}


def records() -> pd.DataFrame:
    rows = [
        *(("a", "one", "joy"), ("a", "two", "fear"), ("a", "three", "joy"), ("a", "three", "love")),
        *(("a", "four", "anger"), ("a", "four", "anger"), ("a", "five", "joy")),
        *(("b", "one", "joy"), ("b", "two", "neutral"), ("b", "three", "joy"), ("b", "four", "anger")),
        ("b", "six", "neutral"),
    ]
    table = pd.DataFrame(rows, columns=["source", "key", "label"])
    ids = [f"r{row}" for row in range(len(table))]
    return table.assign(record_id=ids, text=table["key"], group=pd.factorize(table["key"])[0])


def test_texts_under_several_labels_are_counted_and_left_out() -> None:
    pairs, counts = pair_texts(records(), "a", "b")
    assert counts == {"trusted": 5, "doubted": 5, "shared": 4, "several_labels": 1}
    assert pairs[["key", "trusted", "doubted"]].to_numpy().tolist() == [
        *(["one", "joy", "joy"], ["two", "fear", "neutral"], ["four", "anger", "anger"])
    ]
    assert pairs["record_id"].tolist() == ["r7", "r8", "r10"]
    assert confusion_table(pairs)["texts"].tolist() == [1, 1, 1]


def test_agreement_counts_unknown_labels_as_wrong_and_then_leaves_them_out() -> None:
    pairs, _ = pair_texts(records(), "a", "b")
    found = measure_agreement(pairs, ("anger", "fear", "joy"), BOOTSTRAP)
    assert (found["all"]["texts"], found["comparable"]["texts"]) == (3, 2)
    assert found["all"]["agreement"]["estimate"] == pytest.approx(2 / 3)
    # Each has three labels once; two of them are the same: 2 * 1/9.
    assert found["all"]["by_chance"] == pytest.approx(2 / 9)
    assert found["all"]["kappa"]["estimate"] == pytest.approx((2 / 3 - 2 / 9) / (1 - 2 / 9))
    assert found["comparable"]["agreement"]["estimate"] == 1.0
    assert found["all"]["agreement"]["low"] <= 2 / 3 <= found["all"]["agreement"]["high"]


def test_without_a_shared_text_there_is_no_figure() -> None:
    table = records()
    pairs, counts = pair_texts(table[(table["source"] == "a") | (table["key"] == "six")], "a", "b")
    assert (len(pairs), counts["shared"]) == (0, 0)
    found = measure_agreement(pairs, ("joy",), BOOTSTRAP)
    assert found["all"] == {"texts": 0, "agreement": None, "by_chance": None, "kappa": None}
    assert confusion_table(pairs).empty


def test_kappa_is_none_where_one_label_occurs_and_zero_for_chance() -> None:
    assert np.isnan(kappa(["joy", "joy"], ["joy", "joy"]))
    assert kappa(["joy", "joy", "fear", "fear"], ["joy", "fear", "joy", "fear"]) == pytest.approx(0.0)


def test_skill_is_the_share_of_the_commonest_labels_errors_that_are_gone() -> None:
    labels = np.array(["n", "n", "n", "j", "f"])
    assert skill(labels, np.array(["n", "n", "n", "j", "n"])) == pytest.approx(0.5)
    assert skill(labels, np.array(["n"] * 5)) == pytest.approx(0.0)
    assert skill(labels, np.array(["j"] * 5)) == pytest.approx(-1.0)
    assert np.isnan(skill(np.array(["n", "n"]), np.array(["n", "n"])))


def test_what_the_patterns_explain_is_counted_by_source_and_label() -> None:
    options = KeywordOptions(patterns={"joy": ("glad",)}, shuffles=200)
    rows = pd.DataFrame(
        {"text": ["glad", "gladly", "a bus", "a bus", "glad bus"], "label": ["joy", "joy", "neutral", "joy", "neutral"]}
    ).assign(group=range(5))
    (found,), by_label = measure_keywords({"b": rows}, options, BOOTSTRAP)
    assert (found["rows"], found["explained"]) == (5, 3)
    assert found["share"]["estimate"] == pytest.approx(0.6)
    assert found["with_keyword"]["rows"] == 3
    assert found["with_keyword"]["share"]["estimate"] == pytest.approx(2 / 3)
    # Dealt out anew: 3 of 5 texts are joy's, 2 of 5 are neutral's: 3/5 * 3/5 + 2/5 * 2/5 on average.
    assert found["by_chance"]["estimate"] == pytest.approx(0.52, abs=0.04)
    chance = found["by_chance"]["estimate"]
    assert found["beyond_chance"] == pytest.approx((0.6 - chance) / (1 - chance))
    assert by_label[["label", "rows", "explained"]].to_numpy().tolist() == [["joy", 3, 2], ["neutral", 2, 1]]


def test_labels_that_lie_in_a_word_are_told_from_labels_that_do_not() -> None:
    random = np.random.default_rng(0)
    keys = [f"{'glad' if row % 4 == 0 else 'bus'} no {row}" for row in range(80)]
    pairs = pd.DataFrame({"key": keys, "group": range(80)})
    pairs["doubted"] = ["joy" if "glad" in key else "neutral" for key in keys]
    pairs["trusted"] = random.choice(["anger", "fear"], size=80)
    options = LearnedRuleOptions(pieces=("words",), leaves=(2, 4), shown_leaves=2, least_texts=80)
    found = measure_learned_rules(pairs, pairs.iloc[:0], options, BOOTSTRAP)
    assert found["compared"]
    best = {(one["leaves"], one["labels_of"]): one for one in found["rules"]}
    assert best[2, "doubted"]["accuracy"]["estimate"] == 1.0
    assert best[2, "doubted"]["commonest"] == 0.75
    assert best[2, "doubted"]["skill"]["estimate"] == 1.0
    assert best[2, "trusted"]["skill"]["estimate"] < 0.5
    assert [one["leaves"] for one in found["differences"]] == [2, 4]
    expected = 1.0 - best[2, "trusted"]["skill"]["estimate"]
    assert found["differences"][0]["skill"]["estimate"] == pytest.approx(expected)
    assert all(one["skill"]["low"] > 0 for one in found["differences"])
    asked = {one["labels_of"]: one["asked_for"] for one in found["asked_for"]}
    assert asked["doubted"][0] in {"glad", "bus"}


def test_too_few_shared_texts_are_not_compared() -> None:
    alone = pd.DataFrame({"key": ["glad a", "glad b", "bus a", "bus b"] * 3, "group": range(12)})
    alone["label"] = ["joy", "joy", "neutral", "neutral"] * 3
    pairs = pd.DataFrame({"key": [], "group": [], "trusted": [], "doubted": []})
    found = measure_learned_rules(pairs, alone, LearnedRuleOptions(leaves=(2,), shown_leaves=2, folds=3), BOOTSTRAP)
    assert not found["compared"]
    assert found["differences"] == []
    assert {one["labels_of"] for one in found["rules"]} == {"doubted"}
    assert {one["rows"] for one in found["rules"]} == {12}
