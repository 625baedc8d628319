"""Linear softmax classifiers on frozen features, many at a time.

A head is fitted for every seed and penalty. All are trained side by side as one batched product a step: an arm of a
large grid takes a second on one thread. Arms are made comparable by what a fit may use: as many steps, as many rows a
step and as many penalties, whatever the number of rows.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from emotion_kedro.learning.device import Device
from emotion_kedro.options.heads import HeadOptions

START = 0.01
"""Standard deviation of the initial weights."""
BETAS = (0.9, 0.999)
EPSILON = 1e-8

Floats = NDArray[np.floating]
Integers = NDArray[np.integer]


@dataclass(frozen=True)
class Heads:
    """Fitted heads, one for every seed and penalty."""

    weights: NDArray[np.float32]
    """(seeds, penalties, width, labels)."""
    biases: NDArray[np.float32]
    """(seeds, penalties, labels)."""
    labels: tuple[str, ...]
    seeds: tuple[int, ...]
    penalties: tuple[float, ...]

    def probabilities(self, features: Floats) -> NDArray[np.float64]:
        """Return softmax probabilities, shape (seeds, penalties, rows, labels).

        Args:
            features: shape (rows, width).
        """
        logits = (features @ self.weights + self.biases[:, :, None, :]).astype(np.float64)
        logits -= logits.max(axis=-1, keepdims=True)
        odds: NDArray[np.float64] = np.exp(logits)
        return odds / odds.sum(axis=-1, keepdims=True)


def fit_heads(
    features: Floats,
    targets: Integers,
    weights: Floats,
    *,
    labels: Sequence[str],
    options: HeadOptions,
    seeds: Sequence[int],
    device: Device,
) -> Heads:
    """Fit a softmax head for every seed and penalty.

    A seed decides the initial weights and the batches. Heads of one seed and different penalties see the same batches;
    what else is fitted beside a head does not change it.

    Args:
        features: shape (rows, width).
        targets: class index of each row, shape (rows,).
        weights: how often a row is drawn, as a share of all; shape (rows,). A row of weight 0 is never seen.
        labels: the classes, in the order of the indices.
        options: length, rate and penalties.
        seeds: any numbers from 0 up.
        device: where the products are computed; always in fp32.

    Raises:
        ValueError: if the rows do not match, no row has a weight, or a weight is negative or no number.
    """
    _check(features, targets, weights, classes=len(labels))
    draws = [_draw(weights, options, seed) for seed in seeds]
    starts = [_start(features.shape[1], len(labels), seed) for seed in seeds]
    fitted, biases = _descend(features, targets, np.stack(draws), np.stack(starts), options, device)
    return Heads(fitted, biases, tuple(labels), tuple(seeds), options.penalties)


def choose_penalty(heads: Heads, features: Floats, targets: Integers) -> NDArray[np.int64]:
    """Return for each seed the number of the penalty with the least mean log-loss on validation rows, (seeds,).

    The first of equals wins, and the first of all where there are no rows.

    Args:
        heads: fitted heads.
        features: of the validation rows, shape (rows, width).
        targets: class index of each, shape (rows,).
    """
    if len(targets) == 0:
        return np.zeros(len(heads.seeds), dtype=np.int64)
    given = heads.probabilities(features)[:, :, np.arange(len(targets)), targets]
    losses = -np.log(np.clip(given, 1e-12, None)).mean(axis=-1)
    return losses.argmin(axis=1).astype(np.int64)


def _check(features: Floats, targets: Integers, weights: Floats, *, classes: int) -> None:
    if not len(features) == len(targets) == len(weights):
        raise ValueError(
            f"there are {len(features)} rows of features, {len(targets)} targets and {len(weights)} weights"
        )
    if not np.isfinite(weights).all() or (weights < 0).any():
        raise ValueError("a weight is negative or no number")
    if not (weights > 0).any():
        raise ValueError("there are no rows with a weight to fit a head on")
    if targets.min() < 0 or targets.max() >= classes:
        raise ValueError(f"targets go from {targets.min()} to {targets.max()}, but there are {classes} labels")


def _draw(weights: Floats, options: HeadOptions, seed: int) -> NDArray[np.int64]:
    """Return the rows of every step, (steps, rows a step), drawn with replacement in proportion to their weights."""
    ends = np.cumsum(weights, dtype=np.float64)
    points = np.random.default_rng([seed, 0]).random((options.steps, options.batch_size)) * ends[-1]
    # A point that rounding put on the very end belongs to the last row that has a weight.
    return np.minimum(np.searchsorted(ends, points, side="right"), np.flatnonzero(weights)[-1])


def _start(width: int, classes: int, seed: int) -> NDArray[np.float32]:
    return np.random.default_rng([seed, 1]).normal(scale=START, size=(width, classes)).astype(np.float32)


def _descend(
    features: Floats,
    targets: Integers,
    draws: NDArray[np.int64],
    starts: NDArray[np.float32],
    options: HeadOptions,
    device: Device,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Train all heads with Adam (Kingma & Ba 2015, arXiv 1412.6980); the gradient of softmax regression is explicit.

    Args:
        features: (rows, width).
        targets: (rows,).
        draws: rows of each step, (seeds, steps, rows a step).
        starts: initial weights, (seeds, width, labels).
        options: the penalties, among others.
        device: where it is done.

    Returns:
        Weights (seeds, penalties, width, labels) and biases (seeds, penalties, labels).
    """
    import torch

    place = device.place
    seeds, width, classes = starts.shape
    tried = len(options.penalties)
    rows = torch.from_numpy(np.ascontiguousarray(features, dtype=np.float32)).to(place)
    wanted = torch.nn.functional.one_hot(torch.from_numpy(targets.astype(np.int64)), classes).float().to(place)
    steps = torch.from_numpy(draws).to(place).transpose(0, 1).contiguous()
    # A column of ones would be simpler, but a bias is not to be penalised: it is kept apart, as the last row here.
    weights = torch.zeros(seeds, tried, width + 1, classes, device=place)
    weights[:, :, :width] = torch.from_numpy(starts).to(place)[:, None]
    pull = torch.zeros(1, tried, width + 1, 1, device=place)
    pull[0, :, :width, 0] = torch.tensor(options.penalties, device=place)[:, None]
    first, second, gradient = torch.zeros_like(weights), torch.zeros_like(weights), torch.empty_like(weights)
    with torch.inference_mode():
        for step, chosen in enumerate(steps, start=1):
            seen = rows[chosen][:, None]
            logits = seen @ weights[:, :, :width] + weights[:, :, width:]
            surplus = (logits.softmax(dim=-1) - wanted[chosen][:, None]) / options.batch_size
            gradient[:, :, :width] = seen.transpose(-1, -2) @ surplus
            gradient[:, :, width] = surplus.sum(dim=-2)
            gradient.addcmul_(pull, weights)
            first.lerp_(gradient, 1 - BETAS[0])
            second.mul_(BETAS[1]).addcmul_(gradient, gradient, value=1 - BETAS[1])
            scale = (second / (1 - BETAS[1] ** step)).sqrt_().add_(EPSILON)
            rate = options.learning_rate * (1 - (step - 1) / options.steps) / (1 - BETAS[0] ** step)
            weights.addcdiv_(first, scale, value=-rate)
    result = weights.cpu().numpy()
    return np.ascontiguousarray(result[:, :, :width]), np.ascontiguousarray(result[:, :, width])
