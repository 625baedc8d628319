"""The sections on what the results rest on: data, training, time and setting."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from operator import itemgetter
from typing import Any

from emotion_kedro.pictures.blocks import Block, Picture, Section, Table, Text, sections_with_tables, table
from emotion_kedro.pictures.numbers import (
    DASH,
    count,
    duration,
    first_known,
    leaves_of,
    missing,
    named,
    plain,
    rows_of,
    score,
    share,
    unique,
    yes,
)
from emotion_kedro.pictures.results import ALL, SPLIT_COUNTS, RunResults

FOLDED_FROM = 9  # rows of a side table


def sections_on_background(results: RunResults) -> list[Section]:
    """Return what the results rest on: data, training, time and setting."""
    parts = (
        ("data", "Data", _data(results)),
        ("training", "Training", _training(results)),
        ("time", "Time", _times(results.times)),
        ("setting", "Setting", _setting(results.setting)),
    )
    return sections_with_tables(parts)


def sections_on_setting(setting: Mapping[str, str], times: Sequence[Mapping[str, Any]]) -> list[Section]:
    """Return what is needed to do a run again, and how long its nodes took."""
    return sections_with_tables((("time", "Time", _times(times)), ("setting", "Setting", _setting(setting))))


def _data(results: RunResults) -> Iterator[Block]:
    sources = [{**one, **one.get("dropped", {})} for one in named(results.ingestion, "source")]
    unknown = {one["source"]: one.get("unknown label", {}) for one in sources}
    rows = [{**one, "unknown": sum(unknown[one["source"]].values())} for one in sources]
    name, counts = ("source", "source", plain), [("rows", "rows read", count), ("kept", "kept", count)]
    dropped = [("empty text", "without text", count), ("unknown", "unknown label", count)]
    yield table(rows, [name, ("files", "files", plain), *counts, *dropped], title="Sources")
    yield _dropped("Unknown labels, dropped", unknown)
    labels = dict(leaves_of({one["source"]: one.get("labels", {}) for one in sources}))
    yield _crossed("Rows kept, by source", labels, ())
    if results.unification:
        taxonomy, kept = results.unification.get("taxonomy", DASH), count(results.unification.get("kept"))
        yield Text(f"Taxonomy {taxonomy}: {kept} rows have one of its labels.")
    yield _dropped("Labels outside the taxonomy, dropped", results.unification.get("dropped", {}))
    yield from _sampling(results)
    yield from _leakage(rows_of(results.leakage))


def _dropped(title: str, counts: Mapping[str, Any]) -> Table:
    rows = [{"source": path[0], "label": path[-1], "rows": value} for path, value in leaves_of(counts)]
    columns = [("source", "source", plain), ("label", "label", plain), ("rows", "rows", count)]
    return table(rows, columns, title=title, folded=len(rows) >= FOLDED_FROM)


def _sampling(results: RunResults) -> Iterator[Block]:
    """Show whatever numbers there are: shallow ones in one list, deeper ones (split -> label) as a table each."""
    leaves = dict(leaves_of(results.sampling))
    rows = [{"what": ": ".join(path).replace("_", " "), "count": leaves[path]} for path in leaves if len(path) < 3]
    yield table(rows, [("what", "what", plain), ("count", "count", count)], title="Sampling")
    deep = [path for path, value in leaves.items() if len(path) >= 3 and isinstance(value, (int, float))]
    for name in unique(path[0] for path in deep):
        title = "Rows by split" if name in SPLIT_COUNTS else name.replace("_", " ")
        yield _crossed(title, {path[1:]: leaves[path] for path in deep if path[0] == name}, results.labels)


def _crossed(title: str, counts: Mapping[tuple[str, ...], Any], labels: Sequence[str]) -> Table:
    """Put the last keys down and the others across, with the sums in the last row."""
    cells = {(", ".join(path[:-1]), path[-1]): value for path, value in counts.items()}
    across, there = unique(column for column, _ in cells), {label for _, label in cells}
    down = [label for label in unique([*labels, *sorted(there)]) if label in there]
    rows = [[label, *(count(cells.get((column, label), 0)) for column in across)] for label in down]
    sums = [count(sum(value for (name, _), value in cells.items() if name == column)) for column in across]
    return Table(["label", *across], [*rows, [ALL, *sums]] if rows else [], title=title)


def _leakage(rows: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    yield Text(_leakage_sentence(rows))
    names = [("split_strategy", "split", plain), ("source", "source", plain), ("test_rows", "test rows", count)]
    exact = [("exact_in_train", "exact in train", count), ("exact_share", "share", share)]
    near = [("near_in_train", "near or exact", count), ("near_share", "share", share)]
    other = ("conflicting_in_train", "other label in train", count)
    yield table(rows, [*names, *exact, *near, other], title="Test rows that also stand in train")


def _leakage_sentence(rows: Sequence[Mapping[str, Any]]) -> str:
    """Say what a plain split would have leaked, and what the grouped one leaves."""
    whole = {row["split_strategy"]: row for row in rows if row["source"] == ALL}
    if "plain" not in whole:
        return ""
    counts = {name: count(value) for name, value in whole["plain"].items() if name.endswith(("_rows", "_train"))}
    left = f" The grouped split leaves {share(whole['grouped']['near_share'])}." if "grouped" in whole else ""
    return (
        f"A plain split would have left {share(whole['plain']['near_share'])} of the test rows "
        f"({counts['near_in_train']} of {counts['test_rows']}) with the same or nearly the same text in train: "
        f"{counts['exact_in_train']} word for word, {counts['conflicting_in_train']} under another label.{left}"
    )


def _training(results: RunResults) -> Iterator[Block]:
    steps, time = ("steps", "steps", count), ("seconds", "time", duration)
    yield Text(steps_sentence(results.classifiers))
    runs = [{**run, "loss": first_known(reversed(_losses(run, "train")))} for run in results.classifiers]
    names = [("name", "classifier", plain), ("seed", "seed", plain)]
    columns = [steps, ("rows", "texts seen", count), ("loss", "last train loss", score), time]
    yield table(runs, [*names, *columns], title="Classifiers")
    runs = [{**run, "loss": min(_losses(run, "validation"), default=None)} for run in results.generators]
    names = [("label", "generator", plain), ("texts", "texts", count)]
    stop = [("best_step", "best step", count), ("stopped_early", "stopped early", yes)]
    yield table(runs, [*names, steps, *stop, ("loss", "best validation loss", score), time], title="Generators")
    yield Picture("losses", "Losses of the generators")


def steps_sentence(classifiers: Sequence[Mapping[str, Any]]) -> str:
    """Say whether all classifiers took the same number of optimiser steps."""
    steps: dict[int, list[str]] = {}
    for run in classifiers:
        if not missing(run.get("steps")):
            steps.setdefault(int(run["steps"]), []).append(str(run.get("name")))
    if not steps:
        return ""
    if len(steps) == 1:
        return f"Every classifier took {count(next(iter(steps)))} optimiser steps: no arm was trained for longer."
    parts = "; ".join(f"{', '.join(unique(names))}: {count(number)}" for number, names in sorted(steps.items()))
    return f"Classifiers took different numbers of optimiser steps ({parts}): a difference may come from that."


def _losses(run: Mapping[str, Any], column: str) -> list[float]:
    return [entry[column] for entry in run.get("losses", []) if not missing(entry.get(column))]


def _times(times: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    known = [entry for entry in times if not missing(entry.get("seconds"))]
    total = sum(entry["seconds"] for entry in known)
    rows = [{**entry, "share": entry["seconds"] / total if total else None} for entry in known]
    rows.sort(key=itemgetter("seconds"), reverse=True)
    yield Text(f"All nodes together: {duration(total)}." if rows else "")
    yield table(rows, [("node", "node", plain), ("seconds", "time", duration), ("share", "share", share)])


def _setting(setting: Mapping[str, str]) -> Iterator[Block]:
    rows = [{"what": name, "value": value} for name, value in setting.items()]
    yield table(rows, [("what", "what", plain), ("value", "value", plain)])
