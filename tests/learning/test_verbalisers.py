"""The words that stand for the labels: their tokens, and how likelihoods become probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from emotion_kedro.learning.classifiers.verbalisers import Verbalisers, label_probabilities
from emotion_kedro.learning.language_models import train_tokenizer
from emotion_kedro.taxonomy import POLARITY, SEVEN
from emotion_kedro.text.prompts import Prompt, prompt_for


@pytest.fixture(scope="module")
def byte_level() -> Any:
    """GPT-2's kind of tokenizer: a token carries the space before it."""
    return train_tokenizer(["is: joy joy fear", "joyful 乐 乐 怒怒"] * 30, vocabulary=330)


def test_the_space_before_a_word_belongs_to_its_token(byte_level: Any) -> None:
    prompt = Prompt("q", " is:", {"joy": "joy", "fear": "fear"})
    found = Verbalisers.build(byte_level, prompt, ("joy", "fear"))
    assert [byte_level.convert_ids_to_tokens(list(ids)) for ids in found.tokens] == [["Ġjoy"], ["Ġfear"]]
    # What is scored is what stands in the text: the answer's tokens are the last ones of the answered prompt.
    whole = byte_level(prompt.answered("joy", "fear"), add_special_tokens=False)["input_ids"]
    assert whole[-1:] == list(found.tokens[1])
    bare = Verbalisers.build(byte_level, Prompt("q", " is:", {"joy": "joy"}, separator=""), ("joy",))
    assert byte_level.convert_ids_to_tokens(list(bare.tokens[0])) != ["Ġjoy"]


def test_words_of_several_tokens_are_counted_in_the_order_of_the_labels(byte_level: Any) -> None:
    prompt = Prompt("q", " is:", {"joy": "joy", "relief": "relief"})
    found = Verbalisers.build(byte_level, prompt, ("relief", "joy"))
    assert found.lengths.tolist() == [len(byte_level(" relief")["input_ids"]), 1]
    assert byte_level.decode(list(found.tokens[0])) == " relief"
    assert found.lengths[0] > 1


@pytest.mark.parametrize("labels", [POLARITY, SEVEN])
def test_chinese_words_have_tokens_of_their_own_without_a_space(byte_level: Any, labels: tuple[str, ...]) -> None:
    prompt = prompt_for(labels)
    found = Verbalisers.build(byte_level, prompt, labels)
    assert [byte_level.decode(list(ids)) for ids in found.tokens] == prompt.words(labels)
    asked = byte_level(prompt.before("很好"), add_special_tokens=False)["input_ids"]
    for label, ids in zip(labels, found.tokens, strict=True):
        assert byte_level(prompt.answered("很好", label), add_special_tokens=False)["input_ids"] == [*asked, *ids]


def test_words_with_the_same_tokens_are_refused(byte_level: Any) -> None:
    with pytest.raises(ValueError, match="two of the words  joy,  joy have the same tokens"):
        Verbalisers.build(byte_level, Prompt("q", "a", {"joy": "joy", "mirth": "joy"}), ("joy", "mirth"))


def test_one_token_a_word_gives_the_shares_of_the_label_set() -> None:
    likely = np.log([[0.2, 0.1, 0.1], [0.001, 0.001, 0.006]])
    expected = [[0.5, 0.25, 0.25], [0.125, 0.125, 0.75]]
    assert label_probabilities(likely, np.array([1, 1, 1])) == pytest.approx(np.array(expected))


def test_a_word_of_two_tokens_is_scored_by_their_geometric_mean() -> None:
    # 0.5 * 0.08 = 0.04, whose root is 0.2: as likely as the word of one token with 0.2.
    likely = np.log([[0.2, 0.5 * 0.08]])
    assert label_probabilities(likely, np.array([1, 2])) == pytest.approx(np.array([[0.5, 0.5]]))


def test_calibration_divides_by_the_mean_shares_of_empty_texts() -> None:
    # Shares of the two empty texts are (.8, .2) and (.6, .4): .7 and .3 on the mean.
    baseline = np.log([[0.08, 0.02], [0.3, 0.2]])
    likely = np.log([[0.1, 0.1], [0.35, 0.15]])
    expected = [[0.3, 0.7], [0.5, 0.5]]
    assert label_probabilities(likely, np.array([1, 1]), baseline=baseline) == pytest.approx(np.array(expected))


def test_very_unlikely_words_still_add_up_to_one() -> None:
    found = label_probabilities(np.array([[-2000.0, -2001.0]]), np.array([1, 1]))
    assert found.sum() == pytest.approx(1.0)
    assert found[0, 0] == pytest.approx(1 / (1 + np.exp(-1)))
