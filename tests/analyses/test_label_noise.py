"""Two sources with the same texts: agreement, rules that explain the labels, and the whole analysis."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from emotion_kedro.analyses.keyword_rules import explained, explained_by_chance, learned_rule, named_labels, pieces_of
from emotion_kedro.analyses.label_noise import agreement, analyse, kappa, learned_rules, pair_texts, skill
from emotion_kedro.config.analyses import LabelNoiseConfig, LearnedRuleConfig
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.datasets import TableFolder

EVALUATION = EvaluationConfig(bootstrap_samples=100)
PATTERNS = {"joy": ["happy", "content"], "annoyance": ["hate"]}
TEXTS = pd.Series(["I am UNHAPPY today", "i hate to be so happy", "nothing of the kind", "a bus", "happy hour"])
LABELS = pd.Series(["joy", "annoyance", "neutral", "joy", "relief"])


def test_patterns_are_found_inside_words_and_in_capitals() -> None:
    named = named_labels(TEXTS, PATTERNS)
    assert named["joy"].tolist() == [True, True, False, False, True]
    assert named["annoyance"].tolist() == [False, True, False, False, False]


def test_one_of_several_labels_will_do_and_neutral_needs_a_text_without_any() -> None:
    named = named_labels(TEXTS, PATTERNS)
    # The last label has no pattern at all: nothing explains it.
    assert explained(LABELS, named, "neutral").tolist() == [True, True, True, False, False]
    all_neutral = pd.Series(["neutral"] * 5)
    assert explained(all_neutral, named, "neutral").tolist() == [False, False, True, True, False]


def test_chance_is_the_share_that_labels_dealt_out_anew_would_explain() -> None:
    texts, labels = pd.Series(["happy", "bus"]), pd.Series(["joy", "neutral"])
    named = named_labels(texts, PATTERNS)
    shares = explained_by_chance(labels, named, "neutral", shuffles=400, seed=0)
    # Two texts: either both labels fall where they were, or neither does.
    assert set(shares) == {0.0, 1.0}
    assert shares.mean() == pytest.approx(0.5, abs=0.08)
    assert (shares == explained_by_chance(labels, named, "neutral", shuffles=400, seed=0)).all()


@pytest.mark.parametrize("how", ["words", "letters"])
def test_a_rule_learns_the_word_that_gives_a_label_away(how: Any) -> None:
    texts = [f"{word} {place}" for word in ("glad", "cross") for place in ("home", "work", "bus", "sea")] * 2
    labels = (["joy"] * 4 + ["anger"] * 4) * 2
    (piece,) = pieces_of(texts, labels, learned_rule(how, leaves=2, least_count=2, seed=0))
    assert piece.strip() in "glad" or piece.strip() in "cross"


def test_only_texts_with_one_label_in_each_source_are_paired() -> None:
    rows = [
        *[("a", "same", "joy"), ("a", "twice", "joy"), ("a", "twice", "fear"), ("a", "alone", "joy")],
        *[("b", "same", "fear"), ("b", "twice", "joy"), ("b", "same", "fear")],
    ]
    texts = pd.DataFrame(rows, columns=["source", "key", "label"])
    texts = texts.assign(text=texts["key"], group=0, record_id=[f"r{row}" for row in range(len(texts))])
    pairs, counts = pair_texts(texts, "a", "b")
    assert pairs[["record_id", "trusted", "doubted"]].to_numpy().tolist() == [["r4", "joy", "fear"]]
    assert counts == {"trusted": 3, "doubted": 2, "shared": 2, "several_labels": 1}


def test_kappa_and_skill_by_hand() -> None:
    # Agreement 3/4, by chance 1/2.
    assert kappa(["a", "a", "b", "b"], ["a", "a", "b", "a"]) == pytest.approx(0.5)
    assert np.isnan(kappa(["a", "a"], ["a", "a"]))
    labels = np.array([0, 0, 0, 1, 1])
    assert skill(labels, np.zeros(5)) == pytest.approx(0.0)
    assert skill(labels, np.array([0, 0, 0, 1, 0])) == pytest.approx(0.5)
    assert np.isnan(skill(labels[:3], labels[:3]))


def test_agreement_is_given_for_all_texts_and_for_labels_that_both_sources_use() -> None:
    pairs = pd.DataFrame(
        {"trusted": ["joy", "joy", "fear", "joy"], "doubted": ["joy", "fear", "fear", "neutral"], "group": range(4)}
    )
    table = agreement(pairs, EVALUATION).set_index(["texts_of", "metric"])
    assert table.loc[("all", "agreement"), "value"] == 0.5
    assert table.loc[("labels of both", "agreement"), "value"] == pytest.approx(2 / 3)
    assert table.loc[("all", "agreement"), "by_chance"] == pytest.approx(0.75 * 0.25 + 0.25 * 0.5)
    assert (table["low"] <= table["value"]).all()


def test_rules_are_tested_on_texts_that_they_have_not_learned_from() -> None:
    # Every text has a word of its own: what other texts teach does not help.
    texts = pd.DataFrame({"key": [f"w{row}" for row in range(8)], "label": ["joy", "anger"] * 4, "group": range(8)})
    config = LearnedRuleConfig(pieces=("words",), leaves=(2,), shown_leaves=2, least_count=1, folds=4)
    tables = learned_rules(pd.DataFrame(), texts, config, EVALUATION)
    assert tables["learned_rules"].set_index("metric").loc["accuracy", "value"] <= 0.5
    # There is no other source to compare with.
    assert tables["learned_differences"].empty


def records() -> pd.DataFrame:
    """Source a reads texts; source b looks for a word, and calls all else neutral."""
    words = {"joy": ("glad", "sunny"), "anger": ("cross", "unfair")}
    texts = [
        (f"{word} on the {number}th day of {word} things", label)
        for number in range(20, 40)
        for label, some in words.items()
        for word in some
    ]
    a = pd.DataFrame(texts, columns=["text", "label"]).assign(source="a")
    b = a.assign(source="b", label=["joy" if "glad" in text else "neutral" for text in a["text"]])
    table = pd.concat([a, b], ignore_index=True)
    return table.assign(record_id=[f"r{row}" for row in range(len(table))])


def test_the_whole_analysis_tells_a_keyword_search_from_a_reader(tmp_path: Path) -> None:
    config = LabelNoiseConfig.model_validate(
        {
            "trusted": "a",
            "doubted": "b",
            "keywords": {"patterns": {"joy": ["glad"]}, "shuffles": 100},
            "learned": {"pieces": ["words"], "leaves": [2], "shown_leaves": 2},
            "merging": {"split_seeds": [0, 1]},
            "near_duplicates": {"threshold": 0.99},
        }
    )
    labels = TaxonomyConfig.from_labels(["anger", "joy", "neutral"])
    tables = analyse(config, taxonomy=labels, device=None, evaluation=EVALUATION, unified_records=records())
    assert all(len(table) for table in tables.values()), {name: len(table) for name, table in tables.items()}
    TableFolder(filepath=str(tmp_path / "tables")).save(tables)
    rule = tables["keyword_rule"].query("rows_of == 'all'").set_index("labels_of")["value"]
    assert rule["b"] == 1.0
    assert rule["a, all rows"] == 0.25
    assert tables["learned_differences"]["value"].item() > 0.3
    assert tables["learned_pieces"].query("labels_of == 'doubted'")["piece"].tolist() == ["glad"]
    differences = tables["merging_differences"].set_index(["tested", "split_strategy", "first", "second"])["value"]
    assert differences["a", "grouped", "a + b", "a"] < 0

    with pytest.raises(ValueError, match="there is no row of c"):
        analyse(
            config.model_copy(update={"doubted": "c"}),
            taxonomy=labels,
            device=None,
            evaluation=EVALUATION,
            unified_records=records(),
        )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"doubted": "a"}, "two sources are compared"),
        ({"keywords": {"patterns": {"joy": ["Glad"]}}}, "write in small letters: Glad"),
        ({"keywords": {"patterns": {"joy": [""]}}}, "every text would contain it"),
        ({"learned": {"leaves": [2], "shown_leaves": 4}}, "not among leaves"),
        ({"merging": {"split_seeds": [1, 1]}}, "1 is named twice"),
    ],
)
def test_parameters_that_do_not_fit_are_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        LabelNoiseConfig.model_validate(
            {"trusted": "a", "doubted": "b", "keywords": {"patterns": {"joy": ["glad"]}}, **change}
        )
