"""Runs in MLflow: nothing where they are not wanted; parameters, figures with intervals, curves, pages and models."""

from __future__ import annotations

import importlib.util
import json
import sys
import time
import types
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd
import pytest
from kedro.io import DataCatalog
from kedro.pipeline import Pipeline, node

from emotion_kedro.config.loader import ProjectConfigLoader
from emotion_kedro.datasets import CSVDataset, JSONDataset, ModelDirectory, TextDataset
from emotion_kedro.hooks.tracking import FOLDER, TrackingError, TrackingHooks, flattened

ROOT = Path(__file__).parents[2]
SCORE = {"arm": "real", "learner": "words", "source": "all"}
SCORES = [
    {**SCORE, "size": 5, "metric": "accuracy", "value": 0.5, "low": 0.4, "high": 0.6},
    {**SCORE, "size": 10, "metric": "accuracy", "value": 0.7, "low": 0.6, "high": 0.8},
    {**SCORE, "size": 10, "metric": "ece", "value": float("nan"), "low": float("nan"), "high": float("nan")},
]
LOG = {"label": "joy", "losses": [{"step": 4, "train": 2.0, "validation": 1.5}, {"step": 8, "train": 1.0}]}
FOUND = {
    "real/words/all/accuracy": [(5, 0.5), (10, 0.7)],
    "real/words/all/accuracy_low": [(5, 0.4), (10, 0.6)],
    "real/words/all/accuracy_high": [(5, 0.6), (10, 0.8)],
    "loss/per_label/joy/train": [(4, 2.0), (8, 1.0)],
    "loss/per_label/joy/validation": [(4, 1.5)],
    "loss/real/train": [(4, 2.0), (8, 1.0)],
    "loss/real/validation": [(4, 1.5)],
}
PAGE, RECOMMENDED = "report.html", "recommended"


@dataclass
class Left:
    """What a run leaves: hooks that have seen it begin, its pipeline and its catalog."""

    hooks: TrackingHooks
    pipeline: Pipeline
    catalog: DataCatalog

    def end(self) -> None:
        self.hooks.after_pipeline_run(self.pipeline, self.catalog)


def context(folder: Path, **parameters: Any) -> Any:
    loader = ProjectConfigLoader(str(ROOT / "conf"), base_env="base", default_run_env="base", runtime_params=parameters)
    return types.SimpleNamespace(config_loader=loader, project_path=folder)


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Left:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    hooks = TrackingHooks()
    hooks.store = tmp_path / "data" / FOLDER
    hooks.before_pipeline_run()
    catalog = DataCatalog(
        {
            "scores": CSVDataset(filepath=str(tmp_path / "augment.csv")),
            "report_page": TextDataset(filepath=str(tmp_path / PAGE)),
            "generator.per_label.log": JSONDataset(filepath=str(tmp_path / "log.json")),
            "classifier.real.model": ModelDirectory(filepath=str(tmp_path / "real")),
            "recommended_model": ModelDirectory(filepath=str(tmp_path / RECOMMENDED)),
        }
    )
    catalog.save("scores", pd.DataFrame(SCORES))
    catalog.save("report_page", "<p>")
    catalog.save("generator.per_label.log", [LOG])
    for name in ("real", RECOMMENDED):
        (tmp_path / name).mkdir()
        (tmp_path / name / "classifier.json").write_text(json.dumps({"log": LOG}))
    outputs = list(catalog.keys())
    return Left(hooks, Pipeline([node(lambda: None, None, outputs, name="make")]), catalog)


def test_off_by_default_and_then_nothing_of_mlflow_is_touched(
    left: Left, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)  # importing it fails
    left.hooks.after_context_created(context(tmp_path))
    assert left.hooks.store is None
    left.end()
    assert not (tmp_path / "data").exists()


def test_where_it_is_wanted_and_missing_the_run_stops_with_what_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooks = TrackingHooks()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(TrackingError, match=r"pip install 'emotion-kedro\[mlflow\]'"):
        hooks.after_context_created(context(tmp_path, mlflow=True))
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name)
    hooks.after_context_created(context(tmp_path, mlflow=True))
    assert hooks.store == tmp_path / "data" / FOLDER


def test_parameters_are_flat_by_their_paths_and_typed() -> None:
    nested = {"a": {"b": 1.0, "c": {"only": None}}, "words": "two words", "seeds": [0, 1], "none": {}, "on": True}
    expected = {"a.b": "1.0", "a.c.only": "null", "words": "two words", "seeds": "[0, 1]", "none": "{}", "on": "true"}
    assert flattened(nested) == expected
    assert len(flattened({"x": "y" * 9000})["x"]) == 6000


class Entry(NamedTuple):
    key: str
    value: Any
    timestamp: int = 0
    step: int = 0


class FakeClient:
    """Takes what the real one takes, no more at once than it would."""

    def __init__(self, tracking_uri: str) -> None:
        self.tracking_uri = tracking_uri
        self.metrics: list[Entry] = []
        self.params: list[Entry] = []
        self.artifacts: list[tuple[str, str]] = []
        self.ended = False
        CLIENTS.append(self)

    def get_experiment_by_name(self, name: str) -> None:
        return None

    def create_experiment(self, name: str, artifact_location: str) -> str:
        return name

    def create_run(self, experiment: str, start_time: int, tags: dict[str, str]) -> Any:
        assert "command" in tags
        return types.SimpleNamespace(info=types.SimpleNamespace(run_id=experiment))

    def log_batch(self, run: str, metrics: tuple[Entry, ...] = (), params: tuple[Entry, ...] = ()) -> None:
        assert len(params) <= 100
        self.metrics += metrics
        self.params += params

    def log_artifact(self, run: str, path: str, folder: str) -> None:
        self.artifacts.append((folder, Path(path).name))

    def set_terminated(self, run: str) -> None:
        self.ended = True


CLIENTS: list[FakeClient] = []


def test_a_run_hands_over_parameters_figures_curves_pages_and_models(
    left: Left, monkeypatch: pytest.MonkeyPatch
) -> None:
    CLIENTS.clear()
    monkeypatch.setitem(sys.modules, "mlflow", types.SimpleNamespace(MlflowClient=FakeClient))
    monkeypatch.setitem(sys.modules, "mlflow.entities", types.SimpleNamespace(Metric=Entry, Param=Entry))
    left.end()
    [client] = CLIENTS
    found: dict[str, list[tuple[int, float]]] = {}
    for entry in client.metrics:
        found.setdefault(entry.key, []).append((entry.step, entry.value))
    assert found == FOUND
    assert {entry.key: entry.value for entry in client.params}["design.sizes"] == "[0]"
    assert client.artifacts == [("pages", PAGE), ("tables", "augment.csv"), ("models", RECOMMENDED)]
    assert client.ended
    left.hooks.started = time.time() + 60  # all of it was left by an earlier run
    left.end()
    assert len(CLIENTS) == 1


@pytest.mark.slow
@pytest.mark.skipif(importlib.util.find_spec("mlflow") is None, reason="the extra mlflow is not installed")
def test_mlflow_itself_gives_back_what_a_run_handed_over(left: Left) -> None:
    left.end()
    from mlflow import MlflowClient

    assert left.hooks.store is not None
    client = MlflowClient(tracking_uri=f"sqlite:///{left.hooks.store / 'mlflow.db'}")
    experiment = client.get_experiment_by_name("augment")
    [run] = client.search_runs([experiment.experiment_id])
    name = run.info.run_id
    found = {key: [(each.step, each.value) for each in client.get_metric_history(name, key)] for key in FOUND}
    assert found == FOUND
    assert set(run.data.metrics) == set(FOUND)
    assert run.data.params["design.sizes"] == "[0]"
    assert len(run.data.params) > 100
    assert run.info.status == "FINISHED"
    files = [each.path for folder in ("pages", "models/recommended") for each in client.list_artifacts(name, folder)]
    assert files == [f"pages/{PAGE}", "models/recommended/classifier.json"]
