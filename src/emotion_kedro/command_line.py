"""The words of a ``kedro run`` command: whether what they name is there, and which errors are said without a traceback.

Nothing here knows an experiment or a node; it would serve any Kedro project.
"""

from __future__ import annotations

import inspect
import traceback
from collections.abc import Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from typing import Any

import kedro
from click import ClickException
from kedro.io import DatasetError
from kedro.pipeline import Pipeline
from kedro.runner import AbstractRunner
from kedro.utils import load_obj

from emotion_kedro.config.base import choices

RUNNERS = ("SequentialRunner", "ThreadRunner", "ParallelRunner")
_PACKAGE = Path(__file__).parent
_KEDRO = Path(kedro.__file__).parent


class CommandError(ClickException):
    """A command names what there is not; the command line shows the message alone."""


def is_message(error: BaseException) -> bool:
    """Whether the error was raised in this package, as a value or a file that is not as it should be."""
    if isinstance(error, DatasetError) and error.__cause__ is not None:
        return is_message(error.__cause__)
    return isinstance(error, ValueError | OSError | DatasetError) and _raised_in(error, _PACKAGE)


def is_plain(error: BaseException) -> bool:
    """Whether the message says all: this project's, or what Kedro says of names and data sets."""
    by_kedro = isinstance(error, ValueError | DatasetError) or type(error).__module__.startswith("kedro")
    return is_message(error) or (by_kedro and _raised_in(error, _KEDRO))


def _raised_in(error: BaseException, package: Path) -> bool:
    files = [frame.f_code.co_filename for frame, _ in traceback.walk_tb(error.__traceback__)]
    file = getattr(error, "raised_in", files[-1] if files else "")  # of a runner whose nodes are elsewhere
    return Path(file).is_relative_to(package)


def check_runner(name: str | None, parameters: Mapping[str, Any]) -> None:
    """Stop at a runner that there is not, or that does not take these parameters.

    Raises:
        CommandError: naming it, and the nearest.
    """
    runner_name = name or RUNNERS[0]
    try:
        runner = load_obj(runner_name, "kedro.runner")
    except (ImportError, AttributeError, ValueError):
        raise CommandError(
            f"--runner: there is no runner {runner_name}{choices(runner_name, _runners_by(runner_name))}"
        ) from None
    if not (isinstance(runner, type) and issubclass(runner, AbstractRunner)):
        raise CommandError(f"--runner: {runner_name} is no runner{choices(runner_name, RUNNERS)}")
    accepted = inspect.signature(runner).parameters
    takes_any = any(parameter.kind is parameter.VAR_KEYWORD for parameter in accepted.values())
    for unknown in (each for each in parameters if each not in accepted and not takes_any):
        raise CommandError(f"--runner-params: {runner_name} takes no {unknown}{choices(unknown, list(accepted))}")


def _runners_by(wanted: str) -> list[str]:
    """Return the runners of the module that a name begins with; Kedro's own where there is none."""
    module = wanted.rpartition(".")[0]
    with suppress(ImportError, ValueError):
        named = vars(import_module(module)).items()
        runners = [
            f"{module}.{name}" for name, each in named if isinstance(each, type) and issubclass(each, AbstractRunner)
        ]
        return runners or list(RUNNERS)
    return list(RUNNERS)


def names_of_pipelines(given: Mapping[str, Any]) -> list[str]:
    """Return the pipelines that the options of ``kedro run`` name."""
    return [*(given.get("pipelines") or ()), *filter(None, [given.get("pipeline")])]


def check_names(given: Mapping[str, Any], pipelines: Mapping[str, Pipeline], others: Iterable[str]) -> None:
    """Stop at names of pipelines, tags, namespaces, nodes and data sets that there are not.

    Args:
        given: the options of ``kedro run``, by their names in its function.
        pipelines: those that it may need.
        others: the names of further ones.

    Raises:
        CommandError: naming the first of them, and the nearest that there is.
    """
    names = names_of_pipelines(given)
    known = [name for name in dict.fromkeys([*pipelines, *others]) if name != "__default__"]
    _known("--pipelines", names, [*known, "__default__"])
    chosen = sum((pipelines[name] for name in names or ["__default__"]), Pipeline([]))
    nodes = [node.name for node in chosen.nodes]
    _known("--tags", given.get("tags"), {tag for node in chosen.nodes for tag in node.tags})
    _check_namespaces(given.get("namespaces") or (), chosen, known)
    for option, name in (("--nodes", "node_names"), ("--from-nodes", "from_nodes"), ("--to-nodes", "to_nodes")):
        _known(option, given.get(name), nodes)
    for option in ("from_inputs", "to_outputs", "load_versions"):
        _known(f"--{option.replace('_', '-')}", given.get(option), chosen.datasets())
    _check_any_left(given, chosen)


def _check_namespaces(names: Sequence[str], chosen: Pipeline, pipelines: Collection[str]) -> None:
    namespaces = _namespaces(chosen)
    for name in names:
        first = name.split(".")[0]
        if name not in namespaces and first in pipelines:
            raise CommandError(f"--namespaces: {name} is of no pipeline of this run; add --pipelines={first}")
    _known("--namespaces", names, namespaces)


def _check_any_left(given: Mapping[str, Any], chosen: Pipeline) -> None:
    options = ("tags", "from_nodes", "to_nodes", "node_names", "from_inputs", "to_outputs")
    limits = {name: given.get(name) or None for name in options}
    try:
        chosen.filter(**limits, node_namespaces=given.get("namespaces") or None)
    except ValueError:
        raise CommandError("no node is left that all of these options name; give fewer of them") from None


def _namespaces(pipeline: Pipeline) -> set[str]:
    parts = [node.namespace.split(".") for node in pipeline.nodes if node.namespace]
    return {".".join(names[:count]) for names in parts for count in range(1, len(names) + 1)}


def _known(option: str, names: Iterable[str] | None, known: Collection[str]) -> None:
    for name in (name for name in names or () if name not in known):
        in_order = known if isinstance(known, list) else sorted(known)
        raise CommandError(f"{option}: there is no {name}{choices(name, in_order)}")
