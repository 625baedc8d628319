"""The whole job, and parts of it again, as a user types them."""

from __future__ import annotations

import ast
import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from project_folder import ROOT, Project

from emotion_kedro.report.texts import safe_table

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("augment")]

LABELS = {"anger", "fear", "joy", "love", "sadness", "surprise"}
REPORTING = "08_reporting/augment"


def test_the_whole_job_ends_with_a_verdict_that_rests_on_the_interval(augmented: tuple[Project, str]) -> None:
    project, printed = augmented
    comparisons = project.csv("08_reporting/results/augment_comparisons.csv")
    accuracy = comparisons[comparisons["metric"] == "accuracy"].iloc[0]
    assert str(accuracy["verdict"]) in " ".join(printed.lower().split())
    assert accuracy["low"] <= accuracy["difference"] <= accuracy["high"]
    assert accuracy["runs"] == 2
    shown = not accuracy["low"] <= 0 <= accuracy["high"] and accuracy["p_holm"] < 0.05
    assert (accuracy["verdict"] != "no difference shown") == shown
    page = (project.path / f"data/{REPORTING}/report.html").read_text(encoding="utf-8")
    assert page.count("data:image/png;base64,") >= 2


def test_scores_stand_beside_what_needs_no_learning(augmented: tuple[Project, str]) -> None:
    scores = augmented[0].csv("08_reporting/results/augment.csv")
    baselines = scores[(scores["arm"] == "baseline") & (scores["metric"] == "accuracy")]
    assert set(baselines["learner"]) == {"majority", "tf-idf"}
    assert set(scores["arm"]) == {"baseline", "real", "augmented", "synthetic"}


def test_no_group_straddles_and_no_test_text_is_learned_from(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    records = project.table("05_model_input/augment/split_records.parquet")
    assert (records.groupby("group")["split"].nunique() == 1).all()
    held = set(records.loc[records["split"] != "train", "text"])
    for arm in ("real", "augmented", "synthetic"):
        rows = project.table(f"07_synthetic/augment/rows/{arm}.parquet")
        assert len(rows)
        assert not held & set(rows["text"])
    assert set(records["label"]) == LABELS


def test_every_candidate_is_accounted_for(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    candidates = project.table("07_synthetic/augment/candidates.parquet")
    decisions = project.table("07_synthetic/augment/decisions/augmented.parquet")
    rows = project.table("07_synthetic/augment/rows/augmented.parquet")
    assert set(decisions["candidate_id"]) == set(candidates["candidate_id"])
    assert (decisions["kept"] == (decisions["reason"] == "kept")).all()
    assert int(decisions["kept"].sum()) == int((rows["origin"] == "added").sum())
    assert rows[rows["origin"] == "added"].groupby("label").size().max() <= 8


def test_arms_have_equal_steps_and_the_same_test_rows(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    runs = pd.concat(
        [project.table(f"06_models/augment/runs/{arm}.parquet") for arm in ("real", "augmented", "synthetic")]
    )
    assert set(runs.loc[runs["learner"] == "encoder", "steps"]) == {12}
    real, added = (project.table(f"06_models/augment/predictions/{arm}.parquet") for arm in ("real", "augmented"))
    columns = ["learner", "seed", "record_id", "label"]
    pd.testing.assert_frame_equal(real[columns], added[columns])


def test_all_that_was_written_lies_beside_its_card(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    texts = project.csv(f"{REPORTING}/texts/texts.csv")
    decisions = project.table("07_synthetic/augment/decisions/augmented.parquet")
    assert set(texts["candidate_id"]) == set(decisions["candidate_id"])
    kept = set(decisions.loc[decisions["kept"], "candidate_id"])
    assert set(texts.loc[texts["arm_augmented"] == "kept", "candidate_id"]) == kept
    train = project.table("05_model_input/augment/split_records.parquet").query("split == 'train'")["text"]
    assert texts["nearest_train_similarity"].between(-1, 1).all()
    assert set(texts["nearest_train_text"]) <= set(safe_table(train.to_frame())["text"])
    card = (project.path / f"data/{REPORTING}/texts/README.md").read_text(encoding="utf-8")
    assert card.startswith("---\npretty_name: ")
    assert "Nobody said it" in card


def test_times_of_all_nodes_are_in_the_log(augmented: tuple[Project, str]) -> None:
    log = augmented[0].document(f"{REPORTING}/run_log.json")
    nodes = {entry["node"] for entry in log["times"]}
    assert {"records.ingest_sources", "classifier.augmented.fit_arm", "classifier.fit_baselines"} <= nodes
    assert log["setting"]["command"] == "kedro run --pipeline=augment"


def test_a_stage_runs_again_and_gives_the_same_predictions(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    path = "06_models/augment/predictions/augmented.parquet"
    before = project.table(path)
    project.kedro("run", "--namespaces=classifier.augmented")
    assert len(project.versions(path)) >= 2
    pd.testing.assert_frame_equal(project.table(path), before)


def test_one_node_runs_on_an_older_version(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    version = project.versions("05_model_input/augment/split_records.parquet")[0]
    project.kedro("run", "--nodes=classifier.fit_baselines", f"--load-versions=split_records:{version}")
    wrong = project.kedro(
        "run", "--nodes=classifier.fit_baselines", "--load-versions=split_records:2001-01-01T00.00.00.000Z", fails=True
    )
    assert "2001-01-01" in wrong


def test_only_what_is_missing_is_made(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    page = project.path / f"data/{REPORTING}/report.html"
    page.unlink()
    printed = project.kedro("run", "--pipelines=augment", "--only-missing-outputs")
    assert "write_report" in printed
    assert "fit_arm" not in printed
    assert page.is_file()


def test_further_steps_at_a_low_rate_instead_of_mixing(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    project.kedro(
        "run",
        "--namespaces=classifier.augmented",
        "--params=augment.arms.augmented.order=continue,augment.learners.words.only.arms=[real]",
    )
    rows = project.table("07_synthetic/augment/rows/augmented.parquet")
    assert ((rows["phase"] == 1) == (rows["origin"] == "added")).all()
    assert set(project.table("06_models/augment/runs/augmented.parquet").query("learner == 'encoder'")["steps"]) == {12}


def test_another_folder_of_raw_tables_by_parameter(new_project: Callable[[], Project], tmp_path: Path) -> None:
    printed = new_project().kedro("run", "--pipelines=ingestion", f"--params=raw_root={tmp_path}/nowhere", fails=True)
    assert "nowhere" in printed
    assert "raw_root" in printed


def test_latest_opens_the_newest_version_of_every_arm(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    latest = project.path / "data/06_models/latest"
    shown = {entry.name for entry in latest.iterdir() if not entry.name.startswith(".")}
    assert shown == {"real", "augmented", "synthetic", "recommended"}
    for arm in ("real", "augmented", "synthetic"):
        assert (latest / arm).resolve() == project.newest(f"06_models/augment/classifier/{arm}")


RECOMMENDED = """
import json, sys
import pandas as pd
sys.modules["emotion_kedro"] = None
from transformers import pipeline
texts = json.loads(sys.stdin.read())
read = pipeline("text-classification", model="data/06_models/latest/recommended", device=-1, top_k=None)(texts)
print(json.dumps([{each["label"]: each["score"] for each in row} for row in read]))
"""


def test_the_recommended_model_opens_anew_and_says_what_the_saved_predictions_say(
    augmented: tuple[Project, str],
) -> None:
    project, printed = augmented
    table = project.csv("08_reporting/results/augment_recommendation.csv")
    chosen = table[table["chosen"]].iloc[0]
    # The first, or the one with the least loss if chance does not explain it: tests/experiments/test_choice.py.
    assert chosen["arm"] in {table["arm"].iloc[0], table.loc[table["validation_loss"].idxmin(), "arm"]}
    assert chosen["temperature"] != 1.0
    test = project.table("05_model_input/augment/split_records.parquet").query("split == 'test'")
    predictions = project.table("08_reporting/augment/predictions.parquet")
    first = predictions["data_seed"].eq(0) & predictions["seed"].eq(0)
    kept = predictions[first & predictions["arm"].eq(chosen["arm"]) & predictions["learner"].eq("encoder")]
    rows = kept.merge(test[["record_id", "text"]], on="record_id")
    done = project.python("-c", RECOMMENDED, text=json.dumps(rows["text"].tolist()))
    assert done.returncode == 0, done.stderr
    read = pd.DataFrame(json.loads(done.stdout.strip().splitlines()[-1])).add_prefix("p_")
    given = rows.filter(regex="^p_").reset_index(drop=True)
    pd.testing.assert_frame_equal(read[list(given)], given, check_exact=False, atol=1e-4)
    assert 'pipeline("text-classification", model="data/06_models/latest/recommended")' in " ".join(printed.split())
    assert f"Recommended: {chosen['arm']}, {chosen['learner']}: chosen by" in " ".join(printed.split())


def test_the_card_of_the_recommended_model_runs_as_it_stands(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    card = (project.path / "data/06_models/latest/recommended/README.md").read_text(encoding="utf-8")
    code = card.split("```python\n")[1].split("```")[0]
    script = code.replace('pipeline("', 'print(pipeline("', 1).rstrip() + ")"
    done = project.python("-c", script)
    assert done.returncode == 0, done.stderr
    answer = ast.literal_eval(done.stdout.strip().splitlines()[-1])[0]
    assert f"and the answer is right: {answer['label']} ({answer['score']:.2f})" in card


def test_a_kept_generator_writes_more_and_its_filters_say_why_not(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    command = ("-c", "from emotion_kedro.cli import cli; cli()", "generate", "-l", "joy", "-n", "6")

    def written(*more: str) -> subprocess.CompletedProcess[str]:
        return project.python(*command, *more)

    first = written()
    assert first.returncode == 0, first.stderr
    lines = [line for line in first.stdout.splitlines() if line.startswith(("kept", "refused"))]
    assert 0 < len(lines) <= 6
    assert all(("[" in line) == line.startswith("refused") for line in lines)
    unknown = written("--generator", "nobody")
    assert unknown.returncode == 1
    assert "augment has no generator nobody that is ready; it has per_label" in unknown.stderr


def test_what_the_document_shows_in_python_runs(augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    section = (ROOT / "docs/own_data.md").read_text(encoding="utf-8").partition("## In Python")[2].partition("\n## ")[0]
    predict, explain, generate, by_path = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    # Anywhere in the project's folder, but for a path.
    script = "\n".join(["import os; os.chdir('conf')", predict, explain, generate, "os.chdir('..')", by_path])
    done = project.python("-c", script)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[1].startswith("leave me alone ")
    marks = [ast.literal_eval(line) for line in lines if line.startswith("{'reviewed': None, 'length': ")]
    assert 0 < len(marks) <= 5
    assert str(Path("data/06_models/latest/recommended")) in done.stdout
    assert "('anger', 'fear', 'joy', 'love', 'sadness', 'surprise') [[" in done.stdout
