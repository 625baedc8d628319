"""What the classifiers share that ask a language model: the question, the words' scores, opening, saving."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray

from emotion_kedro.config.base import CLASSIFIER_NOTES
from emotion_kedro.models.cards import classifier_card
from emotion_kedro.models.classifiers.verbalisers import Verbalisers, label_probabilities
from emotion_kedro.models.device import Device
from emotion_kedro.models.prompts import Prompt
from emotion_kedro.models.training import by_length
from emotion_kedro.runtime.bars import lines

if TYPE_CHECKING:
    import torch

INFERENCE_ROWS = 32
EMPTY_TEXTS = ("", "N/A", "[MASK]")
"""Texts without content, whose mean answer is what contextual calibration divides by (Zhao et al. 2021)."""


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
    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids that the model is given for each text; of a text at most ``max_tokens`` are kept."""

    @abstractmethod
    def batch(self, rows: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Return token ids and attention mask, each (rows, longest)."""

    @abstractmethod
    def reader(self) -> Callable[[dict[str, Any]], Any]:
        """Return what reads a batch once, for :meth:`likelihoods_of` and :meth:`likeliest_of`."""

    @abstractmethod
    def likelihoods_of(self, read: Any) -> torch.Tensor:
        """Return the summed log-probability of the tokens of each label's word, (rows, labels), in nats."""

    @abstractmethod
    def likeliest_of(self, read: Any) -> torch.Tensor:
        """Return the token of the whole vocabulary that is the most probable first one of an answer, (rows,)."""

    def log_likelihoods(self, texts: Sequence[str], *, device: Device) -> NDArray[np.float64]:
        """Return the summed log-probability of the tokens of each label's word, (texts, labels), in nats."""
        return self._read(texts, device, free=False)[0]

    def probabilities(self, texts: Sequence[str], *, device: Device) -> NDArray[np.float64]:
        """Return the probability of each label's word among the labels' words, shape (texts, labels)."""
        return self._among_labels(self.log_likelihoods(texts, device=device), device)

    def answered(self, texts: Sequence[str], *, device: Device) -> tuple[NDArray[np.float64], list[str]]:
        """Return what :meth:`probabilities` does and, of the same reading, the free answers.

        A free answer is the label whose word begins with the most probable token of the whole vocabulary; empty where
        it begins no label's word, or those of several. This is the report's way.
        """
        likelihoods, tokens = self._read(texts, device, free=True)
        return self._among_labels(likelihoods, device), self.verbalisers.named(tokens.tolist(), self.labels)

    def _among_labels(self, likelihoods: NDArray[np.float64], device: Device) -> NDArray[np.float64]:
        baseline = self.log_likelihoods(EMPTY_TEXTS, device=device) if self.calibrate else None
        return label_probabilities(likelihoods, self.verbalisers.lengths, baseline=baseline)

    def _read(
        self, texts: Sequence[str], device: Device, *, free: bool
    ) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the likelihoods of the labels' words, (texts, labels), and, if ``free``, the likeliest tokens."""
        import torch

        encoded = self.encode(texts)
        likelihoods, tokens = np.empty((len(texts), len(self.labels))), np.empty(len(texts), dtype=np.int64)
        self.model.eval()
        with torch.inference_mode(), device.autocast():
            reader, more = self.reader(), lines("answers to", len(encoded))
            for rows in by_length(encoded, INFERENCE_ROWS):
                read = reader(device.put(self.batch([encoded[row] for row in rows])))
                likelihoods[rows] = self.likelihoods_of(read).cpu().numpy()
                if free:
                    tokens[rows] = self.likeliest_of(read).cpu().numpy()
                more(len(rows))
        return likelihoods, tokens

    @classmethod
    def _opened(cls, model: Any, directory: Path, **more: Any) -> Self:
        """Return the classifier in a directory: the model, and what :meth:`_save_beside` wrote next to it."""
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
