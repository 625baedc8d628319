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
        """Return this process's rows of a batch.

        If the batch has fewer rows than processes, an idle process gets any row, with weight 0.
        """
        part = rows[self.rank :: self.size]
        return part if len(part) else rows[:1]

    def assert_agree(self, step: int) -> None:
        """Raise a RuntimeError unless all processes go on from the same step."""
        import torch

        if self.size > 1:
            steps: list[int] = [0] * self.size
            torch.distributed.all_gather_object(steps, step)
            if len(set(steps)) > 1:
                raise RuntimeError(f"the step to go on from differs between the processes of a training: {steps}")

    def backward(
        self, loss: torch.Tensor, targets: int, tokens: int, parameters: Iterable[torch.Tensor]
    ) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Give every process the gradient of the whole batch's mean loss; wait for no device.

        Args:
            loss: the mean over this process's rows, a scalar.
            targets: how many losses that is the mean of; 0 where these rows count for nothing.
            tokens: of these rows.
            parameters: those that are trained, in the same order in every process.

        Returns:
            The mean loss and the tokens of the whole batch, scalars; None for these where this process is alone.
        """
        import torch

        if self.size == 1:
            loss.backward()  # type: ignore[no-untyped-call]
            return loss.detach(), None
        totals = torch.tensor([float(targets), float(tokens)], device=loss.device)
        torch.distributed.all_reduce(totals)
        loss = loss * (targets / totals[0].clamp(min=1))
        loss.backward()  # type: ignore[no-untyped-call]
        gradients = [value.grad for value in parameters if value.grad is not None]
        # All in one message: sent one by one they would wait for each other.
        together = torch.cat([loss.detach().reshape(1), *(gradient.flatten() for gradient in gradients)])
        torch.distributed.all_reduce(together)
        summed, *parts = together.split([1, *(gradient.numel() for gradient in gradients)])
        for gradient, part in zip(gradients, parts, strict=True):
            gradient.copy_(part.view_as(gradient))
        return summed[0], totals[1]
