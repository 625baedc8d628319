"""Figures on texts without emotion labels, by hand."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.measures import special_sets as special
from emotion_kedro.measures.special_findings import asked_of, set_findings, verdict
from emotion_kedro.options.special_sets import TextSetOptions

LABELS = ("fear", "joy", "love")
BOOTSTRAP = {"samples": 100, "level": 0.95, "seed": 0}
BEFORE = [[0.6, 0.3, 0.1], [0.5, 0.4, 0.1], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1]]
AFTER = [[0.1, 0.1, 0.8], [0.1, 0.3, 0.6], [0.1, 0.1, 0.8], [0.2, 0.7, 0.1]]
TEXTS = ("afraid of the dark", "afraid of dogs", "my dear love", "what a happy day")


def options(**changes: Any) -> TextSetOptions:
    told = {"name": "stress told from no stress", "positive": "1", "against": ("joy", "love")}
    return TextSetOptions(
        **{
            **{"title": "posts", "system": "S18", "files": "a.csv", "text_column": "text"},
            **{"other_label_column": "label", "expected": ("love", "amusement"), "told": told},
            **changes,
        }
    )


def read_set(title: str = "posts", labels: tuple[str, ...] = ("1", "1", "0", "0")) -> special.ReadSet:
    texts = pd.DataFrame(
        {
            "record_id": [f"{title}:{row}" for row in range(4)],
            "text": TEXTS,
            "other_label": labels,
            "group": list("aabc"),
        }
    )
    return special.ReadSet(title, texts, {"before": np.array([BEFORE]), "after": np.array([AFTER])})


def measured(**changes: Any) -> dict[str, Any]:
    return special.measure_set(read_set(), options(**changes), read_set("in-domain"), LABELS, BOOTSTRAP)


def test_readings_are_put_in_the_order_of_the_texts_for_each_seed() -> None:
    predictions = pd.DataFrame(
        {
            "record_id": ["b", "a", "a", "b"],
            "seed": [1, 1, 0, 0],
            "p_fear": [0.1, 0.2, 0.3, 0.4],
            "p_joy": [0.9, 0.8, 0.7, 0.6],
        }
    )
    found = special.readings_of(predictions, ["a", "b"], ("fear", "joy"))
    assert found.tolist() == [[[0.3, 0.7], [0.4, 0.6]], [[0.2, 0.8], [0.1, 0.9]]]
    with pytest.raises(KeyError):
        special.readings_of(predictions, ["c"], ("fear", "joy"))


def test_the_figures_of_a_set() -> None:
    figures = measured()
    before, after = figures["arms"]["before"], figures["arms"]["after"]
    # amusement is no label of this taxonomy: only love is looked for.
    assert figures["expected"] == ["love"]
    assert (figures["texts"], figures["groups"]) == (4, 3)
    assert before["share"]["estimate"] == 0.25
    assert after["share"]["estimate"] == 0.75
    assert figures["change"]["share"]["estimate"] == 0.5
    assert before["confidence"]["estimate"] == pytest.approx((0.6 + 0.5 + 0.8 + 0.7) / 4)
    assert figures["change"]["confidence"]["estimate"] == pytest.approx((0.8 + 0.6 - 0.6 - 0.5) / 4)
    # 1 - joy - love is the probability of fear: .6 and .5 under stress, .1 and .2 without; then .1, .1 and .1, .2.
    assert before["auc"]["estimate"] == 1.0
    assert after["auc"]["estimate"] == pytest.approx((0.5 + 0 + 0.5 + 0) / 4)
    assert figures["change"]["auc"]["estimate"] == pytest.approx(0.25 - 1.0)
    # Two of four read as fear, one each as the others.
    shares = np.array([0.5, 0.25, 0.25])
    assert before["entropy"] == pytest.approx(-(shares * np.log(shares)).sum() / np.log(3))


def test_a_set_beside_itself_differs_by_nothing() -> None:
    before = measured()["arms"]["before"]
    assert before["confidence_beside"]["estimate"] == pytest.approx(0)
    assert before["share_beside"]["estimate"] == 0


def test_what_is_not_asked_has_no_figure() -> None:
    figures = measured(expected=(), told=None)
    assert figures["arms"]["before"]["share"] is None
    assert figures["arms"]["before"]["auc"] is None
    assert figures["change"]["share"] is figures["change"]["auc"] is None
    assert asked_of({"posts": figures}) == []


def test_a_set_of_one_class_has_no_auc() -> None:
    one = read_set(labels=("1", "1", "1", "1"))
    figures = special.measure_set(one, options(), read_set("in-domain"), LABELS, BOOTSTRAP)
    assert figures["arms"]["before"]["auc"] is None
    assert verdict({"posts": figures})[0] in {"No difference shown.", "Better on 1 of 1 questions."}


def test_findings_are_named_by_set_question_and_arm() -> None:
    found = set_findings(
        {"posts": measured()}, seeds=[0], model="tiny", data={"before": "4 rows", "after": "4 and 2 rows"}
    )
    assert [(one["name"], one["metric"], one["data"]) for one in found] == [
        ("posts read as love, before", "share", "4 rows"),
        ("posts read as love, after", "share", "4 and 2 rows"),
        ("posts, mean confidence, before", "confidence", "4 rows"),
        ("posts, mean confidence, after", "confidence", "4 and 2 rows"),
        ("posts: stress told from no stress, before", "AUC", "4 rows"),
        ("posts: stress told from no stress, after", "AUC", "4 and 2 rows"),
    ]
    assert {one["rows"] for one in found} == {4}


def change(low: float, high: float, system: str = "S18") -> dict[str, Any]:
    found = {"estimate": (low + high) / 2, "low": low, "high": high}
    figures = {"share": found, "confidence": {"estimate": 1, "low": 1, "high": 1}, "auc": None}
    one = {"title": "a", "system": system, "texts": 1, "groups": 1, "expected": ["love"], "told": None}
    return {**one, "arms": {arm: figures for arm in special.ARMS}, "change": figures}


@pytest.mark.parametrize(
    ("sets", "answer", "kind"),
    [
        ([change(-0.1, 0.2)], "No difference shown.", "open"),
        ([change(0.1, 0.2), change(0.0, 0.2)], "Better on 1 of 2 questions.", "helped"),
        ([change(-0.2, -0.1), change(-0.1, 0.2)], "Worse on 1 of 2 questions.", "harmed"),
        ([change(0.1, 0.2), change(-0.2, -0.1)], "Mixed: better on 1 and worse on 1 of 2 questions.", "open"),
        # Jokes have no direction, and nor has confidence.
        ([change(0.1, 0.2, "S19"), change(-0.1, 0.2)], "No difference shown.", "open"),
    ],
)
def test_the_answer_rests_on_the_intervals_of_the_changes(sets: list[dict[str, Any]], answer: str, kind: str) -> None:
    assert verdict({str(number): one for number, one in enumerate(sets)}) == (answer, kind)


def test_shares_certainties_words_and_extremes() -> None:
    one = read_set()
    shares = special.emotion_shares([one], LABELS)
    assert shares[shares["arm"] == "before"]["share"].tolist() == [0.5, 0.25, 0.25]
    assert shares[shares["arm"] == "after"]["probability"].tolist() == pytest.approx([0.125, 0.3, 0.575])
    sure = special.certainties([one])
    assert sure[sure["arm"] == "before"]["confidence"].tolist() == [0.6, 0.5, 0.8, 0.7]
    words = special.typical_words([one], LABELS, per_label=1, least_count=2)
    assert words[words["arm"] == "before"][["label", "word"]].values.tolist() == [["fear", "afraid"]]
    extremes = special.pick_extremes([one], LABELS, count=1)
    before = extremes[extremes["arm"] == "before"]
    assert before[["which", "text", "predicted"]].values.tolist() == [
        ["most", "my dear love", "love"],
        ["least", "afraid of dogs", "fear"],
    ]


def test_true_shares_name_labels_without_rows() -> None:
    assert special.true_shares(pd.Series(["joy", "joy", "fear", "joy"]), LABELS) == {
        "fear": 0.25,
        "joy": 0.75,
        "love": 0,
    }
