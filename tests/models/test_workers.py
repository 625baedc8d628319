"""Several processes take the steps that one would have taken."""

from __future__ import annotations

import itertools
import os
import signal
from pathlib import Path

import numpy as np
import pytest
import torch

from emotion_kedro.config.models import learner_config
from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.models.device import Device
from emotion_kedro.models.training import Task, TrainingLog, plan_batches, train
from emotion_kedro.models.training.loop import Training
from emotion_kedro.storage.cache import Cache

pytest.importorskip("ray")
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.usefixtures("ray_cluster")]

CPU = Device("cpu", "test", half=False)
OPTIONS = TrainingConfig(steps=9, batch_size=5, learning_rate=0.05, evaluate_every=3, averaged_share=0.5)
ROWS = torch.randn(16, 5, generator=torch.Generator().manual_seed(3))
TARGETS = ROWS.sum(dim=1, keepdim=True).sin()


def regression(dies: Path | None = None) -> Task:
    """A small network on 16 rows, so that each pass ends with a batch of one: too few for two processes.

    Args:
        dies: a file; while it is there, the process that makes its fifth batch removes it and dies.
    """
    batches = itertools.count(1)
    torch.manual_seed(0)
    model = torch.nn.Sequential(torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Linear(8, 1))

    def batch(rows: np.ndarray) -> dict[str, torch.Tensor]:
        if next(batches) == 5 and dies is not None and dies.exists():
            dies.unlink(missing_ok=True)
            os.kill(os.getpid(), signal.SIGKILL)
        return {"x": ROWS[rows], "y": TARGETS[rows], "attention_mask": torch.ones(len(rows), 5)}

    return Task(
        name="regression",
        model=model,
        parameter_groups=[{"params": list(model.parameters())}],
        plan=plan_batches(np.ones(16), steps=9, batch_size=5, seed=0),
        batch=batch,
        loss=lambda batch: torch.nn.functional.mse_loss(model(batch["x"]), batch["y"]),
        validation_loss=lambda: float(torch.nn.functional.mse_loss(model(ROWS), TARGETS).detach()),
    )


def trained(root: Path, options: TrainingConfig, task: Task) -> tuple[TrainingLog, torch.Tensor]:
    work = Cache(root).work(f"of {options.workers}", "a1")
    log = train(task, options, device=CPU, checkpoints=work, seed=1)
    return log, torch.nn.utils.parameters_to_vector(task.model.parameters()).detach()


def test_two_processes_take_the_steps_of_one_though_one_dies(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.train.torch import TorchTrainer

    def step_of_this_process(run: Training) -> None:
        raise AssertionError("the other processes take the steps")

    fit, fits = TorchTrainer.fit, []
    alone, weights = trained(tmp_path, OPTIONS, regression())
    (tmp_path / "to die").touch()
    monkeypatch.setattr(Training, "step", step_of_this_process)
    monkeypatch.setattr(TorchTrainer, "fit", lambda trainer: (fits.append(trainer), fit(trainer)))
    options = OPTIONS.model_copy(update={"workers": 2, "checkpoint_every": 0})
    together, same = trained(tmp_path, options, regression(dies=tmp_path / "to die"))

    assert len(fits) == 2
    assert not list((tmp_path / "work").glob(".ray-*"))
    torch.testing.assert_close(same, weights, rtol=1e-5, atol=1e-6)
    for one, two in zip(alone.losses, together.losses, strict=True):
        assert two == pytest.approx(one, rel=1e-5)
    assert (together.steps, together.rows, together.tokens) == (9, alone.rows, alone.tokens)


def test_what_a_process_raises_is_raised_and_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in for the training: where one process raises, torch raises in those that waited for it."""
    from ray.train import WorkerGroupError
    from ray.train.torch import TorchTrainer

    tried = []

    def fit(trainer: TorchTrainer) -> None:
        tried.append(trainer)
        raise WorkerGroupError("", {0: RuntimeError("Connection closed by peer"), 1: ValueError("row 0 is damaged")})

    monkeypatch.setattr(TorchTrainer, "fit", fit)
    with pytest.raises(ValueError, match="row 0 is damaged"):
        trained(tmp_path, OPTIONS.model_copy(update={"workers": 2}), regression())
    assert len(tried) == 1


def test_an_end_that_is_not_seen_is_not_taken_for_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ray.train.torch import TorchTrainer

    monkeypatch.setattr(TorchTrainer, "fit", lambda trainer: None)
    with pytest.raises(ValueError, match=r"what 2 processes ended with is not in .*all machines have to see"):
        trained(tmp_path, OPTIONS.model_copy(update={"workers": 2}), regression())


def test_more_processes_than_there_is_room_for_are_not_waited_for(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="workers: 3 processes need a CPU each, and there are 2 for them"):
        trained(tmp_path, OPTIONS.model_copy(update={"workers": 3}), regression())


@pytest.mark.parametrize("kind", ["contrastive", "masked_lm", "causal_lm"])
def test_losses_that_are_no_mean_over_rows_take_one_process(kind: str) -> None:
    training = {"steps": 1, "learning_rate": 1e-3, "workers": 2}
    with pytest.raises(ValueError, match=rf"training.workers: a learner of kind {kind} is trained by one process"):
        learner_config({"kind": kind, "base": "package:minilm", "training": training})


def test_there_are_rows_for_every_process() -> None:
    with pytest.raises(ValueError, match="3 processes cannot share a batch of 2 rows"):
        TrainingConfig(steps=1, learning_rate=1e-3, batch_size=2, workers=3)
