"""The training loop, one for classifiers and language models.

A run is a fixed plan of batches. Everything random in a step depends on the seed and the step's number alone, so that
a run that was killed and goes on from its checkpoint takes the same steps as one that was left alone.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.models.device import Device
from emotion_kedro.models.training.team import Team
from emotion_kedro.runtime.bars import bar, is_shown
from emotion_kedro.runtime.guards import signals_held

if TYPE_CHECKING:
    import torch

    from emotion_kedro.storage.cache import Work

    Batch = dict[str, torch.Tensor]

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_LINES = 15.0
STEPS_THAT_TELL = 10


@dataclass(frozen=True)
class Task:
    """What is trained: a model, its batches, and the losses."""

    name: str
    model: torch.nn.Module
    parameter_groups: list[dict[str, Any]]
    """As ``torch.optim.AdamW`` takes them, in lists; ``rate`` in a group multiplies the learning rate."""
    plan: Sequence[np.ndarray]
    """Row numbers of each step's batch."""
    batch: Callable[[np.ndarray], Batch]
    loss: Callable[[Batch], torch.Tensor]
    """Mean loss of a batch, a scalar."""
    validation_loss: Callable[[], float] | None = None
    phases: Sequence[tuple[int, float]] = ()
    """Steps, and share of the learning rate, of parts of the plan that warm up and decay each; empty: one part."""
    frozen: Sequence[torch.nn.Module] = ()
    """Modules that stay in evaluation mode: there is no dropout in what is not trained."""
    targets: Callable[[Batch], int] = lambda batch: len(batch["attention_mask"])
    """How many losses of rows, or of tokens, ``loss`` is the mean of."""


@dataclass
class TrainingLog:
    """What a training run did."""

    name: str
    device: str = ""
    steps: int = 0
    rows: int = 0
    tokens: int = 0
    seconds: float = 0.0
    stopped_early: bool = False
    best_step: int | None = None
    losses: list[dict[str, float]] = field(default_factory=list)
    """``step``, mean training loss since the last entry, and the validation loss where there is one."""

    restored: bool = False
    """Whether the parameters of the best step were put back at the end."""

    @property
    def validation_loss(self) -> float:
        """The validation loss of the parameters that the run ended with, in nats; NaN where none was watched."""
        losses = {entry["step"]: entry["validation"] for entry in self.losses if "validation" in entry}
        last = max(losses, default=None)
        step = self.best_step if self.restored else last
        return float("nan") if step is None else losses[step]

    def as_dict(self) -> dict[str, Any]:
        """Return what JSON can hold."""
        return asdict(self)


class Training:
    """A training that is at some step: model, optimiser, and what was written down."""

    def __init__(self, task: Task, config: TrainingConfig, device: Device, seed: int, team: Team | None = None) -> None:
        """Begin at step 0; ``team`` are the processes that take each step together, by default this one alone."""
        import torch

        self.task, self.config, self.device, self.seed, self.team = task, config, device, seed, team or Team()
        self.log = TrainingLog(task.name, str(device))
        self.trained = {name: value for name, value in task.model.named_parameters() if value.requires_grad}
        groups = [{"lr": 0.0, "rate": 1.0, **group} for group in task.parameter_groups]
        self.optimizer = torch.optim.AdamW(groups, weight_decay=config.weight_decay, fused=True)
        self.best: dict[str, torch.Tensor] = {}
        self.mean: dict[str, torch.Tensor] = {}
        """Of the trained parameters after each of the last steps, where these are averaged."""
        self.best_loss = float("inf")
        self.worse = 0
        self.recent: list[float] = []
        self.unread: list[torch.Tensor] = []
        """Losses that are still on the device: reading one makes the host wait for it."""
        self.uncounted: list[torch.Tensor] = []
        """The same of tokens, where several processes count them."""
        self.reported = self.saved = time.perf_counter()

    @property
    def goes_on(self) -> bool:
        """Whether there are steps left to take."""
        return self.log.steps < len(self.task.plan) and not self.log.stopped_early

    def take_steps(self, checkpoints: Work) -> None:
        """Go on to the last step; save and stop where a signal has come."""
        with bar(self.task.name, len(self.task.plan)) as show, signals_held() as stop_here:
            while self.goes_on:
                started = time.perf_counter()
                self.step()
                if len(self.unread) >= self.device.steps_between_looks:
                    self.read()
                last = self.log.steps == len(self.task.plan)
                if last:
                    self._put(self.mean)
                if last or self.log.steps % self.config.evaluate_every == 0:
                    self.evaluate()
                self.log.seconds += time.perf_counter() - started
                # By the clock alone: nothing that a step does depends on whether a checkpoint was written.
                if time.perf_counter() - self.saved >= self.config.checkpoint_every:
                    self.save(checkpoints)
                stop_here(lambda: self.save(checkpoints))
                self.report(last=last or self.log.stopped_early)
                show(self.log.steps)

    def step(self) -> None:
        """Take a step. Nothing in it makes the host wait for a GPU."""
        import torch

        step = self.log.steps
        self.device.seed(int(np.random.SeedSequence([self.seed, step]).generate_state(1)[0]))
        rows = self.task.plan[step]
        batch = self.task.batch(self.team.share(rows))
        counts = len(rows) > self.team.rank
        targets, tokens = self.task.targets(batch) * counts, int(batch["attention_mask"].numpy().sum()) * counts
        batch = self.device.put(batch)
        self._set_rate(step)
        self.task.model.train()
        for module in self.task.frozen:
            module.eval()
        with self.device.autocast():
            loss = self.task.loss(batch)
        loss, of_all = self.team.backward(loss, targets, tokens, self.trained.values())
        torch.nn.utils.clip_grad_norm_(list(self.trained.values()), self.config.max_gradient_norm)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        self.unread.append(loss)
        if of_all is None:
            self.log.tokens += tokens
        else:
            self.uncounted.append(of_all)
        self.log.steps += 1
        self.log.rows += len(rows)
        self._average()

    def _average(self) -> None:
        """Take the parameters into their mean, if this is one of the steps that are averaged."""
        import torch

        counted = self.averaged_steps
        if counted <= 0:
            return
        with torch.no_grad():
            for name, value in self.trained.items():
                if counted == 1:
                    self.mean[name] = value.detach().clone()
                else:
                    self.mean[name].lerp_(value, 1 / counted)

    @property
    def averaged_steps(self) -> int:
        """How many steps have been taken of those that are averaged; 0 and below: none yet."""
        total = len(self.task.plan)
        return self.log.steps - total + self.config.averaged(total)

    def _set_rate(self, step: int) -> None:
        """Warm up, then fall to nothing, in each phase anew."""
        place, steps, share = self._place(step)
        warmup = max(1, round(self.config.warmup_share * steps))
        factor = share * min((place + 1) / warmup, (steps - place) / max(1, steps - warmup + 1))
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.learning_rate * group["rate"] * factor

    def _place(self, step: int) -> tuple[int, int, float]:
        """Return the number of a step within its phase, the steps of that, and its share of the learning rate."""
        begin = 0
        for steps, share in self.task.phases:
            if step < begin + steps:
                return step - begin, steps, share
            begin += steps
        return step, len(self.task.plan), 1.0

    def read(self) -> None:
        """Bring the losses that are still on the device."""
        import torch

        if self.unread:
            losses = torch.stack(self.unread).tolist()
            self.log.tokens += sum(int(tokens) for tokens in self.uncounted)
            self.uncounted = []
            self.recent, self.unread = self.recent + losses, []
            for step, loss in enumerate(losses, start=self.log.steps - len(losses) + 1):
                self._assert_finite(loss, f"the loss is {loss} at step {step}")

    def _assert_finite(self, value: float, what: str) -> None:
        if not math.isfinite(value):
            raise ValueError(
                f"{self.task.name}: {what} of {len(self.task.plan)} (learning_rate {self.config.learning_rate:g}); "
                "its model is not saved. Try a lower learning_rate, a larger warmup_share or a smaller "
                "max_gradient_norm; if it is so from the first steps, the base model's weights may be damaged"
            )

    def assert_sound(self) -> None:
        """Raise a ValueError unless all trained parameters are finite: no loss shows what the last step did."""
        import torch

        sound = all(bool(torch.isfinite(value).all()) for value in self.trained.values())
        self._assert_finite(0.0 if sound else math.nan, f"weights are not finite after step {self.log.steps}")

    def evaluate(self) -> None:
        """Write down the training loss, and the validation loss where there is one."""
        self.read()
        entry = {"step": float(self.log.steps), "train": float(np.mean(self.recent))}
        self.recent = []
        if self.task.validation_loss is not None:
            loss = entry["validation"] = self.task.validation_loss()
            self._assert_finite(loss, f"the validation loss is {loss} at step {self.log.steps}")
            self._watch(entry["validation"])
        self.log.losses.append(entry)

    def _watch(self, loss: float) -> None:
        if loss < self.best_loss:
            self.best_loss, self.worse, self.log.best_step = loss, 0, self.log.steps
            if self.config.patience is not None:
                self.best = {name: value.detach().clone() for name, value in self.trained.items()}
            return
        self.worse += 1
        self.log.stopped_early = self.config.patience is not None and self.worse >= self.config.patience

    def restore_best(self) -> None:
        """Put the parameters of the best validation loss back, where they were watched."""
        self._put(self.best)
        self.log.restored = bool(self.best)

    def _put(self, parameters: dict[str, torch.Tensor]) -> None:
        import torch

        with torch.no_grad():
            for name, value in parameters.items():
                self.trained[name].copy_(value)

    def save(self, checkpoints: Work) -> None:
        """Write a checkpoint; one process of a team does."""
        self.read()
        if self.team.rank == 0:
            self._write(checkpoints)
        self.saved = time.perf_counter()

    def _write(self, checkpoints: Work) -> None:
        tensors: dict[str, torch.Tensor] = {f"model/{name}": value for name, value in self.trained.items()}
        tensors |= {f"best/{name}": value for name, value in self.best.items()}
        tensors |= {f"mean/{name}": value for name, value in self.mean.items()}
        for index, state in self.optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer/{index}/{name}": value for name, value in state.items()}
        best_loss = None if self.best_loss == float("inf") else self.best_loss
        notes = {"log": self.log.as_dict(), "worse": self.worse, "recent": self.recent, "best_loss": best_loss}
        checkpoints.save(self.log.steps, tensors, notes)

    def resume(self, checkpoints: Work) -> None:
        """Go on from the newest checkpoint that is whole and fits, if there is one."""
        import torch

        checkpoint = checkpoints.load(self._assert_fits)
        if checkpoint is None:
            return
        step, tensors, notes = checkpoint
        with torch.no_grad():
            for name, value in self.trained.items():
                value.copy_(tensors[f"model/{name}"])
        self.best, self.mean = self._kept(tensors, "best"), self._kept(tensors, "mean")
        self._resume_optimizer(tensors)
        self.log = TrainingLog(**notes["log"])
        self.worse, self.recent = notes["worse"], notes["recent"]
        self.best_loss = float("inf") if notes["best_loss"] is None else notes["best_loss"]
        logger.info("%s: goes on from step %d of %d", self.task.name, step, len(self.task.plan))

    def _kept(self, tensors: dict[str, torch.Tensor], what: str) -> dict[str, torch.Tensor]:
        kept = {name: tensors.get(f"{what}/{name}") for name in self.trained}
        return {name: value.to(self.device.place) for name, value in kept.items() if value is not None}

    def _assert_fits(self, tensors: dict[str, torch.Tensor], notes: dict[str, Any]) -> None:
        """Raise a ValueError if a checkpoint is whole, but was written by another version of model or program."""
        shapes = {f"model/{name}": value.shape for name, value in self.trained.items()}
        expected = shapes | {
            f"{kept}/{name}": value.shape for kept in ("best", "mean") for name, value in self.trained.items()
        }
        for index, value in enumerate(value for group in self.optimizer.param_groups for value in group["params"]):
            moments = {f"optimizer/{index}/{name}": value.shape for name in ("exp_avg", "exp_avg_sq")}
            expected |= {**moments, f"optimizer/{index}/step": value.new_empty(()).shape}
        wrong = [name for name, value in tensors.items() if expected.get(name) != value.shape]
        wrong += [name for name in shapes if name not in tensors]
        if wrong:
            raise ValueError(f"its {wrong[0]} is not the model's")
        if {*notes, *notes.get("log", ())} != {"log", "worse", "recent", "best_loss", *self.log.as_dict()}:
            raise ValueError("its notes are of another version")

    def _resume_optimizer(self, tensors: dict[str, torch.Tensor]) -> None:
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, value in tensors.items():
            if name.startswith("optimizer/"):
                _, index, key = name.split("/")
                state.setdefault(int(index), {})[key] = value
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": state, "param_groups": groups})

    def report(self, *, last: bool) -> None:
        """Write a line into the log now and then."""
        # The end of a short training is not worth a line, and a bar says how far a long one is.
        since = self.log.seconds if last else time.perf_counter() - self.reported
        if self.team.rank > 0 or since < SECONDS_BETWEEN_LINES or (is_shown() and not last):
            return
        self.reported, log = time.perf_counter(), self.log
        self.read()
        done, total = log.steps, len(self.task.plan)
        loss = self.recent[-1] if self.recent else log.losses[-1]["train"]
        # The first steps open the model and its libraries: they tell nothing of the others.
        left = "" if last or done < STEPS_THAT_TELL else f", {log.seconds / done * (total - done):.0f} s left"
        rate = log.rows / max(log.seconds, 1e-9)
        pace = f", {rate:.{int(rate < 10)}f} texts/s" if last or done >= STEPS_THAT_TELL else ""
        end = ", stopped early" if log.stopped_early else left
        logger.info("%s: step %d of %d, loss %.3f%s%s", log.name, done, total, loss, pace, end)
