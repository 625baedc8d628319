"""Runs in MLflow, where the parameter ``mlflow`` is true; off by default, and then nothing of MLflow is imported.

One run: ``kedro run --params=mlflow=true``. All runs: ``mlflow: true`` in ``conf/local/parameters.yml``. What was
tracked is shown by ``make mlflow``. It needs the extra ``mlflow``.

A run that ended well and left something new becomes one MLflow run in each of its experiments, with

- the parameters, those that defaults fill in too, one for each leaf (``learners.encoder.training.steps``);
- scores and differences, as ``<arm>/<learner>/<source>/<metric>``, and the ends of their intervals, which have ``_low``
  and ``_high`` at the end; the step is the number of real rows per label (0: all), so that sizes make a curve;
- the losses of classifiers and generators, as ``loss/<name>/train`` and ``validation``, by optimiser step;
- pages, plots, tables of figures and the recommended model.

They lie in ``09_mlflow`` below the data root (SQLite, and a folder of artifacts), or where ``MLFLOW_TRACKING_URI`` is.
Pages have real sentences on them: mind that where it is another machine.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import math
import os
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click import ClickException
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline

from emotion_kedro.config.base import CLASSIFIER_NOTES
from emotion_kedro.config.loader import DEFAULT, ProjectConfigLoader, current_loader, overridden
from emotion_kedro.hooks.project import experiment_of
from emotion_kedro.runners.incremental.fingerprints import path_of
from emotion_kedro.runtime.machine import describe_setting

logger = logging.getLogger(__name__)

FOLDER = "09_mlflow"
PAGES = ("report_page", "results_page", "summary", "accuracy_plot", "differences_plot", "confusion_plot")
TABLES = ("scores", "comparisons", "recommendation")
MODELS = ("recommended_model",)
CLASSIFIER, GENERATOR_LOG = re.compile(r"classifier\.(\w+)\.model"), re.compile(r"generator\.(\w+)\.log")
LONGEST = 6000
"""Characters of a value that MLflow keeps."""
AT_ONCE = 100
"""Parameters that MLflow takes at a time."""
FIGURES = {"scores": ("value", "{arm}/{learner}"), "comparisons": ("difference", "{first} - {second}/{learner}")}
"""Tables of figures: the column that is measured, and what it is of."""
UNNAMEABLE = re.compile(r"[^\w .:/-]")


class TrackingError(ClickException):
    """Runs cannot be tracked; the command line shows the message alone."""


@dataclass(frozen=True)
class Figure:
    """A metric of MLflow: its name, its value, and the step that it belongs to."""

    name: str
    value: float
    step: int = 0


class TrackingHooks:
    """Log what a run leaves when it has ended well."""

    def __init__(self) -> None:
        self.store: Path | None = None
        """Folder of the store; None: runs are not tracked."""
        self.started = 0.0

    @hook_impl
    def after_context_created(self, context: Any) -> None:
        """Read whether runs are tracked.

        Raises:
            TrackingError: if they are, and MLflow is not installed.
        """
        self.store, loader = None, context.config_loader
        if not isinstance(loader, ProjectConfigLoader):
            return
        if not overridden(loader["settings"], loader.runtime_params or {}).get("mlflow"):
            return
        if importlib.util.find_spec("mlflow") is None:
            raise TrackingError(
                "the parameter mlflow is true, and MLflow is missing: pip install 'emotion-kedro[mlflow]'"
            )
        self.store = Path(context.project_path, loader["globals"]["data_root"], FOLDER).resolve()

    @hook_impl
    def before_pipeline_run(self) -> None:
        """Note the time: what is older was left by other runs."""
        self.started = time.time()

    @hook_impl
    def after_pipeline_run(self, pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Log every experiment of the run that left something new."""
        if self.store is None:
            return
        for experiment in sorted({name for name in map(experiment_of, pipeline.nodes) if name is not None}):
            prefix = "" if experiment == DEFAULT else f"{experiment}."
            outputs = {
                name.removeprefix(prefix): path_of(catalog.get(name))
                for name in sorted(pipeline.all_outputs())
                if name in catalog and name.startswith(prefix)
            }
            saved = {name: path for name, path in outputs.items() if path is not None and path.exists()}
            if any(path.stat().st_mtime >= self.started for path in saved.values()):
                self._log(experiment, prefix, saved, catalog)

    def _log(self, experiment: str, prefix: str, outputs: Mapping[str, Path], catalog: CatalogProtocol) -> None:
        assert self.store is not None
        client, where = open_store(self.store, experiment)
        setting = {key: str(value) for key, value in describe_setting().items()}
        run = client.create_run(where, start_time=round(self.started * 1000), tags=setting).info.run_id
        parameters = current_loader()["parameters"]
        flat = flattened({**parameters[experiment], "device": parameters["device"]})
        figures = [*curves(outputs, catalog, prefix)]
        for name in FIGURES.keys() & outputs.keys():
            figures += figures_of(name, catalog.load(f"{prefix}{name}").to_dict("records"))
        log(client, run, flat, figures)
        for kind, names in (("pages", PAGES), ("tables", TABLES), ("models", MODELS)):
            for path in (outputs[name] for name in names if name in outputs):
                client.log_artifact(run, str(path), kind)
        client.set_terminated(run)
        logger.info("tracked in MLflow: experiment %s, run %s (make mlflow)", experiment, run)


def open_store(folder: Path, experiment: str) -> tuple[Any, str]:
    """Return MLflow's client and the id of an experiment, which is made if it is not there."""
    # MLflow would tell its makers of its use.
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")
    from mlflow import MlflowClient

    # It tells of every table that it makes.
    logging.getLogger("mlflow.store").setLevel(logging.WARNING)
    address, place = os.environ.get("MLFLOW_TRACKING_URI"), None
    if not address:
        folder.mkdir(parents=True, exist_ok=True)
        address, place = f"sqlite:///{folder / 'mlflow.db'}", (folder / "artifacts" / experiment).as_uri()
    client = MlflowClient(tracking_uri=address)
    existing = client.get_experiment_by_name(experiment)
    identity = (
        client.create_experiment(experiment, artifact_location=place) if existing is None else existing.experiment_id
    )
    return client, str(identity)


def flattened(parameters: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Return a value for each leaf, by its path with dots: numbers and words as they are, lists as JSON."""
    flat: dict[str, str] = {}
    for key, value in parameters.items():
        name = UNNAMEABLE.sub("_", f"{prefix}{key}")
        if isinstance(value, Mapping) and value:
            flat |= flattened(value, f"{name}.")
        else:
            written = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            flat[name] = written[:LONGEST]
    return flat


def figures_of(table: str, rows: list[dict[Any, Any]]) -> Iterator[Figure]:
    """Yield the figures of a table of :data:`FIGURES`: what is measured, and the ends of its interval."""
    column, of = FIGURES[table]
    for row in rows:
        name = f"{of.format(**row)}/{row['source']}/{row['metric']}"
        for ending, key in (("", column), ("_low", "low"), ("_high", "high")):
            yield Figure(f"{name}{ending}", float(row[key]), int(row["size"]))


def curves(outputs: Mapping[str, Path], catalog: CatalogProtocol, prefix: str) -> Iterator[Figure]:
    """Yield the losses that the run's classifiers and generators have noted."""
    for name, path in outputs.items():
        if (match := CLASSIFIER.fullmatch(name)) and (file := path / CLASSIFIER_NOTES).is_file():
            log = json.loads(file.read_text(encoding="utf-8")).get("log") or {}
            yield from _losses(f"loss/{match[1]}", log)
        elif match := GENERATOR_LOG.fullmatch(name):
            for log in catalog.load(f"{prefix}{name}"):
                yield from _losses(f"loss/{match[1]}/{log.get('label')}", log)


def _losses(name: str, log: Mapping[str, Any]) -> Iterator[Figure]:
    for entry in log.get("losses") or ():
        for kind in ("train", "validation"):
            if entry.get(kind) is not None:
                yield Figure(f"{name}/{kind}", float(entry[kind]), int(entry["step"]))


def log(client: Any, run: str, parameters: Mapping[str, str], figures: list[Figure]) -> None:
    """Log parameters and figures, so many at a time; figures that are no number are left out."""
    from mlflow.entities import Metric, Param

    now = round(time.time() * 1000)
    numbers = [each for each in figures if not math.isnan(each.value)]
    batches: dict[str, list[Any]] = {
        "params": [Param(key, value) for key, value in parameters.items()],
        "metrics": [Metric(UNNAMEABLE.sub("_", each.name), each.value, now, each.step) for each in numbers],
    }
    for kind, entries in batches.items():
        for start in range(0, len(entries), AT_ONCE):
            client.log_batch(run, **{kind: entries[start : start + AT_ONCE]})
