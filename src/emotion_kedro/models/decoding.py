"""Sampling from a causal language model that is prompted, with guidance: away from what it would say without the label.

Requests of a batch may differ in length; each distinct one is read once, however many texts are drawn for it. That is
why ``generate`` with ``UnbatchedClassifierFreeGuidanceLogitsProcessor`` does not stand here: it reads every copy of a
request, passes no position ids (so that GPT-2 sees wrong ones in rows padded on the left), takes a second forward pass
for every token instead of a wider one, and keeps rows that have ended in the batch.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from emotion_kedro.config.augmentation import DecodingConfig
from emotion_kedro.models.device import Device

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
        seed: the same seed draws the same answers.

    Returns:
        The token ids of each answer, without the token that ended it.

    Raises:
        ValueError: if there is guidance and a request without ``neutral``.
    """
    import torch

    passes = _passes(requests, guidance)
    device.seed(seed)
    model.eval()
    choose = nucleus(decoding.top_k, decoding.top_p, temperature=decoding.temperature)
    answers = _Answers(len(requests), frozenset(ends))
    with torch.inference_mode(), device.autocast():
        state = _State.read(model, [ids for rows in passes for ids in rows], device)
        for step in range(decoding.max_new_tokens):
            logits = _guided(state.logits.float(), answers.rows, guidance)
            if step < decoding.min_new_tokens:
                logits[:, list(ends)] = float("-inf")
            tokens = choose(None, logits).softmax(dim=-1).multinomial(1)[:, 0]
            going = answers.take(tokens.tolist())
            if not any(going) or step + 1 == decoding.max_new_tokens:
                break
            if sum(going) < COMPACT_BELOW * len(going):
                rows = torch.tensor([row for row, goes in enumerate(going) if goes])
                state.keep(torch.cat([rows + number * len(going) for number in range(len(passes))]))
                answers.keep(rows.tolist())
                tokens = tokens[rows.to(tokens.device)]
            state.go_on(model, tokens.repeat(len(passes)))
    return answers.texts


def nucleus(top_k: int, top_p: float, *, temperature: float = 1.0) -> Any:
    """Return a logits processor that keeps the smallest set of tokens with probability ``top_p`` among the top k.

    Logits are divided by the temperature first, as is usual; ``generate`` would do so after processors of ours.

    Nucleus sampling (Holtzman et al. 2020, arXiv 1904.09751), restricted to the k likeliest tokens first: sorting k
    numbers instead of the whole vocabulary, which dominates the cost of sampling a small model.
    """
    import torch
    from transformers import LogitsProcessor

    class Nucleus(LogitsProcessor):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            values, indices = (scores / temperature).topk(min(top_k, scores.shape[-1]), dim=-1)  # sorted, (rows, k)
            before = values.softmax(dim=-1).cumsum(dim=-1).roll(1, dims=-1)
            before[:, 0] = 0.0
            values = values.masked_fill(before >= top_p, float("-inf"))
            return torch.full_like(scores, float("-inf")).scatter(-1, indices, values)

    return Nucleus()


def _passes(requests: Sequence[Request], guidance: float) -> list[list[tuple[int, ...]]]:
    """Return the rows that go through the model side by side: with the label, and without it where that is needed."""
    passes = [[request.ids for request in requests]]
    if guidance > 1:
        neutral = [request.neutral for request in requests if request.neutral is not None]
        if len(neutral) < len(requests):
            raise ValueError("guidance needs every request without its label too")
        passes.append(neutral)
    return passes


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
    """Return log-probabilities (rows, vocabulary) from the logits of one pass, or of both, one below the other."""
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
            **{cache_argument(model): self.cache},
        )
        self.cache, self.logits = _cache_in(out), out.logits[:, -1]


def cache_argument(model: Any) -> str:
    """Return how this version of ``transformers`` calls the keys and values: it changed within a major version."""
    return "cache" if "cache" in inspect.signature(model.forward).parameters else "past_key_values"


def _cache_in(out: Any) -> Any:
    return out["cache"] if "cache" in out else out["past_key_values"]


def _positions(mask: torch.Tensor) -> torch.Tensor:
    """Number the tokens of each row from 0, padding on the left left out."""
    return (mask.cumsum(dim=-1) - 1).clamp(min=0)
