from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from scipy.stats import binomtest, ttest_1samp

from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.metrics.bootstrap import Interval
from emotion_kedro.metrics.comparison import COMPARED_LEARNERS, compare, holm, label_gains, p_value_of
from emotion_kedro.schemas.figures import Comparisons, LabelGains

EVALUATION = EvaluationConfig(bootstrap_samples=300)
Invent = Callable[..., pd.DataFrame]
PAIR = (("real", 0.55), ("augmented", 0.85))


def test_difference_of_two_arms(predictions: pd.DataFrame) -> None:
    table = Comparisons.validate(compare(predictions, [("augmented", "real")], None, EVALUATION, ("source",)))
    accuracy = table[(table["metric"] == "accuracy") & (table["source"] == "all")].iloc[0]
    right = (predictions["label"] == predictions["predicted"]).groupby(predictions["arm"]).mean()
    assert accuracy["difference"] == pytest.approx(right["augmented"] - right["real"])
    assert 0 < accuracy["low"] < accuracy["difference"] < accuracy["high"]
    assert (accuracy["verdict"], accuracy["runs"], accuracy["rows"]) == ("helped", 3, 120)
    assert accuracy["p_holm"] >= accuracy["p_value"]
    assert table.loc[table["metric"] == "macro_f1", "p_value"].isna().all()


def test_differences_in_log_loss_stand_beside_those_in_accuracy_and_have_no_verdict_of_their_own(
    predictions: pd.DataFrame,
) -> None:
    table = compare(predictions, [("augmented", "real")], None, EVALUATION)
    assert table["metric"].tolist() == ["accuracy", "macro_f1", "log_loss"]
    row = table.iloc[2]
    runs = predictions[predictions["arm"] != "baseline"]
    given = [row[f"p_{row['label']}"] for _, row in runs.iterrows()]
    loss = pd.Series(-np.log(given)).groupby(runs["arm"].to_numpy()).mean()
    assert row["difference"] == pytest.approx(loss["augmented"] - loss["real"], rel=1e-5)
    assert row["low"] < row["difference"] < row["high"]
    assert np.isnan(row["p_value"])
    assert row["verdict"] == table.iloc[0]["verdict"] == "helped"


def test_turning_a_pair_round_turns_the_signs(predictions: pd.DataFrame) -> None:
    first, second = (
        compare(predictions, [pair], None, EVALUATION).iloc[0]
        for pair in (("augmented", "real"), ("real", "augmented"))
    )
    assert second["difference"] == pytest.approx(-first["difference"])
    assert (second["low"], second["verdict"]) == (pytest.approx(-first["high"]), "harmed")


def test_an_arm_differs_from_its_copy_in_nothing(predictions: pd.DataFrame) -> None:
    real = predictions[predictions["arm"] == "real"]
    row = compare(pd.concat([real, real.assign(arm="copy")]), [("copy", "real")], None, EVALUATION).iloc[0]
    assert (row["difference"], row["low"], row["high"], row["p_value"]) == (0, 0, 0, 1)
    assert row["verdict"] == "no difference shown"


def test_an_interval_that_a_test_after_correction_does_not_bear_out_shows_nothing(predictions: pd.DataFrame) -> None:
    real = predictions[(predictions["arm"] == "real") & (predictions["seed"] == predictions["seed"].min())]
    better = real.assign(arm="better", predicted=real["predicted"].where(real["predicted"] == real["label"]))
    wrong = better.index[better["predicted"].isna()]
    better["predicted"] = better["predicted"].fillna(real["predicted"])
    better.loc[wrong[:5], "predicted"] = better.loc[wrong[:5], "label"]

    row = compare(pd.concat([real, better]), [("better", "real")], None, EVALUATION).iloc[0]

    assert row["low"] > 0
    assert 0.05 < row["p_holm"] < 0.1  # five rows that only one of them has right; McNemar's exact test has .0625
    assert row["verdict"] == "no difference shown"


def test_learners_are_compared_within_each_arm(predictions_of: Invent) -> None:
    table = pd.concat([predictions_of(arm, 0.6, learner=name) for arm in ("real", "mixed") for name in ("a", "b")])
    rows = compare(table, [("learner:b", "learner:a")], None, EVALUATION)
    pairs = rows[["first", "second", "learner"]].drop_duplicates().values.tolist()
    assert pairs == [["real/b", "real/a", COMPARED_LEARNERS], ["mixed/b", "mixed/a", COMPARED_LEARNERS]]


def test_arms_are_compared_at_each_size_they_share(predictions_of: Invent) -> None:
    table = pd.concat(
        [predictions_of("real", 0.6, size=size) for size in (10, 50)] + [predictions_of("mixed", 0.6, size=50)]
    )
    assert set(compare(table, [("mixed", "real")], None, EVALUATION)["size"]) == {50}


def test_shared_runs_alone_are_compared(predictions_of: Invent) -> None:
    table = pd.concat([predictions_of("real", 0.6, seeds=(0, 1, 2)), predictions_of("mixed", 0.6, seeds=(2, 0))])
    assert set(compare(table, [("mixed", "real")], None, EVALUATION)["runs"]) == {2}


def test_errors_name_the_fix(
    predictions_of: Invent, predictions: pd.DataFrame, caplog: pytest.LogCaptureFixture
) -> None:
    # An arm of a size that the table does not reach has no runs.
    assert compare(predictions, [("baseline", "real")], None, EVALUATION).empty
    assert "baseline and real are not compared: they share no size" in caplog.text
    assert label_gains(predictions, [("baseline", "real")], None, EVALUATION).empty
    other_seeds = pd.concat([predictions_of("real", 0.6), predictions_of("mixed", 0.6, seeds=(8,))])
    with pytest.raises(ValueError, match=r"share no run.*only"):
        compare(other_seeds, [("mixed", "real")], None, EVALUATION)
    other_rows = pd.concat([predictions_of("real", 0.6), predictions_of("mixed", 0.6, rows=90)])
    with pytest.raises(ValueError, match="same rows; run both again"):
        compare(other_rows, [("mixed", "real")], None, EVALUATION)


def test_the_p_value_is_that_of_a_paired_t_test_over_the_rows_that_differ() -> None:
    # Eight of ten rows that differ: the mean of ten signs, as a t test has it.
    signs = np.array([1] * 8 + [-1] * 2)
    error = signs.std() / np.sqrt(10)
    expected = ttest_1samp(signs, 0).pvalue
    # The bootstrap's error is the one with n below the line, the t test's has n - 1.
    assert p_value_of(Interval(0.6, 0.1, 1.0, error * np.sqrt(10 / 9)), 10) == pytest.approx(expected)
    assert p_value_of(Interval(0.0, 0.0, 0.0, 0.0), 0) == 1.0
    assert p_value_of(Interval(0.1, 0.05, 0.15, 0.01), 1) == 1.0
    # All of twelve rows gained: no resample differs, and McNemar's exact test gives the same.
    assert p_value_of(Interval(1.0, 1.0, 1.0, 0.0), 12) == pytest.approx(binomtest(12, 12).pvalue)
    assert np.isnan(p_value_of(Interval(0.1, np.nan, np.nan), 0))


def test_more_runs_and_rows_make_smaller_differences_detectable(predictions_of: Invent) -> None:
    def detectable(rows: int) -> float:
        table = pd.concat([predictions_of(arm, share, rows=rows) for arm, share in PAIR])
        return float(compare(table, [("augmented", "real")], None, EVALUATION)["detectable"].iloc[0])

    assert detectable(90) == pytest.approx(2 * detectable(360), rel=0.4)


def test_the_p_value_takes_near_duplicates_for_one_row_as_the_interval_does(predictions: pd.DataFrame) -> None:
    apart = compare(predictions, [("augmented", "real")], None, EVALUATION).iloc[0]
    ids = predictions["record_id"].unique()
    together = pd.Series(np.arange(len(ids)) // 10, index=ids)
    grouped = compare(predictions, [("augmented", "real")], together, EVALUATION).iloc[0]

    assert grouped["difference"] == apart["difference"]
    assert grouped["p_value"] > 10 * apart["p_value"]


def test_what_was_named_beforehand_pays_for_no_search(predictions: pd.DataFrame) -> None:
    real, better = (predictions[predictions["arm"] == arm] for arm in ("real", "augmented"))
    arms = pd.concat([real, better, real.assign(arm="copy"), better.assign(arm="other")])
    pairs = [("augmented", "real"), ("other", "real"), ("copy", "real")]
    learner = str(real["learner"].iloc[0])
    named = EVALUATION.model_copy(update={"primary": ("augmented", "real", learner)})
    tables = [compare(arms, pairs, None, evaluation) for evaluation in (EVALUATION, named)]
    together, apart = (table[table["metric"] == "accuracy"] for table in tables)
    assert together["p_holm"].to_numpy()[:2] == pytest.approx(3 * together["p_value"].to_numpy()[:2])
    assert apart["p_holm"].to_numpy() == pytest.approx(np.array([1, 2, 1]) * apart["p_value"].to_numpy())


def test_what_was_named_beforehand_is_of_all_sources_together(predictions: pd.DataFrame) -> None:
    learner = str(predictions.loc[predictions["arm"] == "real", "learner"].iloc[0])
    named = EVALUATION.model_copy(update={"primary": ("augmented", "real", learner)})
    table = compare(predictions, [("augmented", "real")], None, named, ("source",))
    accuracy = table[table["metric"] == "accuracy"].set_index("source")
    parts = accuracy.drop("all")
    assert len(parts) > 1
    assert accuracy.loc["all", "p_holm"] == accuracy.loc["all", "p_value"]
    assert parts["p_holm"].tolist() == pytest.approx(holm(parts["p_value"]).tolist())


def test_gains_by_label_are_those_of_macro_f1_taken_apart(predictions_of: Invent) -> None:
    table = pd.concat([predictions_of(arm, share, size=size) for arm, share in PAIR for size in (10, 20)])
    gains = LabelGains.validate(label_gains(table, [("augmented", "real")], None, EVALUATION))
    whole = compare(table, [("augmented", "real")], None, EVALUATION)
    macro = whole[(whole["metric"] == "macro_f1") & (whole["size"] == 20)]["difference"].iloc[0]
    assert set(gains["size"]) == {20}
    assert gains["label"].tolist() == ["anger", "joy", "love"]
    assert gains["difference"].mean() == pytest.approx(macro)
    assert (gains["low"] < gains["difference"]).all()
    assert gains["rows"].tolist() == [40, 40, 40]


def test_holm_holds_each_against_those_that_are_left_and_keeps_what_is_no_comparison() -> None:
    p_values = pd.Series([0.01, 0.04, np.nan, 0.03, 0.005], index=["a", "b", "b", "c", "d"])
    expected = pd.Series([0.03, 0.06, np.nan, 0.06, 0.02], index=p_values.index)
    pd.testing.assert_series_equal(holm(p_values), expected)
    assert holm(pd.Series([0.6, 0.7])).tolist() == [1.0, 1.0]
    assert holm(pd.Series([np.nan])).isna().all()
