"""What sections consist of, and the sections on results: how the arms did, and what the synthetic text is like."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from operator import itemgetter
from typing import Any

import pandas as pd

from emotion_kedro.pictures import plots
from emotion_kedro.pictures.blocks import (
    Block,
    Column,
    Examples,
    Picture,
    Section,
    Table,
    Text,
    sections_with_tables,
    table,
)
from emotion_kedro.pictures.numbers import (
    DASH,
    bounds,
    count,
    first_known,
    interval,
    missing,
    named,
    p_value,
    plain,
    rows_of,
    score,
    share,
    signed,
    unique,
)
from emotion_kedro.pictures.results import METRICS, USABILITY, RunResults
from emotion_kedro.pictures.verdict import reading, side_of_zero

EXAMPLES_PER_LABEL = 5


def sections_on_results(results: RunResults) -> list[Section]:
    """Return what came out: the arms compared, and the synthetic text."""
    parts = (
        ("scores", "Scores", _scores(results)),
        ("difference", "Difference", _difference(results.comparison)),
        ("labels", "Per label", _per_label(results)),
        ("confusion", "Confusion", _confusion(results)),
        ("calibration", "Calibration", _calibration(results)),
        ("usability", "Usability, both ways", _usability(results.usability)),
        ("synthetic", "Synthetic text", _synthetic(results)),
    )
    return sections_with_tables(parts)


def _scores(results: RunResults) -> Iterator[Block]:
    arms = named(results.scores.get("arms", {}), "arm")
    arm, rows = ("arm", "arm", plain), ("rows", "test rows", count)
    calibration = [("ece", "ECE", score), ("log_loss", "log loss", score)]
    yield Text(
        "Arms: real is trained on real text; augmented on the same and synthetic text; synthetic on synthetic text "
        f"alone. All are tested on the same real rows.{_interval_note(arms)}"
    )
    yield table(arms, [arm, *_metrics(interval), *calibration, rows, ("seeds", "seeds", plain)])
    yield Picture("arms", "Mean over seeds with its interval; grey ticks are single seeds")
    sources = [{**part, "arm": one["arm"]} for one in arms for part in named(one.get("sources", {}), "source")]
    sources.sort(key=itemgetter("source"))
    yield table(sources, [("source", "source", plain), arm, *_metrics(interval), rows], title="By source")
    runs = [{**run, "arm": one["arm"]} for one in arms for run in one.get("per_seed", [])]
    columns = [arm, ("seed", "seed", plain), *_metrics(score), *calibration, rows]
    yield table(runs, columns, title="By seed", folded=True)


def _metrics(written: Callable[[Any], str]) -> list[Column]:
    return [(metric, title, written) for metric, title in METRICS.items()]


def _interval_note(arms: Iterable[Mapping[str, Any]]) -> str:
    found = first_known(arm.get("accuracy") for arm in arms) or {}
    if missing(found.get("level")):
        return ""
    return f" In brackets: {found['level']:.0%} intervals from {count(found.get('samples'))} bootstrap samples."


def _difference(found: Mapping[str, Any]) -> Iterator[Block]:
    if not found:
        return
    first, second = found.get("first", "first"), found.get("second", "second")
    yield Text(
        f"Scores of {second} minus scores of {first}, paired: both arms have the same seeds and are tested on the same "
        f"{count(found.get('rows'))} rows."
    )
    changes = {title: found.get(metric) for metric, title in METRICS.items()}
    rows = [{"title": title, "change": change, "reading": reading(change)} for title, change in changes.items()]
    signed_interval: Callable[[Any], str] = partial(interval, written=signed)
    columns = [("title", "measure", plain), ("change", "difference", signed_interval), ("reading", "reads as", plain)]
    yield table(rows, columns)
    accuracy = found.get("accuracy")
    if accuracy is not None and bounds(accuracy) != DASH and not side_of_zero(accuracy):
        low, high = signed(accuracy["low"]), signed(accuracy["high"])
        yield Text(f"Not shown is not absent: any change of accuracy from {low} to {high} agrees with these rows.")
    only = [(f"only_{key}", f"only {arm} right", count) for key, arm in (("first", first), ("second", second))]
    p_values = [("p_value", "McNemar p", p_value), ("p_holm", "p after Holm", p_value)]
    title = "Test rows that only one arm gets right"
    yield table(found.get("mcnemar", []), [("seed", "seed", plain), *only, *p_values], title=title)
    yield Text("McNemar's test speaks of two trained classifiers, the interval above of two ways to train them.")


def _per_label(results: RunResults) -> Iterator[Block]:
    rows: dict[str, dict[str, Any]] = {}
    for row in rows_of(results.per_label):
        scores = {f"{row['arm']} {column}": row.get(column) for column in ("precision", "recall", "f1")}
        rows.setdefault(row["label"], {"label": row["label"], "support": row.get("support")}).update(scores)
    arms, label = unique(row["arm"] for row in rows_of(results.per_label)), ("label", "label", plain)
    f1 = [(f"{arm} f1", f"F1, {arm}", score) for arm in arms]
    others = [(f"{arm} {key}", f"{key}, {arm}", score) for key in ("precision", "recall") for arm in arms]
    yield Picture("per_label", "F1 of each label by arm")
    yield table(rows.values(), [label, ("support", "test rows", count), *f1])
    yield Text("These have no intervals: a label with few test rows moves by chance.")
    yield table(rows.values(), [label, *others], title="Precision and recall", folded=True)


def _confusion(results: RunResults) -> Iterator[Block]:
    yield Picture("confusion", "Colour: share of the true label's rows. Numbers: predictions", wide=True)
    cells = rows_of(results.confusion)
    columns: list[Column] = [("label", "true label", plain)]
    columns += [(f"as {label}", label, count) for label in results.labels]
    for arm in unique(cell["arm"] for cell in cells):
        rows = {label: {"label": label} for label in results.labels}
        for cell in cells:
            if cell["arm"] == arm:
                rows.setdefault(cell["label"], {"label": cell["label"]})[f"as {cell['predicted']}"] = cell["rows"]
        yield table(rows.values(), columns, title=f"{arm}: true label down, predicted label across", folded=True)


def _calibration(results: RunResults) -> Iterator[Block]:
    yield Text(
        "Whether a classifier is right as often as it says. ECE is the mean gap between confidence and accuracy, 0 at "
        "best; below the diagonal the classifier is too sure of itself."
    )
    arm = ("arm", "arm", plain)
    arms = named(results.scores.get("arms", {}), "arm")
    yield table(arms, [arm, ("ece", "ECE", score), ("log_loss", "log loss", score)])
    yield Picture("reliability", "Accuracy by confidence; the area of a dot is its share of the rows")
    columns = [("confidence", "confidence", score), ("accuracy", "accuracy", score), ("rows", "rows", count)]
    bins = [row for row in rows_of(results.reliability) if row["rows"]]
    yield table(bins, [arm, ("bin", "bin", count), *columns], title="Bins with rows", folded=True)


def _usability(usability: Mapping[str, Any]) -> Iterator[Block]:
    names = USABILITY if usability else {}
    rows = [{"name": title, "accuracy": usability.get(key), "says": says} for key, (title, says) in names.items()]
    yield Text("Accuracy of a classifier trained on one kind of text and tested on the other.")
    yield table(
        rows, [("name", "trained on, tested on", plain), ("accuracy", "accuracy", interval), ("says", "", plain)]
    )


def _synthetic(results: RunResults) -> Iterator[Block]:
    rows = rows_of(results.synthetic)
    yield Text(
        "Yield is the share of candidates that passed every check, whether the quota still needed them or not; "
        "fidelity the share whose label a classifier trained on real text recognises. Copies are of train texts."
    )
    counts = [
        ("label", "label", plain),
        ("drawn", "drawn", count),
        ("kept", "kept", count),
        ("yield", "yield", share),
    ]
    fidelity = [("fidelity_all", "fidelity, all", share), ("fidelity_kept", "fidelity, kept", share)]
    copies = [("exact_copies", "exact copies", count), ("near_copies", "near copies", count)]
    yield table(rows, [*counts, *fidelity, *copies], title="How many, and how true to the label")
    yield _variety(rows)
    yield Picture("yield", "What became of the candidates")
    yield _reasons(results.yields)
    examples = _examples(results.examples)
    yield Text("Kept synthetic records, with the probability of their label." if examples.labels else "")
    yield examples


def _variety(rows: Sequence[Mapping[str, Any]]) -> Table:
    measures: list[Column] = [
        ("distinct_1", "distinct-1", score),
        ("distinct_2", "distinct-2", score),
        ("self_bleu", "self-BLEU", score),
        ("longest_shared_ngram", "longest shared n-gram", count),
        ("nearest_similarity", "nearest similarity", score),
    ]
    columns: list[Column] = [("label", "label", plain)]
    for key, title, written in measures:
        columns += [(key, title, written), (f"real_{key}", "real", written)]
    return table(rows, columns, title="How varied and how new, beside as many held-out real texts of the label")


def _reasons(yields: pd.DataFrame) -> Table:
    rows: dict[str, dict[str, Any]] = {}
    for row in rows_of(yields):
        rows.setdefault(str(row["label"]), {})[f"for {row['reason']}"] = row["candidates"]
    reasons = plots.reasons_in_order(yields) if rows else []
    none = {f"for {reason}": 0 for reason in reasons}
    columns: list[Column] = [(f"for {reason}", reason, count) for reason in reasons]
    filled = [{**none, **row, "label": label} for label, row in rows.items()]
    return table(filled, [("label", "label", plain), *columns], title="Candidates by reason")


def _examples(examples: pd.DataFrame) -> Examples:
    labels: dict[str, list[tuple[str, str]]] = {}
    for row in rows_of(examples):
        shown = labels.setdefault(str(row["label"]), [])
        if len(shown) < EXAMPLES_PER_LABEL:
            shown.append((score(row.get("probability")), " ".join(str(row["text"]).split())))
    return Examples(labels)
