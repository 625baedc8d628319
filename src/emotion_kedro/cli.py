"""Commands of the project: ``emotion status``, which Kedro finds here as well (``kedro status``)."""

from __future__ import annotations

from pathlib import Path

import click
from kedro.framework.startup import bootstrap_project
from kedro.utils import find_kedro_project

from emotion_kedro.runners.incremental.commands import status


@click.group(name="emotion")
def cli() -> None:
    """Teach small language models to read emotion."""


cli.add_command(status)


def main() -> None:
    """Run a command in the project that the working directory is in."""
    project = find_kedro_project(Path.cwd())
    if project is None:
        raise SystemExit("emotion works in a project's folder: the one with pyproject.toml and conf/, or one below it")
    bootstrap_project(project)
    cli()
