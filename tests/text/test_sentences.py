from __future__ import annotations

import pytest

from emotion_kedro.text.sentences import pieces_of, sentences_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One is here. Two is there! Is three? No", ["One is here.", "Two is there!", "Is three?", "No"]),
        (
            "“Come,” she said. “I shall.” Then she went…  Away",
            ["“Come,” she said.", "“I shall.”", "Then she went…", "Away"],
        ),
        ("Mr. Hale met Dr. Brook and J. Ash. They talked.", ["Mr. Hale met Dr. Brook and J. Ash.", "They talked."]),
        ("He paid 3.50 for it... and left. Ünal came.", ["He paid 3.50 for it... and left.", "Ünal came."]),
        ("", []),
    ],
)
def test_sentences(text: str, expected: list[str]) -> None:
    assert sentences_of(text) == expected


def test_short_sentences_are_put_together() -> None:
    assert pieces_of("Oh. Well. I am here now. You are not. Alas!", min_words=4, max_words=9) == [
        "Oh. Well. I am here now.",
        "You are not. Alas!",
    ]


def test_a_last_piece_that_is_too_short_joins_the_one_before() -> None:
    assert pieces_of("I am here now and always. Yours.", min_words=3, max_words=8) == [
        "I am here now and always. Yours."
    ]
    assert pieces_of("I am here now and always. Yours.", min_words=3, max_words=6) == [
        "I am here now and always.",
        "Yours.",
    ]


def test_a_long_sentence_is_cut_into_parts_of_about_the_same_length() -> None:
    pieces = pieces_of("a b c d e f g h i j", min_words=2, max_words=4)
    assert pieces == ["a b c", "d e f", "g h i j"]
