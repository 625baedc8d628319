"""What happens around a run: checks before any work, and the times of the nodes in the log of the run.

No node is known here by its name. What a run needs is read off its parameters: models by the kinds that name them, a
device by ``params:device``, tables of another experiment by the data sets that it starts from.
"""

from __future__ import annotations

import contextlib
import logging
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
from click import ClickException
from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import CatalogProtocol, DatasetError
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node
from pydantic import BaseModel

from emotion_kedro.command_line import check_names, is_message, names_of_pipelines
from emotion_kedro.config.augmentation import GENERATORS, generator_config
from emotion_kedro.config.loader import DEFAULT, ProjectConfigLoader, current_loader, use_loader
from emotion_kedro.config.models import LEARNERS, learner_config
from emotion_kedro.models.device import choose_device
from emotion_kedro.models.pretrained import check_fit, require
from emotion_kedro.runners.incremental import IncrementalRunner, states_of
from emotion_kedro.runtime.guards import (
    FolderError,
    alone_in,
    check_going_on,
    check_versions,
    check_writable,
    in_turn,
    places_of,
    stopped_by_signals,
    work_of,
)
from emotion_kedro.runtime.machine import describe_setting, forget_peak_memory, peak_memory
from emotion_kedro.storage.cache import OWNER, clear_finished
from emotion_kedro.storage.whole_files import says_no_room

logger = logging.getLogger(__name__)

DEVICE, CACHE = "params:device", "params:cache"
RUN_LOG = "run_log"
PAGE_NODES = {"write_reference_page", "write_overview_page"}
"""Of several experiments."""
OPTIONAL = ("OptionalCSV", "OptionalJSON", "OptionalParquet", "RawFolder")
"""Data sets that load where nothing has been made yet, or say themselves what is missing."""


class MissingTablesError(ClickException):
    """A run starts from tables that another run has to make; the command line shows the message alone."""


class RunError(ClickException):
    """A node stopped with a message that is written for who runs it; the command line shows the message alone."""


class RunnerError(ClickException):
    """A run asks for a runner that cannot run these nodes; the command line shows the message alone."""


class RunHooks:
    """The project's hooks."""

    def __init__(self) -> None:
        self.started: dict[str, float] = {}
        self.unsaved: dict[str, set[str]] = {}
        self.lock = threading.Lock()
        self.guards = contextlib.ExitStack()
        self.data_root: Path | None = None
        self.logs_before: dict[str, dict[str, Any] | None] = {}

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Let the pipelines be made from this run's configuration, its environment included."""
        if isinstance(context.config_loader, ProjectConfigLoader):
            use_loader(context.config_loader)
            self.data_root = Path(context.project_path, context.config_loader["globals"]["data_root"])
            words = click.get_current_context(silent=True)
            if words is not None and words.command.name == "run":
                context.config_loader.limit_to(names_of_pipelines(words.params))
                check_names(words.params, pipelines, context.config_loader.experiments())

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Stop before any work when something is missing or in the way; begin the log of the run."""
        check_runner(run_params)
        check_inputs(pipeline, catalog)
        check_device(pipeline, catalog)
        require(models_of(pipeline, catalog))
        check_bases(pipeline, catalog)
        only_missing = bool(run_params.get("only_missing_outputs"))
        whole = not only_missing and not is_incremental(run_params)
        work = work_of(pipeline, catalog, only_missing=only_missing)
        if not work.nodes:
            return
        experiments = {name for name in map(experiment_of, pipeline.nodes) if name is not None}
        logs = {log_of(name): name for name in experiments if log_of(name) in catalog}
        saved = [catalog.get(name) for name in sorted({*work.all_outputs(), *logs}) if name in catalog]
        cache = [Path(catalog.load(CACHE))] if CACHE in work.inputs() else []
        try:
            check_writable([*places_of(saved), *cache])
        except FolderError:
            if is_incremental(run_params) and all(state.kind == "fresh" for state in states_of(pipeline, catalog)):
                return  # nothing will be written
            raise
        check_versions(saved)
        self._begin()
        for dataset in saved:
            if restore := getattr(dataset, "restore_latest", None):
                restore()
        try:
            for log, experiment in sorted(logs.items()):
                self.logs_before[log] = begin_log(log, catalog, whole=whole and covers(pipeline, experiment))
        except BaseException:
            self.guards.close()
            raise

    def _begin(self) -> None:
        """Take the data folder for this run, and let signals end it with a word."""
        self.guards.close()  # of a run in this process that nobody was told the end of
        self.logs_before.clear()
        if self.data_root is not None:
            self.guards.enter_context(alone_in(self.data_root))
        self.guards.enter_context(stopped_by_signals())

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Start the node's clock; checkpoints that are written from now on are the node's."""
        check_going_on()
        OWNER.set(node.name)
        self.unsaved[node.name] = set(node.outputs)
        self.started[node.name] = time.perf_counter()
        forget_peak_memory()

    @hook_impl
    def after_node_run(self, node: Node, catalog: CatalogProtocol) -> None:
        """Enter the node's time in the log of the run."""
        seconds = round(time.perf_counter() - self.started.pop(node.name), 2)
        name = log_of(experiment_of(node))
        # A node's stage is the only tag that it has.
        entry = {"node": node.name, "stage": min(node.tags, default=None), "memory_mb": peak_memory()}
        # Nodes may run side by side, in threads or processes: each adds a line to the same file.
        with self.lock, in_turn(catalog.get(name) if name in catalog else None):
            if name in catalog and (log := _log_there_is(name, catalog)) is not None:
                times = [entry for entry in log["times"] if entry["node"] != node.name]
                catalog.save(name, {**log, "times": [*times, {**entry, "seconds": seconds}]})

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Drop a node's checkpoints when all its outputs are saved; a parallel runner calls this in the child."""
        unsaved = self.unsaved.get(node.name, set())
        unsaved.discard(dataset_name)
        if not unsaved:
            clear_finished(node.name)

    @hook_impl
    def on_pipeline_error(self, error: Exception, catalog: CatalogProtocol) -> None:
        """Show what this project says about bad input without a traceback; any other error keeps its own."""
        for name, before in self.logs_before.items():
            log = _log_there_is(name, catalog)
            if before is not None and log is not None and not log["times"]:
                catalog.save(name, before)  # no node ran: the times of the run before this one still stand
        self.guards.close()
        message = says_no_room(error) or (str(error) if is_message(error) else "")
        if message:
            logger.debug("the run stopped", exc_info=error)
            raise RunError(message) from error

    @hook_impl
    def after_pipeline_run(self) -> None:
        """Let other runs into the data folder."""
        self.guards.close()


def check_runner(run_params: dict[str, Any]) -> None:
    """Refuse Kedro's runner of threads.

    Raises:
        RunnerError: nodes would share the random state of one process, and transformers' half-done imports.
    """
    if ".ThreadRunner " in str(run_params.get("runner")):
        raise RunnerError(
            "ThreadRunner cannot run this project: models would share one random state, and results would differ from "
            "run to run; take --runner=ParallelRunner to run nodes side by side, or no --runner at all"
        )


def experiment_of(node: Node) -> str | None:
    """Return the experiment that a node belongs to: its first namespace, or the default one, which has none.

    None: of several, as a page over them. Stages name namespaces of the default experiment: only experiments count.
    """
    if node.name in PAGE_NODES:
        return None
    first = (node.namespace or "").split(".")[0]
    return first if first in current_loader().experiments() else DEFAULT


def is_incremental(run_params: dict[str, Any]) -> bool:
    """Whether nodes may be skipped that have run before. Kedro gives a runner's name or what it prints as."""
    return IncrementalRunner.__name__ in str(run_params.get("runner"))


def log_of(experiment: str | None) -> str:
    """Return the name of the log that an experiment's times are entered in; empty: there is none."""
    return "" if experiment is None else RUN_LOG if experiment == DEFAULT else f"{experiment}.{RUN_LOG}"


def covers(pipeline: Pipeline, experiment: str) -> bool:
    """Whether a run does all the work of an experiment; one that does a part goes on with the log of another."""
    if experiment not in pipelines:
        return True
    return {node.name for node in pipelines[experiment].nodes} <= {node.name for node in pipeline.nodes}


def begin_log(name: str, catalog: CatalogProtocol, *, whole: bool) -> dict[str, Any] | None:
    """Begin the log of a whole run anew; a run of some stages goes on with it, and is named in it.

    Returns:
        The log that was there.
    """
    setting = describe_setting()
    log = _log_there_is(name, catalog)
    if log is None or whole:
        catalog.save(name, {"setting": setting, "times": []})
        return log
    commands = [*log["setting"].get("then", "").split("; "), setting["command"]]
    then = "; ".join(dict.fromkeys(command for command in commands if command))
    catalog.save(name, {**log, "setting": {**log["setting"], "then": then}})
    return log


def _log_there_is(name: str, catalog: CatalogProtocol) -> dict[str, Any] | None:
    """Return the log; None where there is none, or half of one."""
    try:
        log: dict[str, Any] | None = catalog.load(name) if catalog.exists(name) else None
    except DatasetError:
        logger.warning("%s is damaged, and is begun anew", shown_path(catalog.get(name)))
        return None
    return log


def shown_path(dataset: Any) -> str:
    """Return where a data set lies, as seen from the working directory if it is below it."""
    path = Path(dataset._filepath)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def check_inputs(pipeline: Pipeline, catalog: CatalogProtocol) -> None:
    """Stop a run whose tables another pipeline has to make first.

    Raises:
        MissingTablesError: if one of them is not there; it names them, and the pipeline.
    """
    missing = [name for name in sorted(pipeline.inputs()) if _lacks(name, catalog)]
    if missing:
        first = " and ".join(sorted({f"kedro run --pipelines={_maker_of(name)}" for name in missing}))
        raise MissingTablesError(
            f"this run works on tables that are not there: {', '.join(missing)}; run {first} first "
            "(with the same --env, if any)"
        )


def _maker_of(name: str) -> str:
    """Return the pipeline that makes a data set: that of its namespace; what has none is the default experiment's."""
    namespace = name.partition(".")[0]
    return namespace if namespace in current_loader().experiments() else DEFAULT


def _lacks(name: str, catalog: CatalogProtocol) -> bool:
    if name.startswith("params:") or name == "parameters" or name not in catalog:
        return False
    dataset = catalog.get(name)
    if type(dataset).__name__ in OPTIONAL:
        return False
    if getattr(getattr(dataset, "_version", None), "load", None) is not None:
        # A version was asked for by name: Kedro's own error says which is not there.
        return False
    return not catalog.exists(name)


def check_device(pipeline: Pipeline, catalog: CatalogProtocol) -> None:
    """Stop a run that asks for a device there is not, before it has read its tables.

    Raises:
        ValueError: for a word that names no device, or for CUDA where there is none.
    """
    if DEVICE not in pipeline.inputs():
        return
    device = catalog.load(DEVICE)
    # Asking torch costs seconds of start-up; the usual words are good everywhere.
    if device not in {"auto", "cpu"}:
        choose_device(device)


def models_of(pipeline: Pipeline, catalog: CatalogProtocol) -> list[str]:
    """Return the names of the pretrained models that the nodes of the pipeline open.

    A node that takes a device works with models; those of its parameters that are of a kind with models name them.
    """
    names = (model for _, config in _openers(pipeline, catalog) for model in config.models())
    return list(dict.fromkeys(names))


def check_bases(pipeline: Pipeline, catalog: CatalogProtocol) -> None:
    """Stop a run whose learners or generators ask more of their bases, or of this machine, than these have.

    Raises:
        MissingWeightsError: naming the learner or generator.
        ValueError: where vLLM is to draw and cannot.
    """
    for name, config in _openers(pipeline, catalog):
        check_fit(name, config)
        if getattr(config, "draws_together", False):
            from emotion_kedro.augmentation.generators.vllm_sampler import check_vllm

            check_vllm(name, config, choose_device(catalog.load(DEVICE)))


def _openers(pipeline: Pipeline, catalog: CatalogProtocol) -> Iterator[tuple[str, Any]]:
    """Yield the parameters that name pretrained models, with the place where they stand."""
    for node in pipeline.nodes:
        if DEVICE in node.inputs:
            for parameter in (name for name in node.inputs if name.startswith("params:")):
                yield from _openers_in(parameter.removeprefix("params:"), catalog.load(parameter))


def _openers_in(name: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, BaseModel):
        if hasattr(value, "models"):
            yield name, value
        else:
            for field in type(value).model_fields:
                yield from _openers_in(f"{name}.{field}", getattr(value, field))
    elif isinstance(value, dict) and value.get("kind") in LEARNERS:
        yield name, learner_config(value)
    elif isinstance(value, dict) and value.get("kind") in GENERATORS:
        yield name, generator_config(value)
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from _openers_in(f"{name}.{key}", part)
