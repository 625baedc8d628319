from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.augmentation.filters import score_candidates
from emotion_kedro.augmentation.mix import compose_arm, compose_real_arm, compose_rows
from emotion_kedro.config.experiment import ArmConfig, DesignConfig
from emotion_kedro.config.filters import filter_configs
from emotion_kedro.data.leak_guard import LeakGuard
from emotion_kedro.data.subsamples import DesignSplits
from emotion_kedro.schemas.candidates import Decisions, TrainingRows

WEIGHT = 5.0
GUARD = LeakGuard(pd.DataFrame({"record_id": ["t"], "text": ["a text that is held out"], "group": [-5]}))
ROWS = pd.DataFrame(
    {
        "record_id": [f"a:{number}" for number in range(6)],
        "text": [f"{word} rain fell over the hills" for word in ("cold", "warm", "soft", "loud", "late", "long")],
        "label": ["anger", "anger", "fear", "fear", "joy", "joy"],
        "source": ["a", "b"] * 3,
        "group": range(6),
    }
).astype({"record_id": "str", "text": "str", "label": "str", "source": "str"})


def scored(*rows: tuple[str, str, str], probabilities: list[float] | None = None) -> pd.DataFrame:
    """Candidates of ``(generator, label, text)``; those of ``template`` are right by their making."""
    table = pd.DataFrame(rows, columns=["generator", "label", "text"]).astype("str")
    ids = pd.Series([f"{row[0]}:{row[1]}:3:0:{number}" for number, row in enumerate(rows)], dtype="str")
    table = table.assign(candidate_id=ids, size=3, data_seed=0)
    table = score_candidates(table, ROWS["text"].tolist(), unfiltered=["template"])
    return table if probabilities is None else table.assign(predicted=table["label"], probability=probabilities)


WRITTEN = scored(
    ("g", "anger", "one thing is slammed"),
    ("g", "anger", "another thing is shouted"),
    ("g", "fear", "no"),
    ("h", "fear", "someone hides behind a door"),
    ("template", "anger", "anger"),
    ("template", "fear", "fear"),
    ("template", "joy", "joy"),
    probabilities=[0.6, 0.2, 0.9, 0.5, np.nan, np.nan, np.nan],
)


def composed(
    arm: dict[str, Any], candidates: pd.DataFrame = WRITTEN, *, added_rows: int | None = None, name: str = "mixed"
) -> pd.DataFrame:
    table, decisions = compose_rows(
        ArmConfig.model_validate(arm),
        ROWS,
        candidates,
        DesignConfig(added_rows=added_rows),
        filter_configs({}),
        guard=GUARD,
        name=name,
    )
    TrainingRows.validate(table.assign(size=3, data_seed=0))
    Decisions.validate(decisions.assign(arm="mixed", size=3, data_seed=0))
    added = table[table["origin"] == "added"]
    assert decisions.loc[decisions["kept"], "candidate_id"].tolist() == added["record_id"].tolist()
    return table


def added(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["origin"] == "added"]


def test_real_rows_are_untouched_and_added_ones_come_after_them_in_the_order_of_the_arm() -> None:
    table = composed({"add": ["h", "g"]})
    assert table["record_id"].tolist()[:6] == ROWS["record_id"].tolist()
    assert added(table)["generator"].tolist() == ["h", "g", "g", "g"]
    assert set(table["weight"]) == {1.0}
    assert set(table["phase"]) == {0}


@pytest.mark.parametrize(("rows", "expected"), [("all", 6), ("none", 0), ({"source": "a"}, 3)])
def test_an_arm_says_which_real_rows_it_has(rows: Any, expected: int) -> None:
    table = composed({"rows": rows, "add": ["g"]})
    assert (table["origin"] == "real").sum() == expected
    assert len(added(table)) == 3


def test_copies_are_those_of_all_train_rows_though_the_arm_has_none() -> None:
    copies = scored(("g", "joy", "warm rain fell over the hills"), ("g", "joy", "nothing of that kind"))
    assert added(composed({"rows": "none", "add": ["g"], "filters": ["novel"]}, copies))["text"].tolist() == [
        "nothing of that kind"
    ]


@pytest.mark.parametrize(("order", "phase"), [("begin", -1), ("continue", 1)])
def test_added_rows_are_of_a_phase_of_their_own_if_there_are_real_ones_beside_them(order: str, phase: int) -> None:
    table = composed({"add": ["g"], "order": order})
    assert table.groupby("origin")["phase"].unique().map(list).to_dict() == {"real": [0], "added": [phase]}
    assert set(composed({"rows": "none", "add": ["g"], "order": order})["phase"]) == {0}


def test_the_quota_is_that_of_the_design() -> None:
    assert len(added(composed({"add": ["g", "template"]}, added_rows=1))) == 2 + 3


def test_too_few_texts_are_told_of_but_those_that_no_filter_looks_at_do_not_count(
    caplog: pytest.LogCaptureFixture,
) -> None:
    texts = [("g", label, f"{label} is {word} but not all") for label in sorted(set(ROWS["label"])) for word in "ab"]
    candidates = scored(*texts, *(("template", label, label) for label in set(ROWS["label"])))
    arm = {"add": ["g", "template"], "filters": ["length"]}
    composed(arm, candidates, added_rows=4)
    assert not caplog.messages
    composed(arm, candidates.drop(index=0), added_rows=4)
    (message,) = caplog.messages
    assert "the arm mixed adds fewer texts than the 4 a label that it may: anger 1." in message


def test_added_rows_of_a_label_count_together_as_so_many_real_ones() -> None:
    table = composed({"add": ["template"], "augmentation_weight": WEIGHT})
    assert added(table)["weight"].tolist() == [WEIGHT] * 3
    table = composed({"add": ["g"], "augmentation_weight": WEIGHT})
    assert added(table)["weight"].tolist() == [WEIGHT / 2, WEIGHT / 2, WEIGHT]


def test_generators_share_the_weight() -> None:
    table = composed({"add": ["g", "template"], "augmentation_weight": 8.0})
    assert added(table)["weight"].tolist() == [2.0, 2.0, 4.0, 4.0, 4.0, 4.0]


def test_real_rows_stand_in_for_labels_of_which_nothing_is_left() -> None:
    table = composed({"add": ["g"], "filters": ["length"], "augmentation_weight": WEIGHT})
    totals = table.groupby("label")["weight"].sum()
    np.testing.assert_allclose(totals, 2 + WEIGHT)
    real = table[table["origin"] == "real"].groupby("label")["weight"].sum()
    np.testing.assert_allclose(real, [2, 2 + WEIGHT, 2 + WEIGHT])
    nothing = composed({"add": ["unknown"], "augmentation_weight": WEIGHT})
    np.testing.assert_allclose(nothing["weight"], 1 + WEIGHT / 2)
    two = composed({"add": ["g", "h"], "filters": ["length"], "augmentation_weight": WEIGHT})
    np.testing.assert_allclose(two.groupby("label")["weight"].sum(), 2 + WEIGHT)


def test_agreement_weighs_in_proportion() -> None:
    table = composed({"add": ["g", "template"], "weights": "agreement", "augmentation_weight": 10.0})
    assert added(table)["weight"].tolist() == pytest.approx([3.75, 1.25, 5.0, 5.0, 5.0, 5.0])
    table = composed({"add": ["g", "template"], "weights": "agreement"})
    assert added(table)["weight"].tolist() == [0.6, 0.2, 0.9, 1.0, 1.0, 1.0]
    none_at_all = composed({"add": ["g"], "weights": "agreement"}, WRITTEN.assign(probability=0.0))
    assert (none_at_all["weight"] > 0).all()


def test_an_arm_without_rows_is_an_error_that_says_what_became_of_them() -> None:
    with pytest.raises(ValueError, match=r"the arm bare has no row to learn from \(1 too short\)"):
        composed({"rows": "none", "add": ["g"], "filters": ["length"]}, WRITTEN.iloc[[2]], name="bare")


def test_an_arm_of_sizes_that_the_table_does_not_reach_is_an_error_that_says_so() -> None:
    splits = DesignSplits(ROWS.assign(split="train"), DesignConfig(sizes=(1, 64)))
    arm = ArmConfig.model_validate({"sizes": (64,)})
    with pytest.raises(ValueError, match=r"arms\.mixed\.sizes is \(64,\), and no label has so many train rows"):
        compose_real_arm("mixed", arm, splits)
    with pytest.raises(ValueError, match=r"arms\.mixed\.sizes"):
        compose_arm("mixed", arm, splits, WRITTEN, filter_configs({}))
