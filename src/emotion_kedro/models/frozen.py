"""What the frozen part of a model makes of a text is computed once, and kept.

Where only the upper blocks of a model are trained, the hidden states that reach the lowest of them are the same in
every step: they depend on the text alone, as long as nothing below is trained and no dropout is drawn there. So they
are computed at the first need, in evaluation mode and without gradients, and each step runs the upper blocks alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_kedro.models.device import Device
from emotion_kedro.models.training import by_length
from emotion_kedro.storage.identity import fingerprint

if TYPE_CHECKING:
    import torch

    from emotion_kedro.models.training.loop import Batch

    Row = bytes  # the token ids of a text, as the bytes of an int64 array
    RunBlocks = Callable[[Sequence[Sequence[int]]], None]

logger = logging.getLogger(__name__)

STATES_BYTES = 2**30
"""What is kept, of all models together. A text for which there is no room is computed at each visit."""
ROWS = 32
LEAST_ROWS = 8
"""Kernels for fewer rows round differently: states would depend on the batch that they were computed in."""


@dataclass
class Memory:
    """States by model and text, in fp32, where the model is; at most ``limit`` bytes.

    Another model's states make room, the oldest first; those of the same model never do.
    """

    limit: int = STATES_BYTES
    kept: dict[str, dict[Row, torch.Tensor]] = field(default_factory=dict)
    used: int = 0
    full: str | None = None
    """The model that found no room."""
    lock: threading.RLock = field(default_factory=threading.RLock, repr=False)
    """Labels are tuned side by side, on the same frozen blocks."""

    def of(self, model: str) -> dict[Row, torch.Tensor]:
        """Return what is kept of a model, which counts as its latest use."""
        with self.lock:
            self.kept[model] = self.kept.pop(model, {})
            return self.kept[model]

    def add(self, model: str, row: Row, states: torch.Tensor) -> bool:
        """Keep the states of a row, (tokens, width); False if there is no room."""
        with self.lock:
            of_model = self.of(model)
            while self.used + states.nbytes > self.limit and len(self.kept) > 1:
                self.used -= sum(old.nbytes for old in self.kept.pop(next(iter(self.kept))).values())
            if self.used + states.nbytes > self.limit:
                self.full = model
                return False
            of_model[row] = states
            self.used += states.nbytes
            return True

    def clear(self) -> None:
        """Forget everything."""
        with self.lock:
            self.kept, self.used, self.full = {}, 0, None


MEMORY = Memory()
"""Shared by all fits of a process: the generators of all labels stand on the same frozen blocks."""


class _Reached(Exception):  # noqa: N818 - it stops a forward pass, and is no error
    def __init__(self, states: torch.Tensor) -> None:
        super().__init__()
        self.states = states


@dataclass(frozen=True)
class FrozenPart:
    """The part of a model below its lowest trained block, as :meth:`of` finds it."""

    run: RunBlocks
    device: Device
    lowest: Any
    """The lowest trained block."""
    blocks: tuple[Any, ...]
    """Those below it."""
    modules: tuple[Any, ...]
    """All modules that are through when ``lowest`` begins: blocks, embeddings, dropout."""
    others_returned: int | None
    """How many values a block returns beside the states; None where it returns the states themselves."""
    identity: str

    @classmethod
    def of(
        cls, model: Any, blocks: Sequence[Any], run: RunBlocks, row: Sequence[int], device: Device
    ) -> FrozenPart | None:
        """Return the frozen part; None if there is none, or something in it is trained.

        Args:
            model: of ``transformers``, with or without adapters.
            blocks: its transformer blocks, lowest first.
            run: takes token ids of some texts, and runs the model on them.
            row: token ids of any text: the model is tried out on it.
            device: where the model is.
        """
        trained = [any(value.requires_grad for value in block.parameters()) for block in blocks]
        if True not in trained[1:] or trained[0]:
            return None
        depth = trained.index(True)
        through: list[Any] = []
        outputs: list[Any] = []
        model.eval()
        with contextlib.ExitStack() as hooks:
            for module in model.modules():
                hooks.callback(module.register_forward_hook(lambda module, *_: through.append(module)).remove)
            hooks.callback(blocks[0].register_forward_hook(lambda *given: outputs.append(given[-1])).remove)
            states = _reaching(blocks[depth], run, [row] * LEAST_ROWS)
        # With gradients on, the states tell whether a trained parameter has a part in them.
        if states.requires_grad:
            return None
        others = len(outputs[0]) - 1 if isinstance(outputs[0], tuple) else None
        name = fingerprint(str(device), _without_name(model.config), depth, _hash_of(through))
        return cls(run, device, blocks[depth], tuple(blocks[:depth]), tuple(through), others, name)

    def states(self, rows: Sequence[Row], upcoming: Callable[[], Sequence[Row]]) -> torch.Tensor:
        """Return the states of rows, (rows, longest, width), zero where a row has ended.

        Args:
            rows: texts.
            upcoming: texts that will be asked for. Once one is missing all are computed, in full batches.
        """
        from torch.nn.utils.rnn import pad_sequence

        kept = MEMORY.of(self.identity)
        if not kept.keys() >= set(rows) and self.identity != MEMORY.full:
            self._keep(sorted({*rows, *upcoming()} - kept.keys()))
        missing = dict(self._computed(sorted(set(rows) - kept.keys())))
        return pad_sequence([kept[row] if row in kept else missing[row] for row in rows], batch_first=True)

    def _keep(self, rows: list[Row]) -> None:
        for row, states in self._computed(rows):
            if not MEMORY.add(self.identity, row, states):
                logger.info("no room to keep the hidden states of all texts; some are computed at each visit")
                return

    def _computed(self, rows: list[Row]) -> Iterator[tuple[Row, torch.Tensor]]:
        import torch

        for module in self.modules:
            module.eval()
        encoded = [np.frombuffer(row, dtype=np.int64) for row in rows]
        for chosen in by_length(encoded, ROWS):
            filled = chosen if len(chosen) >= LEAST_ROWS else np.resize(chosen, LEAST_ROWS)
            with torch.no_grad(), self.device.autocast():
                states = _reaching(self.lowest, self.run, [encoded[row].tolist() for row in filled]).float()
            for place, row in enumerate(chosen):
                yield rows[row], states[place, : len(encoded[row])].clone()

    @contextlib.contextmanager
    def replaced(self, states: torch.Tensor) -> Iterator[None]:
        """Let a forward pass go past the blocks below, and begin with ``states`` in the lowest trained one."""

        def begin(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> tuple[tuple[Any, ...], dict[str, Any]]:
            return ((states, *given[1:]), named) if given else (given, {**named, "hidden_states": states})

        handle = self.lowest.register_forward_pre_hook(begin, with_kwargs=True)
        for block in self.blocks:
            block.forward = self._go_past
        try:
            yield
        finally:
            handle.remove()
            for block in self.blocks:
                del block.forward

    def _go_past(self, *given: Any, **named: Any) -> Any:
        states = given[0] if given else named["hidden_states"]
        return states if self.others_returned is None else (states, *[None] * self.others_returned)


@dataclass(frozen=True)
class KeptStates:
    """Batches that bring the states of the frozen part along, and losses that use them; nothing where ``part`` is None.

    A batch is made on the host, where looking at its tokens costs nothing; on a GPU the states are there already.
    """

    part: FrozenPart | None = None
    rows: Callable[[], list[Row]] = list
    """All texts that there will be batches of."""

    @classmethod
    def of(
        cls,
        model: Any,
        run: RunBlocks | None,
        encoded: Sequence[Sequence[int]],
        plan: Sequence[np.ndarray],
        device: Device,
        validation: Sequence[Sequence[int]] = (),
    ) -> KeptStates:
        """Return what is kept of a model in a training run; nothing without ``run`` or a frozen part.

        Args:
            model: of ``transformers``, in which the parameters that are trained require a gradient.
            run: see :class:`FrozenPart`.
            encoded: token ids of the texts to train on.
            plan: numbers of the texts in each batch.
            device: where the model is.
            validation: token ids of further texts.
        """
        if run is None or not plan:
            return cls()

        def rows() -> list[Row]:
            visited = np.unique(np.concatenate(plan))
            return [_row(tokens) for tokens in (*(encoded[row] for row in visited), *validation)]

        return cls(FrozenPart.of(model, blocks_of(model), run, encoded[plan[0][0]], device), rows)

    @property
    def modules(self) -> tuple[Any, ...]:
        """The frozen modules: they stay in evaluation mode."""
        return () if self.part is None else self.part.modules

    def batch(self, batch: Batch) -> Batch:
        """Return a batch with ``states``, (rows, longest, width); it has ``input_ids`` and ``attention_mask``."""
        import torch

        if self.part is None:
            return batch
        ids, lengths = batch["input_ids"].numpy(), batch["attention_mask"].numpy().sum(axis=1)
        rows = [_row(tokens[:length]) for tokens, length in zip(ids, lengths, strict=True)]
        states = self.part.states(rows, self.rows)
        return {**batch, "states": torch.nn.functional.pad(states, (0, 0, 0, ids.shape[1] - states.shape[1]))}

    def loss(self, loss: Callable[[Batch], torch.Tensor]) -> Callable[[Batch], torch.Tensor]:
        """Return the same loss, for batches with ``states``."""
        part = self.part
        if part is None:
            return loss

        def of_states(batch: Batch) -> torch.Tensor:
            rest = dict(batch)
            with part.replaced(rest.pop("states")):
                return loss(rest)

        return of_states


def blocks_of(model: Any) -> Any:
    """Return the transformer blocks of a model, lowest first: its longest list of modules."""
    import torch

    lists = [module for module in model.modules() if isinstance(module, torch.nn.ModuleList)]
    return max(lists, key=len)


def _row(tokens: Sequence[int] | np.ndarray) -> Row:
    return np.asarray(tokens, dtype=np.int64).tobytes()


def _reaching(block: Any, run: RunBlocks, rows: Sequence[Sequence[int]]) -> torch.Tensor:
    """Return the hidden states that reach a block; the forward pass goes no further."""

    def stop(_: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        raise _Reached(given[0] if given else named["hidden_states"])

    handle = block.register_forward_pre_hook(stop, with_kwargs=True)
    try:
        run(rows)
    except _Reached as reached:
        return reached.states
    finally:
        handle.remove()
    raise ValueError(f"the forward pass does not come to {type(block).__name__}")


def _without_name(config: Any) -> dict[str, Any]:
    return {name: str(value) for name, value in config.to_dict().items() if name != "_name_or_path"}


def _hash_of(modules: Sequence[Any]) -> str:
    """Return a hash of all that the modules compute with."""
    digest = hashlib.sha256()
    tensors = {id(value): value for module in modules for value in (*module.parameters(), *module.buffers())}
    for value in tensors.values():
        digest.update(value.detach().cpu().contiguous().numpy())
    return digest.hexdigest()
