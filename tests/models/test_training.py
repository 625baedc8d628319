from __future__ import annotations

import signal
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.models.device import Device
from emotion_kedro.models.training import Task, TrainingLog, plan_batches, train
from emotion_kedro.models.training.loop import Training
from emotion_kedro.runtime.guards import stopped_by_signals
from emotion_kedro.storage.cache import Cache

CPU = Device("cpu", "test", half=False)
OPTIONS = TrainingConfig(
    steps=12, batch_size=4, learning_rate=0.05, warmup_share=0.25, evaluate_every=4, checkpoint_every=0
)
ROWS = torch.randn(30, 5, generator=torch.Generator().manual_seed(3))
TARGETS = ROWS.sum(dim=1, keepdim=True).sin()


def regression(options: TrainingConfig, *, dropout: float = 0.0, weights_seed: int = 0) -> Task:
    """A small network with batches, as the classifiers hand it to the loop."""
    torch.manual_seed(weights_seed)
    model = torch.nn.Sequential(
        torch.nn.Linear(5, 8), torch.nn.Tanh(), torch.nn.Dropout(dropout), torch.nn.Linear(8, 1)
    )

    def loss(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        return torch.nn.functional.mse_loss(model(batch["x"]), batch["y"])

    def validation() -> float:
        model.eval()
        with torch.inference_mode():
            return float(loss({"x": ROWS[:9], "y": TARGETS[:9]}))

    return Task(
        name="regression",
        model=model,
        parameter_groups=[{"params": model[0].parameters()}, {"params": model[3].parameters(), "rate": 5.0}],
        plan=plan_batches(np.ones(30), steps=options.steps, batch_size=options.batch_size, seed=0),
        batch=lambda rows: {"x": ROWS[rows], "y": TARGETS[rows], "attention_mask": torch.ones(len(rows), 5)},
        loss=loss,
        validation_loss=validation,
    )


def cut_off(task: Task, at: int, stop: Callable[[], None]) -> Task:
    """Return the same task, whose batch for step ``at`` (from 0) calls ``stop``."""
    taken = iter(range(len(task.plan)))

    def batch(rows: np.ndarray) -> dict[str, torch.Tensor]:
        if next(taken) == at:
            stop()
        return task.batch(rows)

    return replace(task, batch=batch)


def power_cut() -> None:
    raise KeyboardInterrupt


def outcome(task: Task, log: TrainingLog) -> tuple[dict[str, list[float]], dict[str, object]]:
    """Everything about a run but its time, to the last bit."""
    parameters = {name: value.flatten().tolist() for name, value in task.model.state_dict().items()}
    return parameters, {name: value for name, value in log.as_dict().items() if name != "seconds"}


def undisturbed(root: Path, options: TrainingConfig, dropout: float = 0.0, seed: int = 7) -> tuple[object, object]:
    task = regression(options, dropout=dropout)
    store = Cache(root).work("undisturbed", "a1")
    return outcome(task, train(task, options, device=CPU, checkpoints=store, seed=seed))


def interrupted(
    root: Path, options: TrainingConfig, at: int, dropout: float = 0.0, seed: int = 7
) -> tuple[object, object]:
    """Stop at step ``at``, and go on in a model that starts from other weights, in another state of chance."""
    store = Cache(root).work(f"interrupted{at}", "a1")
    first = cut_off(regression(options, dropout=dropout), at, power_cut)
    with pytest.raises(KeyboardInterrupt):
        train(first, options, device=CPU, checkpoints=store, seed=seed)
    second = regression(options, dropout=dropout, weights_seed=99)
    torch.manual_seed(1234)
    return outcome(second, train(second, options, device=CPU, checkpoints=store, seed=seed))


@pytest.mark.parametrize("at", [3, 4, 8, 11])
@pytest.mark.parametrize("dropout", [0.0, 0.5])
def test_an_interrupted_run_ends_where_an_undisturbed_one_does(tmp_path: Path, at: int, dropout: float) -> None:
    assert interrupted(tmp_path, OPTIONS, at, dropout) == undisturbed(tmp_path, OPTIONS, dropout)


def test_a_signal_waits_for_the_step_and_loses_none(tmp_path: Path) -> None:
    options = OPTIONS.model_copy(update={"checkpoint_every": 60})  # none is due
    store = Cache(tmp_path).work("stopped", "a1")
    first = cut_off(regression(options), 5, lambda: signal.raise_signal(signal.SIGTERM))
    with pytest.raises(SystemExit, match="143"), stopped_by_signals():
        train(first, options, device=CPU, checkpoints=store, seed=7)

    assert store.load(lambda *_: None)[0] == 6  # the step that it came in
    second = regression(options, weights_seed=99)
    assert outcome(second, train(second, options, device=CPU, checkpoints=store, seed=7)) == undisturbed(
        tmp_path, options
    )


@pytest.mark.parametrize(
    "change", [{"warmup_share": 0.0}, {"warmup_share": 1.0}, {"weight_decay": 0.3}, {"averaged_share": 0.5}]
)
def test_whatever_the_schedule_an_interruption_leaves_no_trace(tmp_path: Path, change: dict[str, float]) -> None:
    options = OPTIONS.model_copy(update=change)
    assert interrupted(tmp_path, options, 7, 0.5) == undisturbed(tmp_path, options, 0.5)
    assert undisturbed(tmp_path / "else", options, 0.5) != undisturbed(tmp_path / "usual", OPTIONS, 0.5)


def test_a_run_goes_on_from_its_checkpoint_instead_of_from_the_start(tmp_path: Path) -> None:
    store = Cache(tmp_path).work("work", "a1")
    with pytest.raises(KeyboardInterrupt):
        train(cut_off(regression(OPTIONS), 8, power_cut), OPTIONS, device=CPU, checkpoints=store, seed=7)
    # Four steps are left, numbers 0 to 3 here.
    with pytest.raises(KeyboardInterrupt):
        train(cut_off(regression(OPTIONS), 3, power_cut), OPTIONS, device=CPU, checkpoints=store, seed=7)
    task = cut_off(regression(OPTIONS), 1, power_cut)
    assert outcome(task, train(task, OPTIONS, device=CPU, checkpoints=store, seed=7)) == undisturbed(tmp_path, OPTIONS)


def test_a_finished_run_takes_no_further_step(tmp_path: Path) -> None:
    store = Cache(tmp_path).work("work", "a1")
    first, second = regression(OPTIONS), cut_off(regression(OPTIONS, weights_seed=99), 0, power_cut)
    logs = [train(task, OPTIONS, device=CPU, checkpoints=store, seed=7) for task in (first, second)]
    assert outcome(first, logs[0]) == outcome(second, logs[1])


def test_the_seed_decides_dropout(tmp_path: Path) -> None:
    one, other = (undisturbed(tmp_path / str(seed), OPTIONS, 0.5, seed) for seed in (7, 8))
    assert one != other


# --- checkpoints by the clock -------------------------------------------------------------------------------------


class Clock:
    """A clock that only moves when it is told to."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 100.0
        monkeypatch.setattr("emotion_kedro.models.training.loop.time.perf_counter", lambda: self.now)

    def during(self, task: Task, seconds: float) -> Task:
        """Return a task whose every batch takes so long."""

        def batch(rows: np.ndarray) -> dict[str, torch.Tensor]:
            self.now += seconds
            return task.batch(rows)

        return replace(task, batch=batch)


@pytest.mark.parametrize(
    ("seconds", "expected"),
    [(1000.0, []), (12.0, []), (5.0, [3, 6, 9, 12]), (3.0, [2, 4, 6, 8, 10, 12]), (0.0, [*range(1, 13)])],
)
def test_checkpoints_are_written_by_the_clock_alone_and_leave_no_trace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seconds: float, expected: list[int]
) -> None:
    options = OPTIONS.model_copy(update={"checkpoint_every": seconds})
    clock, store, steps = Clock(monkeypatch), Cache(tmp_path).work("work", "a1"), []
    save = store.save
    # What a checkpoint itself takes is no time in which work could be lost.
    monkeypatch.setattr(
        store,
        "save",
        lambda step, *state: (steps.append(step), save(step, *state), setattr(clock, "now", clock.now + 50)),
    )
    task = clock.during(regression(options, dropout=0.5), 12.0 / 7 if seconds != 12.0 else 0.999)
    done = outcome(task, train(task, options, device=CPU, checkpoints=store, seed=7))
    assert steps == expected
    assert done == undisturbed(tmp_path / "other", OPTIONS, 0.5)


def other_network() -> Task:
    task = regression(OPTIONS)
    model = torch.nn.Sequential(torch.nn.Linear(5, 9), torch.nn.Tanh(), torch.nn.Dropout(0.0), torch.nn.Linear(9, 1))
    groups = [{"params": model[0].parameters()}, {"params": model[3].parameters(), "rate": 5.0}]
    return replace(
        task,
        model=model,
        parameter_groups=groups,
        loss=lambda batch: model(batch["x"]).square().mean(),
        validation_loss=None,
    )


def test_a_whole_checkpoint_of_another_model_is_set_aside_and_named(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Cache(tmp_path).work("work", "a1")
    other = other_network()
    train(other, OPTIONS, device=CPU, checkpoints=store, seed=7)
    task = regression(OPTIONS)
    assert outcome(task, train(task, OPTIONS, device=CPU, checkpoints=store, seed=7)) == undisturbed(tmp_path, OPTIONS)
    assert f"{store.directory / '000000012'} cannot be used (its model/0.bias is not the model's)" in caplog.text


# --- losses that are not finite -----------------------------------------------------------------------------------


def spoilt(task: Task, at: int, value: float) -> Task:
    """Return the same task, whose loss at step ``at`` (from 1) is no number."""
    taken = iter(range(1, len(task.plan) + 1))
    return replace(task, loss=lambda batch: task.loss(batch) * (value if next(taken) == at else 1.0))


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("at", [1, 6, 12])
def test_a_loss_that_is_not_finite_stops_at_once(tmp_path: Path, at: int, value: float) -> None:
    store = Cache(tmp_path).work("work", "a1")
    wanted = f"regression: the loss is {value} at step {at} of 12 .learning_rate 0.05.; .*Try a lower learning_rate"
    with pytest.raises(ValueError, match=wanted):
        train(spoilt(regression(OPTIONS), at, value), OPTIONS, device=CPU, checkpoints=store, seed=7)
    # The steps before it are good; those from it on were never written.
    assert (store.load() or (0,))[0] == at - 1


def test_a_validation_loss_that_is_not_finite_stops_too(tmp_path: Path) -> None:
    task = replace(regression(OPTIONS), validation_loss=lambda: float("nan"))
    with pytest.raises(ValueError, match="the validation loss is nan at step 4 of 12"):
        train(task, OPTIONS, device=CPU, checkpoints=Cache(tmp_path).work("work", "a1"), seed=7)


def test_the_last_step_may_not_spoil_the_weights_either(tmp_path: Path) -> None:
    options = OPTIONS.model_copy(update={"steps": 1, "learning_rate": 1e38})
    task = replace(regression(options), validation_loss=None)
    with pytest.raises(ValueError, match=r"weights are not finite after step 1 of 1 .learning_rate 1e\+38"):
        train(task, options, device=CPU, checkpoints=Cache(tmp_path).work("work", "a1"), seed=7)


def test_a_gpu_is_not_waited_for_at_every_step(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """How many losses are read at a time: each on a processor, several elsewhere."""
    options = OPTIONS.model_copy(update={"steps": 30, "evaluate_every": 20, "checkpoint_every": 60.0})
    counts: list[int] = []
    read = Training.read
    monkeypatch.setattr(Training, "read", lambda run: (counts.append(len(run.unread)), read(run)))
    for looks, expected in ((1, [1] * 30), (8, [8, 8, 4, 8, 2])):
        counts.clear()
        monkeypatch.setattr(Device, "steps_between_looks", looks)
        train(regression(options), options, device=CPU, checkpoints=Cache(tmp_path).work(f"{looks}", "a1"), seed=7)
        assert [count for count in counts if count] == expected


@pytest.mark.parametrize("steps", [1, 5, 12, 40])
def test_as_many_steps_as_planned(tmp_path: Path, steps: int) -> None:
    options = OPTIONS.model_copy(update={"steps": steps})
    task = regression(options)
    log = train(task, options, device=CPU, checkpoints=Cache(tmp_path).work("work", "a1"), seed=7)
    assert log.steps == steps
    assert log.rows == sum(len(rows) for rows in task.plan)
    assert log.tokens == 5 * log.rows
    assert log.losses[-1]["step"] == steps


def test_losses_are_means_since_the_last_entry(tmp_path: Path) -> None:
    task = regression(OPTIONS)
    seen: list[float] = []

    def loss(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        value = task.loss(batch)
        seen.append(value.item())
        return value

    watched = replace(task, loss=loss, validation_loss=None)
    log = train(watched, OPTIONS, device=CPU, checkpoints=Cache(tmp_path).work("work", "a1"), seed=7)
    assert [entry["train"] for entry in log.losses] == pytest.approx(
        [np.mean(seen[:4]), np.mean(seen[4:8]), np.mean(seen[8:])]
    )


# --- the learning rate --------------------------------------------------------------------------------------------


def steps_taken(tmp_path: Path, options: TrainingConfig, phases: Sequence[tuple[int, float]] = ()) -> np.ndarray:
    """How far two parameters move in each step, shape (steps, 2); the second has five times the rate.

    Under a constant gradient Adam moves a parameter by the learning rate exactly (but for its epsilon).
    """
    model = torch.nn.ParameterList([torch.zeros(1, dtype=torch.float64) for _ in range(2)])
    seen: list[list[float]] = []

    def loss(batch: dict[str, torch.Tensor]) -> torch.Tensor:
        seen.append([value.item() for value in model])
        return model[0].sum() + model[1].sum() + 0 * batch["attention_mask"].sum()

    task = Task(
        name="slope",
        model=model,
        parameter_groups=[{"params": [model[0]]}, {"params": [model[1]], "rate": 5.0}],
        plan=[np.array([0])] * options.steps,
        batch=lambda rows: {"attention_mask": torch.ones(1, 1)},
        loss=loss,
        phases=phases,
    )
    train(task, options, device=CPU, checkpoints=Cache(tmp_path).work("slope", "a1"), seed=0)
    seen.append([value.item() for value in model])
    return -np.diff(np.array(seen), axis=0)


@pytest.mark.parametrize(
    ("steps", "warmup_share", "tenths"),
    [
        # Up over the first 4 of 13, then down by a tenth a step: the last one is not wasted on a rate of 0.
        (13, 0.3, [2.5, 5, 7.5, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (10, 0.0, [10, 9, 8, 7, 6, 5, 4, 3, 2, 1]),
        (5, 1.0, [2, 4, 6, 8, 10]),
        (1, 0.1, [10]),
    ],
)
def test_the_rate_rises_and_falls(tmp_path: Path, steps: int, warmup_share: float, tenths: list[float]) -> None:
    options = TrainingConfig(steps=steps, learning_rate=0.5, warmup_share=warmup_share, weight_decay=0.0)
    options = options.model_copy(update={"max_gradient_norm": 100.0})
    rates = 0.05 * np.array(tenths)
    assert steps_taken(tmp_path, options) == pytest.approx(np.column_stack([rates, 5 * rates]), rel=1e-6)


def test_each_phase_has_a_share_of_the_rate_and_its_own_rise_and_fall(tmp_path: Path) -> None:
    options = TrainingConfig(steps=6, learning_rate=1.0, warmup_share=0.5, weight_decay=0.0, max_gradient_norm=100)
    moves = steps_taken(tmp_path, options, phases=[(4, 1.0), (2, 0.1)])
    assert moves[:, 0] == pytest.approx([0.5, 1.0, 2 / 3, 1 / 3, 0.1, 0.05], rel=1e-6)


def test_gradients_are_clipped_before_they_count(tmp_path: Path) -> None:
    def moves(gradient_norm: float) -> np.ndarray:
        # The epsilon of Adam, 1e-8, shows once gradients are clipped to its size: a half of the step is left.
        options = TrainingConfig(steps=1, learning_rate=1.0, weight_decay=0.0, max_gradient_norm=gradient_norm)
        return steps_taken(tmp_path / str(gradient_norm), options)[0, 0]

    assert moves(100.0) == pytest.approx(1.0)
    assert moves(2**0.5 * 1e-8) == pytest.approx(0.5, rel=1e-3)


# --- early stop ---------------------------------------------------------------------------------------------------


def watched(options: TrainingConfig, losses: Sequence[float]) -> tuple[Task, list[dict[str, torch.Tensor]]]:
    """A task whose validation losses are given, and the list that its states at those moments go to."""
    task = regression(options)
    states: list[dict[str, torch.Tensor]] = []

    def validation() -> float:
        states.append({name: value.clone() for name, value in task.model.state_dict().items()})
        return losses[len(states) - 1]

    return replace(task, validation_loss=validation), states


def same(task: Task, state: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, state[name]) for name, value in task.model.state_dict().items())


def stopping(patience: int | None) -> TrainingConfig:
    return OPTIONS.model_copy(update={"evaluate_every": 2, "patience": patience})


def test_patience_stops_and_puts_the_best_state_back(tmp_path: Path) -> None:
    options = stopping(2)
    task, states = watched(options, [3.0, 2.0, 2.5, 2.0])
    log = train(task, options, device=CPU, checkpoints=Cache(tmp_path).work("work", "a1"), seed=7)
    assert (log.steps, log.best_step, log.stopped_early) == (8, 4, True)
    assert [entry["validation"] for entry in log.losses] == [3.0, 2.0, 2.5, 2.0]
    assert log.validation_loss == 2.0
    assert same(task, states[1])
    assert not same(task, states[3])


def test_a_better_loss_renews_the_patience(tmp_path: Path) -> None:
    options = stopping(2)
    task, states = watched(options, [3.0, 3.1, 2.0, 2.1, 1.0, 1.5])
    log = train(task, options, device=CPU, checkpoints=Cache(tmp_path).work("work", "a1"), seed=7)
    assert (log.steps, log.best_step, log.stopped_early) == (12, 10, False)
    assert same(task, states[4])


def test_without_patience_nothing_stops_and_the_last_state_stays(tmp_path: Path) -> None:
    options = stopping(None)
    task, states = watched(options, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    log = train(task, options, device=CPU, checkpoints=Cache(tmp_path).work("work", "a1"), seed=7)
    assert (log.steps, log.best_step, log.stopped_early) == (12, 2, False)
    assert log.validation_loss == 6.0
    assert same(task, states[5])


@pytest.mark.parametrize(("share", "averaged"), [(0.5, 6), (0.01, 1), (0.3, 4), (1.0, 12)])
def test_the_model_ends_as_the_mean_of_the_last_steps(tmp_path: Path, share: float, averaged: int) -> None:
    usual = OPTIONS.model_copy(update={"evaluate_every": 1, "patience": None})
    task, states = watched(usual, [1.0] * 12)
    train(task, usual, device=CPU, checkpoints=Cache(tmp_path).work("usual", "a1"), seed=7)
    task = regression(usual)
    options = usual.model_copy(update={"averaged_share": share})
    log = train(task, options, device=CPU, checkpoints=Cache(tmp_path).work("averaged", "a1"), seed=7)

    for name, value in task.model.state_dict().items():
        expected = torch.stack([state[name] for state in states[-averaged:]]).mean(dim=0)
        torch.testing.assert_close(value, expected)
    assert task.validation_loss is not None
    assert log.validation_loss == task.validation_loss()  # that of the mean


def test_a_run_ends_in_one_way() -> None:
    with pytest.raises(ValueError, match="patience keeps the best state and averaged_share a mean of the last"):
        TrainingConfig(steps=4, learning_rate=1e-3, patience=1, averaged_share=0.5)


@pytest.mark.parametrize("at", [3, 5, 7])
def test_an_interruption_does_not_change_where_a_run_stops(tmp_path: Path, at: int) -> None:
    options = stopping(2)
    whole, _ = watched(options, [3.0, 2.0, 2.5, 2.6])
    expected = outcome(
        whole, train(whole, options, device=CPU, checkpoints=Cache(tmp_path).work("whole", "a1"), seed=7)
    )
    store = Cache(tmp_path).work("cut", "a1")
    first, _ = watched(options, [3.0, 2.0, 2.5, 2.6])
    with pytest.raises(KeyboardInterrupt):
        train(cut_off(first, at, power_cut), options, device=CPU, checkpoints=store, seed=7)
    seen = at // 2
    second, _ = watched(options, [3.0, 2.0, 2.5, 2.6][seen:])
    assert outcome(second, train(second, options, device=CPU, checkpoints=store, seed=7)) == expected


def test_a_run_that_stopped_early_is_finished(tmp_path: Path) -> None:
    options = stopping(1)
    store = Cache(tmp_path).work("work", "a1")
    first, states = watched(options, [1.0, 2.0])
    train(first, options, device=CPU, checkpoints=store, seed=7)
    second = cut_off(regression(options, weights_seed=99), 0, power_cut)
    log = train(second, options, device=CPU, checkpoints=store, seed=7)
    assert (log.steps, log.stopped_early) == (4, True)
    assert same(second, states[0])


def test_parameters_that_are_not_trained_stay_out_of_checkpoints(tmp_path: Path) -> None:
    task = regression(OPTIONS)
    task.model[0].requires_grad_(False)
    task = replace(task, parameter_groups=[{"params": task.model[3].parameters()}])
    store = Cache(tmp_path).work("work", "a1")
    before = task.model[0].weight.detach().clone()
    train(task, OPTIONS, device=CPU, checkpoints=store, seed=7)
    _, tensors, _ = store.load() or pytest.fail("there is no checkpoint")
    assert {name for name in tensors if name.startswith("model/")} == {"model/3.weight", "model/3.bias"}
    assert torch.equal(task.model[0].weight, before)
