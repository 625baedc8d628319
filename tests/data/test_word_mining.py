from __future__ import annotations

import math

import pandas as pd
import pytest

from emotion_kedro.config.models import LexiconConfig
from emotion_kedro.data.lexicon import (
    cue_words,
    has_cue_word,
    lexicon_words,
    log_odds,
    mine_lexicon,
    word_spans,
    words_of,
)

TEXTS = ["sun sun rain", "Rain rain!"]
LABELS = ["joy", "sadness"]


def test_words_are_runs_of_letters_with_their_apostrophes() -> None:
    text = "Don’t STOP :) it's 2 o'clock_now, naïve"
    assert words_of(text) == ["don't", "stop", "it's", "o'clock", "now", "naïve"]
    assert [text[start:end] for start, end in word_spans(text)][:2] == ["Don’t", "STOP"]


def test_each_chinese_character_is_a_word() -> None:
    text = "我很高兴，OK的it’s好！"
    assert words_of(text) == ["我", "很", "高", "兴", "ok", "的", "it's", "好"]
    assert [text[start:end] for start, end in word_spans(text)][3:6] == ["兴", "OK", "的"]


def test_cue_words_are_found_in_chinese_texts() -> None:
    happy, sad = ["我很高兴", "他高兴地笑了", "今天真高兴"], ["我很难过", "他难过地哭了", "今天真难过"]
    labels = ["joy"] * 3 + ["sadness"] * 3
    cues = cue_words(happy + sad, labels, per_label=2)
    assert cues == {"joy": {"高", "兴"}, "sadness": {"难", "过"}}
    assert has_cue_word(["她也高兴", "她也难过"], ["joy", "joy"], cues) == [True, False]


def test_log_odds_are_those_computed_by_hand() -> None:
    rows = log_odds(TEXTS, LABELS).set_index(["label", "word"])
    # The prior is 500 words in the proportions of the whole: sun 2 of 5, rain 3 of 5.
    delta = math.log(202 / (3 + 500 - 202)) - math.log(200 / (2 + 500 - 200))
    assert rows.loc[("joy", "sun"), "log_odds"] == pytest.approx(delta)
    assert rows.loc[("joy", "sun"), "z"] == pytest.approx(delta / math.sqrt(1 / 202 + 1 / 200))
    assert rows.loc[("sadness", "sun"), "z"] == pytest.approx(-rows.loc[("joy", "sun"), "z"])
    assert rows["count"].to_dict() == {
        ("joy", "rain"): 1,
        ("joy", "sun"): 2,
        ("sadness", "rain"): 2,
        ("sadness", "sun"): 0,
    }
    assert rows.loc[("joy", "rain"), "texts"] == 2
    assert rows.loc[("joy", "sun"), "texts"] == 1


def test_rare_words_are_counted_but_not_mined() -> None:
    assert set(log_odds(TEXTS, LABELS, least_count=2)["word"]) == {"rain"}
    kept, whole = log_odds(TEXTS, LABELS, least_count=2), log_odds(TEXTS, LABELS)
    assert kept["z"].tolist() == whole.loc[whole["word"] == "rain", "z"].tolist()


def test_each_label_gets_its_most_typical_words_and_ties_go_by_the_alphabet() -> None:
    texts = ["glad merry day", "glad merry day", "gloom day", "gloom day"]
    mined = mine_lexicon(texts, ["joy", "joy", "sadness", "sadness"], per_label=2, least_count=2)
    assert list(zip(mined["label"], mined["word"], strict=True)) == [
        ("joy", "glad"),
        ("joy", "merry"),
        ("sadness", "gloom"),
        ("sadness", "day"),  # two of four words there, two of six in joy
    ]
    assert (mined["z"] > 0).all()


def test_of_no_texts_or_one_word_nothing_is_typical() -> None:
    assert mine_lexicon([], [], per_label=5, least_count=1).empty
    assert mine_lexicon(["day", "day"], ["joy", "sadness"], per_label=5, least_count=1).empty


@pytest.fixture
def mix() -> pd.DataFrame:
    texts = ["glad day", "glad day", "gloom day", "gloom day", "invented day", "invented day"]
    labels = ["joy", "joy", "sadness", "sadness", "joy", "joy"]
    return pd.DataFrame({"text": texts, "label": labels, "origin": ["real"] * 4 + ["added"] * 2})


def test_words_are_mined_in_real_rows_alone(mix: pd.DataFrame) -> None:
    options = LexiconConfig(words="mined", per_label=3, least_count=1)
    assert lexicon_words(mix, ("joy", "sadness"), options) == ("glad", "gloom")
    shuffled = mix.sample(frac=1.0, random_state=3)
    assert lexicon_words(shuffled, ("joy", "sadness"), options) == ("glad", "gloom")


def test_labels_and_listed_words_come_as_they_are_each_once(mix: pd.DataFrame) -> None:
    assert lexicon_words(mix, ("joy", "sadness"), LexiconConfig()) == ("joy", "sadness")
    listed = LexiconConfig(words="listed", listed=("Gutted", "gutted", "don’t"))
    assert lexicon_words(mix, ("joy", "sadness"), listed) == ("gutted", "don't")
