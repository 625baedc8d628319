"""A causal model that reads many texts after one question: the question's keys and values are computed once.

Rows are padded on the right. Positions are given explicitly and padding is masked, so that every row is read as it
would be alone, whatever stands beside it.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from emotion_kedro.models.decoding import cache_argument

if TYPE_CHECKING:
    import torch

IGNORED = -100
"""Target of a position without a loss."""


def read_question(model: Any, question: Sequence[int]) -> Any:
    """Return the cache of keys and values of the question's token ids, for one row."""
    import torch
    from transformers import DynamicCache

    cache: Any = DynamicCache(config=model.config)
    ids = torch.tensor([list(question)], device=model.device)
    model(input_ids=ids, use_cache=True, logits_to_keep=1, **{cache_argument(model): cache})
    return cache


class Reading:
    """Rows that a model has read, each after the same question: what it would say next."""

    def __init__(self, model: Any, question: Any, ids: torch.Tensor, mask: torch.Tensor) -> None:
        """Read the rows.

        Args:
            model: a causal model.
            question: what :func:`read_question` returned; it stays as it is.
            ids: token ids of what follows the question, (rows, longest), padded on the right.
            mask: 1 where there is a token, 0 for padding, (rows, longest).
        """
        import torch

        rows, before = len(ids), question.get_seq_length()
        self.model = model
        self.cache = copy.deepcopy(question)
        self.cache.batch_repeat_interleave(rows)
        self.mask = _behind(mask.new_ones((rows, before)), mask)
        self.lengths = before + mask.sum(dim=1)
        # Logits are wide: they are computed only where some row ends.
        ends, place = torch.unique(mask.sum(dim=1) - 1, return_inverse=True)
        logits = self._forward(ids, before + torch.arange(ids.shape[1], device=ids.device)[None], logits_to_keep=ends)
        self.following = logits[torch.arange(rows, device=ids.device), place].float().log_softmax(dim=-1)
        """Log-probability of each token of the vocabulary as the next one, (rows, vocabulary), in nats."""

    def log_likelihood(self, word: Sequence[int]) -> torch.Tensor:
        """Return the summed log-probability of the word's tokens, (rows,), in nats."""
        import torch

        total = self.following[:, word[0]]
        if len(word) == 1:
            return total
        rows, more = len(total), len(word) - 1
        tokens = torch.tensor(list(word), device=total.device).expand(rows, -1)
        before, self.mask = self.mask, _behind(self.mask, self.mask.new_ones((rows, more)))
        positions = self.lengths[:, None] + torch.arange(more, device=total.device)
        scores = self._forward(tokens[:, :-1], positions).float().log_softmax(dim=-1)
        # The cache keeps what was just read; the next word must not see it.
        self.mask = _behind(before, before.new_zeros((rows, more)))
        return total + scores.gather(2, tokens[:, 1:, None]).squeeze(2).sum(dim=1)

    def _forward(self, ids: torch.Tensor, positions: torch.Tensor, **options: Any) -> torch.Tensor:
        logits: torch.Tensor = self.model(
            input_ids=ids,
            attention_mask=self.mask,
            position_ids=positions.expand(len(ids), -1),
            use_cache=True,
            **{cache_argument(self.model): self.cache},
            **options,
        ).logits
        return logits


def answer_loss(model: Any, question: Sequence[int], batch: dict[str, Any]) -> Any:
    """Return the mean cross-entropy of the targets that are not :data:`IGNORED`, in nats a token, a scalar.

    The question is read once for the whole batch, with its gradient: the loss and its gradient are those of reading
    it before every row. (Only a model's dropout is then the same for the question of all rows.)

    Args:
        model: a causal model.
        question: token ids of the question.
        batch: ``input_ids``, ``attention_mask`` and ``labels`` of what follows it, each (rows, longest).
    """
    import torch

    ids, mask = batch["input_ids"], batch["attention_mask"]
    cache = read_question(model, question)
    before = cache.get_seq_length()
    cache.batch_repeat_interleave(len(ids))
    targets = batch["labels"][:, 1:]
    predicted = (targets != IGNORED).any(dim=0).nonzero().squeeze(1)
    logits = model(
        input_ids=ids,
        attention_mask=_behind(mask.new_ones((len(ids), before)), mask),
        position_ids=(before + torch.arange(ids.shape[1], device=ids.device)).expand(len(ids), -1),
        use_cache=True,
        logits_to_keep=predicted,
        **{cache_argument(model): cache},
    ).logits
    return torch.nn.functional.cross_entropy(
        logits.float().flatten(0, 1), targets[:, predicted].flatten(), ignore_index=IGNORED
    )


def _behind(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    import torch

    return torch.cat([first, second], dim=1)
