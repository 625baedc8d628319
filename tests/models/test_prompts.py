"""The question that a taxonomy asks, and the words that answer it."""

from __future__ import annotations

from pathlib import Path

from asking import asked

from emotion_kedro.config.taxonomy import LabelConfig, PromptConfig, TaxonomyConfig
from emotion_kedro.models.prompts import Prompt

SIX = TaxonomyConfig.from_labels(("anger", "fear", "joy", "love", "sadness", "surprise"))
ASKED_SIX = (
    "Please read the given text, analyze its sentiment, and select one of the following emotion options: anger, fear, "
    "joy, love, sadness, surprise. \nThe text is: a b\nThe answer is:"
)
CHINESE = TaxonomyConfig(
    labels={"anger": LabelConfig(word="怒"), "joy": LabelConfig(word="乐"), "fear": LabelConfig(word="惧")},
    prompt=PromptConfig(
        question="请选择一个：{options}。\n文本如下：",
        answer="\n答案是：",
        separator="",
        options=("joy", "fear", "anger"),
        joiner="，",
    ),
)


def test_a_text_is_asked_about_in_the_words_of_the_report() -> None:
    prompt = Prompt.of(SIX)
    assert asked(prompt, "a b") == ASKED_SIX
    assert prompt.separator + prompt.words["joy"] == " joy"
    assert prompt.labels == SIX.names


def test_the_options_have_an_order_of_their_own_and_the_words_that_of_the_labels() -> None:
    prompt = Prompt.of(CHINESE)
    assert asked(prompt, "很好") == "请选择一个：乐，惧，怒。\n文本如下：很好\n答案是："
    assert list(prompt.words.items()) == [("anger", "怒"), ("joy", "乐"), ("fear", "惧")]


def test_a_question_need_not_list_the_options() -> None:
    plain = SIX.model_copy(update={"prompt": PromptConfig(question="which? ")})
    assert Prompt.of(plain).question == "which? "


def test_a_prompt_is_read_as_it_was_written(tmp_path: Path) -> None:
    prompt = Prompt.of(CHINESE)
    prompt.write(tmp_path)
    assert Prompt.read(tmp_path) == prompt
