"""A causal language model that answers a question about a text (the report's first system, scored by label words).

The model reads a prompt, and a label's score is the log-likelihood of its word as the answer, after Brown et
al. (2020, arXiv 2005.14165). The report's own way, the arg-max over the whole vocabulary, is kept beside it as
:meth:`CausalLMClassifier.answered`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotion_kedro.config.models import CausalLMConfig
from emotion_kedro.models.cards import PROMPTED, UNCHANGED
from emotion_kedro.models.classifiers import TrainingSet
from emotion_kedro.models.classifiers.fitting import notes_of, tune
from emotion_kedro.models.classifiers.prompted import PromptedClassifier
from emotion_kedro.models.classifiers.question_cache import IGNORED, Reading, answer_loss, read_question
from emotion_kedro.models.device import Device
from emotion_kedro.models.language_models import (
    LanguageModel,
    Reference,
    load_language_model,
    open_name,
    reference_in,
    resolve,
)
from emotion_kedro.models.prompts import Prompt
from emotion_kedro.models.tokenizers import open_tokenizer
from emotion_kedro.models.training import TrainingLog, pad
from emotion_kedro.storage.cache import Cache

if TYPE_CHECKING:
    import torch


@dataclass
class CausalLMClassifier(PromptedClassifier):
    """A causal model with its tokenizer and its question."""

    reference: str | None = None
    """Name of the base, of a model whose weights are still those of it: they are not saved a second time."""
    question: list[int] = field(init=False)
    """Token ids of the question, without the spaces at its end: those belong to the first token of the text."""
    boundary: int = field(init=False)
    """The token id that ends a text. Kept: finding it takes the tokenizer's whole vocabulary."""

    def __post_init__(self) -> None:
        self.boundary = LanguageModel(self.model, self.tokenizer).boundary
        super().__post_init__()
        self.question, self.cue = self._ids([self.prompt.question.rstrip(" "), self.prompt.answer])
        self._assert_room(self.question)

    @classmethod
    def fit(
        cls, training_set: TrainingSet, learner: CausalLMConfig, device: Device, cache: Cache
    ) -> tuple[CausalLMClassifier, TrainingLog]:
        """Tune the causal model that ``learner.base`` names to answer with the labels' words, or leave it as it is."""
        classifier = _untuned(training_set, learner, device)
        full = learner.prompt_loss == "full"
        log = tune(
            *(classifier, training_set, learner, device, cache),
            batch=lambda rows, targets: labelled(classifier, rows, answers_of(classifier, targets), full=full),
            loss=lambda batch: loss_of(classifier, batch, full=full),
        )
        classifier.reference = learner.base if log.steps == 0 else None
        return classifier, log

    @classmethod
    def load(cls, directory: Path, device: Device) -> CausalLMClassifier:
        """Open a saved classifier."""
        model = load_language_model(resolve(directory), device).model
        return cls._opened(model, directory, reference=reference_in(directory))

    def reader(self) -> Callable[[dict[str, Any]], Reading]:
        """Return what reads a batch; the question is read once for all of them."""
        question = read_question(self.model, self.question)
        return lambda batch: Reading(self.model, question, batch["input_ids"], batch["attention_mask"])

    def likelihoods_of(self, read: Reading) -> torch.Tensor:
        """Return the summed log-probability of the tokens of each label's word, (rows, labels), in nats."""
        import torch

        return torch.stack([read.log_likelihood(word) for word in self.verbalisers.tokens], dim=1)

    def likeliest_of(self, read: Reading) -> torch.Tensor:
        """Return the most probable next token of the whole vocabulary, (rows,)."""
        return read.following.argmax(dim=1)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids of what follows the question: the text, cut to ``max_tokens``, and the cue."""
        gap = self.prompt.question[len(self.prompt.question.rstrip(" ")) :]
        return [[*ids[: self.max_tokens], *self.cue] for ids in self._ids([gap + text for text in texts])]

    def batch(self, rows: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Return token ids and attention mask, each (rows, longest)."""
        ids, mask = pad(rows, padding=self.boundary)
        return {"input_ids": ids, "attention_mask": mask}

    def save(self, directory: Path) -> None:
        """Write weights (or what they are those of), tokenizer, prompt, notes and a card."""
        if self.reference is None:
            self.model.save_pretrained(directory)
        else:
            Reference(self.reference).save(directory)
        usage = PROMPTED if self.reference is None else UNCHANGED
        self._save_beside(directory, usage=usage, tag="text-generation")


def answers_of(classifier: CausalLMClassifier, targets: NDArray[np.int64]) -> list[list[int]]:
    """Return the token ids of each row's answer: the label's word, and the boundary that ends the text."""
    return [[*classifier.verbalisers.tokens[target], classifier.boundary] for target in targets]


def labelled(
    classifier: CausalLMClassifier, prompted: list[list[int]], answers: list[list[int]], *, full: bool
) -> dict[str, Any]:
    """Return a batch for :func:`loss_of`: ``input_ids``, ``attention_mask``, ``labels``, each (rows, longest).

    ``full``: with the question, and every token is a target (the report's way). Else without it, and the answer alone
    is. A position that is no target has the label :data:`IGNORED`.
    """
    before = [[*classifier.question, *row] for row in prompted] if full else prompted
    batch = classifier.batch([[*row, *answer] for row, answer in zip(before, answers, strict=True)])
    labels = batch["input_ids"].masked_fill(batch["attention_mask"] == 0, IGNORED)
    if not full:
        for row, ids in enumerate(prompted):
            labels[row, : len(ids)] = IGNORED
    return {**batch, "labels": labels}


def loss_of(classifier: CausalLMClassifier, batch: dict[str, Any], *, full: bool) -> Any:
    """Return the mean cross-entropy of a batch's targets, in nats a token, a scalar."""
    if full:
        return classifier.model(**batch, use_cache=False).loss
    return answer_loss(classifier.model, classifier.question, batch)


def _untuned(training_set: TrainingSet, learner: CausalLMConfig, device: Device) -> CausalLMClassifier:
    name = open_name(learner.base)
    return CausalLMClassifier(
        model=load_language_model(name, device).model,
        tokenizer=open_tokenizer(name, max_tokens=learner.max_tokens),
        prompt=Prompt.of(training_set.taxonomy),
        max_tokens=learner.max_tokens,
        calibrate=learner.calibrate,
        notes={
            **notes_of(training_set, learner),
            "calibrate": learner.calibrate,
            "prompt_loss": learner.prompt_loss,
        },
    )
