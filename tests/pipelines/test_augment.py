"""The whole job, and single stages of it again, as a user types them."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from project_folder import Project

from emotion_kedro.taxonomy import SIX

pytestmark = pytest.mark.slow


def test_the_whole_job_ends_with_figures_in_words(augmented: tuple[Project, str]) -> None:
    project, printed = augmented
    comparison = json.loads(_newest(project, "08_reporting/comparison.json").read_text())
    assert comparison["sentence"] in " ".join(printed.split())
    assert comparison["seeds"] == [0, 1]
    page = (project.path / "data/08_reporting/report.html").read_text()
    assert comparison["sentence"] in page
    assert page.count("data:image/png;base64,") >= 5


def test_no_group_straddles_and_no_test_text_reaches_a_generator(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    records = project.table("05_model_input/split_records.parquet")
    assert (records.groupby("group")["split"].nunique() == 1).all()
    seen = project.table("05_model_input/generator_records.parquet")
    assert not set(seen["record_id"]) & set(records.loc[records["split"] == "test", "record_id"])
    assert set(records["label"]) == set(SIX)


def test_every_candidate_is_accounted_for(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    candidates = project.table("07_synthetic/candidates.parquet")
    synthetic = project.table("07_synthetic/synthetic_records.parquet")
    assert set(candidates["label"]) == set(SIX)
    assert ((candidates["reason"] == "kept") == candidates["kept"]).all()
    assert set(synthetic["record_id"]) == set("synthetic:" + candidates.loc[candidates["kept"], "candidate_id"])
    assert synthetic.groupby("label").size().max() <= 8


def test_arms_have_equal_steps_and_the_same_test_rows(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    logs = json.loads((project.path / "data/08_reporting/training_logs.json").read_text())["classifiers"]
    assert {log["steps"] for log in logs} == {12}
    assert len(logs) == 1 + 3 * 2
    real, augmented_ = (project.table(f"08_reporting/predictions/{arm}.parquet") for arm in ("real", "augmented"))
    pd.testing.assert_frame_equal(real[["record_id", "label", "seed"]], augmented_[["record_id", "label", "seed"]])
    records = project.table("05_model_input/split_records.parquet")
    assert set(real["record_id"]) == set(records.loc[records["split"] == "test", "record_id"])


def test_the_saved_classifier_opens_without_this_package(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    model = project.path / "data/06_models/classifier/real" / project.versions("06_models/classifier/real")[-1] / "real"
    script = (
        "import sys; sys.modules['emotion_kedro'] = None; from transformers import pipeline;"
        f"print(pipeline('text-classification', model={str(model)!r}, device=-1)('what a day')[0]['label'])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, cwd="/", check=True)
    assert done.stdout.strip().splitlines()[-1] in SIX


def test_times_of_all_nodes_are_in_the_report(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    log = json.loads((project.path / "data/08_reporting/run_log.json").read_text())
    nodes = {entry["node"] for entry in log["times"]}
    assert {"ingest_sources", "prepare_base", "generator.joy.train_generator", "classifier.augmented.fit_arm"} <= nodes
    assert log["setting"]["command"] == "kedro run --pipeline=augment"


def test_a_stage_runs_again_and_gives_the_same_scores(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    before = project.table("08_reporting/predictions/augmented.parquet")
    project.kedro("run", "--pipelines=classification")
    assert len(project.versions("08_reporting/predictions/augmented.parquet")) >= 2
    pd.testing.assert_frame_equal(project.table("08_reporting/predictions/augmented.parquet"), before)


def test_one_label_runs_again_by_its_namespace(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    before = len(project.versions("06_models/generator/joy")), len(project.versions("06_models/generator/fear"))
    project.kedro("run", "--namespaces=generator.joy")
    after = len(project.versions("06_models/generator/joy")), len(project.versions("06_models/generator/fear"))
    assert after == (before[0] + 1, before[1])


def test_one_node_runs_on_an_older_version(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    version = project.versions("05_model_input/split_records.parquet")[0]
    project.kedro("run", "--nodes=select_training_texts", f"--load-versions=split_records:{version}")
    assert len(project.table("05_model_input/generator_records.parquet")) > 0
    wrong = project.kedro(
        "run", "--nodes=select_training_texts", "--load-versions=split_records:2001-01-01T00.00.00.000Z", fails=True
    )
    assert "2001-01-01" in wrong


def test_only_what_is_missing_is_made(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    (project.path / "data/08_reporting/report.html").unlink()
    printed = project.kedro("run", "--pipeline=augment", "--only-missing-outputs")
    assert "write_report" in printed
    assert "train_generator" not in printed
    assert (project.path / "data/08_reporting/report.html").is_file()


def test_further_epochs_at_a_low_rate_instead_of_mixing(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    project.kedro("run", "--namespaces=classifier.augmented", "--params=classification.augmentation.how=continue")
    mix = project.table("07_synthetic/mixes/augmented.parquet")
    assert (mix["phase"] == (mix["origin"] == "synthetic")).all()
    logs = json.loads((project.path / "data/06_models/classifier_logs/augmented.json").read_text())
    assert [log["steps"] for log in logs] == [12, 12]


def test_a_misspelt_parameter_stops_the_run_before_any_work(new_project: Callable[..., Project]) -> None:
    project = new_project(sampling={"capp": 3})
    printed = project.kedro("run", "--pipeline=augment", fails=True)
    assert "capp" in printed
    assert not (project.path / "data/02_intermediate").exists()


def test_a_device_that_is_not_there_stops_the_run_before_any_work(new_project: Callable[..., Project]) -> None:
    project = new_project(device="tpu")
    printed = project.kedro("run", "--pipeline=augment", fails=True)
    assert "'tpu'; it may be auto, cuda or cpu" in printed
    assert not (project.path / "data/02_intermediate").exists()


def test_missing_weights_are_named_before_any_work(new_project: Callable[..., Project]) -> None:
    project = new_project(classification={"classifier": {"base": "some/model-on-a-hub"}})
    printed = project.kedro("run", "--pipeline=augment", fails=True)
    assert "some/model-on-a-hub" in printed
    assert "hf download" in printed
    assert not (project.path / "data/02_intermediate").exists()


def test_another_folder_of_raw_tables_by_parameter(new_project: Callable[..., Project], tmp_path: Path) -> None:
    project = new_project()
    printed = project.kedro("run", "--pipeline=ingestion", f"--params=raw_root={tmp_path}/nowhere", fails=True)
    assert "nowhere" in printed
    assert "raw_root" in printed


def test_the_chinese_sources_are_read(new_project: Callable[..., Project]) -> None:
    project = new_project(ingestion={"use": ["chnsenticorp", "ocemotion"]})
    project.kedro("run", "--pipeline=ingestion")
    records = project.table("02_intermediate/records.parquet")
    assert records.groupby("source").size().to_dict() == {"chnsenticorp": 200, "ocemotion": 210}
    assert not records["text"].str.contains("&quot;").any()


def _newest(project: Project, path: str) -> Path:
    return project.path / "data" / path / project.versions(path)[-1] / Path(path).name
