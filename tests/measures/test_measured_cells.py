from __future__ import annotations

import time
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import f1_score
from statsmodels.stats.contingency_tables import mcnemar
from statsmodels.stats.multitest import multipletests
from study_tables import LABELS, Run, cells_of, predictions_of, share_right

from emotion_kedro.measures.fine_resamples import accuracy_means
from emotion_kedro.measures.intervals import (
    bootstrap_score,
    mean_over_seeds,
    paired_bootstrap,
    score_runs,
)
from emotion_kedro.measures.scores import score
from emotion_kedro.measures.study import measure_study

OPTIONS: dict[str, Any] = {"samples": 200, "level": 0.95, "seed": 0, "bins": 10}
RUNS = [(data_seed, seed) for data_seed in (3, 4) for seed in (0, 1)]


def noisy(arms: dict[str, float], sizes: tuple[int, ...] = (10, 25), rows: int = 90) -> dict[Run, list[bool]]:
    """Rows right at random: each arm at its own rate, all a little better at larger n."""
    random = np.random.default_rng(0)
    return {
        (arm, n, *run): (random.random(rows) < rate + n / 200).tolist()
        for arm, rate in arms.items()
        for n in sizes
        for run in RUNS
    }


@pytest.fixture(scope="module")
def right() -> dict[Run, list[bool]]:
    return noisy({"real": 0.4, "template": 0.55, "eda": 0.42, "generated": 0.7})


@pytest.fixture(scope="module")
def found(right: dict[Run, list[bool]]) -> dict[str, Any]:
    predictions = predictions_of(right)
    # The order of rows in the tables says nothing.
    shuffled = predictions.sample(frac=1, random_state=1)
    return measure_study(shuffled, cells_of(predictions, {"eda": 60}), LABELS, **OPTIONS)


def classes(right: dict[Run, list[bool]], arm: str, n: int) -> tuple[np.ndarray, np.ndarray]:
    truth = np.arange(90) % 3
    said = [np.where(right[arm, n, *run], truth, (truth + 1) % 3) for run in RUNS]
    return truth, np.stack(said)


def difference(found: dict[str, Any], against: str, arm: str, n: int) -> dict[str, Any]:
    (one,) = [row for row in found["differences"] if (row["against"], row["arm"], row["n"]) == (against, arm, n)]
    return dict(one)


def test_every_arm_stands_at_every_size_in_order(found: dict[str, Any]) -> None:
    assert [(cell["arm"], cell["n"]) for cell in found["cells"]] == [
        (arm, n) for arm in ("real", "template", "eda", "generated") for n in (10, 25)
    ]
    assert [(row["against"], row["n"], row["arm"]) for row in found["differences"]] == [
        (against, n, arm)
        for against, others in (("real", ["template", "eda", "generated"]), ("template", ["real", "eda", "generated"]))
        for n in (10, 25)
        for arm in others
    ]


def test_cells_are_those_of_the_bootstrap(found: dict[str, Any], right: dict[Run, list[bool]]) -> None:
    cell = next(cell for cell in found["cells"] if (cell["arm"], cell["n"]) == ("eda", 25))
    truth, said = classes(right, "eda", 25)
    options: dict[str, Any] = {"samples": 200, "seed_groups": [3, 3, 4, 4]}
    assert cell["accuracy"] == bootstrap_score(truth, said, 3, "accuracy", **options).as_dict()
    assert cell["macro_f1"] == bootstrap_score(truth, said, 3, "macro_f1", **options).as_dict()
    assert cell["macro_f1"]["estimate"] == pytest.approx(
        np.mean([f1_score(truth, run, average="macro") for run in said])
    )
    assert (cell["runs"], cell["train_rows"], cell["added_rows"], cell["rows_per_label"]) == (4, 75, 60, 25)
    hits = (said == truth).mean(axis=1)
    assert cell["per_data_seed"] == pytest.approx({"3": hits[:2].mean(), "4": hits[2:].mean()})


def test_calibration_is_the_mean_over_runs(found: dict[str, Any], right: dict[Run, list[bool]]) -> None:
    predictions = predictions_of({key: value for key, value in right.items() if key[:2] == ("eda", 10)})
    columns = [f"p_{label}" for label in LABELS]
    eces = [
        score(table["label"].tolist(), table[columns], LABELS, bins=10)["ece"]
        for _, table in predictions.groupby(["data_seed", "seed"])
    ]
    by_arm = {cell["arm"]: cell["ece"] for cell in found["cells"] if cell["n"] == 10}
    assert by_arm["eda"]["estimate"] == pytest.approx(np.mean(eces))
    one = difference(found, "real", "eda", 10)["ece"]
    assert one["estimate"] == pytest.approx(by_arm["eda"]["estimate"] - by_arm["real"]["estimate"])
    assert one["low"] < one["estimate"] < one["high"]
    assert by_arm["eda"]["samples"] == one["samples"] == 200


def test_differences_are_those_of_the_paired_bootstrap(found: dict[str, Any], right: dict[Run, list[bool]]) -> None:
    for against in ("real", "template"):
        one = difference(found, against, "generated", 10)
        truth, first = classes(right, against, 10)
        _, second = classes(right, "generated", 10)
        options: dict[str, Any] = {"samples": 200, "seed_groups": [3, 3, 4, 4]}
        assert one["accuracy"] == paired_bootstrap(truth, first, second, 3, "accuracy", **options).as_dict()
        assert one["macro_f1"] == paired_bootstrap(truth, first, second, 3, "macro_f1", **options).as_dict()
    assert difference(found, "real", "generated", 10)["verdict"] == "helped"
    assert difference(found, "template", "real", 10)["verdict"] == "harmed"
    assert difference(found, "real", "eda", 10)["verdict"] == "no difference shown"


def test_holm_runs_over_all_arms_and_the_sizes_up_to_50_of_one_baseline(found: dict[str, Any]) -> None:
    for against in ("real", "template"):
        rows = [row for row in found["differences"] if row["against"] == against]
        assert {row["n"] for row in rows} == {10, 25}
        adjusted = multipletests([row["p"] for row in rows], method="holm")[1]
        assert [row["p_holm"] for row in rows] == pytest.approx(adjusted)


def test_sizes_beyond_50_are_a_family_of_their_own() -> None:
    predictions = predictions_of(noisy({"real": 0.2, "eda": 0.25, "generated": 0.3}, (10, 50, 60, 100)))
    rows = measure_study(predictions, cells_of(predictions), LABELS, **OPTIONS)["differences"]
    assert [row["n"] for row in rows] == [10, 10, 50, 50, 60, 60, 100, 100]
    for family in (rows[:4], rows[4:]):
        adjusted = multipletests([row["p"] for row in family], method="holm")[1]
        assert [row["p_holm"] for row in family] == pytest.approx(adjusted)


def test_mcnemar_is_corrected_over_all_runs_of_all_arms(found: dict[str, Any], right: dict[Run, list[bool]]) -> None:
    p_values = []
    for arm in ("template", "eda", "generated"):
        for run in RUNS:
            first, second = np.array(right["real", 25, *run]), np.array(right[arm, 25, *run])
            table = pd.crosstab(first, second).to_numpy()
            p_values.append(mcnemar(table, exact=(first != second).sum() < 25).pvalue)
    significant = (multipletests(p_values, method="holm")[1] < 0.05).reshape(3, 4).sum(axis=1)
    assert significant[2] > significant[1] == 0
    for arm, number in zip(("template", "eda", "generated"), significant, strict=True):
        assert difference(found, "real", arm, 25)["mcnemar"] == {"runs": 4, "significant": number}


def test_p_values_rest_on_the_resamples_of_the_intervals_and_more(right: dict[Run, list[bool]]) -> None:
    truth, first = classes(right, "real", 10)
    _, second = classes(right, "eda", 10)
    groups, seeds = np.arange(90) // 2, [3, 3, 4, 4]
    scores = [
        score_runs(truth, said, 3, ["accuracy"], groups=groups, samples=50)["accuracy"] for said in (first, second)
    ]
    correct = {"real": first == truth, "eda": second == truth}
    means = accuracy_means(correct, dict.fromkeys(correct, seeds), groups=groups, samples=120, seed=0)
    assert len(means["eda"]) == 120
    expected = mean_over_seeds(scores[1], seed_groups=seeds)
    np.testing.assert_allclose(means["eda"][:50], expected)
    gain = mean_over_seeds(scores[1] - scores[0], seed_groups=seeds)
    np.testing.assert_allclose((means["eda"] - means["real"])[:50], gain)


def test_a_known_difference_and_its_data_seeds() -> None:
    accuracies = {
        ("real", 0): 0.5,
        ("real", 1): 0.6,
        ("real", 2): 0.6,
        ("new", 0): 0.7,
        ("new", 1): 0.6,
        ("new", 2): 0.5,
    }
    right = {(arm, 10, data_seed, 0): share_right(value) for (arm, data_seed), value in accuracies.items()}
    predictions = predictions_of(right)
    found = measure_study(predictions, cells_of(predictions), LABELS, **OPTIONS)
    (one,) = found["differences"]  # there is no template
    assert one["accuracy"]["estimate"] == pytest.approx(0.1 / 3)
    assert (one["seeds_up"], one["seeds"], one["verdict"]) == (1, 3, "no difference shown")
    # Rows that only one of them has right: 20, none and 10, so that p is 2 * 0.5 ** 20, 1 and 2 * 0.5 ** 10.
    assert one["mcnemar"] == {"runs": 3, "significant": 2}


def test_the_same_gain_everywhere_is_certain() -> None:
    # Every run gains all rows: neither rows nor seeds make the gain vary.
    right = {
        (arm, 10, data_seed, seed): [arm == "new"] * 30
        for arm in ("real", "new")
        for data_seed in (0, 1)
        for seed in (0, 1)
    }
    predictions = predictions_of(right)
    (one,) = measure_study(predictions, cells_of(predictions), LABELS, **OPTIONS)["differences"]
    assert [one["accuracy"][name] for name in ("estimate", "low", "high")] == [1.0, 1.0, 1.0]
    assert one["p"] == one["p_holm"] == pytest.approx(2 / 20_001)
    assert (one["seeds_up"], one["mcnemar"]) == (2, {"runs": 4, "significant": 4})


def test_near_duplicates_are_drawn_together() -> None:
    right = {("real", 10, 0, 0): share_right(0.4, 30), ("new", 10, 0, 0): share_right(0.6, 30)}
    predictions = predictions_of(right)
    rows = sorted(predictions["record_id"].unique())
    # The groups come in another order than the rows, and with records that are not tested.
    groups = pd.Series(range(31), index=[*rows[::-1], "elsewhere"]) // 3
    (one,) = measure_study(predictions, cells_of(predictions), LABELS, groups=groups, **OPTIONS)["differences"]
    truth = np.arange(30) % 3
    first, second = (np.where(hits, truth, (truth + 1) % 3)[np.newaxis] for hits in right.values())
    expected = paired_bootstrap(truth, first, second, 3, "accuracy", groups=groups.loc[rows].to_numpy(), samples=200)
    assert one["accuracy"] == expected.as_dict()


def test_an_arm_that_was_not_run_at_a_size_is_left_out(right: dict[Run, list[bool]]) -> None:
    part = {key: value for key, value in right.items() if key[:2] not in {("eda", 25), ("template", 10)}}
    predictions = predictions_of(part)
    found = measure_study(predictions, cells_of(predictions), LABELS, **OPTIONS)
    assert [(row["against"], row["n"], row["arm"]) for row in found["differences"]] == [
        ("real", 10, "eda"),
        ("real", 10, "generated"),
        ("real", 25, "template"),
        ("real", 25, "generated"),
        ("template", 25, "real"),
        ("template", 25, "generated"),
    ]


def test_other_seeds_are_an_error(right: dict[Run, list[bool]]) -> None:
    predictions = predictions_of({key: value for key, value in right.items() if key != ("eda", 10, 4, 1)})
    with pytest.raises(ValueError, match=r"at n=10 arms 'real' and 'eda' were not run .* \[\(4, 1\)\]; run both"):
        measure_study(predictions, cells_of(predictions), LABELS, **OPTIONS)


def test_other_rows_are_an_error(right: dict[Run, list[bool]]) -> None:
    predictions = predictions_of(right)
    cells = cells_of(predictions)
    last = predictions["record_id"] == "r0089"
    eda = (predictions["arm"] == "eda") & (predictions["n"] == 10)
    with pytest.raises(ValueError, match="arm 'eda' at n=10 and arm 'real' at n=10 were not tested on the same rows"):
        measure_study(predictions[~(last & eda)], cells, LABELS, **OPTIONS)
    with pytest.raises(ValueError, match="the runs of arm 'eda' at n=10 were not tested on the same rows once each"):
        measure_study(predictions[~(last & eda & (predictions["seed"] == 1))], cells, LABELS, **OPTIONS)
    other = predictions.assign(label=predictions["label"].where(~(last & eda), "joy"))
    with pytest.raises(ValueError, match="arm 'eda' at n=10 and arm 'real'"):
        measure_study(other, cells, LABELS, **OPTIONS)


def test_a_cell_without_its_row_is_an_error(right: dict[Run, list[bool]]) -> None:
    predictions = predictions_of(right)
    cells = cells_of(predictions)
    with pytest.raises(ValueError, match=r"predictions of \[\('eda', 10\), \('eda', 25\)\], but no such rows"):
        measure_study(predictions, cells[cells["arm"] != "eda"], LABELS, **OPTIONS)


def test_no_predictions_are_an_error() -> None:
    predictions = predictions_of({("real", 10, 0, 0): [True, False]})
    with pytest.raises(ValueError, match="empty; run the study first"):
        measure_study(predictions.iloc[:0], cells_of(predictions), LABELS, **OPTIONS)


@pytest.mark.slow
def test_a_cell_of_full_size_takes_well_under_a_second() -> None:
    random = np.random.default_rng(0)
    right = {
        (arm, 10, data_seed, seed): (random.random(1000) < 0.5).tolist()
        for arm in ("real", "template", *map(str, range(6)))
        for data_seed in range(5)
        for seed in range(2)
    }
    predictions = predictions_of(right)
    start = time.process_time()
    measure_study(predictions, cells_of(predictions), LABELS, **{**OPTIONS, "samples": 2000})
    assert time.process_time() - start < 8 * 0.9
