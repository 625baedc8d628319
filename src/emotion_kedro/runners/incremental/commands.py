"""What the command line says of the outputs of a project."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import click
from kedro.framework.cli.utils import _split_params
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession

from emotion_kedro.runners.incremental.status import State, states_of


@click.command()
@click.option("--pipelines", "-p", "name", default="__default__", help="Of which pipeline; all nodes if left out.")
@click.option("--env", "-e", default=None, help="The environment of the configuration.")
@click.option("--params", default="", help="As for kedro run.", callback=_split_params)
@click.option("--all", "all_outputs", is_flag=True, help="Name what is fresh, too.")
def status(name: str, env: str | None, params: dict[str, object], all_outputs: bool) -> None:
    """Say which outputs are fresh, and which are not and why.

    \b
    fresh    made from what is there now
    stale    a parameter, an input, code, a library or the device has changed since
    missing  not made yet
    mixed    a node's outputs come from different runs
    damaged  not what was written
    """  # noqa: D301 - click wants the character itself
    if name not in pipelines:
        raise click.ClickException(f"there is no pipeline {name}; there are: {', '.join(sorted(pipelines))}")
    with KedroSession.create(project_path=Path.cwd(), env=env, runtime_params=params) as session:
        catalog = session.load_context().catalog  # type: ignore[attr-defined]  # of the class that create returns
        states = states_of(pipelines[name], catalog)
    for line in described(states, all_outputs=all_outputs):
        click.echo(line)


def described(states: list[State], *, all_outputs: bool) -> list[str]:
    """Return a line for each output, those that are fresh only if asked for, and one that counts."""
    counts = Counter(state.kind for state in states)
    total = ", ".join(
        f"{counts[kind]} {kind}" for kind in ("fresh", "stale", "missing", "mixed", "damaged") if counts[kind]
    )
    lines = [str(state) for state in states if all_outputs or state.kind != "fresh"]
    return [*lines, total or "the pipeline has no output that is kept in files"]
