"""The reference page: for every system of the report our figures, their intervals, and the report's figure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emotion_kedro.pictures.blocks import Block, Column, Section, Table, Text, table
from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.numbers import DASH, count, estimate, interval, missing, plain, score, signed, unique
from emotion_kedro.reference import SYSTEMS, ReferenceSystem

TITLE = "Our figures beside the reference report's"
NOT_RUN = "not run here"


def reference_document(findings: Mapping[str, Sequence[Mapping[str, Any]]], logs: Mapping[str, Any]) -> Document:
    """Return the page.

    Args:
        findings: pipeline -> what it found (:func:`emotion_kedro.measures.findings.finding`); absent: it has not run.
        logs: pipeline -> the log of its run, for those that ran.
    """
    found = [{**one, "pipeline": pipeline} for pipeline, several in findings.items() for one in several]
    run = {one["system"] for one in found}
    sections = [
        Section("overview", "Every system", [_overview(found)]),
        *(
            Section(system.number, f"{system.number} {system.title}", list(_system(system, found)))
            for system in SYSTEMS
        ),
        Section("setting", "Setting", list(_settings(logs))),
    ]
    return Document(
        title=TITLE,
        question="How do our figures stand beside the report's?",
        answer=f"{len(run)} of {len(SYSTEMS)} systems were run here.",
        sentence=(
            "Figures of different models, on different rows, are not a contest: where our models are not the report's, "
            "the row names them. Intervals are 95 % unless a row says otherwise; the report gives none."
        ),
        sections=sections,
    )


def written(one: Mapping[str, Any]) -> str:
    """Write the figure of a finding with its interval; differences with their sign."""
    if one["metric"] == "rows":
        return count(one["rows"])
    if missing(estimate(one["figure"])):
        return DASH
    if missing(one["figure"].get("low")):
        return score(estimate(one["figure"]))
    return interval(one["figure"], signed) if one["metric"].startswith("difference") else interval(one["figure"])


def _overview(found: Sequence[Mapping[str, Any]]) -> Table:
    rows = []
    for system in SYSTEMS:
        mine = [one for one in found if one["system"] == system.number]
        compared = [one for one in mine if one["name"] in system.figures]
        chosen = next(iter(compared or [one for one in mine if one["figure"]] or mine), None)
        rows.append(
            {
                "system": system.number,
                "title": system.title,
                "name": chosen["name"] if chosen else NOT_RUN,
                "metric": chosen["metric"] if chosen and chosen["figure"] else DASH,
                "ours": written(chosen) if chosen else DASH,
                "report": system.figures.get(chosen["name"], DASH) if chosen else _first(system),
                "models": models_of(system, chosen) if chosen else DASH,
                "pipelines": ", ".join(system.pipelines),
            }
        )
    columns: list[Column] = [
        ("system", "", plain),
        ("title", "system", plain),
        ("name", "figure", plain),
        ("metric", "metric", plain),
        ("ours", "ours", plain),
        ("report", "the report", plain),
        ("models", "models", plain),
        ("pipelines", "pipeline", plain),
    ]
    return table(rows, columns)


def models_of(system: ReferenceSystem, one: Mapping[str, Any]) -> str:
    """Return our models, and the report's where they are others."""
    ours = str(one["model"] or DASH)
    if not system.models or all(model in ours for model in system.models):
        return ours
    return f"{ours}; other models than the report's ({', '.join(system.models)})"


def _first(system: ReferenceSystem) -> str:
    return next(iter(system.figures.values()), DASH)


def _system(system: ReferenceSystem, found: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    mine = [one for one in found if one["system"] == system.number]
    if system.remark:
        yield Text(f"On the report: {system.remark}")
    if not mine:
        commands = ", ".join(f"kedro run --pipeline={name}" for name in system.pipelines)
        yield Text(f"{NOT_RUN.capitalize()}. To run it: {commands}.")
    rows = [
        {
            **one,
            "ours": written(one),
            "report": system.figures.get(one["name"], DASH),
            "seed_count": len(one["seeds"]) or None,
            "models": models_of(system, one),
        }
        for one in mine
    ]
    names = {one["name"] for one in mine}
    rows += [
        {"name": name, "ours": NOT_RUN, "report": figure}
        for name, figure in system.figures.items()
        if name not in names
    ]
    columns: list[Column] = [
        ("name", "figure", plain),
        ("metric", "metric", plain),
        ("ours", "ours", plain),
        ("report", "the report", plain),
        ("rows", "test rows", count),
        ("seed_count", "seeds", count),
        ("models", "models", plain),
        ("data", "data", plain),
    ]
    yield table(rows, columns)
    for note in unique(one["note"] for one in mine if not missing(one.get("note")) and one["note"]):
        names_with = unique(one["name"] for one in mine if one["note"] == note)
        yield Text(f"{', '.join(names_with[:4])}{', …' if len(names_with) > 4 else ''}: {note}")


def _settings(logs: Mapping[str, Any]) -> Iterator[Block]:
    rows = [
        {
            "pipeline": pipeline,
            "command": log["setting"].get("command"),
            "then": log["setting"].get("then"),
            "seconds": round(sum(entry["seconds"] for entry in log["times"])),
        }
        for pipeline, log in logs.items()
    ]
    columns: list[Column] = [
        ("pipeline", "pipeline", plain),
        ("command", "command", plain),
        ("then", "then", plain),
        ("seconds", "seconds, all nodes", count),
    ]
    yield table(rows, columns)
    machines = unique(
        f"{log['setting'].get('machine')}; Python {log['setting'].get('python')}" for log in logs.values()
    )
    versions = unique(log["setting"].get("versions", "") for log in logs.values())
    yield Text(f"Machine: {' / '.join(machines)}." if machines else "")
    yield Text(f"Versions: {' / '.join(versions)}." if versions else "")
