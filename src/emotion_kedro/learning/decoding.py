"""Sampling from a causal language model that is asked, with guidance: away from what it would say without the label.

Requests of a batch may differ in length; each distinct one is read once, however many texts are drawn for it.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emotion_kedro.learning.device import Device
from emotion_kedro.learning.generators import nucleus
from emotion_kedro.options import DecodingOptions

if TYPE_CHECKING:
    import torch

COMPACT_BELOW = 0.75  # share of rows that still go on, below which those that have ended leave the batch


@dataclass(frozen=True)
class Request:
    """What a model is given to go on from: token ids, with the label and without."""

    ids: tuple[int, ...]
    neutral: tuple[int, ...] | None = None


def sample_answers(
    model: Any,
    requests: Sequence[Request],
    decoding: DecodingOptions,
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
        seed: the same seed draws the same answers.

    Returns:
        The token ids of each answer, without the token that ended it.

    Raises:
        ValueError: if there is guidance and a request without ``neutral``.
    """
    import torch

    sides = _sides(requests, guidance)
    device.seed(seed)
    model.eval()
    choose = nucleus(decoding.top_k, decoding.top_p, temperature=decoding.temperature)
    answers = _Answers(len(requests), frozenset(ends))
    with torch.inference_mode(), device.autocast():
        state = _State.read(model, [ids for side in sides for ids in side], device)
        for step in range(decoding.max_new_tokens):
            logits = _guided(state.logits.float(), answers.rows, guidance)
            if step < decoding.min_new_tokens:
                logits[:, list(ends)] = float("-inf")
            tokens = choose(None, logits).softmax(dim=-1).multinomial(1)[:, 0]
            going = answers.take(tokens.tolist())
            if not any(going) or step + 1 == decoding.max_new_tokens:
                break
            if sum(going) < COMPACT_BELOW * len(going):
                kept = torch.tensor([row for row, goes in enumerate(going) if goes])
                state.keep(torch.cat([kept + side * len(going) for side in range(len(sides))]))
                answers.keep(kept.tolist())
                tokens = tokens[kept.to(tokens.device)]
            state.go_on(model, tokens.repeat(len(sides)))
    return answers.texts


def _sides(requests: Sequence[Request], guidance: float) -> list[list[tuple[int, ...]]]:
    sides = [[request.ids for request in requests]]
    if guidance > 1:
        neutral = [request.neutral for request in requests if request.neutral is not None]
        if len(neutral) < len(requests):
            raise ValueError("guidance needs every request without its label too")
        sides.append(neutral)
    return sides


class _Answers:
    """The answers so far, and which of the batch's rows still go on with which."""

    def __init__(self, count: int, ends: frozenset[int]) -> None:
        self.texts: list[list[int]] = [[] for _ in range(count)]
        self._ends = ends
        self._text_of_row: list[int | None] = list(range(count))

    @property
    def rows(self) -> int:
        """Rows of the batch."""
        return len(self._text_of_row)

    def take(self, tokens: Sequence[int]) -> list[bool]:
        """Add the next token of each row; return which rows go on."""
        for row, token in enumerate(tokens):
            text = self._text_of_row[row]
            if text is not None and token in self._ends:
                self._text_of_row[row] = None
            elif text is not None:
                self.texts[text].append(token)
        return [text is not None for text in self._text_of_row]

    def keep(self, rows: Sequence[int]) -> None:
        """Let the other rows go."""
        self._text_of_row = [self._text_of_row[row] for row in rows]


def _guided(logits: torch.Tensor, rows: int, guidance: float) -> torch.Tensor:
    """Return log-probabilities (rows, vocabulary) from logits of one side, or of both, one below the other."""
    scores: torch.Tensor = logits.log_softmax(dim=-1)
    if len(scores) == rows:
        return scores
    with_label, without = scores[:rows], scores[rows:]
    return without + guidance * (with_label - without)


class _State:
    """Where the model stands in every row: keys and values, mask, and the logits of the next token."""

    def __init__(self, cache: Any, mask: torch.Tensor, logits: torch.Tensor) -> None:
        self.cache, self.mask, self.logits = cache, mask, logits

    @classmethod
    def read(cls, model: Any, rows: Sequence[Sequence[int]], device: Device) -> _State:
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
        out = model(**batch, use_cache=True, logits_to_keep=1)
        cache = _cache_in(out)
        number = {row: place for place, row in enumerate(distinct)}
        picked = torch.tensor([number[tuple(row)] for row in rows], device=device.place)
        cache.batch_select_indices(picked)
        return cls(cache, batch["attention_mask"][picked], out.logits[picked, -1])

    def keep(self, rows: torch.Tensor) -> None:
        """Let the other rows go."""
        rows = rows.to(self.mask.device)
        self.cache.batch_select_indices(rows)
        self.mask = self.mask[rows]

    def go_on(self, model: Any, tokens: torch.Tensor) -> None:
        """Read one more token in every row."""
        import torch

        self.mask = torch.cat([self.mask, torch.ones_like(self.mask[:, :1])], dim=1)
        out = model(
            input_ids=tokens[:, None].to(self.mask.device),
            attention_mask=self.mask,
            position_ids=_positions(self.mask)[:, -1:],
            use_cache=True,
            logits_to_keep=1,
            **{_cache_name(model): self.cache},
        )
        self.cache, self.logits = _cache_in(out), out.logits[:, -1]


def _cache_name(model: Any) -> str:
    """Return how this version of ``transformers`` calls the keys and values: it changed within a major version."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


def _cache_in(out: Any) -> Any:
    return out["cache"] if "cache" in out else out["past_key_values"]


def _positions(mask: torch.Tensor) -> torch.Tensor:
    """Number the tokens of each row from 0, padding on the left left out."""
    return (mask.cumsum(dim=-1) - 1).clamp(min=0)
