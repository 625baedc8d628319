from __future__ import annotations

import math

import pandas as pd
import pytest

from emotion_kedro.measures.synthetic_text import count_reasons, describe_synthetic_text, pick_examples

NEAR_COPY, COPY, KEPT = "near-copy of a train text", "copy of a train text", "kept"

TRAIN = pd.DataFrame({"text": ["the band played on and on", "a long cold rain fell"], "label": ["joy", "sadness"]})
HELD_OUT = pd.DataFrame(
    {
        "text": [
            "red kites rose above our heads all afternoon",
            "red kites sank below their feet before noon today",
            "grey water stood in every street of town",
        ],
        "label": ["joy", "joy", "sadness"],
    }
)


def table(*rows: tuple[str, str, str]) -> pd.DataFrame:
    """Candidates from text, label and reason."""
    candidates = pd.DataFrame(rows, columns=["text", "label", "reason"])
    candidates["candidate_id"] = [f"c{row}" for row in range(len(rows))]
    candidates["probability"] = [row / 10 for row in range(len(rows))]
    return candidates.assign(kept=candidates["reason"] == KEPT)


CANDIDATES = table(
    ("blue birds sing", "joy", KEPT),
    ("blue birds dance", "joy", KEPT),
    ("The band played on and on!", "joy", COPY),
    ("the band played on and off", "joy", NEAR_COPY),
    ("a long cold winter", "sadness", KEPT),
)
JUDGED = pd.DataFrame(
    {"record_id": ["c4", "c3", "c2", "c1", "c0"], "predicted": ["sadness", "joy", "sadness", "sadness", "joy"]}
)


@pytest.fixture(scope="module")
def described() -> pd.DataFrame:
    found = describe_synthetic_text(CANDIDATES, JUDGED, TRAIN, HELD_OUT, seed=0)
    assert found["label"].tolist() == ["joy", "sadness", "all"]
    return found.set_index("label")


def test_how_many_were_drawn_and_kept(described: pd.DataFrame) -> None:
    assert described["drawn"].tolist() == [4, 1, 5]
    assert described["kept"].tolist() == [2, 1, 3]
    assert described["yield"].tolist() == [0.5, 1.0, 0.6]


def test_fidelity_is_the_share_read_as_their_label(described: pd.DataFrame) -> None:
    # Of joy c0 and c3 are read as joy, of its kept ones c0; of sadness c4.
    assert described["fidelity_all"].tolist() == pytest.approx([2 / 4, 1, 3 / 5])
    assert described["fidelity_kept"].tolist() == pytest.approx([1 / 2, 1, 2 / 3])


def test_copies_are_counted_among_all_candidates(described: pd.DataFrame) -> None:
    assert described["exact_copies"].tolist() == [1, 0, 1]
    assert described["near_copies"].tolist() == [1, 0, 1]


def test_diversity_is_that_of_kept_texts(described: pd.DataFrame) -> None:
    # Joy: four different words of six, three different pairs of four.
    assert described["distinct_1"].tolist() == pytest.approx([4 / 6, 1, 8 / 10])
    assert described["distinct_2"].tolist() == pytest.approx([3 / 4, 1, 6 / 7])


def test_real_text_is_cut_to_the_same_lengths(described: pd.DataFrame) -> None:
    # Three words of each: red kites rose, red kites sank.
    assert described["real_distinct_1"]["joy"] == pytest.approx(4 / 6)
    assert described["real_distinct_2"]["joy"] == pytest.approx(3 / 4)
    assert described["self_bleu"]["joy"] == pytest.approx(described["real_self_bleu"]["joy"])
    assert math.isnan(described["self_bleu"]["sadness"])


def test_novelty_is_measured_against_train_texts(described: pd.DataFrame) -> None:
    # "blue birds sing" shares nothing, "a long cold" is three words.
    assert described["longest_shared_ngram"].tolist() == pytest.approx([0, 3, 1])
    assert described["nearest_similarity"]["sadness"] > 0.3 > described["nearest_similarity"]["joy"]
    assert described["real_longest_shared_ngram"].tolist()[:2] == [0, 0]


def test_more_synthetic_than_real_texts_are_compared_on_as_many() -> None:
    texts = ["one two three", "one two three", "four five six"]
    candidates = table(*[(text, "joy", KEPT) for text in texts])
    judged = pd.DataFrame({"record_id": candidates["candidate_id"], "predicted": "joy"})
    found = describe_synthetic_text(candidates, judged, TRAIN, HELD_OUT, seed=0).set_index("label")
    # Two real texts of joy: the first two synthetic ones stand beside them, the same words twice.
    assert found["distinct_1"]["joy"] == pytest.approx(3 / 6)
    assert found["self_bleu"]["joy"] == pytest.approx(1.0)
    # Of all labels there are three.
    assert found["distinct_1"]["all"] == pytest.approx(6 / 9)


def test_where_nothing_was_kept_there_is_nothing_to_measure() -> None:
    candidates = table(("a long cold rain fell", "sadness", COPY))
    judged = pd.DataFrame({"record_id": ["c0"], "predicted": ["sadness"]})
    found = describe_synthetic_text(candidates, judged, TRAIN, HELD_OUT, seed=0).set_index("label").loc["sadness"]
    assert found[["drawn", "kept", "yield", "fidelity_all", "exact_copies"]].tolist() == [1, 0, 0, 1, 1]
    empty = ["fidelity_kept", "distinct_1", "distinct_2", "self_bleu", "longest_shared_ngram", "nearest_similarity"]
    assert found[[*empty, *(f"real_{name}" for name in empty[1:])]].isna().all()


def test_what_is_beyond_the_quota_was_good_too() -> None:
    candidates = table(
        ("blue birds sing", "joy", KEPT), ("blue birds dance", "joy", "beyond the quota"), ("a", "joy", "too short")
    )
    judged = pd.DataFrame({"record_id": candidates["candidate_id"], "predicted": "joy"})
    found = describe_synthetic_text(candidates, judged, TRAIN, HELD_OUT, seed=0).set_index("label").loc["joy"]
    assert (found["kept"], found["drawn"]) == (1, 3)
    assert found["yield"] == pytest.approx(2 / 3)


@pytest.mark.parametrize("change", [JUDGED.iloc[:4], JUDGED.assign(record_id=["c4", "c3", "c2", "c1", "c5"])])
def test_predictions_of_other_candidates_are_an_error(change: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="not those of these candidates; run --pipeline=classification again"):
        describe_synthetic_text(CANDIDATES, change, TRAIN, HELD_OUT, seed=0)


def test_reasons_are_counted_by_label() -> None:
    assert count_reasons(CANDIDATES).to_dict("records") == [
        {"label": "joy", "reason": COPY, "candidates": 1},
        {"label": "joy", "reason": KEPT, "candidates": 2},
        {"label": "joy", "reason": NEAR_COPY, "candidates": 1},
        {"label": "sadness", "reason": KEPT, "candidates": 1},
    ]


def test_examples_are_drawn_from_kept_candidates_of_each_label() -> None:
    examples = pick_examples(CANDIDATES, per_label=5, seed=0)
    assert list(examples.columns) == ["label", "text", "probability"]
    assert examples["label"].tolist() == ["joy", "joy", "sadness"]
    assert dict(zip(examples["text"], examples["probability"], strict=True)) == {
        "blue birds sing": 0.0,
        "blue birds dance": 0.1,
        "a long cold winter": 0.4,
    }


def test_examples_are_as_many_as_asked_for_and_chance_decides_which() -> None:
    drawn = {tuple(pick_examples(CANDIDATES, per_label=1, seed=seed)["text"]) for seed in range(12)}
    assert drawn == {("blue birds sing", "a long cold winter"), ("blue birds dance", "a long cold winter")}
