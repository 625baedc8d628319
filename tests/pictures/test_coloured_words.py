from __future__ import annotations

import pandas as pd

from emotion_kedro.pictures.attributions import pieces_of
from emotion_kedro.text.lexicon import word_spans


def test_a_text_is_cut_at_its_words_and_nothing_of_it_is_lost() -> None:
    text = "“No, I'm so glad!” :)"
    spans = word_spans(text)
    words = pd.DataFrame(spans, columns=["start", "end"]).assign(attribution=[0.5, -1.0, 0.0, 2.0])
    assert pieces_of(text, words) == [("“", 0.0), ("No,", 0.25), ("I'm", -0.5), ("so", 0.0), ("glad!” :)", 1.0)]


def test_where_nothing_weighs_nothing_is_coloured() -> None:
    words = pd.DataFrame({"start": [0], "end": [2], "attribution": [0.0]})
    assert pieces_of("so", words) == [("so", 0.0)]
