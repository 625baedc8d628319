"""The one place that knows where tensors live."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Device:
    """A device with its precision: bf16 autocast on CUDA, fp32 on a CPU (where bf16 is slower)."""

    kind: str
    name: str
    half: bool

    @property
    def steps_between_looks(self) -> int:
        """Steps after which a loop may look at what it computed: a GPU has to be waited for."""
        return 1 if self.kind == "cpu" else 8

    @property
    def place(self) -> torch.device:
        """The device as torch names it."""
        import torch

        return torch.device(self.kind)

    def __str__(self) -> str:
        return f"{self.kind} ({self.name}, {'bf16 autocast' if self.half else 'fp32'})"

    def autocast(self) -> contextlib.AbstractContextManager[Any]:
        """Return the context in which forward passes run."""
        import torch

        if not self.half:
            return contextlib.nullcontext()
        return torch.autocast(self.kind, dtype=torch.bfloat16)

    def put(self, batch: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Move a batch here; from pinned memory and without waiting where that is possible."""
        if self.kind == "cpu":
            return dict(batch)
        return {name: tensor.pin_memory().to(self.place, non_blocking=True) for name, tensor in batch.items()}

    def seed(self, seed: int) -> None:
        """Seed the random numbers of torch on every device."""
        import torch

        torch.manual_seed(seed)


@cache
def choose_device(wanted: str) -> Device:
    """Return the device called ``wanted``: ``auto`` (CUDA when there is one, else the CPU), ``cuda`` or ``cpu``.

    Raises:
        ValueError: for any other word, or for ``cuda`` where there is none.
    """
    import torch

    if wanted not in {"auto", "cuda", "cpu"}:
        raise ValueError(f"device is {wanted!r}; it may be auto, cuda or cpu")
    if wanted == "cuda" and not torch.cuda.is_available():
        raise ValueError("device is cuda, but torch sees no CUDA device here; use --params=device=auto or device=cpu")
    if wanted != "cpu" and torch.cuda.is_available():
        device = Device(
            "cuda", torch.cuda.get_device_name(), half=torch.cuda.is_bf16_supported(including_emulation=False)
        )
    else:
        device = Device("cpu", f"{torch.get_num_threads()} threads", half=False)
    logger.info("device: %s", device)
    return device
