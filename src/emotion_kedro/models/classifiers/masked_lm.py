"""A masked language model that fills in the answer to a question about a text (the report's BERT).

A label's word may be several tokens long: it is asked for with as many masks, and its score is the mean log-likelihood
of its tokens there, after Schick and Schütze (2021, arXiv 2009.07118). The report's own way, the arg-max over the
whole vocabulary at one mask, is kept beside it by :meth:`MaskedLMClassifier.answered`.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_kedro.config.models import MaskedLMConfig
from emotion_kedro.data.lexicon import lexicon_words
from emotion_kedro.models.cards import FILLED
from emotion_kedro.models.classifiers import TrainingSet
from emotion_kedro.models.classifiers.fitting import notes_of, tune
from emotion_kedro.models.classifiers.prompted import PromptedClassifier
from emotion_kedro.models.device import Device
from emotion_kedro.models.masked_lms import head_of, open_masked
from emotion_kedro.models.prompts import Prompt
from emotion_kedro.models.tokenizers import keep_whole
from emotion_kedro.models.training import TrainingLog, pad
from emotion_kedro.storage.cache import Cache

if TYPE_CHECKING:
    import torch

    Scores = Callable[[int], torch.Tensor]
    """Number of masks -> log-probability of each token at each of them, (rows, masks, vocabulary), in nats."""


@dataclass
class MaskedLMClassifier(PromptedClassifier):
    """A masked language model with its tokenizer and its question."""

    before: list[int] = field(init=False)
    """Token ids of what stands before a text: the first special token and the question."""

    def __post_init__(self) -> None:
        super().__post_init__()
        question, self.cue = self._ids([self.prompt.question, self.prompt.answer])
        self.before = [self.tokenizer.cls_token_id, *question]
        self._assert_room(self.before)

    @classmethod
    def fit(
        cls, training_set: TrainingSet, learner: MaskedLMConfig, device: Device, cache: Cache
    ) -> tuple[MaskedLMClassifier, TrainingLog]:
        """Tune the masked model that ``learner.base`` names to fill in the labels' words; 0 steps leave it as it is."""
        classifier = _untuned(training_set, learner, device)

        log = tune(
            *(classifier, training_set, learner, device, cache),
            loss=lambda rows: loss_of(classifier, rows),
        )
        return classifier, log

    @classmethod
    def load(cls, directory: Path, device: Device) -> MaskedLMClassifier:
        """Open a saved classifier."""
        model, _ = open_masked(str(directory), device)
        return cls._opened(model, directory)

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids up to where the masks are to come; of a text at most ``max_tokens`` are kept."""
        return [[*self.before, *ids[: self.max_tokens], *self.cue] for ids in self._ids(texts)]

    def batch(self, rows: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Return token ids and attention mask, each (rows, longest), still without ``[MASK]``."""
        ids, attention = pad(rows, padding=self.tokenizer.pad_token_id)
        return {"input_ids": ids, "attention_mask": attention}

    def reader(self) -> Callable[[dict[str, Any]], Scores]:
        """Return what reads a batch: with each number of masks when it is first asked for."""
        return lambda batch: functools.cache(functools.partial(self.scores, batch))

    def likelihoods_of(self, read: Scores) -> torch.Tensor:
        """Return the summed log-probability of the tokens of each label's word, (rows, labels), in nats.

        With its gradient. One pass for each number of tokens that a word may have: all words of that length share it.
        """
        import torch

        columns: dict[int, torch.Tensor] = {}
        lengths = self.verbalisers.lengths
        for count in sorted(set(lengths.tolist())):
            labels = np.flatnonzero(lengths == count).tolist()
            scores = read(count)
            tokens = torch.tensor([self.verbalisers.tokens[label] for label in labels], device=scores.device)
            likelihoods = scores[:, torch.arange(count, device=scores.device), tokens].sum(
                dim=-1
            )  # (rows, these labels)
            columns |= dict(zip(labels, likelihoods.unbind(dim=1), strict=True))
        return torch.stack([columns[label] for label in range(len(self.labels))], dim=1)

    def likeliest_of(self, read: Scores) -> torch.Tensor:
        """Return the most probable token of the whole vocabulary at one mask, (rows,)."""
        return read(1)[:, 0].argmax(dim=1)

    def scores(self, batch: dict[str, Any], masks: int) -> torch.Tensor:
        """Return the log-probability of each token at each of so many masks, (rows, masks, vocabulary), in nats."""
        import torch

        ids, attention, places = with_masks(
            batch["input_ids"],
            batch["attention_mask"],
            masks,
            mask=self.tokenizer.mask_token_id,
            end=self.tokenizer.sep_token_id,
            padding=self.tokenizer.pad_token_id,
        )
        hidden = self.model.base_model(input_ids=ids, attention_mask=attention).last_hidden_state
        rows = torch.arange(len(ids), device=ids.device)[:, None]
        # The vocabulary is wide: only the masks go through the head.
        scores: torch.Tensor = head_of(self.model)(hidden[rows, places]).float().log_softmax(dim=-1)
        return scores

    def save(self, directory: Path) -> None:
        """Write weights, tokenizer, prompt, notes and a card."""
        self.model.save_pretrained(directory)
        self._save_beside(directory, usage=FILLED, tag="fill-mask")


def with_masks(
    ids: torch.Tensor, attention: torch.Tensor, masks: int, *, mask: int, end: int, padding: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Put masks and the last special token behind each row.

    Args:
        ids: token ids, (rows, longest), padded on the right.
        attention: 1 where there is a token, (rows, longest).
        masks: how many, the same for every row.
        mask: id of ``[MASK]``.
        end: id of ``[SEP]``.
        padding: id of ``[PAD]``.

    Returns:
        Ids and attention, (rows, longest + masks + 1), and the places of the masks, (rows, masks).
    """
    import torch

    more = (0, masks + 1)
    ids, attention = torch.nn.functional.pad(ids, more, value=padding), torch.nn.functional.pad(attention, more)
    places = attention.sum(dim=1, keepdim=True) + torch.arange(masks + 1, device=ids.device)
    ends = torch.tensor([mask] * masks + [end], device=ids.device).expand(len(ids), -1)
    return ids.scatter(1, places, ends), attention.scatter(1, places, 1), places[:, :masks]


def loss_of(classifier: MaskedLMClassifier, batch: dict[str, Any]) -> Any:
    """Return the mean cross-entropy of the tokens of each row's own word at its masks, in nats, a scalar.

    Where words differ in length the number of masks gives a word away: a model that saw each text with the masks of
    its own word alone would learn to count. Then each text is asked with every number of masks, and the cross-entropy
    of its label among all labels, as they are scored, is added.
    """
    import torch

    likelihoods, labels = classifier.likelihoods_of(classifier.reader()(batch)), batch["labels"]
    lengths = torch.from_numpy(classifier.verbalisers.lengths).to(labels.device)
    true = likelihoods.gather(1, labels[:, None]).squeeze(1)
    answer = -true.sum() / lengths[labels].sum()
    if len(set(classifier.verbalisers.lengths.tolist())) == 1:
        return answer
    return answer + torch.nn.functional.cross_entropy(likelihoods / lengths, labels)


def _untuned(training_set: TrainingSet, learner: MaskedLMConfig, device: Device) -> MaskedLMClassifier:
    model, tokenizer = open_masked(learner.base, device, max_tokens=learner.max_tokens)
    notes = {**notes_of(training_set, learner), "calibrate": learner.calibrate}
    if learner.lexicon is not None:
        # Before the labels' words are cut into tokens: they may be among the words that are kept whole.
        words = lexicon_words(training_set.rows, training_set.labels, learner.lexicon)
        notes["lexicon"] = keep_whole(model, tokenizer, words)
    prompt = Prompt.of(training_set.taxonomy)
    return MaskedLMClassifier(model, tokenizer, prompt, learner.max_tokens, learner.calibrate, notes)
