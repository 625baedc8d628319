"""What happens around a run: checks before any work, times of the nodes, a summary at the end."""

from __future__ import annotations

import logging
import os
import platform
import re
import sys
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from kedro.framework.hooks import hook_impl
from kedro.framework.project import pipelines
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from emotion_kedro import __version__
from emotion_kedro.datasets import OptionalJSON, RawFolder
from emotion_kedro.learning.checkpoints import OPENED, clear_opened
from emotion_kedro.learning.device import choose_device
from emotion_kedro.learning.weights import require
from emotion_kedro.options import (
    ClassificationOptions,
    GenerationOptions,
    MaskedLanguageModelOptions,
    Options,
    UnificationOptions,
)
from emotion_kedro.options.study import StudyOptions
from emotion_kedro.taxonomy import labels_of

logger = logging.getLogger(__name__)

AnyOptions = TypeVar("AnyOptions", bound=Options)

SHOWN_VERSIONS = ("kedro", "torch", "transformers", "peft", "pandas", "scikit-learn")
RUN_LOG = "run_log"
CHECKPOINTS = "params:checkpoints"
MODEL_PARAMETERS: dict[str, Any] = {
    "generation": GenerationOptions,
    "classification": ClassificationOptions,
    "masked_language_model": MaskedLanguageModelOptions,
    "plan": StudyOptions,
}
"""Parameters that name pretrained models, by the last part of their name."""
STAGE_NAMESPACES = ("generator", "filter", "classifier")
LAST = "write_report"
FIRST_AND_LAST = {"ingest_sources", LAST}
"""Nodes of a whole run; one that lacks either goes on with the log of another."""
SUMMARY = "summary"
REPORT_PAGE = "report_page"


class RunHooks:
    """The project's hooks."""

    def __init__(self) -> None:
        self.started: dict[str, float] = {}
        self.lock = threading.Lock()

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Stop before any work when weights are missing or the labels do not fit; begin the log of the run."""
        OPENED.clear()
        check_labels(pipeline, catalog)
        check_inputs(pipeline, catalog)
        check_device(pipeline, catalog)
        require(weights_of(pipeline, catalog))
        nodes: dict[str, set[str]] = {}
        for node in pipeline.nodes:
            nodes.setdefault(log_of(node), set()).add(node.short_name)
        for name, short_names in sorted(nodes.items()):
            if name in catalog:
                whole = _is_whole(name, short_names, pipeline) and not run_params.get("only_missing_outputs")
                begin_log(name, catalog, whole=whole)

    @hook_impl
    def before_node_run(self, node: Node) -> None:
        """Start the node's clock."""
        self.started[node.name] = time.perf_counter()
        logger.info("%s", node.name)

    @hook_impl
    def after_node_run(self, node: Node, catalog: CatalogProtocol) -> None:
        """Enter the node's time in the log of the run."""
        seconds = round(time.perf_counter() - self.started.pop(node.name), 2)
        logger.info("%s: done in %.1f s", node.name, seconds)
        name = log_of(node)
        # Labels may run side by side, in threads: each adds a line to the same file.
        with self.lock:
            if name in catalog and catalog.exists(name):
                log = catalog.load(name)
                times = [entry for entry in log["times"] if entry["node"] != node.name]
                catalog.save(name, {**log, "times": [*times, {"node": node.name, "seconds": seconds}]})

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Drop the checkpoints of work whose results are saved, and say what came out."""
        clear_opened()
        for name in pipeline.all_outputs():
            if name.rpartition(".")[2] == SUMMARY and name in catalog:
                print(f"\n{catalog.load(name).rstrip()}")
                page = name.removesuffix(SUMMARY) + REPORT_PAGE
                if page in catalog:
                    print(f"Report      {_place_of(catalog.get(page))}\n")


def _is_whole(log: str, short_names: set[str], pipeline: Pipeline) -> bool:
    """Whether a run does all the work that the log is of: a system on another's tables starts from none of its own."""
    prefix = log.removesuffix(RUN_LOG)
    if not prefix:
        return short_names >= FIRST_AND_LAST
    own = {name for name in pipeline.inputs() if name.startswith(prefix) and name != log}
    return LAST in short_names and not own


def log_of(node: Node) -> str:
    """Return the name of the log that a node's time is entered in: a variant has its own."""
    first = (node.namespace or "").split(".")[0]
    return RUN_LOG if first in {"", *STAGE_NAMESPACES} else f"{first}.{RUN_LOG}"


def begin_log(name: str, catalog: CatalogProtocol, *, whole: bool) -> None:
    """Begin the log of a whole run anew; a run of some stages goes on with it, and is named in it."""
    setting = describe_setting()
    if whole or not catalog.exists(name):
        catalog.save(name, {"setting": setting, "times": []})
        return
    log = catalog.load(name)
    again = [*log["setting"].get("then", "").split("; "), setting["command"]]
    then = "; ".join(dict.fromkeys(command for command in again if command))
    catalog.save(name, {**log, "setting": {**log["setting"], "then": then}})


def _place_of(dataset: Any) -> str:
    path = Path(dataset._filepath)
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)


def check_labels(pipeline: Pipeline, catalog: CatalogProtocol) -> None:
    """Compare the generators in the pipeline with the taxonomy in the parameters.

    Raises:
        ValueError: if they are not the same labels.
    """
    for node in pipeline.nodes:
        if node.short_name != "pool_candidates":
            continue
        prefix = f"{node.namespace}." if node.namespace else ""
        # A variant whose labels are those of the plain pipelines shares their parameters.
        own = prefix if f"params:{prefix}unification" in catalog else ""
        options = _load(catalog, f"params:{own}unification", UnificationOptions)
        drawn = {name.removeprefix(prefix).removesuffix("_candidates") for name in node.inputs}
        wanted = labels_of(options.taxonomy)
        if drawn != set(wanted):
            raise ValueError(
                f"{own}unification.taxonomy is {options.taxonomy} ({', '.join(wanted)}), but this pipeline has "
                f"generators for {', '.join(sorted(drawn))}; leave the taxonomy as it is, and take "
                "--pipeline=augment for six labels or --pipeline=augment_thirteen for thirteen"
            )


def check_inputs(pipeline: Pipeline, catalog: CatalogProtocol) -> None:
    """Stop a run whose tables another pipeline has to make first.

    Raises:
        FileNotFoundError: if one of them is not there; it names them, and the pipeline.
    """
    missing = [name for name in sorted(pipeline.inputs()) if _lacks(name, catalog)]
    if missing:
        first = " and ".join(sorted({f"kedro run --pipeline={_maker_of(name)}" for name in missing}))
        raise FileNotFoundError(
            f"this run works on tables that are not there: {', '.join(missing)}; run {first} first "
            "(with the same --env, if any)"
        )


def _maker_of(name: str) -> str:
    """Return the pipeline that makes a data set: that of its namespace; what has none is of ``augment``."""
    namespace = name.partition(".")[0]
    return next((known for known in (namespace, f"augment_{namespace}") if known in pipelines), "augment")


def _lacks(name: str, catalog: CatalogProtocol) -> bool:
    """Whether a table that a run starts from is missing; logs, raw tables and optional documents are not asked for."""
    if name.startswith("params:") or name == "parameters" or name not in catalog:
        return False
    dataset = catalog.get(name)
    if name.rpartition(".")[2] == RUN_LOG or isinstance(dataset, OptionalJSON | RawFolder):
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
    if "params:device" not in pipeline.inputs():
        return
    wanted = catalog.load("params:device")
    # Asking torch costs seconds of start-up; the usual words are good everywhere.
    if wanted not in {"auto", "cpu"}:
        choose_device(wanted)


def weights_of(pipeline: Pipeline, catalog: CatalogProtocol) -> list[str]:
    """Return the names of the pretrained models that the nodes of the pipeline open.

    A node that takes ``checkpoints`` trains or samples a model; those of its parameters that are in
    :data:`MODEL_PARAMETERS` name it.
    """
    names: dict[str, None] = {}
    for node in pipeline.nodes:
        if CHECKPOINTS not in node.inputs:
            continue
        parameters = [name for name in node.inputs if name.startswith("params:")]
        if node.short_name == "draw_candidates":
            # It opens a saved generator, which may be adapters on the model that the generators started from.
            parameters += [name.replace("synthesis", "generation") for name in parameters if "synthesis" in name]
        for parameter in parameters:
            options = MODEL_PARAMETERS.get(parameter.removeprefix("params:").rpartition(".")[2])
            if options is not None:
                names.update(dict.fromkeys(_load(catalog, parameter, options).models()))
    return list(names)


def _load(catalog: CatalogProtocol, name: str, options: type[AnyOptions]) -> AnyOptions:
    value = catalog.load(name)
    return value if isinstance(value, options) else options.model_validate(value)


def describe_setting() -> dict[str, str]:
    """Return what a reader needs to judge times and figures: machine, versions, command."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        "versions": ", ".join(
            [f"emotion-kedro {__version__}", *(f"{name} {version(name)}" for name in SHOWN_VERSIONS)]
        ),
        # Where the raw tables lie differs from machine to machine, and is nobody else's business.
        "command": re.sub(r"(raw_root=)[^,\s]+", r"\1FOLDER", " ".join(["kedro", *sys.argv[1:]])),
    }


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()
