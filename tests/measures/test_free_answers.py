from __future__ import annotations

import pandas as pd
import pytest

from emotion_kedro.measures.free_answers import count_answers, read_answers, score_answers

BOOTSTRAP = {"samples": 200, "level": 0.95, "seed": 0}
WORDS = {"anger": 7, "annoyance": 9, "amusement": 9, "joy": 4}


def test_an_answer_names_the_label_whose_word_it_begins() -> None:
    found = read_answers([7, 4, 1, 9], WORDS)
    assert found["named"].tolist() == ["anger", "joy", "", ""]
    # 9 begins two words: it keeps to the form, but says neither.
    assert found["inside"].tolist() == [True, True, False, True]


def answers() -> pd.DataFrame:
    """Ten answers: 4 right, 3 wrong labels, 3 no label at all."""
    named = ["joy"] * 4 + ["anger"] * 2 + ["", "", "", ""]
    return pd.DataFrame(
        {
            "record_id": [f"r{number}" for number in range(10)],
            "label": ["joy"] * 6 + ["anger"] * 4,
            "arm": "untuned",
            "answer": [" joy"] * 4 + [" anger"] * 2 + [" ann", "i", "i", "\n"],
            "named": named,
            "inside": [True] * 7 + [False] * 3,
        }
    )


def test_a_wrong_label_and_no_label_are_told_apart() -> None:
    found = score_answers(answers(), tuple(WORDS), **BOOTSTRAP)
    assert found["rows"] == 10
    assert found["accuracy"]["estimate"] == pytest.approx(0.4)
    assert found["outside"]["estimate"] == pytest.approx(0.3)
    assert found["accuracy_inside"] == pytest.approx(4 / 7)
    assert found["outside"]["low"] < 0.3 < found["outside"]["high"]


def test_figures_do_not_depend_on_the_order_of_rows_and_groups_widen_intervals() -> None:
    shuffled = answers().sample(frac=1, random_state=1)
    assert score_answers(shuffled, tuple(WORDS), **BOOTSTRAP) == score_answers(answers(), tuple(WORDS), **BOOTSTRAP)
    groups = pd.Series([0, 0, 0, 0, 1, 1, 1, 2, 2, 2], index=[f"r{number}" for number in range(10)])
    grouped = score_answers(answers(), tuple(WORDS), groups=groups, **BOOTSTRAP)
    assert grouped["outside"]["estimate"] == pytest.approx(0.3)
    assert (grouped["outside"]["low"], grouped["outside"]["high"]) == pytest.approx((0.0, 0.75), abs=0.26)
    assert grouped["outside"]["high"] >= 0.75


def test_without_an_answer_in_the_label_set_there_is_no_accuracy_within_it() -> None:
    none = answers().assign(named="", inside=False)
    found = score_answers(none, tuple(WORDS), **BOOTSTRAP)
    assert found["accuracy_inside"] is None
    assert found["accuracy"]["estimate"] == 0.0
    assert (found["outside"]["low"], found["outside"]["high"]) == (1.0, 1.0)


def test_the_most_frequent_answers_of_each_arm_are_counted() -> None:
    both = pd.concat([answers(), answers().assign(arm="tuned", answer=" joy", inside=True)])
    found = count_answers(both, 2)
    assert found.values.tolist() == [
        ["untuned", " joy", 4, 0.4, True],
        ["untuned", " anger", 2, 0.2, True],
        ["tuned", " joy", 10, 1.0, True],
    ]
