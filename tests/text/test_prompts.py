"""The report's templates, word for word, and which one belongs to which labels."""

from __future__ import annotations

import pytest

from emotion_kedro.taxonomy import EKMAN, GOEMOTIONS, POLARITY, SEVEN, SIX, TAXONOMIES, THIRTEEN
from emotion_kedro.text.prompts import PROMPTS, prompt_for

ASKED_THIRTEEN = (
    "Please read the given text, analyze its sentiment, and select one of the following emotion options: empty, "
    "sadness, excitement, neutral, fear, surprise, love, amusement, annoyance, joy, boredom, relief, anger. \n"
    "The text is: a b\nThe answer is:"
)
ASKED_SIX = (
    "Please read the given text, analyze its sentiment, and select one of the following emotion options: anger, fear, "
    "joy, love, sadness, surprise. \nThe text is: a b\nThe answer is:"
)
ASKED_POLARITY = "请分析给定文本的情感倾向，正向请选择正，负向请选择负。\n文本如下：很好\n答案是："
ASKED_SEVEN = "请分析给定文本的情感，并从以下选项中选择一个：乐，哀，怒，爱，惊，惧，恶。\n文本如下：很好\n答案是："


@pytest.mark.parametrize(
    ("labels", "text", "asked", "label", "answer"),
    [
        (THIRTEEN, "a b", ASKED_THIRTEEN, "annoyance", " annoyance"),
        (SIX, "a b", ASKED_SIX, "joy", " joy"),
        (POLARITY, "很好", ASKED_POLARITY, "negative", "负"),
        (SEVEN, "很好", ASKED_SEVEN, "fear", "惧"),
    ],
    ids=["thirteen", "six", "polarity", "seven"],
)
def test_a_text_is_asked_about_in_the_words_of_the_report(
    labels: tuple[str, ...], text: str, asked: str, label: str, answer: str
) -> None:
    prompt = prompt_for(labels)
    assert prompt.before(text) == asked
    assert prompt.answered(text, label) == asked + answer


def test_every_taxonomy_has_a_prompt_with_a_word_for_each_label_and_no_more() -> None:
    for labels in TAXONOMIES.values():
        prompt = prompt_for(labels)
        assert set(prompt.verbalisers) == set(labels)
        words = prompt.words(labels)
        assert len(set(words)) == len(words)
        assert all(word in prompt.question for word in words)
    assert prompt_for(EKMAN) == PROMPTS["ekman"]
    assert prompt_for(GOEMOTIONS) == PROMPTS["goemotions"]


def test_words_come_in_the_order_of_the_labels_not_of_the_question() -> None:
    assert prompt_for(SEVEN).words(SEVEN) == ["怒", "恶", "惧", "乐", "爱", "哀", "惊"]
    assert prompt_for(THIRTEEN).words(THIRTEEN) == list(THIRTEEN)
    assert prompt_for(tuple(reversed(SIX))) == prompt_for(SIX)


def test_a_wider_template_may_be_asked_for_by_name() -> None:
    assert prompt_for(SIX, "thirteen") == PROMPTS["thirteen"]


def test_labels_without_a_prompt_or_without_a_word_are_errors() -> None:
    with pytest.raises(ValueError, match=r"there is no prompt that asks for joy, awe; there are: thirteen, six"):
        prompt_for(("joy", "awe"))
    with pytest.raises(ValueError, match=r"there is no prompt called 'sixty'"):
        prompt_for(SIX, "sixty")
    with pytest.raises(ValueError, match=r"the prompt has no word for relief; it asks for anger, fear"):
        prompt_for(("anger", "relief"), "six")
