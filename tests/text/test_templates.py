from __future__ import annotations

import pytest

from emotion_kedro.text.templates import CHINESE, template_texts


def test_a_sentence_names_its_label() -> None:
    table = template_texts(["joy", "fear"])
    assert table["text"].tolist() == ["This text expresses joy", "This text expresses fear"]
    assert table["label"].tolist() == ["joy", "fear"]


def test_words_stand_for_labels() -> None:
    table = template_texts(["positive"], CHINESE, words={"positive": "喜悦"})
    assert table.to_dict("records") == [{"text": "这段文字表达的是喜悦", "label": "positive"}]


def test_a_label_without_a_word_and_a_template_without_a_place_are_refused() -> None:
    with pytest.raises(ValueError, match="no word for joy"):
        template_texts(["joy", "fear"], words={"fear": "angst"})
    with pytest.raises(ValueError, match=r"has no \{label\} in it"):
        template_texts(["joy"], "I feel {word}")
