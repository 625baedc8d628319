from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.stats import spearmanr

from emotion_kedro.measures.added_text import MEASURES, describe_added, relate
from emotion_kedro.measures.diversity import self_bleu
from emotion_kedro.measures.novelty import nearest_similarity

TRAIN = {(10, 0): ["the band played on and on", "a long cold rain fell"], (10, 1): ["the band was late"]}
HELD_OUT = ["red kites rose above our heads all afternoon", "grey water stood in every street", "we sang"]


def row(arm: str, text: str, read_as: str = "joy", data_seed: int = 0, n: int = 10) -> dict[str, Any]:
    cell = {"arm": arm, "n": n, "data_seed": data_seed}
    return {**cell, "text": text, "label": "joy", "weight": 1.0, "read_as": read_as}


ADDED = pd.DataFrame(
    [
        row("template", "this text expresses joy"),
        row("template", "this text expresses joy"),
        row("generated", "blue birds sing"),
        row("generated", "blue birds dance", "sadness"),
        row("generated", "The band played on and on!", "sadness"),
        row("generated", "snow all day", data_seed=1),
    ]
)


class Vectors:
    """A vector of its own for every first word, and a count of the texts asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.places: dict[str, int] = {}

    def __call__(self, texts: Sequence[str]) -> np.ndarray:
        self.asked.extend(texts)
        return np.eye(20)[[self.places.setdefault(text.split()[0], len(self.places)) for text in texts]]


@pytest.fixture(scope="module")
def found() -> dict[str, dict[str, Any]]:
    return {entry["arm"]: entry for entry in describe_added(ADDED, Vectors(), TRAIN, HELD_OUT)}


def test_a_row_for_each_arm_with_added_text(found: dict[str, dict[str, Any]]) -> None:
    assert list(found) == ["template", "generated"]
    names = [*MEASURES, *(f"real_{name}" for name in MEASURES if name not in {"fidelity", "copies"})]
    assert set(found["generated"]) == {"arm", "n", "rows", *names}


def test_figures_are_means_over_data_seeds(found: dict[str, dict[str, Any]]) -> None:
    one = found["generated"]
    assert one["rows"] == 2
    assert one["fidelity"] == pytest.approx((1 / 3 + 1) / 2)
    assert one["copies"] == pytest.approx((1 / 3 + 0) / 2)  # a share of the added rows
    # Data seed 0: 0, 0 and 6 words; data seed 1: none.
    assert one["longest_shared_ngram"] == pytest.approx((6 / 3 + 0) / 2)
    similar = [
        nearest_similarity(ADDED.loc[rows, "text"].tolist(), TRAIN[10, seed]).mean()
        for seed, rows in ((0, [2, 3, 4]), (1, [5]))
    ]
    assert one["nearest_similarity"] == pytest.approx(np.mean(similar))
    # Pairs: 2 + 2 + 5, of which `blue birds` twice; then 2 of 2.
    assert one["distinct_2"] == pytest.approx((8 / 9 + 1) / 2)
    # One text has nothing to be like: the mean is over the other data seed.
    assert one["self_bleu"] == pytest.approx(self_bleu(ADDED.loc[[2, 3, 4], "text"].tolist()))
    # Blue, blue, the: shares 2/3 and 1/3; then one text.
    entropy = -(2 / 3 * np.log(2 / 3) + 1 / 3 * np.log(1 / 3))
    assert one["vendi"] == pytest.approx((np.exp(entropy) + 1) / 2)


def test_a_template_repeats_itself(found: dict[str, dict[str, Any]]) -> None:
    one = found["template"]
    assert (one["fidelity"], one["copies"], one["distinct_2"]) == (1.0, 0.0, 0.5)
    assert (one["self_bleu"], one["vendi"]) == pytest.approx((1.0, 1.0))


def test_real_text_has_the_same_lengths() -> None:
    asked = Vectors()
    describe_added(ADDED.iloc[:2], asked, TRAIN, HELD_OUT)
    real = sorted(set(asked.asked) - set(ADDED["text"]))
    # Both template texts have four words, and so has what stands beside them.
    assert real == ["grey water stood in", "red kites rose above"]


def test_real_text_of_that_length_stays_whole() -> None:
    asked = Vectors()
    describe_added(pd.DataFrame([row("new", "two words")]), asked, TRAIN, HELD_OUT)
    assert "we sang" in asked.asked


def test_real_figures_are_those_of_the_texts_beside(found: dict[str, dict[str, Any]]) -> None:
    one = found["template"]
    assert one["real_distinct_2"] == 1.0
    assert one["real_vendi"] == pytest.approx(2.0)
    # `stood in` and `red kites` and the like share not a word with the train texts.
    assert one["real_longest_shared_ngram"] == 0.0


def test_more_added_than_real_texts_are_compared_on_as_many() -> None:
    texts = [f"{word} bird" for word in ("one", "two", "three", "four", "five")]
    (one,) = describe_added(pd.DataFrame([row("new", text) for text in texts]), Vectors(), TRAIN, HELD_OUT)
    assert (one["rows"], one["vendi"], one["real_vendi"]) == (5, pytest.approx(3.0), pytest.approx(3.0))


def test_samples_are_bounded_and_texts_asked_for_once() -> None:
    rows = [row(arm, f"w{number} bird") for arm in ("one", "other") for number in range(15)]
    asked = Vectors()
    first, second = describe_added(pd.DataFrame(rows), asked, TRAIN, ["held out"] * 20, sample=4)
    assert first["vendi"] == pytest.approx(4.0)
    assert first["rows"] == 15
    assert len(asked.asked) == len(set(asked.asked)) == 4 + 1
    assert {**first, "arm": "other"} == second


def test_without_held_out_text_the_novelty_stands_alone() -> None:
    (one,) = describe_added(ADDED.iloc[:2], Vectors(), TRAIN, [])
    assert (one["fidelity"], one["longest_shared_ngram"]) == (1.0, 0.0)
    assert [one[name] for name in ("vendi", "real_vendi", "real_nearest_similarity")] == [None, None, None]


def test_texts_without_words_are_added_but_not_compared() -> None:
    vectors = Vectors()

    def features(texts: Sequence[str]) -> np.ndarray:
        assert all(text.strip() for text in texts)
        return vectors(texts)

    emoji = [row("new", "\U0001f600 !!"), row("new", "\u2764", "sadness")]
    held_out = [*HELD_OUT, "\U0001f600"]
    (with_words,) = describe_added(ADDED.iloc[2:4].assign(arm="new"), vectors, TRAIN, HELD_OUT)
    (one,) = describe_added(
        pd.DataFrame([*ADDED.iloc[2:4].assign(arm="new").to_dict("records"), *emoji]), features, TRAIN, held_out
    )
    assert (one["rows"], one["fidelity"]) == (4, 0.5)
    same = ("vendi", "real_vendi", "distinct_2", "real_distinct_2", "self_bleu", "longest_shared_ngram")
    assert [one[name] for name in same] == [with_words[name] for name in same]
    (alone,) = describe_added(pd.DataFrame(emoji), features, TRAIN, held_out)
    assert (alone["rows"], alone["fidelity"], alone["copies"]) == (2, 0.5, 0.0)
    assert {alone[name] for name in (*same, "nearest_similarity", "real_nearest_similarity")} == {None}


def test_copies_are_a_share_whatever_the_number_of_rows() -> None:
    texts = [*["a long cold rain fell"] * 72, *(f"new text {number}" for number in range(216))]
    (one,) = describe_added(pd.DataFrame([row("eda", text) for text in texts]), Vectors(), TRAIN, HELD_OUT)
    assert (one["rows"], one["copies"]) == (288, 0.25)


def test_nothing_added_gives_nothing() -> None:
    assert describe_added(ADDED.iloc[:0], Vectors(), TRAIN, HELD_OUT) == []


def test_lacking_train_texts_are_an_error() -> None:
    with pytest.raises(ValueError, match=r"no train texts of \(n, data seed\) \[\(10, 1\)\]"):
        describe_added(ADDED, Vectors(), {(10, 0): TRAIN[10, 0]}, HELD_OUT)


def quality(arm: str, n: int, fidelity: float | None) -> dict[str, Any]:
    return {"arm": arm, "n": n, **dict.fromkeys(MEASURES, 1.0), "fidelity": fidelity}


def gain(arm: str, n: int, value: float, against: str = "real") -> dict[str, Any]:
    return {"against": against, "arm": arm, "n": n, "accuracy": {"estimate": value}}


def test_relation_is_spearman_over_small_sizes() -> None:
    fidelities, gains = [0.1, 0.5, 0.3, 0.9, 0.7, 0.2], [0.00, 0.02, 0.03, 0.05, 0.01, -0.01]
    rows = [quality("abc"[number % 3], (10, 50)[number // 3], value) for number, value in enumerate(fidelities)]
    differences = [gain(entry["arm"], entry["n"], value) for entry, value in zip(rows, gains, strict=True)]
    # Larger sizes, other baselines and arms that were not compared are no points.
    rows += [quality("a", 100, 0.99), quality("unknown", 10, 0.0)]
    differences += [gain("a", 100, -1.0), *(gain(entry["arm"], entry["n"], -1.0, "template") for entry in rows[:6])]
    found = {entry["measure"]: entry for entry in relate(rows, differences)}
    assert list(found) == list(MEASURES)
    assert found["fidelity"]["points"] == 6
    assert found["fidelity"]["spearman"] == pytest.approx(spearmanr(fidelities, gains).statistic)
    # All values equal: there is no order.
    assert (found["vendi"]["spearman"], found["vendi"]["points"]) == (None, 6)


def test_fewer_than_five_points_show_nothing() -> None:
    rows = [quality("abcde"[number], 10, number / 10 if number else None) for number in range(5)]
    differences = [gain(entry["arm"], 10, number / 10) for number, entry in enumerate(rows)]
    found = relate(rows, differences)[0]
    assert found == {"measure": "fidelity", "spearman": None, "points": 4}
    rows[0]["fidelity"] = 0.0
    assert relate(rows, differences)[0]["spearman"] == pytest.approx(1.0)
