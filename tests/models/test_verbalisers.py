"""The words that stand for the labels: their tokens, and how likelihoods become probabilities."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from asking import asked

from emotion_kedro.models.classifiers.verbalisers import Verbalisers, label_probabilities
from emotion_kedro.models.prompts import Prompt
from emotion_kedro.models.tokenizers import train_byte_level


@pytest.fixture(scope="module")
def byte_level() -> Any:
    """GPT-2's kind of tokenizer: a token carries the space before it."""
    return train_byte_level(["is: joy joy fear", "joyful 乐 乐 怒怒"] * 30, vocabulary=330)


def test_the_space_before_a_word_belongs_to_its_token(byte_level: Any) -> None:
    prompt = Prompt("q", " is:", " ", {"joy": "joy", "fear": "fear"})
    verbalisers = Verbalisers.build(byte_level, prompt)
    assert [byte_level.convert_ids_to_tokens(list(ids)) for ids in verbalisers.tokens] == [["Ġjoy"], ["Ġfear"]]
    # What is scored is what stands in the text: the answer's tokens are the last ones of the answered prompt.
    whole = byte_level(asked(prompt, "joy") + " fear", add_special_tokens=False)["input_ids"]
    assert whole[-1:] == list(verbalisers.tokens[1])
    bare = Verbalisers.build(byte_level, Prompt("q", " is:", "", {"joy": "joy"}))
    assert byte_level.convert_ids_to_tokens(list(bare.tokens[0])) != ["Ġjoy"]


def test_words_of_several_tokens_are_counted_in_the_order_of_the_labels(byte_level: Any) -> None:
    prompt = Prompt("q", " is:", " ", {"relief": "relief", "joy": "joy"})
    verbalisers = Verbalisers.build(byte_level, prompt)
    assert verbalisers.lengths.tolist() == [len(byte_level(" relief")["input_ids"]), 1]
    assert byte_level.decode(list(verbalisers.tokens[0])) == " relief"
    assert verbalisers.lengths[0] > 1


def test_chinese_words_have_tokens_of_their_own_without_a_space(byte_level: Any) -> None:
    prompt = Prompt("q", "答案是：", "", {"anger": "怒", "joy": "乐"})
    verbalisers = Verbalisers.build(byte_level, prompt)
    assert [byte_level.decode(list(ids)) for ids in verbalisers.tokens] == ["怒", "乐"]
    before = byte_level(asked(prompt, "很好"), add_special_tokens=False)["input_ids"]
    for label, ids in zip(prompt.labels, verbalisers.tokens, strict=True):
        assert byte_level(asked(prompt, "很好") + prompt.words[label], add_special_tokens=False)["input_ids"] == [
            *before,
            *ids,
        ]


def test_an_answer_names_the_label_whose_word_alone_begins_with_it() -> None:
    verbalisers = Verbalisers(((5,), (7, 8), (7, 9), (6, 2)))
    assert verbalisers.named([5, 6, 7, 8, 1], ("joy", "fear", "awe", "anger")) == ["joy", "anger", "", "", ""]


def test_words_with_the_same_tokens_are_refused(byte_level: Any) -> None:
    with pytest.raises(ValueError, match="two of the words  joy,  joy have the same tokens"):
        Verbalisers.build(byte_level, Prompt("q", "a", " ", {"joy": "joy", "mirth": "joy"}))


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
    shares = label_probabilities(np.array([[-2000.0, -2001.0]]), np.array([1, 1]))
    assert shares.sum() == pytest.approx(1.0)
    assert shares[0, 0] == pytest.approx(1 / (1 + np.exp(-1)))
