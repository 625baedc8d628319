"""What the command line says of the outputs of a project."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from pathlib import Path

import click
from kedro.framework.cli.utils import _split_params
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession

from emotion_kedro.runners.incremental.status import State, states_of

_VALUE = re.compile(r"(?P<path>\S.*?[.])(?P<key>[^.\s]+) (?P<change>was .+, is .+)")
NAMED = 2
"""Parameters or modules that a line names."""


@click.command()
@click.option("--pipelines", "-p", "name", default="__default__", help="Of which pipeline; all nodes if left out.")
@click.option("--env", "-e", default=None, help="The environment of the configuration.")
@click.option("--params", default="", help="As for kedro run.", callback=_split_params)
@click.option("--all", "all_outputs", is_flag=True, help="A line for each output, instead of each cause.")
def status(name: str, env: str | None, params: dict[str, object], all_outputs: bool) -> None:
    """Say which outputs are fresh, and which are not and why.

    \b
    fresh    made from what is there now
    stale    a parameter, an input, code, a library or the device has changed since
    missing  not made yet
    mixed    a node's outputs come from different runs
    damaged  not what was written

    \b
    emotion status
    emotion status -p augment --params augment.records.cap=60   # what a change would make stale
    """  # noqa: D301 - click wants the character itself
    if name not in pipelines:
        raise click.ClickException(f"there is no pipeline {name}; there are: {', '.join(sorted(pipelines))}")
    with KedroSession.create(project_path=Path.cwd(), env=env, runtime_params=params) as session:
        catalog = session.load_context().catalog  # type: ignore[attr-defined]  # of the class that create returns
        states = states_of(pipelines[name], catalog)
    if name == "__default__" and any(state.kind != "fresh" for state in states):
        click.echo("Of the default pipeline; of what you have run yourself: --pipelines NAME")
    for line in described(states, all_outputs=all_outputs):
        click.echo(line)


def described(states: list[State], *, all_outputs: bool) -> list[str]:
    """Return a line for each cause, or only if asked for each output, and one that counts."""
    counts = Counter(state.kind for state in states)
    total = ", ".join(
        f"{counts[kind]} {kind}" for kind in ("fresh", "stale", "missing", "mixed", "damaged") if counts[kind]
    )
    lines = [str(state) for state in states] if all_outputs else causes(states)
    hint = "  (each output: --all)" if lines and not all_outputs else ""
    return [*lines, total + hint if total else "the pipeline has no output that is kept in files"]


def causes(states: list[State]) -> list[str]:
    """Say in a line each what has changed, and how many outputs have to be made because of it; most first.

    What is stale because of another output counts for the causes of that one. A value that was changed in the same way
    in several places is one cause, and so is all changed code.
    """
    behind: dict[str, set[str]] = {}
    places: defaultdict[str, list[str]] = defaultdict(list)
    outputs: defaultdict[str, list[str]] = defaultdict(list)
    for state in (state for state in states if state.kind != "fresh"):
        pairs = [_cause(state, reason) for reason in state.reasons or ([""] if state.kind == "missing" else [])]
        for cause, place in pairs:
            places[cause] += [place] if place not in places[cause] else []
        direct = {cause for cause, _ in pairs}
        behind[state.dataset] = direct.union(*(behind[name] for name in state.behind))
        for cause in behind[state.dataset]:
            outputs[cause].append(state.dataset)
    return [
        f"{cause}{_named(places[cause])}: {len(names)} output{'s' * (len(names) > 1)}, first {names[0]}"
        for cause, names in sorted(((cause, outputs[cause]) for cause in places), key=lambda pair: -len(pair[1]))
    ]


def _cause(state: State, reason: str) -> tuple[str, str]:
    """Return the cause that a reason stands for, and where it was met."""
    if state.kind in ("missing", "mixed", "damaged"):
        return {"missing": "not made yet"}.get(state.kind, state.kind), reason
    if reason.startswith("code: "):
        return "code has changed", reason.removeprefix("code: ").removesuffix(" has changed")
    if reason.startswith(("params:", "parameters")) and (value := _VALUE.fullmatch(reason)):
        return f"{value['key']} {value['change']}", value["path"] + value["key"]
    return reason, ""


def _named(places: list[str]) -> str:
    named = [place for place in places if place]
    more = f" and {len(named) - NAMED} more" if len(named) > NAMED else ""
    return f" ({', '.join(named[:NAMED])}{more})" if named else ""
