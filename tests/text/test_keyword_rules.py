from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.text.keyword_rules import (
    explained,
    explained_by_chance,
    learned_rule,
    named_labels,
    pieces_asked_for,
    read_out_of_fold,
)

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
def test_a_rule_learns_the_word_that_gives_a_label_away(how: str) -> None:
    texts = pd.Series([f"{word} {place}" for word in ("glad", "cross") for place in ("home", "work", "bus", "sea")] * 2)
    labels = pd.Series((["joy"] * 4 + ["anger"] * 4) * 2)
    rule = learned_rule(how, leaves=2, least_count=2, seed=0)  # type: ignore[arg-type]
    folds = np.array([0] * 8 + [1] * 8)
    assert (read_out_of_fold(texts, labels, folds, rule) == labels.to_numpy()).all()
    (piece,) = pieces_asked_for(texts, labels, rule)
    assert piece.strip() in "glad" or piece.strip() in "cross"


def test_what_is_read_out_of_fold_was_not_learned_from() -> None:
    # Each fold has a word of its own: what the other fold teaches does not help, and says the other label.
    texts = pd.Series(["glad", "glad", "cross", "cross"])
    labels = pd.Series(["joy", "joy", "anger", "anger"])
    rule = learned_rule("words", leaves=2, least_count=1, seed=0)
    read = read_out_of_fold(texts, labels, np.array([0, 0, 1, 1]), rule)
    assert read.tolist() == ["anger", "anger", "joy", "joy"]
