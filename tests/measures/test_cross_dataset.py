from __future__ import annotations

import pandas as pd
import pytest

from emotion_kedro.measures.cross_dataset import cross_matrix, findings_on_matrix, findings_on_records

LABELS = ("fear", "joy", "relief")
OPTIONS = {"samples": 200, "level": 0.95, "seed": 0}


def split() -> pd.DataFrame:
    """Source a knows fear and joy, source b knows all three."""
    rows = [
        *(("a", label, "train") for label in ("fear", "joy")),
        *(("b", label, "train") for label in LABELS),
        *(("a", label, "test") for label in ("fear", "fear", "joy", "joy")),
        *(("b", label, "test") for label in ("fear", "joy", "relief", "relief")),
    ]
    table = pd.DataFrame(rows, columns=["source", "label", "split"]).astype("str")
    table.insert(0, "record_id", [f"r{row}" for row in range(len(table))])
    return table.assign(group=range(len(table)))


def predictions(arm: str, answers: list[tuple[float, float, float]]) -> pd.DataFrame:
    test = split()[split()["split"] == "test"][["record_id", "label", "source"]].reset_index(drop=True)
    probabilities = pd.DataFrame(answers, columns=[f"p_{label}" for label in LABELS])
    return pd.concat([test.assign(arm=arm, seed=0), probabilities], axis=1)


FEAR, JOY = (0.8, 0.2, 0.0), (0.2, 0.8, 0.0)
RELIEF_THEN_FEAR = (0.3, 0.1, 0.6)
TRAINED_ON_A = predictions("a", [FEAR, JOY, JOY, JOY, FEAR, JOY, FEAR, FEAR])
TRAINED_ON_B = predictions("b", [RELIEF_THEN_FEAR, FEAR, JOY, JOY, FEAR, JOY, RELIEF_THEN_FEAR, RELIEF_THEN_FEAR])


def cell(trained: str, tested: str) -> dict[str, float]:
    matrix = cross_matrix(
        [TRAINED_ON_A, TRAINED_ON_B], split(), LABELS, groups=split().set_index("record_id")["group"], **OPTIONS
    )
    (found,) = matrix[(matrix["trained"] == trained) & (matrix["tested"] == tested)].to_dict("records")
    return found


def test_all_rows_count_and_a_label_that_was_never_learned_is_wrong() -> None:
    assert cell("a", "a")["estimate"] == pytest.approx(3 / 4)
    assert cell("a", "b")["estimate"] == pytest.approx(2 / 4)
    assert cell("b", "b")["estimate"] == pytest.approx(1.0)
    assert cell("a", "b")["rows"] == 4


def test_shared_labels_leave_out_rows_and_answers_that_one_source_does_not_know() -> None:
    # b answers relief to the first row of a; of the labels that both know its likeliest is fear, which is right.
    assert cell("b", "a")["estimate"] == pytest.approx(3 / 4)
    assert cell("b", "a")["shared_estimate"] == pytest.approx(1.0)
    found = cell("a", "b")
    assert (found["shared_rows"], found["labels"]) == (2, 2)
    assert found["shared_estimate"] == pytest.approx(1.0)


def test_every_pair_becomes_a_finding_with_the_reports_name() -> None:
    matrix = cross_matrix([TRAINED_ON_A], split(), LABELS, groups=None, **OPTIONS)
    found = findings_on_matrix(matrix, split(), "encoder on m")
    assert [(one["name"], one["rows"], one["data"]) for one in found] == [
        ("A>A", 4, "a, 2 rows"),
        ("A>B", 4, "a, 2 rows"),
    ]
    assert found[0]["figure"]["estimate"] == pytest.approx(3 / 4)
    assert found[0]["seeds"] == [0]
    assert found[0]["figure"]["level"] == 0.95
    # Two of b's four test rows are relief.
    assert found[1]["note"] == "always saying the commonest label of b's test rows gives 0.500."
    assert found[0]["figure"]["low"] <= 0.75 <= found[0]["figure"]["high"]


def test_counts_of_records_become_findings_of_their_systems() -> None:
    of = {"records": 90, "sampled": 60, "cap": 8, "sources": ["a", "b"], "sides": {"train": 42, "test": 12}}
    found = findings_on_records({"six": of, "thirteen": of})
    assert [(one["system"], one["rows"]) for one in found] == [
        *(("S2", 90), ("S2", 90), ("S3", 60), ("S4", 54), ("S5", 54))
    ]
    assert all(one["metric"] == "rows" for one in found)
