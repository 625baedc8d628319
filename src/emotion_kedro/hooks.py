"""What happens around a run: checks before any work, times of the nodes, a summary at the end."""

from __future__ import annotations

import logging
import os
import platform
import shutil
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from emotion_kedro import __version__
from emotion_kedro.learning.device import choose_device
from emotion_kedro.learning.weights import require
from emotion_kedro.options import ClassificationOptions, GenerationOptions, Options, UnificationOptions
from emotion_kedro.taxonomy import labels_of

logger = logging.getLogger(__name__)

AnyOptions = TypeVar("AnyOptions", bound=Options)

SHOWN_VERSIONS = ("kedro", "torch", "transformers", "peft", "pandas", "scikit-learn")
RUN_LOG = "run_log"
SUMMARY = "summary"
REPORT_PAGE = "report_page"


class RunHooks:
    """The project's hooks."""

    def __init__(self) -> None:
        self.started: dict[str, float] = {}
        self.run_started = time.time()

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Stop before any work when weights are missing or the labels do not fit; begin the log of the run."""
        self.run_started = time.time()
        check_labels(pipeline, catalog)
        check_device(pipeline, catalog)
        require(weights_of(pipeline, catalog))
        self._begin_log(pipeline, catalog)

    def _begin_log(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        if RUN_LOG not in catalog:
            return
        # A run of some stages goes on with the times of the others.
        whole = any(node.short_name == "ingest_sources" for node in pipeline.nodes)
        times = [] if whole or not catalog.exists(RUN_LOG) else catalog.load(RUN_LOG)["times"]
        catalog.save(RUN_LOG, {"setting": describe_setting(), "times": times})

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
        if RUN_LOG not in catalog or not catalog.exists(RUN_LOG):
            return
        log = catalog.load(RUN_LOG)
        times = [entry for entry in log["times"] if entry["node"] != node.name]
        catalog.save(RUN_LOG, {**log, "times": [*times, {"node": node.name, "seconds": seconds}]})

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Drop the checkpoints of work whose results are saved, and say what came out."""
        if "params:checkpoints" in pipeline.inputs():
            clear_checkpoints(Path(catalog.load("params:checkpoints")), since=self.run_started)
        for name in pipeline.all_outputs():
            if name.rpartition(".")[2] == SUMMARY and name in catalog:
                page = catalog.get(name.removesuffix(SUMMARY) + REPORT_PAGE)
                print(f"\n{catalog.load(name).rstrip()}\nReport      {_place_of(page)}\n")


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
        options = _load(catalog, f"params:{prefix}unification", UnificationOptions)
        drawn = {name.removeprefix(prefix).removesuffix("_candidates") for name in node.inputs}
        wanted = labels_of(options.taxonomy)
        if drawn != set(wanted):
            raise ValueError(
                f"the parameters ask for the taxonomy {options.taxonomy} ({', '.join(wanted)}), but this pipeline has "
                f"generators for {', '.join(sorted(drawn))}; take --pipeline=augment_{options.taxonomy}, or "
                f"leave {prefix}unification.taxonomy as it is"
            )


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
    """Return the names of the pretrained models that the nodes of the pipeline open."""
    functions = {node.func.__name__ for node in pipeline.nodes}
    names = []
    if functions & {"prepare_base", "train_generator"}:
        names.append(_load(catalog, "params:generation", GenerationOptions).base)
    if functions & {"fit_arm", "fit_filter"}:
        names.append(_load(catalog, "params:classification", ClassificationOptions).classifier.base)
    return names


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
        "command": " ".join(["kedro", *sys.argv[1:]]),
    }


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def clear_checkpoints(root: Path, *, since: float) -> None:
    """Remove the checkpoints under ``root`` that were touched after ``since`` (seconds since the epoch)."""
    if not root.is_dir():
        return
    for directory in root.iterdir():
        if directory.stat().st_mtime >= since:
            shutil.rmtree(directory, ignore_errors=True)
