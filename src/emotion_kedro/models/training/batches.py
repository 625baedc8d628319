"""Which rows a step sees, and how they are laid side by side."""

from __future__ import annotations

from collections.abc import Sequence, Sized
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import torch

POOL = 32
"""Batches, at most, that are drawn together and sorted by length: enough to waste little padding."""
POOLS = 8
"""So many pools has a pass at least, if it has the batches: in one alone all passes would have the same ones."""


def plan_batches(lengths: np.ndarray, *, steps: int, batch_size: int, seed: int) -> list[np.ndarray]:
    """Return the row numbers of each of ``steps`` batches, as many passes over the rows as that takes.

    Rows of like length are batched together, so that padding is small, but only where there are rows enough: of few
    batches each is a random one, in every pass another.

    Args:
        lengths: tokens of each row, shape (rows,).
        steps: batches wanted.
        batch_size: rows a batch; the last batch of a pass may be smaller.
        seed: the same seed gives the same plan.

    Raises:
        ValueError: if there are no rows.
    """
    if len(lengths) == 0:
        raise ValueError("there are no texts to train on")
    random = np.random.default_rng(seed)
    plan: list[np.ndarray] = []
    while len(plan) < steps:
        plan.extend(_one_pass(lengths, batch_size, random))
    return plan[:steps]


def _one_pass(lengths: np.ndarray, batch_size: int, random: np.random.Generator) -> list[np.ndarray]:
    order = random.permutation(len(lengths))
    whole = len(order) // batch_size
    pooled = batch_size * max(1, min(POOL, whole // POOLS))
    # What is left over is a batch of its own, before any is sorted: its rows weigh more, and are others in each pass.
    ends = whole * batch_size
    batches = [order[ends:]] if ends < len(order) else []
    for start in range(0, ends, pooled):
        pool = order[start : min(start + pooled, ends)]
        pool = pool[np.argsort(lengths[pool], kind="stable")]
        batches.extend(pool[begin : begin + batch_size] for begin in range(0, len(pool), batch_size))
    return [batches[index] for index in random.permutation(len(batches))]


def by_length(rows: Sequence[Sized], batch_size: int) -> list[np.ndarray]:
    """Return batches that cover every row once, longest first, for inference (a lack of memory shows at once)."""
    order = np.argsort([-len(row) for row in rows], kind="stable")
    return [order[start : start + batch_size] for start in range(0, len(order), batch_size)]


def pad(
    rows: Sequence[Sequence[int]], *, padding: int, multiple: int = 1, most: int | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return token ids and attention mask, both (rows, longest row), padded on the right.

    Args:
        rows: token ids.
        padding: the id that stands for no token.
        multiple: the length is rounded up to a multiple of it, as far as
        most: tokens that the model has positions for.
    """
    import torch

    longest = max(len(row) for row in rows)
    longest = max(longest, min(-(-longest // multiple) * multiple, most or longest + multiple))
    ids = torch.full((len(rows), longest), padding, dtype=torch.long)
    mask = torch.zeros((len(rows), longest), dtype=torch.long)
    for index, row in enumerate(rows):
        ids[index, : len(row)] = torch.tensor(row, dtype=torch.long)
        mask[index, : len(row)] = 1
    return ids, mask
