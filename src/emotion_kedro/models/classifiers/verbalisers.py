"""Classifiers that ask a language model: from what it says of the labels' words to a probability per label."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from emotion_kedro.config.base import CLASSIFIER_NOTES
from emotion_kedro.models.cards import classifier_card
from emotion_kedro.models.device import Device
from emotion_kedro.models.prompts import Prompt

EMPTY_TEXTS = ("", "N/A", "[MASK]")
"""Texts without content, whose mean answer is what contextual calibration divides by (Zhao et al. 2021)."""


@dataclass(frozen=True)
class Verbalisers:
    """The labels' words as token ids, a list for each label; words may be several tokens long."""

    tokens: tuple[tuple[int, ...], ...]

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each word, (labels,)."""
        return np.array([len(ids) for ids in self.tokens])

    @classmethod
    def build(cls, tokenizer: Any, prompt: Prompt) -> Verbalisers:
        """Tokenise each word with what stands before it in the prompt (GPT-2's tokens carry the space before them).

        Raises:
            ValueError: if a word has no token, has an unknown one, or two labels have the same tokens.
        """
        words = [prompt.separator + word for word in prompt.words.values()]
        tokens = tuple(tuple(ids) for ids in tokenizer(words, add_special_tokens=False)["input_ids"])
        unknown = tokenizer.unk_token_id
        wrong = [
            word
            for word, ids in zip(words, tokens, strict=True)
            # GPT-2's unknown token is the one that ends a text; no word holds that either.
            if not ids or (unknown is not None and unknown in ids)
        ]
        if wrong:
            raise ValueError(
                f"the tokenizer has no tokens for {', '.join(map(repr, wrong))}; take others in the taxonomy"
            )
        if len(set(tokens)) < len(tokens):
            raise ValueError(f"two of the words {', '.join(words)} have the same tokens; take others in the taxonomy")
        return cls(tokens)

    def named(self, answers: Sequence[int], labels: Sequence[str]) -> list[str]:
        """Return the label that each answered token id begins the word of; empty where it is none's, or several'."""
        first = [word[0] for word in self.tokens]
        counts = Counter(first)
        names = {token: label for token, label in zip(first, labels, strict=True) if counts[token] == 1}
        return [names.get(answer, "") for answer in answers]


@dataclass
class PromptedClassifier(ABC):
    """A language model with its tokenizer and its question, whatever the kind of the model."""

    model: Any
    tokenizer: Any
    prompt: Prompt
    max_tokens: int
    calibrate: bool
    notes: dict[str, Any]
    labels: tuple[str, ...] = field(init=False)
    verbalisers: Verbalisers = field(init=False)
    cue: list[int] = field(init=False)
    """Token ids of what stands behind a text."""

    def __post_init__(self) -> None:
        self.labels = self.prompt.labels
        self.verbalisers = Verbalisers.build(self.tokenizer, self.prompt)

    @abstractmethod
    def log_likelihoods(self, texts: Sequence[str], *, device: Device) -> NDArray[np.float64]:
        """Return the summed log-probability of the tokens of each label's word, (texts, labels), in nats."""

    def probabilities(self, texts: Sequence[str], *, device: Device) -> NDArray[np.float64]:
        """Return the probability of each label's word among the labels' words, shape (texts, labels)."""
        baseline = self.log_likelihoods(EMPTY_TEXTS, device=device) if self.calibrate else None
        likelihoods = self.log_likelihoods(texts, device=device)
        return label_probabilities(likelihoods, self.verbalisers.lengths, baseline=baseline)

    @classmethod
    def _opened(cls, model: Any, directory: Path, **more: Any) -> Self:
        """Return the classifier of a model beside which :meth:`_save_beside` has written the rest."""
        from transformers import AutoTokenizer

        notes = json.loads((directory / CLASSIFIER_NOTES).read_text(encoding="utf-8"))
        tokenizer = AutoTokenizer.from_pretrained(directory)
        return cls(model, tokenizer, Prompt.read(directory), notes["max_tokens"], notes["calibrate"], notes, **more)

    def _save_beside(self, directory: Path, *, usage: str, tag: str) -> None:
        """Write tokenizer, prompt, notes and a card."""
        self.tokenizer.save_pretrained(directory)
        self.prompt.write(directory)
        (directory / CLASSIFIER_NOTES).write_text(json.dumps(self.notes, indent=2), encoding="utf-8")
        card = classifier_card(self.labels, self.notes, usage=usage, tag=tag)
        (directory / "README.md").write_text(card, encoding="utf-8")

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        ids: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return ids

    def _assert_room(self, before: Sequence[int]) -> None:
        """Raise a ValueError where a text of ``max_tokens``, and all around it, are more tokens than the model takes.

        Args:
            before: token ids of what stands before a text.
        """
        room = getattr(self.model.config, "max_position_embeddings", None)
        longest = len(before) + self.max_tokens + len(self.cue) + int(self.verbalisers.lengths.max()) + 1
        if room is not None and longest > room:
            raise ValueError(
                f"question, text and answer take up to {longest} tokens, but the model has room for {room}; "
                f"lower max_tokens ({self.max_tokens}) by {longest - room}"
            )


def label_probabilities(
    log_likelihoods: NDArray[np.float64],
    lengths: NDArray[np.int64],
    *,
    baseline: NDArray[np.float64] | None = None,
) -> NDArray[np.float64]:
    """Return a probability per label, shape (texts, labels), rows adding up to 1.

    Args:
        log_likelihoods: summed log-probability of the tokens of each label's word, (texts, labels), in nats.
        lengths: tokens of each word, (labels,); a word's score is its mean log-probability per token, so that labels
            of several tokens are not punished for their length.
        baseline: the same sums for texts without content, (texts, labels); their mean probabilities are divided out:
            contextual calibration (Zhao et al. 2021, arXiv 2102.09690) with a diagonal matrix.
    """
    scores = log_likelihoods / lengths
    if baseline is not None:
        scores = scores - np.log(softmax(baseline / lengths, axis=1).mean(axis=0))
    return softmax(scores, axis=1)
