"""What all tuned classifiers do alike: which rows a step sees, which parameters learn, what is watched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from emotion_kedro.config.models import LearnerConfig, TunedConfig
from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.metrics.losses import losses_of
from emotion_kedro.models.classifiers import Classifier, TrainingSet
from emotion_kedro.models.device import Device
from emotion_kedro.models.frozen import KeptStates, blocks_of
from emotion_kedro.models.training import Task, TrainingLog, plan_batches, train
from emotion_kedro.storage.cache import Cache, Work
from emotion_kedro.storage.identity import contents_of, fingerprint

if TYPE_CHECKING:
    import pandas as pd

APART = {-1: (0.5, 1.0), 1: (0.2, 0.1)}
"""Of phases before and after the real rows: their shares of the optimiser steps, and of the usual learning rate."""


class Tunable(Classifier, Protocol):
    """A classifier with a model of ``transformers`` under it."""

    model: Any
    notes: dict[str, Any]

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids."""

    def batch(self, rows: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Return token ids and attention mask, each (rows, longest)."""


def tune(
    classifier: Tunable,
    training_set: TrainingSet,
    learner: TunedConfig,
    device: Device,
    cache: Cache,
    *,
    loss: Callable[[dict[str, Any]], Any],
    batch: Callable[[list[list[int]], NDArray[np.int64]], dict[str, Any]] | None = None,
    run: Callable[[Sequence[Sequence[int]]], None] | None = None,
) -> TrainingLog:
    """Train the classifier's model in place, and note the log.

    Args:
        classifier: still untrained.
        training_set: rows, as they come; they are drawn by weight here.
        learner: how.
        device: where.
        cache: where the checkpoints are.
        loss: mean loss of a batch, a scalar.
        batch: token ids and class indices of some rows -> what ``loss`` takes; None: the classifier's own batch, with
            the class indices as ``labels``.
        run: takes token ids of some texts and runs the model on them, and on nothing else than them. Where it is
            given, what frozen layers make of a text is computed once.
    """
    import torch

    def labelled(rows: list[list[int]], targets: NDArray[np.int64]) -> dict[str, Any]:
        return {**classifier.batch(rows), "labels": torch.from_numpy(targets)}

    made = batch or labelled
    groups = trained_parameters(classifier.model, learner)
    phases = phases_of(training_set, learner.training)
    rows = weighted_rows(training_set, phases, learner.training.batch_size)
    encoded = classifier.encode(rows["text"].tolist())
    targets = targets_of(rows, training_set.labels)
    plan = plan_of(
        *(rows, phases, np.array([len(ids) for ids in encoded])),
        batch_size=learner.training.batch_size,
        seed=training_set.seed,
    )
    kept = KeptStates.of(classifier.model.base_model, run, encoded, plan, device)
    task = Task(
        name=f"{training_set.name} (seed {training_set.seed})",
        model=classifier.model,
        parameter_groups=groups,
        plan=plan,
        phases=[(phase.steps, phase.rate) for phase in phases],
        batch=lambda chosen: kept.batch(made([encoded[row] for row in chosen], targets[chosen])),
        loss=kept.loss(loss),
        validation_loss=validation_of(classifier, training_set, device),
        frozen=kept.modules,
    )
    checkpoints = work_of(training_set, learner, device, cache)
    log = train(task, learner.training, device=device, checkpoints=checkpoints, seed=training_set.seed)
    classifier.notes["log"] = log.as_dict()
    return log


def work_of(training_set: TrainingSet, learner: TunedConfig, device: Device, cache: Cache) -> Work:
    """Return the checkpoints of a fit: those of other rows, parameters, seeds or base weights are others."""
    identity = fingerprint(
        training_set.rows[["text", "label", "weight", "phase"]],
        training_set.validation[["text", "label"]],
        training_set.taxonomy,
        [training_set.seed, device.arithmetic],
        learner.model_dump(mode="json", exclude={"only", "base", "base_model"}),
        contents_of(learner.base),
    )
    return cache.work(training_set.name, identity)


def notes_of(training_set: TrainingSet, learner: LearnerConfig) -> dict[str, Any]:
    """Return what is written beside a fitted classifier."""
    notes = {
        "kind": learner.kind,
        "base": learner.description,
        "labels": list(training_set.labels),
        "name": training_set.name,
        "seed": training_set.seed,
        "rows": training_set.rows["origin"].value_counts().to_dict(),
    }
    if isinstance(learner, TunedConfig):
        notes |= {"max_tokens": learner.max_tokens, "training": learner.training.model_dump()}
    return notes


# --- rows ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Phase:
    """Steps on the rows of one phase; ``rate`` is their learning rate as a share of the usual one."""

    number: int
    steps: int
    rate: float


def phases_of(training_set: TrainingSet, training: TrainingConfig) -> list[Phase]:
    """Return the phases that take a step, as many steps in all whatever the arm."""
    steps, there = training.steps_for(len(training_set.rows)), set(training_set.rows["phase"])
    apart = [Phase(number, round(share * steps), rate) for number, (share, rate) in APART.items() if number in there]
    phases = [*apart, Phase(0, steps - sum(phase.steps for phase in apart), 1.0)]
    return sorted((phase for phase in phases if phase.steps), key=lambda phase: phase.number)


def weighted_rows(training_set: TrainingSet, phases: Sequence[Phase], batch_size: int) -> pd.DataFrame:
    """Return the rows that the plan goes through: a phase's own, or a draw in proportion to their weights.

    Where all rows of a phase weigh the same they are passed over as they are, each once a pass. Otherwise there are as
    many as its steps see, each row as often as its weight says, but for chance in the fraction that is left.
    """
    import pandas as pd

    rows, seed = training_set.rows, training_set.seed
    parts = {phase.number: rows[rows["phase"] == phase.number] for phase in phases}
    if all(part["weight"].nunique() <= 1 for part in parts.values()):
        return rows
    for phase in phases:
        part = parts[phase.number]
        if part["weight"].nunique() > 1:
            times = _times(part["weight"].to_numpy(), phase.steps * batch_size, np.random.default_rng(seed))
            parts[phase.number] = part.loc[part.index.repeat(times)]
    return pd.concat(parts.values(), ignore_index=True)


def _times(weights: np.ndarray, count: int, random: np.random.Generator) -> np.ndarray:
    """Return how often each row comes among ``count``: its share, rounded up or down at random, all of them together.

    Systematic sampling (Madow & Madow 1944): rows in random order are laid along a line, each as long as its share,
    and one with a whole number in it, counted from a random place, comes once for it.
    """
    order = random.permutation(len(weights))
    ends = np.cumsum(weights[order] / weights.sum()) * count
    ends[-1] = count
    places = np.floor(ends + random.random()).astype(int)
    times = np.empty(len(weights), dtype=int)
    times[order] = np.diff(places, prepend=0)
    return times


def plan_of(
    rows: pd.DataFrame, phases: Sequence[Phase], lengths: np.ndarray, *, batch_size: int, seed: int
) -> list[np.ndarray]:
    """Return the row numbers of each step's batch, phase by phase; ``lengths`` are the rows' tokens, (rows,)."""
    plan: list[np.ndarray] = []
    for phase in phases:
        numbers = np.flatnonzero(rows["phase"].to_numpy() == phase.number)
        # The phase before 0 is the third: a seed is no number below 0.
        batches = plan_batches(lengths[numbers], steps=phase.steps, batch_size=batch_size, seed=seed + phase.number % 3)
        plan.extend(numbers[batch] for batch in batches)
    return plan


def targets_of(records: pd.DataFrame, labels: Sequence[str]) -> NDArray[np.int64]:
    """Return the class index of each record, (rows,)."""
    import pandas as pd

    return pd.Categorical(records["label"], categories=list(labels)).codes.astype(np.int64)


def validation_of(classifier: Classifier, training_set: TrainingSet, device: Device) -> Callable[[], float] | None:
    """Return what computes the mean negative log-likelihood of the validation rows; None if there are none."""
    if training_set.validation.empty:
        return None
    texts = training_set.validation["text"].tolist()
    targets = targets_of(training_set.validation, training_set.labels)
    return lambda: log_loss(classifier.probabilities(texts, device=device), targets)


def log_loss(probabilities: np.ndarray, targets: NDArray[np.int64]) -> float:
    """Return the mean negative log-probability of the true classes, in nats.

    Args:
        probabilities: (rows, labels).
        targets: class index of each row, (rows,).
    """
    return float(losses_of(probabilities[np.arange(len(targets)), targets]).mean())


# --- parameters ---------------------------------------------------------------------------------------------------


def trained_parameters(model: Any, learner: TunedConfig) -> list[dict[str, Any]]:
    """Freeze what is frozen; return the body's and the head's parameters as two groups.

    Raises:
        ValueError: if more layers are to be frozen than there are.
    """
    body = model.base_model
    if learner.frozen_layers:
        blocks = blocks_of(body)
        if learner.frozen_layers > len(blocks):
            raise ValueError(f"frozen_layers is {learner.frozen_layers}, but {learner.base} has {len(blocks)} layers")
        for embeddings in _embeddings_of(body):
            embeddings.requires_grad_(False)
        for layer in blocks[: learner.frozen_layers]:
            layer.requires_grad_(False)
    inside = {id(value) for value in body.parameters()}
    trained = [value for value in model.parameters() if value.requires_grad]
    return [
        {"params": [value for value in trained if id(value) in inside]},
        {"params": [value for value in trained if id(value) not in inside], "rate": learner.head_rate},
    ]


def _embeddings_of(body: Any) -> list[Any]:
    """Return the modules below the lowest block: of the tokens, of positions, or one for all.

    An output layer that is tied to the tokens' embeddings is frozen with them.
    """
    import torch

    if hasattr(body, "embeddings"):
        return [body.embeddings]
    return [module for module in body.children() if isinstance(module, torch.nn.Embedding)] or [
        body.get_input_embeddings()
    ]
