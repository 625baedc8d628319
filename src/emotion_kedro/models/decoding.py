"""Sampling from a causal language model, with or without guidance: away from what it would say without the label.

All generators draw here. Requests of a batch may differ in length; each distinct one is read once, however many texts
are drawn for it. ``generate`` of ``transformers`` would read every copy, take a second forward pass for each token
under guidance instead of a wider one, keep rows that have ended in the batch, draw from the whole vocabulary where k
tokens are left, and copy all keys and values for each new token.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emotion_kedro.config.training import DecodingConfig
from emotion_kedro.models.device import Device
from emotion_kedro.runtime.bars import bar

if TYPE_CHECKING:
    import torch

COMPACT_BELOW = 0.75  # share of rows that still go on, below which those that have ended leave the batch
CHUNK = 2048
"""Rows of the output layer that are multiplied at a time on a CPU: so many stay in its cache."""


@dataclass(frozen=True)
class Request:
    """What a model is given to go on from: token ids, with the label and without."""

    ids: tuple[int, ...]
    neutral: tuple[int, ...] | None = None


def sample_answers(
    model: Any,
    requests: Sequence[Request],
    decoding: DecodingConfig,
    *,
    guidance: float,
    ends: Sequence[int],
    device: Device,
    seed: int,
) -> list[list[int]]:
    """Draw one answer for each request; equal requests get different answers.

    With ``guidance`` g above 1 a token's log-probability is that under ``neutral`` plus g times what ``ids`` adds to
    it (classifier-free guidance, Sanchez et al. 2023, arXiv 2306.17806); both go through the model side by side.

    Args:
        model: a causal language model of ``transformers``.
        requests: one for each answer.
        decoding: lengths, temperature, top-k and top-p; its ``batch_size`` is the caller's business.
        guidance: 1 leaves ``neutral`` out of account.
        ends: token ids that end an answer.
        device: where.
        seed: the same seed draws the same answers, whatever other threads draw.

    Returns:
        The token ids of each answer, without the token that ended it. One of ``max_new_tokens`` was stopped there.

    Raises:
        ValueError: if there is guidance and a request without ``neutral``.
    """
    import torch

    passes = _passes(requests, guidance)
    random = torch.Generator(device.place).manual_seed(seed)
    model.eval()
    answers = _Answers(len(requests), decoding.max_new_tokens, ends, device)
    _multiply_in_chunks(model, device)
    watched = bar(f"drawing {len(requests)} texts, token by token", decoding.max_new_tokens)
    with torch.inference_mode(), device.autocast(), watched as show:
        state = _State.read(model, [ids for rows in passes for ids in rows], decoding.max_new_tokens, device)
        for step in range(decoding.max_new_tokens):
            logits = _guided(state.logits, answers.rows, guidance)
            if step < decoding.min_new_tokens:
                logits[:, answers.ends] = float("-inf")
            tokens = draw_tokens(logits, decoding, random)
            answers.take(step, tokens)
            show(step + 1)
            if step + 1 == decoding.max_new_tokens:
                break
            # Looking makes a GPU wait: it is asked now and then, a CPU each time.
            if (step + 1) % device.steps_between_looks == 0:
                going = answers.going()
                if not len(going):
                    break
                if len(going) < COMPACT_BELOW * answers.rows:
                    state.keep(torch.cat([going + number * answers.rows for number in range(len(passes))]))
                    answers.keep(going)
                    tokens = tokens[going]
            state.go_on(model, tokens.repeat(len(passes)))
    return answers.texts()


def draw_tokens(logits: torch.Tensor, decoding: DecodingConfig, random: torch.Generator) -> torch.Tensor:
    """Draw a token for each row of logits (rows, vocabulary); returns their ids (rows,).

    Nucleus sampling (Holtzman et al. 2020, arXiv 1904.09751) among the k likeliest tokens: sorting and drawing among k
    numbers instead of the whole vocabulary, which dominates the cost of sampling a small model.
    """
    values, indices = logits.topk(min(decoding.top_k, logits.shape[-1]), dim=-1)  # sorted, (rows, k)
    shares = (values.float() / decoding.temperature).softmax(dim=-1)
    before = shares.cumsum(dim=-1) - shares
    before[:, 0] = 0.0
    shares = shares.masked_fill(before >= decoding.top_p, 0.0)
    return indices.gather(-1, shares.multinomial(1, generator=random))[:, 0]


def _passes(requests: Sequence[Request], guidance: float) -> list[list[tuple[int, ...]]]:
    """Return the rows that go through the model side by side: with the label, and without it where that is needed."""
    passes = [[request.ids for request in requests]]
    if guidance > 1:
        neutral = [request.neutral for request in requests if request.neutral is not None]
        if len(neutral) < len(requests):
            raise ValueError("guidance needs every request without its label too")
        passes.append(neutral)
    return passes


def _guided(logits: torch.Tensor, rows: int, guidance: float) -> torch.Tensor:
    """Return logits (rows, vocabulary) from those of one pass, or of both, one below the other.

    Logits are log-probabilities but for a constant of each row, and so is what comes of them.
    """
    if len(logits) == rows:
        return logits
    with_label, without = logits[:rows], logits[rows:]
    return without + guidance * (with_label - without)


def _multiply_in_chunks(model: Any, device: Device) -> None:
    """Let a CPU multiply the output layer piece by piece: the weights of a large vocabulary fit into no cache."""
    import torch

    layer = model.get_output_embeddings()
    if device.kind != "cpu" or not isinstance(layer, torch.nn.Linear) or layer.bias is not None:
        return

    def forward(states: torch.Tensor) -> torch.Tensor:
        pieces = layer.weight.split(CHUNK)
        return torch.cat([torch.nn.functional.linear(states, piece) for piece in pieces], dim=-1)

    # Once and for good: the result is the same, and threads may share the model.
    layer.forward = forward


class _Answers:
    """The answers so far, on the device, and which of them the batch's rows go on with."""

    def __init__(self, count: int, longest: int, ends: Sequence[int], device: Device) -> None:
        import torch

        self.ends = torch.tensor(list(ends), dtype=torch.long, device=device.place)
        # What was never drawn counts as ended.
        self._tokens = torch.full((count, longest), -1, dtype=torch.long, device=device.place)
        self._text_of_row = torch.arange(count, device=device.place)
        self._ended = torch.zeros(count, dtype=torch.bool, device=device.place)

    @property
    def rows(self) -> int:
        """Rows of the batch."""
        return len(self._text_of_row)

    def take(self, step: int, tokens: torch.Tensor) -> None:
        """Add the next token of each row."""
        import torch

        self._tokens[self._text_of_row, step] = tokens
        self._ended |= torch.isin(tokens, self.ends)

    def going(self) -> torch.Tensor:
        """Return the numbers of the rows that go on."""
        return (~self._ended).nonzero()[:, 0]

    def keep(self, rows: torch.Tensor) -> None:
        """Let the other rows go."""
        self._text_of_row, self._ended = self._text_of_row[rows], self._ended[rows]

    def texts(self) -> list[list[int]]:
        """Return the tokens of each answer, up to the one that ended it."""
        ends = {-1, *self.ends.tolist()}
        return [up_to(row, ends) for row in self._tokens.tolist()]


def up_to(tokens: list[int], ends: set[int]) -> list[int]:
    """Return the tokens before the first that ends them."""
    return tokens[: next((place for place, token in enumerate(tokens) if token in ends), len(tokens))]


class _State:
    """Where the model stands in every row: keys and values, mask, and the logits of the next token."""

    def __init__(self, cache: Any, mask: torch.Tensor, logits: torch.Tensor) -> None:
        self.cache, self.mask, self.logits = cache, mask, logits

    @classmethod
    def read(cls, model: Any, rows: Sequence[Sequence[int]], further: int, device: Device) -> _State:
        """Read the distinct rows once, padded on the left, and give every row its own copy of the outcome."""
        import torch

        distinct = list(dict.fromkeys(tuple(row) for row in rows))
        longest = max(map(len, distinct))
        ids = torch.zeros((len(distinct), longest), dtype=torch.long)
        mask = torch.zeros_like(ids)
        for place, row in enumerate(distinct):
            ids[place, longest - len(row) :] = torch.tensor(row)
            mask[place, longest - len(row) :] = 1
        batch = device.put({"input_ids": ids, "attention_mask": mask, "position_ids": _positions(mask)})
        cache = _roomy_cache(model, longest + further)
        out = model(**batch, **{cache_argument(model): cache}, use_cache=True, logits_to_keep=1)
        number = {row: place for place, row in enumerate(distinct)}
        picked = torch.tensor([number[tuple(row)] for row in rows], device=device.place)
        cache.batch_select_indices(picked)
        return cls(cache, batch["attention_mask"][picked], out.logits[picked, -1])

    def keep(self, rows: torch.Tensor) -> None:
        """Let the other rows go."""
        self.cache.batch_select_indices(rows)
        self.mask = self.mask[rows]

    def go_on(self, model: Any, tokens: torch.Tensor) -> None:
        """Read one more token in every row."""
        import torch

        self.mask = torch.cat([self.mask, torch.ones_like(self.mask[:, :1])], dim=1)
        out = model(
            input_ids=tokens[:, None],
            attention_mask=self.mask,
            position_ids=_positions(self.mask)[:, -1:],
            use_cache=True,
            logits_to_keep=1,
            **{cache_argument(model): self.cache},
        )
        self.logits = out.logits[:, -1]


def _roomy_cache(model: Any, room: int) -> Any:
    """Return an empty cache of keys and values with room for so many tokens.

    The usual one makes all its tensors anew for each token, a fifth of the time of guided sampling.
    """
    from transformers.cache_utils import Cache, DynamicLayer

    class RoomyLayer(DynamicLayer):
        """Writes into tensors of which ``keys`` and ``values`` are the part that is filled."""

        def update(self, key_states: Any, value_states: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
            if not self.is_initialized:
                self.lazy_initialization(key_states, value_states)
                rows, heads, _, width = key_states.shape
                self.rooms = [states.new_empty(rows, heads, room, width) for states in (key_states, value_states)]
            start = self.get_seq_length()
            filled = start + key_states.shape[-2]
            for states, whole in zip((key_states, value_states), self.rooms, strict=True):
                whole[:, :, start:filled] = states
            self._fill(filled)
            return self.keys, self.values

        def batch_select_indices(self, indices: Any) -> None:
            filled = self.get_seq_length()
            # An index would copy the room that is still empty as well.
            chosen = [whole[:, :, :filled].index_select(0, indices) for whole in self.rooms]
            self.rooms = [states.new_empty(*states.shape[:2], room, states.shape[-1]) for states in chosen]
            for states, whole in zip(chosen, self.rooms, strict=True):
                whole[:, :, :filled] = states
            self._fill(filled)

        def _fill(self, filled: int) -> None:
            self.keys, self.values = (whole[:, :, :filled] for whole in self.rooms)

    return Cache(layers=[RoomyLayer() for _ in range(model.config.num_hidden_layers)])


def cache_argument(model: Any) -> str:
    """Return how this version of ``transformers`` calls the keys and values: it changed within a major version."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


def _positions(mask: torch.Tensor) -> torch.Tensor:
    """Number the tokens of each row from 0, padding on the left left out."""
    return (mask.cumsum(dim=-1) - 1).clamp(min=0)
