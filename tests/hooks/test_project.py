from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node

from emotion_kedro.data.leak_guard import LeakError, LeakGuard
from emotion_kedro.datasets import JSONDataset
from emotion_kedro.hooks import project as hooks
from emotion_kedro.hooks.project import (
    MissingTablesError,
    RunError,
    RunHooks,
    check_device,
    check_inputs,
    experiment_of,
    models_of,
)
from emotion_kedro.models.pretrained import MissingWeightsError
from emotion_kedro.runtime.machine import describe_setting

TRAINING = {"steps": 1, "learning_rate": 0.1}
PER_LABEL = {"kind": "fine_tuned", "base": "package:smollm2", "training": TRAINING}
ENCODER = {"kind": "encoder", "base": "bert-base-uncased", "training": TRAINING}


def named(name: str) -> Callable[..., None]:
    def function(*_: object) -> None:
        raise AssertionError("no node is run here")

    function.__name__ = name
    return function


def step(name: str, inputs: list[str] | None = None, outputs: str = "out", **options: Any) -> Pipeline:
    return Pipeline([node(named(name), inputs=inputs or ["in"], outputs=outputs, name=name, **options)])


RECORDS = pd.DataFrame({"record_id": ["r:1"], "text": ["A text!"], "group": [1]})
WHOLE = step("read", outputs="records") + step("write", ["records"], "page")


@pytest.fixture(autouse=True)
def registered(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two experiments: the default one, and one with a namespace."""
    known = {"augment": WHOLE, "diary": Pipeline(WHOLE, namespace="diary")}
    # Stages are registered beside them.
    monkeypatch.setattr(hooks, "pipelines", {**known, "evaluation": WHOLE})
    monkeypatch.setattr(hooks, "current_loader", lambda: SimpleNamespace(experiments=lambda: known))


def catalog_of(**entries: Any) -> DataCatalog:
    return DataCatalog({name.replace("params_", "params:"): MemoryDataset(value) for name, value in entries.items()})


# --- what is said when it stops -----------------------------------------------------------------------------------


def test_what_the_project_says_about_bad_input_has_no_traceback() -> None:
    with pytest.raises(LeakError) as own:
        LeakGuard(RECORDS).assert_disjoint(["a text"], "a place")
    with pytest.raises(RunError, match=r"the held-out record r:1 .* stands in a place"):
        RunHooks().on_pipeline_error(own.value, DataCatalog())
    # What went wrong in a library, or is no matter of values, keeps its traceback.
    with pytest.raises(ValueError, match="invalid literal") as elsewhere:
        int("one")
    RunHooks().on_pipeline_error(elsewhere.value, DataCatalog())
    with pytest.raises(KeyError) as fault:
        RunHooks().after_node_run(WHOLE.nodes[0], DataCatalog())
    RunHooks().on_pipeline_error(fault.value, DataCatalog())


# --- what has to be there -----------------------------------------------------------------------------------------


def test_a_device_that_is_not_there_stops_the_run() -> None:
    pipeline = step("fit", ["rows", "params:device"])
    check_device(pipeline, catalog_of(params_device="cpu"))
    check_device(pipeline, catalog_of(params_device="auto"))
    with pytest.raises(ValueError, match="device is 'tpu'"):
        check_device(pipeline, catalog_of(params_device="tpu"))
    check_device(step("read"), catalog_of(params_device="tpu"))


def test_models_are_named_by_the_kinds_among_the_parameters_of_nodes_with_a_device() -> None:
    parameters = {"params:device": "cpu", "params:generator": PER_LABEL, "params:learners": {"head": ENCODER}}
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in parameters.items()})
    draw = step("anything", ["params:generator", "params:device"], outputs="a")
    fit = step("whatever", ["params:learners", "params:device"], outputs="b")
    reads_alone = step("page", ["params:generator", "params:learners"], outputs="c")
    assert models_of(draw + fit + reads_alone, catalog) == ["package:smollm2", "bert-base-uncased"]
    assert models_of(reads_alone, catalog) == []


def test_missing_weights_stop_the_run_before_its_log_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = []

    def missing(names: list[str]) -> None:
        wanted.append(names)
        raise MissingWeightsError("not here")

    monkeypatch.setattr(hooks, "require", missing)
    catalog = logged(tmp_path)
    catalog["params:generator"] = MemoryDataset(PER_LABEL)
    catalog["params:device"] = MemoryDataset("cpu")
    with pytest.raises(MissingWeightsError):
        RunHooks().before_pipeline_run({}, step("draw", ["params:generator", "params:device"]), catalog)
    assert wanted == [["package:smollm2"]]
    assert not catalog.exists("run_log")


def test_tables_that_another_run_makes_are_named_with_that_run(tmp_path: Path) -> None:
    names = ("candidates", "diary.split_records")
    catalog = DataCatalog({name: JSONDataset(filepath=str(tmp_path / f"{name}.json")) for name in names})
    pipeline = Pipeline(step("fit", ["candidates"], "out")) + Pipeline(
        step("more", ["split_records"]), namespace="diary"
    )
    with pytest.raises(MissingTablesError, match=r"not there: candidates, diary\.split_records") as caught:
        check_inputs(pipeline, catalog)
    assert "kedro run --pipelines=augment and kedro run --pipelines=diary first" in caught.value.message
    catalog.save("candidates", {})
    catalog.save("diary.split_records", {})
    check_inputs(pipeline, catalog)


# --- the log of the run -------------------------------------------------------------------------------------------


def logged(root: Path) -> DataCatalog:
    return DataCatalog(
        {name: JSONDataset(filepath=str(root / f"{name}.json")) for name in ("run_log", "diary.run_log")}
    )


def run(pipeline: Pipeline, catalog: DataCatalog, **options: object) -> None:
    """Call the hooks as a run does."""
    project = RunHooks()
    project.before_pipeline_run(options, pipeline, catalog)
    for each in pipeline.nodes:
        project.before_node_run(each)
        project.after_node_run(each, catalog)
    project.after_pipeline_run()


def timed(catalog: DataCatalog, log: str = "run_log") -> list[str]:
    return [entry["node"] for entry in catalog.load(log)["times"]]


def test_a_run_logs_its_setting_and_the_time_of_every_node(tmp_path: Path) -> None:
    catalog = logged(tmp_path)
    run(WHOLE, catalog)
    log = catalog.load("run_log")
    assert timed(catalog) == ["read", "write"]
    assert all(0 <= entry["seconds"] < 5 for entry in log["times"])
    assert {"stage", "memory_mb"} <= set(log["times"][0])
    assert log["setting"] == describe_setting()


def test_a_run_of_some_nodes_goes_on_with_the_times_of_the_others_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = logged(tmp_path)
    for words, pipeline in (
        ("run", WHOLE),
        ("run --pipelines=synthesis", step("draw")),
        ("run --nodes=read", step("read")),
        ("run --pipelines=synthesis", step("draw")),
    ):
        monkeypatch.setattr("sys.argv", ["kedro", *words.split()])
        run(pipeline, catalog)
    setting = catalog.load("run_log")["setting"]
    assert sorted(timed(catalog)) == ["draw", "read", "write"]
    assert setting["command"] == "kedro run"
    assert setting["then"] == "kedro run --pipelines=synthesis; kedro run --nodes=read"


def test_a_run_of_which_no_node_ran_leaves_the_times_of_the_one_before(tmp_path: Path) -> None:
    catalog = logged(tmp_path)
    run(WHOLE, catalog)
    first = catalog.load("run_log")
    never = RunHooks()
    never.before_pipeline_run({}, WHOLE, catalog)
    never.on_pipeline_error(KeyError("no cluster there"), catalog)
    assert catalog.load("run_log") == first
    half = RunHooks()
    half.before_pipeline_run({}, WHOLE, catalog)
    half.before_node_run(WHOLE.nodes[0])
    half.after_node_run(WHOLE.nodes[0], catalog)
    half.on_pipeline_error(KeyError("a fault of the second"), catalog)
    assert timed(catalog) == ["read"]


@pytest.mark.parametrize(("options", "before"), [({}, []), ({"only_missing_outputs": True}, ["draw"])])
def test_a_whole_run_begins_a_new_log_unless_it_fills_gaps(
    tmp_path: Path, options: dict[str, object], before: list[str]
) -> None:
    catalog = logged(tmp_path)
    catalog.save("run_log", {"setting": {}, "times": [{"node": "draw", "seconds": 1}]})
    run(WHOLE, catalog, **options)
    assert timed(catalog) == [*before, "read", "write"]


def test_an_experiment_has_its_own_log(tmp_path: Path) -> None:
    catalog = logged(tmp_path)
    run(Pipeline(WHOLE, namespace="diary"), catalog)
    assert timed(catalog, "diary.run_log") == ["diary.read", "diary.write"]
    assert not catalog.exists("run_log")


@pytest.mark.parametrize(
    ("namespace", "experiment"),
    [
        (None, "augment"),
        ("generator.per_label", "augment"),
        ("classifier.real", "augment"),
        # A stage of the default experiment, registered under the same name.
        ("evaluation", "augment"),
        ("diary", "diary"),
        ("diary.classifier.real", "diary"),
    ],
)
def test_which_experiment_a_node_belongs_to(namespace: str | None, experiment: str) -> None:
    (each,) = Pipeline(step("read"), namespace=namespace).nodes
    assert experiment_of(each) == experiment
    (page,) = step("write_overview_page").nodes
    assert experiment_of(page) is None


def test_nodes_that_run_side_by_side_all_enter_their_times(tmp_path: Path) -> None:
    catalog = logged(tmp_path)
    pipeline = Pipeline([step(f"mark{number}", outputs=f"out{number}") for number in range(24)])
    project = RunHooks()
    project.before_pipeline_run({}, pipeline, catalog)
    for each in pipeline.nodes:
        project.before_node_run(each)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda each: project.after_node_run(each, catalog), pipeline.nodes))
    assert sorted(timed(catalog)) == sorted(f"mark{number}" for number in range(24))


def test_the_setting_says_what_ran_and_on_what(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from emotion_kedro import __version__

    monkeypatch.setattr("sys.argv", ["somewhere/bin/kedro", "run", "--pipelines=augment"])
    setting = describe_setting()
    assert setting["command"] == "kedro run --pipelines=augment"
    monkeypatch.setattr("sys.argv", ["kedro", "run", "--params=raw_root=/some/where,device=cpu"])
    assert describe_setting()["command"] == "kedro run --params=raw_root=FOLDER,device=cpu"
    assert f"{os.cpu_count()} cores" in setting["machine"]
    versions = dict(entry.split(" ") for entry in setting["versions"].split(", "))
    assert versions["emotion-kedro"] == __version__
    # Without the build: torch says +cpu of itself where its package may not.
    assert versions["torch"].split("+")[0] == str(torch.__version__).split("+")[0]
