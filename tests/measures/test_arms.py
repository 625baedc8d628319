from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.measures.arms import accuracy_of, compare_arms, detail_tables, score_arm
from emotion_kedro.schemas import Predictions

LABELS = ("fear", "joy", "love")
BOOTSTRAP = {"samples": 200, "level": 0.95, "seed": 0}


def predictions(
    truth: Sequence[str], predicted: dict[int, Sequence[str]], *, arm: str = "real", sources: Sequence[str] = ()
) -> pd.DataFrame:
    """A table in which the label that is predicted gets 0.6, and the two others 0.2."""
    tables = []
    for seed, said in predicted.items():
        table = pd.DataFrame({"record_id": [f"test:{row:03d}" for row in range(len(truth))], "label": list(truth)})
        table["source"] = list(sources) or "invented"
        table["arm"], table["seed"] = arm, seed
        for label in LABELS:
            table[f"p_{label}"] = [0.6 if word == label else 0.2 for word in said]
        tables.append(table)
    together = pd.concat(tables)
    Predictions.validate(together)
    # The order of rows in a table carries no meaning.
    return together.sample(frac=1, random_state=1)


TRUTH = ("fear", "fear", "joy", "joy", "joy", "love")
SAID = {
    3: ("fear", "joy", "joy", "joy", "fear", "love"),  # 4 of 6
    8: ("fear", "fear", "joy", "joy", "joy", "fear"),  # 5 of 6
}


def score(table: pd.DataFrame) -> dict[str, object]:
    return score_arm(table, LABELS, bins=15, **BOOTSTRAP)


def test_the_accuracy_of_an_arm_is_the_mean_over_its_seeds() -> None:
    found = score(predictions(TRUTH, SAID))
    assert (found["rows"], found["seeds"]) == (6, [3, 8])
    assert found["accuracy"]["estimate"] == pytest.approx((4 / 6 + 5 / 6) / 2)
    assert found["accuracy"]["low"] < 0.75 < found["accuracy"]["high"]
    assert [entry["seed"] for entry in found["per_seed"]] == [3, 8]
    assert [entry["accuracy"] for entry in found["per_seed"]] == pytest.approx([4 / 6, 5 / 6])


def test_the_macro_f1_of_an_arm_by_hand() -> None:
    found = score(predictions(TRUTH, SAID))
    # 2 * hits / (predicted + true), label by label.
    first = (2 * 1 / (2 + 2) + 2 * 2 / (3 + 3) + 2 * 1 / (1 + 1)) / 3
    second = (2 * 2 / (3 + 2) + 2 * 3 / (3 + 3) + 0) / 3
    assert found["macro_f1"]["estimate"] == pytest.approx((first + second) / 2)


def test_calibration_and_log_loss_are_means_over_seeds() -> None:
    found = score(predictions(TRUTH, SAID))
    # All say 0.6: the gap is that between 0.6 and the accuracy.
    assert found["ece"] == pytest.approx(((4 / 6 - 0.6) + (5 / 6 - 0.6)) / 2)
    hit, miss = -np.log(0.6), -np.log(0.2)
    assert found["log_loss"] == pytest.approx(((4 * hit + 2 * miss) / 6 + (5 * hit + miss) / 6) / 2)


def test_sources_are_scored_by_themselves_where_they_have_rows() -> None:
    table = predictions(TRUTH, SAID, sources=["eit", "eit", "edft", "edft", "edft", "eabot"])
    found = score(table)["sources"]
    assert {source: entry["rows"] for source, entry in found.items()} == {"edft": 3, "eit": 2}
    assert found["eit"]["accuracy"]["estimate"] == pytest.approx((1 / 2 + 2 / 2) / 2)
    assert found["edft"]["accuracy"]["estimate"] == pytest.approx((2 / 3 + 3 / 3) / 2)


def test_no_macro_f1_where_a_source_lacks_a_label() -> None:
    table = predictions(TRUTH, SAID, sources=["eit", "eit", "eit", "eit", "edft", "eit"])
    found = score(table)
    assert found["macro_f1"] is not None
    # Fear, joy and love are all in eit; with a single row, edft is not scored at all.
    assert found["sources"].keys() == {"eit"}
    assert found["sources"]["eit"]["macro_f1"] is not None
    lacking = score(predictions(TRUTH, SAID, sources=["eit"] * 5 + ["edft"]))
    assert lacking["sources"]["eit"]["macro_f1"] is None
    assert lacking["sources"]["eit"]["accuracy"]["estimate"] == pytest.approx((3 / 5 + 5 / 5) / 2)


def test_an_arm_is_resampled_by_groups_too() -> None:
    one, _ = hits(30, 0, 0, 30)
    table = one_seed(one, "real")
    groups = pd.Series([row // 10 for row in range(60)], index=sorted(table["record_id"]))
    alone, grouped = (
        score_arm(table, LABELS, groups=each, bins=15, **BOOTSTRAP)["accuracy"] for each in (None, groups)
    )
    assert alone["estimate"] == grouped["estimate"] == 0.5
    assert grouped["high"] - grouped["low"] > 2.5 * (alone["high"] - alone["low"])


def test_a_source_that_is_one_group_has_no_interval() -> None:
    table = predictions(TRUTH, SAID, sources=["eit", "eit", "edft", "edft", "edft", "edft"])
    groups = pd.Series([0, 0, 1, 2, 3, 4], index=sorted(table["record_id"].unique()))
    assert score_arm(table, LABELS, groups=groups, bins=15, **BOOTSTRAP)["sources"].keys() == {"edft"}


def test_details_count_rows_once_however_many_seeds() -> None:
    arms = {"real": predictions(TRUTH, SAID), "augmented": predictions(TRUTH, {0: TRUTH}, arm="augmented")}
    details, confusions, reliabilities = detail_tables(arms, LABELS, bins=5)
    support = details.set_index(["arm", "label"])["support"]
    assert support["real"].tolist() == support["augmented"].tolist() == [2, 3, 1]
    recall = details.set_index(["arm", "label"])["recall"]
    assert recall["real"].tolist() == pytest.approx([3 / 4, 5 / 6, 1 / 2])
    assert recall["augmented"].tolist() == [1, 1, 1]

    rows = confusions.set_index(["arm", "label", "predicted"])["rows"]
    assert rows["real", "fear", "joy"] == 0.5
    assert rows["real", "joy", "joy"] == 2.5
    assert rows["real"].sum() == rows["augmented"].sum() == 6

    filled = reliabilities[reliabilities["rows"] > 0].set_index("arm")
    assert filled["confidence"].tolist() == pytest.approx([0.6, 0.6])
    assert filled["accuracy"].tolist() == pytest.approx([9 / 12, 1])


def one_seed(hits: Sequence[bool], arm: str) -> pd.DataFrame:
    """Predictions of rows that are all joy."""
    return predictions(["joy"] * len(hits), {0: ["joy" if hit else "fear" for hit in hits]}, arm=arm)


def hits(both: int, first: int, second: int, neither: int) -> tuple[list[bool], list[bool]]:
    one = [True] * both + [True] * first + [False] * second + [False] * neither
    other = [True] * both + [False] * first + [True] * second + [False] * neither
    return one, other


@pytest.mark.parametrize(
    ("counts", "verdict", "beginning"),
    [
        ((40, 0, 40, 20), "helped", "Adding synthetic text helped: +40.0 points of accuracy (95 % interval +"),
        ((40, 40, 0, 20), "harmed", "Adding synthetic text harmed: -40.0 points of accuracy (95 % interval -"),
        ((40, 20, 20, 20), "no difference shown", "No gain or loss from synthetic text is shown: +0.0 points"),
        ((40, 20, 21, 19), "no difference shown", "No gain or loss from synthetic text is shown: +1.0 points"),
        ((100, 0, 0, 0), "no difference shown", "No gain or loss from synthetic text is shown: +0.0 points"),
    ],
)
def test_the_verdict(counts: tuple[int, int, int, int], verdict: str, beginning: str) -> None:
    one, other = hits(*counts)
    found = compare_arms(one_seed(one, "real"), one_seed(other, "augmented"), LABELS, **BOOTSTRAP)
    assert found["verdict"] == verdict
    assert found["sentence"].startswith(beginning)
    assert found["sentence"].endswith("100 test rows, 1 seed).")
    assert found["accuracy"]["estimate"] == pytest.approx((counts[2] - counts[1]) / 100)
    assert (found["first"], found["second"], found["rows"]) == ("real", "augmented", 100)


def test_mcnemar_counts_each_seeds_rows() -> None:
    truth = ["joy"] * 8
    real = predictions(truth, {3: ["joy"] * 6 + ["fear"] * 2, 8: ["joy"] * 3 + ["love"] * 5})
    augmented = predictions(truth, {3: ["love"] + ["joy"] * 7, 8: ["joy"] * 8}, arm="augmented")
    found = compare_arms(real, augmented, LABELS, **BOOTSTRAP)
    assert [(test["seed"], test["only_first"], test["only_second"]) for test in found["mcnemar"]] == [
        (3, 1, 2),
        (8, 0, 5),
    ]
    # Exact: of three rows one or fewer on a side, of five rows none on a side; Holm doubles the smaller.
    assert [test["p_value"] for test in found["mcnemar"]] == pytest.approx([1.0, 2 / 32])
    assert [test["p_holm"] for test in found["mcnemar"]] == pytest.approx([1.0, 4 / 32])
    assert found["accuracy"]["estimate"] == pytest.approx((1 / 8 + 5 / 8) / 2)
    assert found["sentence"].endswith("8 test rows, 2 seeds).")


def test_whole_groups_of_near_duplicates_are_resampled() -> None:
    one, other = hits(0, 0, 30, 30)
    real, augmented = one_seed(one, "real"), one_seed(other, "augmented")
    names = sorted(real["record_id"])
    alone = compare_arms(real, augmented, LABELS, **BOOTSTRAP)
    # Six groups of ten: three all gained, three not; given in another order, with groups of other rows beside them.
    groups = pd.Series([row // 10 for row in range(60)] + [99], index=[*names, "train:1"]).iloc[::-1]
    grouped = compare_arms(real, augmented, LABELS, groups=groups, **BOOTSTRAP)
    assert grouped["accuracy"]["estimate"] == alone["accuracy"]["estimate"] == 0.5
    width, own = (found["accuracy"]["high"] - found["accuracy"]["low"] for found in (grouped, alone))
    assert width > 2.5 * own
    # A share of six groups.
    assert 6 * grouped["accuracy"]["low"] == pytest.approx(round(6 * grouped["accuracy"]["low"]))


def renamed(table: pd.DataFrame) -> pd.DataFrame:
    return table.assign(record_id=table["record_id"].str.replace("test:005", "test:006"))


@pytest.mark.parametrize(
    "change",
    [
        lambda table: table[table["record_id"] != "test:005"],
        renamed,
        lambda table: table.assign(label=table["label"].replace("love", "fear")),
        lambda table: table[table["seed"] == 3],
        lambda table: table.assign(seed=table["seed"] + 1),
    ],
    ids=["a row less", "another row", "another truth", "a seed less", "other seeds"],
)
def test_arms_with_different_rows_are_not_compared(change: object) -> None:
    real, augmented = predictions(TRUTH, SAID), predictions(TRUTH, SAID, arm="augmented")
    assert callable(change)
    with pytest.raises(ValueError, match="not tested on the same rows with the same seeds; run both arms again"):
        compare_arms(real, change(augmented), LABELS, **BOOTSTRAP)


def test_the_accuracy_alone() -> None:
    found = accuracy_of(predictions(TRUTH, SAID), LABELS, **BOOTSTRAP)
    assert found is not None
    assert found["estimate"] == pytest.approx(0.75)
    assert (found["level"], found["samples"]) == (0.95, 200)


def test_one_row_is_no_accuracy() -> None:
    table = predictions(TRUTH, SAID)
    assert accuracy_of(table[table["record_id"] == "test:000"], LABELS, **BOOTSTRAP) is None
    assert accuracy_of(table.iloc[:0], LABELS, **BOOTSTRAP) is None
