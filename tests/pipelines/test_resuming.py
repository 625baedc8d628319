"""``kill -9`` in the middle of the work: the next run goes on, and ends where an undisturbed run ends."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from project_folder import Project

pytestmark = pytest.mark.slow

SLOW_TRAINING = {"steps": 60, "batch_size": 8, "learning_rate": 1.0e-3, "evaluate_every": 20, "checkpoint_every": 5}


def _kill_after_checkpoint(process: subprocess.Popen[str], directory: Path, name: str) -> None:
    """Wait until work ``name`` has left a checkpoint that is not its last, then kill the run."""
    deadline = time.monotonic() + 240
    while time.monotonic() < deadline and process.poll() is None:
        steps = [int(path.name) for path in directory.glob(f"{name}-*/*") if path.name.isdigit()]
        if steps and 0 < max(steps) < SLOW_TRAINING["steps"] - 10:
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            return
        time.sleep(0.02)
    process.kill()
    raise AssertionError(f"no checkpoint of {name} was seen in time: {process.communicate()[0][-2000:]}")


@pytest.mark.parametrize(
    ("stage", "work", "result"),
    [
        ("generation", "generator_base", "06_models/generator_base"),
        ("classification", "classifier.real.0", "06_models/classifier/real"),
    ],
)
def test_a_killed_training_goes_on_and_ends_the_same(
    stage: str, work: str, result: str, augmented: tuple[Project, str], new_project: Callable[..., Project]
) -> None:
    undisturbed, disturbed = (_prepared(augmented[0], new_project) for _ in range(2))
    undisturbed.kedro("run", f"--pipeline={stage}")

    checkpoints = disturbed.path / "data/06_models/checkpoints"
    _kill_after_checkpoint(disturbed.start("run", f"--pipeline={stage}"), checkpoints, work)
    assert not disturbed.versions(result)
    printed = disturbed.kedro("run", f"--pipeline={stage}")

    assert "goes on from step" in printed
    assert _weights(disturbed, result) == _weights(undisturbed, result)
    assert not list(checkpoints.iterdir())
    if stage == "classification":
        predictions = "08_reporting/predictions/real.parquet"
        pd.testing.assert_frame_equal(disturbed.table(predictions), undisturbed.table(predictions))


def test_a_checkpoint_of_other_parameters_is_not_picked_up(
    augmented: tuple[Project, str], new_project: Callable[..., Project]
) -> None:
    project = _prepared(augmented[0], new_project)
    checkpoints = project.path / "data/06_models/checkpoints"
    _kill_after_checkpoint(project.start("run", "--pipeline=classification"), checkpoints, "classifier.real.0")
    printed = project.kedro(
        "run",
        "--namespaces=classifier.real",
        "--params=classification.classifier.training.learning_rate=0.002,classification.classifier.training.steps=8",
    )
    assert "goes on from step" not in printed


def _prepared(source: Project, new_project: Callable[..., Project]) -> Project:
    """Return a project with the tables of one that has run, without its models and results, and longer trainings."""
    import shutil

    import yaml

    project = new_project()
    for layer in ("05_model_input", "07_synthetic"):
        shutil.copytree(source.path / "data" / layer, project.path / "data" / layer)
    file = project.path / "conf/local/parameters.yml"
    parameters = yaml.safe_load(file.read_text())
    parameters["generation"]["scratch"]["training"] = SLOW_TRAINING
    parameters["classification"]["classifier"]["training"] = SLOW_TRAINING
    file.write_text(yaml.safe_dump(parameters))
    return project


def _weights(project: Project, path: str) -> bytes:
    name = Path(path).name
    return (project.path / "data" / path / project.versions(path)[-1] / name / "model.safetensors").read_bytes()
