"""The one place that knows where tensors live."""

from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    import torch

logger = logging.getLogger(__name__)

Item = TypeVar("Item")
Result = TypeVar("Result")

MOST = 4
"""Jobs at once: each may hold a model of its own."""
OPENING = threading.RLock()
"""Held while a model is opened or made: ``transformers`` does so with global state, and initial values are drawn from
the one random state of the process."""


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

    @property
    def arithmetic(self) -> str:
        """What results depend on: its kind, and its precision where that is not fp32."""
        return f"{self.kind} bf16" if self.half else self.kind

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
        return {name: self._moved(tensor) for name, tensor in batch.items()}

    def _moved(self, tensor: torch.Tensor) -> torch.Tensor:
        if tensor.device.type == self.kind:
            return tensor
        if self.kind == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self.place, non_blocking=True)

    def seed(self, seed: int) -> None:
        """Seed the random numbers of torch on every device.

        Threads share them: while one holds :data:`OPENING`, to draw what it seeded for, the others wait.
        """
        import torch

        with OPENING:
            torch.manual_seed(seed)


def multiple_for(model: Any) -> int:
    """Return what the tokens of a batch are padded to a multiple of: 8 off the CPU, so that there are few shapes."""
    return 1 if model.device.type == "cpu" else 8


def unread_mask(model: Any, mask: torch.Tensor, *, causal: bool) -> torch.Tensor | None:
    """Return the attention mask that a model is to be given, so that nothing waits for what is in it.

    ``transformers`` looks into a mask of two dimensions to find out whether it can do without: on a GPU the host waits
    for that in each step. One of four dimensions is taken as it is. On a CPU looking costs nothing, and doing without
    is faster: a causal model needs no mask where padding is on the right, as no text sees what comes after it.

    Args:
        model: of ``transformers``.
        mask: 1 where there is a token, (rows, tokens).
        causal: whether each token sees those before it only.
    """
    import torch

    if mask.is_cpu or model.config._attn_implementation != "sdpa":
        return None if causal else mask
    rows, tokens = mask.shape
    if causal:
        triangle = torch.ones(tokens, tokens, dtype=torch.bool, device=mask.device).tril()
        return triangle.expand(rows, 1, tokens, tokens)
    return mask.bool()[:, None, None, :].expand(rows, 1, tokens, tokens)


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


# --- several models at once ---------------------------------------------------------------------------------------


def side_by_side(function: Callable[[Item], Result], items: Sequence[Item], device: Device) -> list[Result]:
    """Return what the function makes of each item, in their order; on a CPU in threads that share its cores.

    There two jobs of one thread each take less time than one of two threads, twice.

    The function must draw no random number from the state that all threads share. The first error is raised as soon as
    it occurs; threads that are still at work end with the program.
    """
    import torch

    cores = torch.get_num_threads()
    workers = min(MOST, cores, len(items)) if device.kind == "cpu" else 1
    if workers < 2:
        return [function(item) for item in items]
    # Threads take the next place from one iterator, which hands each out once.
    places = iter(range(len(items)))
    done: SimpleQueue[tuple[int, Any, BaseException | None]] = SimpleQueue()

    def work() -> None:
        for place in places:
            try:
                done.put((place, function(items[place]), None))
            except BaseException as error:
                done.put((place, None, error))

    torch.set_num_threads(cores // workers)
    try:
        for _ in range(workers):
            threading.Thread(target=work, daemon=True).start()
        return _collected(len(items), done)
    finally:
        # An error leaves the rest undone.
        for _ in places:
            pass
        torch.set_num_threads(cores)


def _collected(count: int, done: Any) -> list[Any]:
    results: dict[int, Any] = {}
    while len(results) < count:
        place, result, error = done.get()
        if error is not None:
            raise error
        results[place] = result
    return [results[place] for place in range(count)]
