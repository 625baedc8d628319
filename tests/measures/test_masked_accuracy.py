from __future__ import annotations

import pandas as pd
import pytest

from emotion_kedro.measures.word_masking import (
    compare_versions,
    compare_with_whole,
    completeness,
    concentration,
    heaviest_words,
    score_versions,
)
from emotion_kedro.text.word_masking import Version

LABELS = ("joy", "sadness")
BOOTSTRAP = {"samples": 200, "level": 0.95, "seed": 0}


def version(arm: str, hits: list[bool], draw: int = 0) -> pd.DataFrame:
    truth = ["joy" if row % 2 else "sadness" for row in range(len(hits))]
    joy = [float((label == "joy") == hit) for label, hit in zip(truth, hits, strict=True)]
    return pd.DataFrame(
        {
            "record_id": [f"invented:{row}" for row in range(len(hits))],
            "label": truth,
            "source": "invented",
            "arm": arm,
            "seed": draw,
            "p_joy": joy,
            "p_sadness": [1 - value for value in joy],
        }
    )


@pytest.fixture
def predictions() -> pd.DataFrame:
    return pd.concat(
        [
            version("attribution/masked/1", [False] * 6 + [True] * 2),
            version("all words", [True] * 8),
            version("random/masked/1", [True] * 8, draw=0),
            version("random/masked/1", [True] * 4 + [False] * 4, draw=1),
        ],
        ignore_index=True,
    )


def test_each_version_is_scored_and_the_whole_text_stands_first(predictions: pd.DataFrame) -> None:
    rows = score_versions(predictions, LABELS, groups=None, bootstrap=BOOTSTRAP)
    assert [(row["chooser"], row["way"], row["words"], row["draws"]) for row in rows] == [
        ("all words", "", None, 1),
        ("attribution", "masked", 1, 1),
        ("random", "masked", 1, 2),
    ]
    assert [row["figure"]["estimate"] for row in rows] == [1.0, 0.25, 0.75]


def test_an_informed_choice_is_set_against_every_random_draw(predictions: pd.DataFrame) -> None:
    (row,) = compare_versions(predictions, LABELS, groups=None, bootstrap=BOOTSTRAP)
    assert (row["chooser"], row["way"], row["words"], row["rows"]) == ("attribution", "masked", 1, 8)
    assert row["figure"]["estimate"] == pytest.approx(0.25 - 0.75)
    assert row["figure"]["low"] < -0.5 < row["figure"]["high"]


def test_a_version_is_set_against_the_whole_texts(predictions: pd.DataFrame) -> None:
    version = Version("attribution", "masked", 1)
    found = compare_with_whole(predictions, LABELS, version, groups=None, bootstrap=BOOTSTRAP)
    assert found is not None
    assert found["figure"]["estimate"] == pytest.approx(0.25 - 1.0)
    absent = Version("attribution", "alone", 1)
    assert compare_with_whole(predictions, LABELS, absent, groups=None, bootstrap=BOOTSTRAP) is None


def test_rows_of_one_group_are_drawn_together(predictions: pd.DataFrame) -> None:
    ids = predictions["record_id"].unique()
    pairs = pd.Series([number // 2 for number in range(len(ids))], index=ids)
    alone, paired = (
        score_versions(predictions, LABELS, groups=groups, bootstrap=BOOTSTRAP)[1]["figure"] for groups in (None, pairs)
    )
    assert alone["estimate"] == paired["estimate"]
    assert paired["high"] - paired["low"] > alone["high"] - alone["low"]


def test_the_share_of_the_heaviest_words_is_a_mean_over_texts() -> None:
    words = pd.DataFrame(
        {
            "record_id": ["a", "a", "a", "a", "b", "b"],
            "attribution": [-6.0, 2.0, 1.0, 1.0, 1.0, 1.0],
            "attention": [0.1, 0.1, 0.1, 0.1, 0.3, 0.1],
            "rollout": [0.0] * 6,
        }
    )
    rows = {(row["measure"], row["words"]): row for row in concentration(words, (1, 3))}
    assert rows["attribution", 1]["share"] == pytest.approx((0.6 + 0.5) / 2)
    assert rows["attribution", 1]["even"] == pytest.approx((0.25 + 0.5) / 2)
    assert rows["attention", 1]["share"] == pytest.approx((0.25 + 0.75) / 2)
    assert rows["attribution", 3]["share"] == pytest.approx((0.9 + 1.0) / 2)
    assert rows["attribution", 3]["even"] == pytest.approx((0.75 + 1.0) / 2)
    assert rows["rollout", 1] == {"measure": "rollout", "words": 1, "share": None, "even": None, "texts": 0}


def test_heaviest_words_are_means_over_the_texts_read_as_the_label() -> None:
    words = pd.DataFrame(
        {
            "record_id": ["a", "b", "c", "a", "b", "c"],
            "word": ["glad", "glad", "glad", "rare", "day", "day"],
            "attribution": [3.0, 1.0, 9.0, 8.0, 1.5, 0.5],
        }
    )
    predicted = pd.Series({"a": "joy", "b": "joy", "c": "sadness"})
    assert heaviest_words(words, predicted, per_label=3, least_texts=2) == [
        {"label": "joy", "word": "glad", "mean": 2.0, "texts": 2}
    ]
    best = heaviest_words(words, predicted, per_label=1, least_texts=1)
    assert [(row["label"], row["word"]) for row in best] == [("joy", "rare"), ("sadness", "glad")]


def test_completeness_is_the_gap_beside_the_change() -> None:
    texts = pd.DataFrame({"gap": [0.1, -0.3], "change": [4.0, -4.0]})
    assert completeness(texts) == {"texts": 2, "gap": pytest.approx(0.2), "change": 4.0, "ratio": pytest.approx(0.05)}
