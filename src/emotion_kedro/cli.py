"""Commands of the project: ``emotion predict``, ``emotion status``. Kedro finds them here as well (``kedro status``).

A command is imported when it is called: ``emotion --help`` answers at once.
"""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import click

from emotion_kedro.app.model import project_folder

COMMANDS = {
    "try": (
        "emotion_kedro.app.own_table.command:try_table",
        "Train a classifier on a table of your own, and measure whether added text helps.",
    ),
    "predict": ("emotion_kedro.app.commands:predict", "Say which label a text has, or each text of a file."),
    "explain": ("emotion_kedro.app.commands:explain", "Show the words that a prediction rests on."),
    "generate": (
        "emotion_kedro.app.commands:generate",
        "Write texts of a label, and say what the filters make of each.",
    ),
    "app": ("emotion_kedro.app.page.web:app", "Open a page to try models, compare experiments and review texts."),
    "archive": ("emotion_kedro.app.archive:archive", "Write the predictions behind the figures, to be handed on."),
    "data": ("emotion_kedro.app.fetching:data", "Get the public tables, or say what to put where."),
    "export": ("emotion_kedro.app.export:export", "Write a classifier as ONNX, for programs without torch."),
    "models": ("emotion_kedro.app.commands:models", "List the models that runs have left."),
    "push": ("emotion_kedro.app.push:push", "Put a model, or generated texts, on a hub; --dry-run shows what."),
    "run": ("emotion_kedro.app.running:run", "Run a pipeline: the same as kedro run."),
    "status": (
        "emotion_kedro.runners.incremental.commands:status",
        "Say which outputs are fresh, and which are not and why.",
    ),
    "plan": ("emotion_kedro.runners.ray.plan:plan", "Say how long a run would take with more workers."),
}
"""Name -> where it is implemented, and what it does in a line."""
IN_PROJECT = ("try", "app", "archive", "run", "status", "plan")
"""Commands that read the project's configuration."""


class Commands(click.Group):
    """A group that knows its commands by name and imports them when they are called."""

    def list_commands(self, context: click.Context) -> list[str]:
        """Return the names."""
        return list(COMMANDS)

    def get_command(self, context: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(importlib.import_module(module), name)
        return command

    def format_commands(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing them."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in COMMANDS.items()])

    def invoke(self, context: click.Context) -> Any:
        """Work in the project's folder, wherever in it the command is called."""
        words = [*context.protected_args, *context.args]
        if words[0] in IN_PROJECT and "--help" not in words:
            context.obj = Path.cwd()  # files are named as seen from here
            _enter_project()
        return super().invoke(context)


@click.group(name="emotion", cls=Commands)
def cli() -> None:
    """Teach small language models to label texts, and use them.

    Each command has examples in its own help: emotion predict --help
    """
    # Read when the libraries are loaded, which is later.
    os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")  # as in settings.py


def _enter_project() -> None:
    project = project_folder()
    if project is None:
        raise click.ClickException("run this in a project's folder: the one with pyproject.toml and conf/")
    # Kedro looks for the settings of its log where it is imported.
    os.chdir(project)
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(project)
