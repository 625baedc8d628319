from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node

from emotion_kedro import hooks
from emotion_kedro.datasets import JSONDataset, TextDataset
from emotion_kedro.hooks import (
    RunHooks,
    check_device,
    check_labels,
    describe_setting,
    log_of,
    weights_of,
)
from emotion_kedro.learning import checkpoints
from emotion_kedro.learning.checkpoints import Checkpoints
from emotion_kedro.learning.weights import MissingWeightsError
from emotion_kedro.options import UnificationOptions
from emotion_kedro.taxonomy import SIX, THIRTEEN

TRAINING = {"steps": 1, "learning_rate": 0.1}
GENERATION = {"base": "package:smollm2", "training": TRAINING}
CLASSIFICATION = {"classifier": {"base": "bert-base-uncased", "training": TRAINING}}


def named(name: str) -> Callable[..., None]:
    def function(*_: object) -> None:
        raise NotImplementedError

    function.__name__ = name
    return function


def step(name: str, inputs: list[str] | None = None, outputs: str = "out", **options: Any) -> Pipeline:
    return Pipeline([node(named(name), inputs=inputs or ["in"], outputs=outputs, name=name, **options)])


def catalog_of(**entries: Any) -> DataCatalog:
    return DataCatalog({name.replace("params_", "params:"): MemoryDataset(value) for name, value in entries.items()})


# --- labels -------------------------------------------------------------------------------------------------------


def pool(labels: tuple[str, ...]) -> Pipeline:
    return step("pool_candidates", [f"{label}_candidates" for label in labels], "candidates")


def test_generators_that_fit_the_taxonomy_are_fine() -> None:
    check_labels(pool(SIX), catalog_of(params_unification={"taxonomy": "six"}))
    check_labels(pool(THIRTEEN), catalog_of(params_unification=UnificationOptions(taxonomy="thirteen")))


def test_another_taxonomy_than_the_generators_is_an_error_that_names_the_pipeline() -> None:
    with pytest.raises(ValueError, match=r"^unification\.taxonomy is thirteen \(amusement, anger") as caught:
        check_labels(pool(SIX), catalog_of(params_unification={"taxonomy": "thirteen"}))
    message = str(caught.value)
    assert "generators for anger, fear, joy, love, sadness, surprise;" in message
    assert "--pipeline=augment for six labels or --pipeline=augment_thirteen for thirteen" in message


def test_a_variant_is_checked_against_its_own_parameters() -> None:
    variant = Pipeline(pool(THIRTEEN), namespace="thirteen")
    own = {"params:unification": MemoryDataset({"taxonomy": "six"})}
    own["params:thirteen.unification"] = MemoryDataset({"taxonomy": "thirteen"})
    check_labels(variant, DataCatalog(own))
    own["params:thirteen.unification"] = MemoryDataset({"taxonomy": "six"})
    with pytest.raises(ValueError, match=r"^thirteen\.unification\.taxonomy is six"):
        check_labels(variant, DataCatalog(own))


def test_a_variant_without_a_taxonomy_of_its_own_is_checked_against_the_shared_one() -> None:
    variant = Pipeline(pool(SIX), namespace="special_sets")
    check_labels(variant, catalog_of(params_unification={"taxonomy": "six"}))
    with pytest.raises(ValueError, match=r"^unification\.taxonomy is thirteen"):
        check_labels(variant, catalog_of(params_unification={"taxonomy": "thirteen"}))


def test_a_pipeline_without_candidates_asks_for_no_taxonomy() -> None:
    check_labels(step("unify_labels"), catalog_of())


# --- device and weights -------------------------------------------------------------------------------------------


def test_a_device_that_is_not_there_stops_the_run() -> None:
    pipeline = step("fit_arm", ["mix", "params:device"])
    check_device(pipeline, catalog_of(params_device="cpu"))
    check_device(pipeline, catalog_of(params_device="auto"))
    with pytest.raises(ValueError, match="device is 'tpu'"):
        check_device(pipeline, catalog_of(params_device="tpu"))
    check_device(step("unify_labels"), catalog_of(params_device="tpu"))


BERT, SMOL = "bert-base-uncased", "package:smollm2"


@pytest.mark.parametrize(
    ("nodes", "expected"),
    [
        ({"unify_labels": "unification"}, []),
        ({"prepare_base": "generation"}, [SMOL]),
        ({"draw_candidates": "synthesis"}, [SMOL]),
        ({"fit_arm": "classification"}, [BERT]),
        ({"prepare_masked_base": "masked_language_model"}, ["scratch"]),
        ({"fit_arm": "variant.classification"}, ["package:minilm"]),
        ({"unify_labels": "unification", "prepare_base": "generation", "fit_arm": "classification"}, [SMOL, BERT]),
    ],
)
def test_a_pipeline_needs_the_weights_that_its_nodes_open(nodes: dict[str, str], expected: list[str]) -> None:
    pipeline = Pipeline(
        [
            step(name, [f"params:{parameter}", "params:checkpoints"], outputs=f"out{row}")
            for row, (name, parameter) in enumerate(nodes.items())
        ]
    )
    other = {"classifier": {**CLASSIFICATION["classifier"], "base": "package:minilm"}}
    masked = {"base": "scratch", "training": None}
    values = {"params:generation": GENERATION, "params:classification": CLASSIFICATION}
    values |= {"params:variant.classification": other, "params:masked_language_model": masked}
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in values.items()})
    assert sorted(weights_of(pipeline, catalog)) == sorted(expected)


def test_a_node_that_only_reads_the_parameters_needs_no_weights() -> None:
    pipeline = step("write_report", ["params:generation", "params:classification"])
    assert weights_of(pipeline, catalog_of(params_generation=GENERATION, params_classification=CLASSIFICATION)) == []


def test_missing_weights_stop_the_run_before_its_log_begins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def missing(names: list[str]) -> None:
        asked.append(names)
        raise MissingWeightsError("not here")

    monkeypatch.setattr(hooks, "require", missing)
    catalog = logged(tmp_path)
    catalog["params:generation"] = MemoryDataset(GENERATION)
    with pytest.raises(MissingWeightsError):
        RunHooks().before_pipeline_run({}, step("prepare_base", ["params:generation", "params:checkpoints"]), catalog)
    assert asked == [["package:smollm2"]]
    assert not catalog.exists("run_log")


# --- the log of the run -------------------------------------------------------------------------------------------


def logged(root: Path) -> DataCatalog:
    return DataCatalog(
        {name: JSONDataset(filepath=str(root / f"{name}.json")) for name in ("run_log", "thirteen.run_log")}
    )


def run(pipeline: Pipeline, catalog: DataCatalog, **options: object) -> None:
    """Call the hooks as a run does."""
    project = RunHooks()
    project.before_pipeline_run(options, pipeline, catalog)
    for each in pipeline.nodes:
        project.before_node_run(each)
        project.after_node_run(each, catalog)
    project.after_pipeline_run(pipeline, catalog)


def timed(catalog: DataCatalog, log: str = "run_log") -> list[str]:
    return [entry["node"] for entry in catalog.load(log)["times"]]


WHOLE = step("ingest_sources", outputs="records") + step("write_report", ["records"], "page")


def test_a_run_logs_its_setting_and_the_time_of_every_node(tmp_path: Path) -> None:
    catalog = logged(tmp_path)
    run(WHOLE, catalog)
    log = catalog.load("run_log")
    assert timed(catalog) == ["ingest_sources", "write_report"]
    assert all(0 <= entry["seconds"] < 5 for entry in log["times"])
    assert log["setting"] == describe_setting()


def test_a_run_of_some_stages_goes_on_with_the_times_of_the_others_and_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = logged(tmp_path)
    for words, pipeline in (
        ("run", WHOLE),
        ("run --pipeline=synthesis", step("mark_candidates")),
        ("run --pipeline=ingestion", step("ingest_sources")),
        ("run --pipeline=synthesis", step("mark_candidates")),
    ):
        monkeypatch.setattr("sys.argv", ["kedro", *words.split()])
        run(pipeline, catalog)
    setting = catalog.load("run_log")["setting"]
    assert sorted(timed(catalog)) == ["ingest_sources", "mark_candidates", "write_report"]
    assert setting["command"] == "kedro run"
    assert setting["then"] == "kedro run --pipeline=synthesis; kedro run --pipeline=ingestion"


def test_a_node_that_runs_again_has_its_new_time(tmp_path: Path) -> None:
    catalog = logged(tmp_path)
    catalog.save("run_log", {"setting": {}, "times": [{"node": "unify_labels", "seconds": 1e6}]})
    run(step("unify_labels"), catalog)
    assert timed(catalog) == ["unify_labels"]
    assert catalog.load("run_log")["times"][0]["seconds"] < 5


@pytest.mark.parametrize(("options", "before"), [({}, []), ({"only_missing_outputs": True}, ["mark_candidates"])])
def test_a_whole_run_begins_a_new_log_unless_it_fills_gaps(
    tmp_path: Path, options: dict[str, object], before: list[str]
) -> None:
    catalog = logged(tmp_path)
    catalog.save("run_log", {"setting": {}, "times": [{"node": "mark_candidates", "seconds": 1}]})
    run(WHOLE, catalog, **options)
    assert timed(catalog) == [*before, "ingest_sources", "write_report"]


def test_a_variant_has_its_own_log(tmp_path: Path) -> None:
    catalog = logged(tmp_path)
    run(Pipeline(WHOLE, namespace="thirteen"), catalog)
    assert timed(catalog, "thirteen.run_log") == ["thirteen.ingest_sources", "thirteen.write_report"]
    assert not catalog.exists("run_log")


@pytest.mark.parametrize(
    ("namespace", "log"),
    [
        (None, "run_log"),
        ("generator.joy", "run_log"),
        ("classifier.real", "run_log"),
        ("filter", "run_log"),
        ("thirteen", "thirteen.run_log"),
        ("thirteen.generator.joy", "thirteen.run_log"),
    ],
)
def test_which_log_a_node_is_entered_in(namespace: str | None, log: str) -> None:
    (each,) = Pipeline(step("unify_labels"), namespace=namespace).nodes
    assert log_of(each) == log


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


def test_a_catalog_without_a_log_is_fine() -> None:
    catalog = catalog_of()
    run(WHOLE, catalog)
    assert "run_log" not in catalog


def test_the_setting_says_what_ran_and_on_what(monkeypatch: pytest.MonkeyPatch) -> None:
    import torch

    from emotion_kedro import __version__

    monkeypatch.setattr("sys.argv", ["somewhere/bin/kedro", "run", "--pipeline=augment"])
    setting = describe_setting()
    assert setting["command"] == "kedro run --pipeline=augment"
    monkeypatch.setattr("sys.argv", ["kedro", "run", "--params=raw_root=/some/where,device=cpu"])
    assert describe_setting()["command"] == "kedro run --params=raw_root=FOLDER,device=cpu"
    assert f"{os.cpu_count()} cores" in setting["machine"]
    versions = dict(entry.split(" ") for entry in setting["versions"].split(", "))
    assert versions["emotion-kedro"] == __version__
    # Without the build: torch says +cpu of itself where its package may not.
    assert versions["torch"].split("+")[0] == str(torch.__version__).split("+")[0]
    assert {"kedro", "transformers", "peft", "pandas", "scikit-learn"} < versions.keys()


# --- the end of a run ---------------------------------------------------------------------------------------------


def test_checkpoints_go_after_a_run_and_those_of_others_stay(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "OPENED", set())
    (tmp_path / "killed-a1" / "000000003").mkdir(parents=True)
    mine = Checkpoints(tmp_path, "done", "b2")
    (mine.directory / "000000003").mkdir(parents=True)
    RunHooks().after_pipeline_run(step("fit_arm", ["mix", "params:checkpoints"]), catalog_of())
    assert [path.name for path in tmp_path.iterdir()] == ["killed-a1"]
    assert (tmp_path / "killed-a1" / "000000003").is_dir()


def test_the_summary_is_printed_with_the_place_of_the_report(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # A whole run's outputs hold other things too, which nobody wants in a terminal.
    page = TextDataset(filepath=str(tmp_path / "reporting" / "report.html"))
    catalog = DataCatalog({"thirteen.summary": MemoryDataset("It helped.\n"), "thirteen.report_page": page})
    monkeypatch.chdir(tmp_path)
    pipeline = step("write_report", outputs="summary") + step("write_page", outputs="report_page")
    RunHooks().after_pipeline_run(Pipeline(pipeline, namespace="thirteen"), catalog)
    assert capsys.readouterr().out == "\nIt helped.\nReport      reporting/report.html\n\n"
