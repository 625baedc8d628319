"""Differences between arms, or between learners, that were tested on the same rows in the same runs."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from emotion_kedro.config.base import ALL, ALL_ROWS, LEARNER
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.metrics.bootstrap import Interval, clusters_of, interval, resample, resample_labels
from emotion_kedro.metrics.runs import Design, Runs, parts_of, runs_of, table_of
from emotion_kedro.schemas.figures import Comparisons, LabelGains

logger = logging.getLogger(__name__)

COMPARED_LEARNERS = "(compared)"
"""Stands for the learner where learners are compared; not empty, which a CSV file would read as missing."""
LOSS = "log_loss"
COMPARED = ("accuracy", "macro_f1", LOSS)
LEAST_DIFFERING = 6
"""Rows that differ, at least, for a sign test to show anything at the 5 % level: all of them in one direction."""
ERRORS_SEEN = 2.8
"""Standard errors of the smallest difference that is seen with 80 % power at the 5 % level, 1.96 + .84."""
Pair = tuple[str, str]
NOT_SHOWN = "no difference shown"


def compare(
    predictions: pd.DataFrame,
    pairs: Iterable[Sequence[str]],
    groups: pd.Series | None,
    evaluation: EvaluationConfig,
    score_by: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the differences ``first`` minus ``second`` in accuracy, macro-F1 and log loss, with paired intervals.

    The verdict rests on the accuracy alone, whatever the metric of the row: ``helped`` or ``harmed`` where its interval
    leaves zero out and its p-value after correction is below 1 - level, too.

    Args:
        predictions: schema ``Predictions``, of one experiment.
        pairs: two arms, compared within each learner and size that both have; or two learners (``learner:NAME`` twice),
            compared within each arm and size: ``first`` and ``second`` are then ``ARM/NAME``, and ``learner`` is
            :data:`COMPARED_LEARNERS`.
        groups: near-duplicate group by ``record_id``; whole groups are resampled. None: rows are.
        evaluation: resamples, level, seed.
        score_by: ``("source",)``: also for the test rows of each source by themselves.

    Returns:
        Schema ``Comparisons``. ``p_value`` stands in the rows of accuracy;
        ``p_holm`` is corrected for all of these, or for ``evaluation.primary`` (on the rows of all sources) and for
        the rest, each by themselves.

    Raises:
        ValueError: for two that were not tested on the same rows or share no seeds. A pair that never meets is left
            out, with a warning.
    """
    by_source = [
        (source, {runs.design: runs for runs in designs})
        for source, designs in parts_of(runs_of(predictions).values(), score_by)
    ]
    rows: list[dict[str, object]] = []
    for pair in pairs:
        matches = list(_matches((pair[0], pair[1]), by_source[0][1]))
        if not matches:  # of a size that the table does not reach, for one
            other = "arm" if pair[0].startswith(LEARNER) else "learner"
            logger.warning("%s and %s are not compared: they share no size and no %s", *pair, other)
        for source, designs in by_source:
            for first, second in matches:
                if len(designs[first].truth):
                    rows += _compare(
                        designs[first], designs[second], _names(pair[0], first, second), source, groups, evaluation
                    )
    table = table_of(rows, Comparisons)
    primary = (table[["first", "second", "learner"]] == (evaluation.primary or ("", "", ""))).all(axis=1)
    # On the rows of one source it is a further question.
    p_holm = table["p_value"].groupby(primary & (table["source"] == ALL)).transform(holm)
    # Accuracy comes first of each difference, and its p-value speaks for the rows below it.
    shown = p_holm.ffill() < 1 - evaluation.level
    return table.assign(p_holm=p_holm, verdict=table["verdict"].where(shown, NOT_SHOWN))


def label_gains(
    predictions: pd.DataFrame,
    pairs: Iterable[Sequence[str]],
    groups: pd.Series | None,
    evaluation: EvaluationConfig,
) -> pd.DataFrame:
    """Return the differences in F1 of each label that has test rows, at the largest size that both of a pair have.

    Intervals are paired, and not corrected for the number of labels. Arguments and errors as in :func:`compare`.

    Returns:
        Schema ``LabelGains``; ``rows`` are the label's test rows.
    """
    designs = {runs.design: runs for runs in runs_of(predictions).values()}
    rows: list[dict[str, object]] = []
    for pair in pairs:
        matches = list(_matches((pair[0], pair[1]), designs))
        sizes = [first.size for first, _ in matches]
        largest = max(sizes, key=lambda size: (size == ALL_ROWS, size), default=None)
        for first, second in matches:
            if first.size == largest:
                rows += _label_gains(
                    designs[first], designs[second], _names(pair[0], first, second), groups, evaluation
                )
    return table_of(rows, LabelGains)


def _label_gains(
    first: Runs, second: Runs, names: Mapping[str, object], groups: pd.Series | None, evaluation: EvaluationConfig
) -> list[dict[str, object]]:
    first, second = paired(first, second)
    scores = [resample_labels(runs, groups, evaluation) for runs in (first, second)]
    counts = np.bincount(first.truth, minlength=len(first.labels))
    common = {"experiment": first.experiment, **names, "size": first.design.size, "runs": len(first.predicted)}
    rows = []
    for label, count, gained, had in zip(first.labels, counts, *scores, strict=True):
        if count:
            gain = interval(gained - had, first.data_seeds, evaluation)
            estimates = {"difference": gain.estimate, "low": gain.low, "high": gain.high}
            rows.append({**common, "label": label, **estimates, "rows": int(count)})
    return rows


def _matches(pair: Pair, designs: Mapping[Design, Runs]) -> Iterator[tuple[Design, Design]]:
    field = "learner" if pair[0].startswith(LEARNER) else "arm"
    first, second = (name.removeprefix(LEARNER) for name in pair)
    change: dict[str, Any] = {field: second}
    partners = {design: design._replace(**change) for design in designs if getattr(design, field) == first}
    yield from ((design, partner) for design, partner in partners.items() if partner in designs)


def _names(name: str, first: Design, second: Design) -> dict[str, object]:
    if name.startswith(LEARNER):
        return {
            "first": f"{first.arm}/{first.learner}",
            "second": f"{second.arm}/{second.learner}",
            "learner": COMPARED_LEARNERS,
        }
    return {"first": first.arm, "second": second.arm, "learner": first.learner}


def _compare(
    first: Runs,
    second: Runs,
    names: Mapping[str, object],
    source: str,
    groups: pd.Series | None,
    evaluation: EvaluationConfig,
) -> list[dict[str, object]]:
    first, second = paired(first, second)
    scores = [resample(runs, COMPARED, groups, evaluation) for runs in (first, second)]
    gains = {name: interval(scores[0][name] - scores[1][name], first.data_seeds, evaluation) for name in COMPARED}
    hits = first.correct.mean(axis=0) - second.correct.mean(axis=0)
    gains_of_clusters = np.bincount(clusters_of(first.record_ids, groups), weights=hits)
    differing = int(np.count_nonzero(gains_of_clusters.round(9)))
    common = {
        "experiment": first.experiment,
        **names,
        "size": first.design.size,
        "source": source,
        "rows": len(first.truth),
        "runs": len(first.predicted),
        "verdict": verdict_of(gains["accuracy"]),
    }
    return [
        {
            **common,
            "metric": name,
            "difference": gain.estimate,
            "low": gain.low,
            "high": gain.high,
            # Where hardly a row differs, nothing says how much a difference in right answers could vary.
            "detectable": ERRORS_SEEN * gain.error
            if gain.error and (differing >= LEAST_DIFFERING or name == LOSS)
            else np.nan,
            "p_value": p_value_of(gain, differing) if name == "accuracy" else np.nan,
        }
        for name, gain in gains.items()
        if not np.isnan(gain.low)
    ]


def paired(first: Runs, second: Runs) -> tuple[Runs, Runs]:
    """Return the runs that two designs have in common (data seed and training seed), in the same order.

    ``only`` may leave seeds of one of them out.

    Raises:
        ValueError: if they share no run, or were not tested on the same rows, with what to do.
    """
    names = " and ".join("/".join(map(str, runs.design)) for runs in (first, second))
    shared = [key for key in first.keys if key in second.keys]
    if not shared:
        raise ValueError(
            f"{names} (arm/learner/size) share no run: (data seed, seed) are {first.keys} and {second.keys}; "
            "let their `only` share seeds, or leave this pair out of compare"
        )
    if not np.array_equal(first.record_ids, second.record_ids) or not np.array_equal(first.truth, second.truth):
        raise ValueError(f"{names} (arm/learner/size) were not tested on the same rows; run both again")
    return first.of_runs(shared), second.of_runs(shared)


def verdict_of(accuracy: Interval) -> str:
    """Return ``helped`` or ``harmed`` where the interval of a difference leaves zero out, else that none is shown."""
    if accuracy.low > 0:
        return "helped"
    return "harmed" if accuracy.high < 0 else NOT_SHOWN


def p_value_of(gain: Interval, differing: int) -> float:
    """Return the two-sided p-value of a difference, by the standard error that its interval rests on.

    So it speaks of other test rows and of other runs, as the interval does. Student's t, with as many degrees of
    freedom as clusters of test rows differ (``differing``), less one: where a handful decide, as
    careful as McNemar's exact test. Where all that differ gain alike there is no standard error: then it is the sign
    test's.
    """
    if gain.error == 0.0 or differing < 2:
        return min(1.0, 2 * 0.5**differing) if np.isfinite(gain.low) else np.nan
    return float(2 * stats.t.sf(abs(gain.estimate) / gain.error, differing - 1))


def holm(p_values: pd.Series) -> pd.Series:
    """Return Holm's (1979) adjusted p-values; what is NaN is no comparison and stays."""
    adjusted = p_values.to_numpy(np.float64, copy=True)
    rising = np.argsort(adjusted)[: p_values.count()]  # NaN comes last
    # The smallest is held against all of them, the next against one fewer, and none is below one before it.
    adjusted[rising] = np.maximum.accumulate(adjusted[rising] * np.arange(len(rising), 0, -1)).clip(max=1.0)
    return pd.Series(adjusted, p_values.index, name=p_values.name)
