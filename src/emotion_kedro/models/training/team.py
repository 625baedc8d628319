"""The processes that take a training step together: each has a copy of the model and a share of the batch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


@dataclass(frozen=True)
class Team:
    """This process among those of a training; by default it is alone."""

    rank: int = 0
    size: int = 1

    def share(self, rows: np.ndarray) -> np.ndarray:
        """Return this process's rows of a batch; where there are too few for all, any one: it counts for nothing."""
        own = rows[self.rank :: self.size]
        return own if len(own) else rows[:1]

    def totals(self, *numbers: int) -> list[int]:
        """Return the sums of what each process has."""
        import torch

        if self.size == 1:
            return list(numbers)
        parts: list[tuple[int, ...]] = [()] * self.size
        torch.distributed.all_gather_object(parts, numbers)
        return [sum(each) for each in zip(*parts, strict=True)]

    def backward(self, loss: torch.Tensor, share: float, parameters: Iterable[torch.Tensor]) -> torch.Tensor:
        """Give every process the gradient of the whole batch's mean loss; return that loss, a scalar.

        Args:
            loss: the mean over this process's rows, a scalar.
            share: of the batch's losses that are this process's; together they are 1.
            parameters: those that are trained, in the same order in every process.
        """
        import torch

        if self.size == 1:
            loss.backward()  # type: ignore[no-untyped-call]
            return loss.detach()
        loss = loss * share
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [value.grad for value in parameters if value.grad is not None]
        # All in one message: sent one by one they would wait for each other.
        together = torch.cat([loss.detach().reshape(1), *(gradient.flatten() for gradient in gradients)])
        torch.distributed.all_reduce(together)
        summed, *parts = together.split([1, *(gradient.numel() for gradient in gradients)])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
        return summed[0]
