"""``kedro run``, with wrong names answered in a line that says which there are."""

from __future__ import annotations

import traceback
from collections.abc import Collection
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import click
import kedro.runner
from kedro.framework.cli.project import run as kedro_run
from kedro.framework.project import pipelines
from kedro.pipeline import Pipeline
from kedro.utils import load_obj

SHOWN = 12
"""Names in a list."""
RUNNERS = ("SequentialRunner", "ParallelRunner", "ThreadRunner", "emotion_kedro.runners.IncrementalRunner")
CONF = Path("conf")


class UnknownNameError(click.ClickException):
    """The command line names something that there is not."""


class Run(click.Command):
    """Kedro's own command; errors about names are shown without a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        """Check what can be known beforehand, and run."""
        check_environment(ctx.params["env"])
        check_runner(ctx.params["runner"])
        try:
            return super().invoke(ctx)
        except ValueError as error:
            if _is_kedros(error):
                raise UnknownNameError(_explained(str(error), ctx.params)) from error
            raise


run = Run(name="run", params=kedro_run.params, callback=kedro_run.callback, help=kedro_run.help)


def check_environment(name: str | None) -> None:
    """Raise an UnknownNameError if there is no folder of that environment."""
    known = sorted(path.name for path in CONF.iterdir() if path.is_dir()) if CONF.is_dir() else []
    if name is not None and known and name not in known:
        raise UnknownNameError(f"there is no environment {name}: {listed(name, known)}")


def check_runner(name: str | None) -> None:
    """Raise an UnknownNameError if there is no runner of that name."""
    if name is None:
        return
    try:
        load_obj(name, kedro.runner.__name__)
    except (AttributeError, ImportError, ValueError) as error:
        raise UnknownNameError(f"there is no runner {name}: {listed(name, RUNNERS)}") from error


def listed(name: str, known: Collection[str]) -> str:
    """Return the names that are nearest to one, or else all, in words."""
    close = get_close_matches(name, known, n=3)
    if close:
        return f"did you mean {' or '.join(close)}?"
    shown = sorted(known)[:SHOWN]
    more = f" and {len(known) - SHOWN} more" if len(known) > SHOWN else ""
    return f"there are {', '.join(shown)}{more}"


def _is_kedros(error: ValueError) -> bool:
    """Whether Kedro raised it while it chose what to run: nodes have not begun then."""
    files = [Path(frame.f_code.co_filename).as_posix() for frame, _ in traceback.walk_tb(error.__traceback__)]
    return bool(files) and files[-1].endswith(("kedro/framework/session/session.py", "kedro/pipeline/pipeline.py"))


def _explained(message: str, options: dict[str, Any]) -> str:
    wanted = [*options["pipelines"], *filter(None, [options["pipeline"]])]
    for name in wanted:
        if name not in pipelines:
            return f"there is no pipeline {name}: {listed(name, list(pipelines))}"
    pipeline = sum((pipelines[name] for name in wanted), Pipeline([])) if wanted else pipelines["__default__"]
    for option, kind, known in (
        ("node_names", "node", {node.name for node in pipeline.nodes}),
        ("from_nodes", "node", {node.name for node in pipeline.nodes}),
        ("to_nodes", "node", {node.name for node in pipeline.nodes}),
        ("from_inputs", "data set", pipeline.datasets()),
        ("to_outputs", "data set", pipeline.datasets()),
        ("namespaces", "namespace", _namespaces(pipeline)),
        ("tags", "tag", {tag for node in pipeline.nodes for tag in node.tags}),
    ):
        for name in options[option] or ():
            if name not in known:
                return f"there is no {kind} {name} in {' and '.join(wanted) or 'augment'}: {listed(name, known)}"
    return message


def _namespaces(pipeline: Pipeline) -> set[str]:
    parts = [str(node.namespace).split(".") for node in pipeline.nodes if node.namespace]
    return {".".join(names[:depth]) for names in parts for depth in range(1, len(names) + 1)}
