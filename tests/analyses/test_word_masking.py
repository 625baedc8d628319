from __future__ import annotations

import pandas as pd

from emotion_kedro.analyses.attributions import ALL_WORDS, keep_words, mask_words, top_places, versions_of
from emotion_kedro.data.lexicon import word_spans

TEXT = "No,  I'm so GLAD today!"
SPANS = word_spans(TEXT)
SCORES = [0.1, -0.5, 0.3, 0.9, 0.3]


def test_the_highest_scores_are_taken_and_of_equal_ones_the_first() -> None:
    assert top_places(SCORES, 1) == [3]
    assert top_places(SCORES, 2) == [2, 3]
    assert top_places(SCORES, 3) == [2, 3, 4]
    assert top_places(SCORES, 9) == [0, 1, 2, 3, 4]
    assert top_places([], 2) == []


def test_chosen_words_are_masked_and_all_else_stays() -> None:
    assert mask_words(TEXT, SPANS, [3], "[MASK]") == "No,  I'm so [MASK] today!"
    assert mask_words(TEXT, SPANS, [3, 1], "[MASK]") == "No,  [MASK] so [MASK] today!"
    assert mask_words(TEXT, SPANS, [], "[MASK]") == TEXT


def test_chosen_words_stand_alone_in_their_order() -> None:
    assert keep_words(TEXT, SPANS, [3, 1]) == "I'm GLAD"
    assert keep_words(TEXT, SPANS, []) == ""


def build(draws: int = 3, seed: int = 7) -> pd.DataFrame:
    return versions_of(
        TEXT, SPANS, {"attribution": SCORES}, word_counts=(1, 2), draws=draws, mask="[MASK]", seed=(seed,)
    )


def test_every_version_of_a_text_is_there_once() -> None:
    table = build()
    assert table["arm"].value_counts().to_dict() == {
        ALL_WORDS: 1,
        **{f"attribution/{way}/{words}": 1 for way in ("masked", "alone") for words in (1, 2)},
        **{f"random/{way}/{words}": 3 for way in ("masked", "alone") for words in (1, 2)},
    }
    texts = table.set_index(["arm", "seed"])["text"]
    assert texts[ALL_WORDS, 0] == TEXT
    assert texts["attribution/masked/2", 0] == "No,  I'm [MASK] [MASK] today!"
    assert texts["attribution/alone/2", 0] == "so GLAD"


def test_a_draw_of_few_words_is_part_of_that_of_more_and_comes_again() -> None:
    table = build().set_index(["arm", "seed"])["text"]
    for draw in range(3):
        assert set(table["random/alone/1", draw].split()) < set(table["random/alone/2", draw].split())
    pd.testing.assert_frame_equal(build(), build())
    assert not build(draws=9).equals(build(draws=9, seed=8))


def test_a_text_without_words_has_its_versions_too() -> None:
    table = versions_of(":) :)", [], {"attribution": []}, word_counts=(1,), draws=1, mask="[MASK]", seed=(0,))
    assert set(table.loc[table["arm"].str.contains("masked"), "text"]) == {":) :)"}
    assert set(table.loc[table["arm"].str.contains("alone"), "text"]) == {""}
