"""``kill -9`` in the middle of the work: the next run goes on, and ends where an undisturbed run ends."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from project_folder import Project, tiny_experiments

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("killed")]

SLOW_TRAINING = {"steps": 60, "batch_size": 8, "learning_rate": 1.0e-3, "evaluate_every": 20, "checkpoint_every": 0}


def _steps_saved(cache: Path, work: str = "") -> list[int]:
    """Return the steps of the checkpoints that a piece of work has left in a cache."""
    # Not rglob, which ends with an error where a folder goes away while it looks.
    folders = [Path(folder) for folder, _, _ in os.walk(cache)]
    return [int(folder.name) for folder in folders if folder.name.isdigit() and work in str(folder.parent)]


def _kill_after_checkpoint(process: subprocess.Popen[str], cache: Path, name: str) -> None:
    """Wait until work ``name`` has left a checkpoint that is not its last, then kill the run."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        steps = _steps_saved(cache, name)
        if steps and 0 < max(steps) < SLOW_TRAINING["steps"] - 10:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"no checkpoint of {name} was seen in time: {process.communicate()[0][-2000:]}")


def _prepared(source: Project, new_project: Callable[[], Project]) -> Project:
    """Return a project with the tables of one that has run, without its models and results, and longer trainings."""
    project = new_project()
    for layer in ("03_primary", "05_model_input", "07_synthetic"):
        shutil.copytree(source.path / "data" / layer, project.path / "data" / layer)
    experiments = tiny_experiments()
    experiments["augment"]["learners"]["encoder"]["training"] = SLOW_TRAINING
    experiments["augment"]["generators"]["per_label"]["training"] = {**SLOW_TRAINING, "patience": None}
    project.configure("experiments/tiny.yml", experiments)
    return project


@pytest.fixture(scope="module")
def undisturbed(augmented: tuple[Project, str], new_project: Callable[[], Project]) -> Project:
    project = _prepared(augmented[0], new_project)
    project.kedro("run", "--namespaces=generator.per_label,classifier.real")
    return project


@pytest.mark.parametrize(
    ("namespace", "work", "result"),
    [
        ("generator.per_label", "anger", "06_models/augment/generator/per_label"),
        ("classifier.real", "real", "06_models/augment/classifier/real"),
    ],
)
def test_a_killed_training_goes_on_and_ends_the_same(
    namespace: str,
    work: str,
    result: str,
    augmented: tuple[Project, str],
    undisturbed: Project,
    new_project: Callable[[], Project],
) -> None:
    disturbed = _prepared(augmented[0], new_project)
    cache = disturbed.path / "data/06_models/cache"
    _kill_after_checkpoint(disturbed.start("run", f"--namespaces={namespace}"), cache, work)
    assert not disturbed.versions(result)
    printed = disturbed.kedro("run", f"--namespaces={namespace}")

    assert "goes on from step" in printed
    assert _contents(disturbed, result) == _contents(undisturbed, result)
    if namespace == "classifier.real":
        predictions = "06_models/augment/predictions/real.parquet"
        pd.testing.assert_frame_equal(disturbed.table(predictions), undisturbed.table(predictions))


def _contents(project: Project, path: str) -> dict[str, bytes]:
    """Return every file of a model that decides what it says, with its bytes."""
    folder = project.newest(path)
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.suffix in {".safetensors", ".txt"} or file.name in {"config.json", "tokenizer.json"}
    }


def test_a_run_of_several_processes_keeps_others_out_and_stops_with_a_line_when_it_is_told_to(
    augmented: tuple[Project, str], new_project: Callable[[], Project]
) -> None:
    project = _prepared(augmented[0], new_project)
    command = ("run", "--namespaces=classifier.real", "--runner=ParallelRunner")
    # A group of its own: processes that it starts are seen.
    process = project.start(*command, start_new_session=True)
    checkpoints = project.path / "data/06_models/cache/work"
    deadline = time.monotonic() + 120
    while not _steps_saved(checkpoints) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGSTOP)  # it would be done before the second one has begun
    second = project.kedro(*command, fails=True)
    os.kill(process.pid, signal.SIGTERM)
    os.killpg(process.pid, signal.SIGCONT)
    printed = process.communicate()[0]

    assert f"run PID {process.pid} since" in second
    assert "Traceback" not in second + printed
    assert printed.rstrip().endswith("stopped by SIGTERM; run the same command again to go on")
    assert process.returncode == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.killpg(process.pid, 0)
    hidden = [path.name for path in (project.path / "data").rglob(".*")]
    assert not [
        name
        for name in hidden
        if not name.endswith((".manifest.json", ".sha256", ".json.lock")) or name.startswith(".partial")
    ]
    project.kedro(*command)
