"""A masked language model that fills in the answer to a question about a text (the report's BERT).

A label's word may be several tokens long: it is asked for with as many masks, and its score is the mean log-likelihood
of its tokens there, after Schick and Schütze (2021, arXiv 2009.07118). The report's own way, the arg-max over the
whole vocabulary at one mask, is kept beside it as :meth:`MaskedPromptClassifier.free_answers`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotion_kedro.learning.batches import by_length, pad
from emotion_kedro.learning.card import classifier_card
from emotion_kedro.learning.checkpoints import Checkpoints
from emotion_kedro.learning.classifiers import NOTES, Lesson
from emotion_kedro.learning.classifiers.lessons import (
    notes_of,
    open_tokenizer,
    plan_of,
    targets_of,
    trained_parameters,
    validation_of,
)
from emotion_kedro.learning.classifiers.prompt_files import read_prompt, write_prompt
from emotion_kedro.learning.classifiers.verbalisers import EMPTY_TEXTS, Verbalisers, label_probabilities
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.language_models import open_name
from emotion_kedro.learning.masked_cards import FILLED
from emotion_kedro.learning.masked_language_models import head_of, open_masked
from emotion_kedro.learning.training import Task, TrainingLog, train
from emotion_kedro.options import ClassifierOptions, PromptOptions
from emotion_kedro.text.prompts import Prompt, prompt_for

if TYPE_CHECKING:
    import torch

INFERENCE_ROWS = 32


@dataclass
class MaskedPromptClassifier:
    """A masked language model with its tokenizer and its question."""

    model: Any
    tokenizer: Any
    labels: tuple[str, ...]
    prompt: Prompt
    max_tokens: int
    calibrate: bool
    notes: dict[str, Any]
    verbalisers: Verbalisers = field(init=False)
    before: list[int] = field(init=False)
    """Token ids of what stands before a text: the first special token and the question."""
    cue: list[int] = field(init=False)

    def __post_init__(self) -> None:
        self.verbalisers = Verbalisers.build(self.tokenizer, self.prompt, self.labels)
        question, self.cue = self._ids([self.prompt.question, self.prompt.answer])
        self.before = [self.tokenizer.cls_token_id, *question]
        self._check_length()

    def probabilities(self, texts: Sequence[str], *, device: Device) -> NDArray[np.float64]:
        """Return the probability of each label's word among the labels' words, shape (texts, labels)."""
        baseline = self.log_likelihoods(EMPTY_TEXTS, device=device) if self.calibrate else None
        likelihoods = self.log_likelihoods(texts, device=device)
        return label_probabilities(likelihoods, self.verbalisers.lengths, baseline=baseline)

    def log_likelihoods(self, texts: Sequence[str], *, device: Device) -> NDArray[np.float64]:
        """Return the summed log-probability of the tokens of each label's word, (texts, labels), in nats."""
        return self._read(texts, np.empty((len(texts), len(self.labels))), self.likelihoods_of, device)

    def free_answers(self, texts: Sequence[str], *, device: Device) -> NDArray[np.int64]:
        """Return the id of the most probable token of the whole vocabulary at one mask, (texts,): the report's way."""
        answers: NDArray[np.int64] = self._read(
            texts, np.empty(len(texts), dtype=np.int64), lambda batch: self.said(batch, 1)[:, 0].argmax(dim=1), device
        )
        return answers

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return the token ids up to where the masks are to come; of a text at most ``max_tokens`` are kept."""
        return [[*self.before, *ids[: self.max_tokens], *self.cue] for ids in self._ids(texts)]

    def batch(self, rows: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Return token ids and attention mask, each (rows, longest), still without ``[MASK]``."""
        ids, attention = pad(rows, padding=self.tokenizer.pad_token_id)
        return {"input_ids": ids, "attention_mask": attention}

    def likelihoods_of(self, batch: dict[str, Any]) -> torch.Tensor:
        """Return what :meth:`log_likelihoods` does, of a batch, (rows, labels), with its gradient.

        One pass for each number of tokens that a word may have: all words of that length share it.
        """
        import torch

        found: dict[int, torch.Tensor] = {}
        lengths = self.verbalisers.lengths
        for count in sorted(set(lengths.tolist())):
            labels = np.flatnonzero(lengths == count).tolist()
            said = self.said(batch, count)
            tokens = torch.tensor([self.verbalisers.tokens[label] for label in labels], device=said.device)
            likelihoods = said[:, torch.arange(count, device=said.device), tokens].sum(dim=-1)  # (rows, these labels)
            found |= dict(zip(labels, likelihoods.unbind(dim=1), strict=True))
        return torch.stack([found[label] for label in range(len(self.labels))], dim=1)

    def said(self, batch: dict[str, Any], masks: int) -> torch.Tensor:
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
        said: torch.Tensor = head_of(self.model)(hidden[rows, places]).float().log_softmax(dim=-1)
        return said

    def save(self, directory: Path) -> None:
        """Write weights, tokenizer, prompt, notes and a card."""
        self.model.save_pretrained(directory)
        self.tokenizer.save_pretrained(directory)
        write_prompt(directory, self.prompt, self.labels)
        (directory / NOTES).write_text(json.dumps(self.notes, indent=2), encoding="utf-8")
        card = classifier_card(self.labels, self.notes, usage=FILLED, tag="fill-mask")
        (directory / "README.md").write_text(card, encoding="utf-8")

    def _ids(self, texts: Sequence[str]) -> list[list[int]]:
        ids: list[list[int]] = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return ids

    def _read(self, texts: Sequence[str], result: Any, of: Callable[[dict[str, Any]], Any], device: Device) -> Any:
        """Fill ``result`` with what ``of`` makes of the texts, batch by batch."""
        import torch

        encoded = self.encode(texts)
        self.model.eval()
        with torch.inference_mode(), device.autocast():
            for rows in by_length(np.array([len(row) for row in encoded]), INFERENCE_ROWS):
                result[rows] = of(device.put(self.batch([encoded[row] for row in rows]))).cpu().numpy()
        return result

    def _check_length(self) -> None:
        room = getattr(self.model.config, "max_position_embeddings", None)
        longest = len(self.before) + self.max_tokens + len(self.cue) + int(self.verbalisers.lengths.max()) + 1
        if room is not None and longest > room:
            raise ValueError(
                f"question, text and masks take up to {longest} tokens, but the model has room for {room}; "
                f"lower max_tokens ({self.max_tokens}) by {longest - room}"
            )


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


def fit(
    lesson: Lesson, options: ClassifierOptions, device: Device, checkpoints: Checkpoints
) -> tuple[MaskedPromptClassifier, TrainingLog]:
    """Tune the masked model that ``options.base`` names to fill in the labels' words; 0 steps leave it as it is."""
    classifier = _untuned(lesson, options, device)
    groups = trained_parameters(classifier.model, options)
    encoded = classifier.encode(lesson.mix["text"].tolist())
    targets = targets_of(lesson.mix, lesson.labels)
    plan, rates = plan_of(lesson, options, np.array([len(row) for row in encoded]))

    def batch(rows: NDArray[np.int64]) -> dict[str, Any]:
        import torch

        return {**classifier.batch([encoded[row] for row in rows]), "labels": torch.from_numpy(targets[rows])}

    task = Task(
        name=f"{lesson.name} (seed {lesson.seed})",
        model=classifier.model,
        parameter_groups=groups,
        plan=plan,
        rates=rates,
        batch=batch,
        loss=lambda rows: loss_of(classifier, rows),
        validation_loss=validation_of(classifier, lesson, device),
    )
    log = train(task, options.training, device=device, checkpoints=checkpoints, seed=lesson.seed)
    classifier.notes["log"] = log.as_dict()
    return classifier, log


def loss_of(classifier: MaskedPromptClassifier, batch: dict[str, Any]) -> Any:
    """Return the mean cross-entropy of the tokens of each row's own word at its masks, in nats, a scalar.

    Where words differ in length the number of masks gives a word away: a model that saw each text with the masks of
    its own word alone would learn to count. Then each text is asked with every number of masks, and the cross-entropy
    of its label among all labels, as they are scored, is added.
    """
    import torch

    likelihoods, labels = classifier.likelihoods_of(batch), batch["labels"]
    lengths = torch.from_numpy(classifier.verbalisers.lengths).to(labels.device)
    own = likelihoods.gather(1, labels[:, None]).squeeze(1)
    answer = -own.sum() / lengths[labels].sum()
    if len(set(classifier.verbalisers.lengths.tolist())) == 1:
        return answer
    return answer + torch.nn.functional.cross_entropy(likelihoods / lengths, labels)


def _untuned(lesson: Lesson, options: ClassifierOptions, device: Device) -> MaskedPromptClassifier:
    prompt = options.prompt or PromptOptions()
    model, _ = open_masked(options.base, device)
    tokenizer = open_tokenizer(open_name(options.base), options)
    notes = {**notes_of(lesson, options), "prompt": prompt.model_dump()}
    if options.lexicon is not None:
        from emotion_kedro.learning.lexicon import keep_whole
        from emotion_kedro.text.lexicon import lexicon_words

        # Before the labels' words are cut into tokens: they may be among the words that are kept whole.
        words = lexicon_words(lesson.mix, lesson.labels, options.lexicon)
        notes["lexicon"] = keep_whole(model, tokenizer, words).as_dict()
    return MaskedPromptClassifier(
        model=model,
        tokenizer=tokenizer,
        labels=lesson.labels,
        prompt=prompt_for(lesson.labels, prompt.template),
        max_tokens=options.max_tokens,
        calibrate=prompt.calibrate,
        notes=notes,
    )


def load(directory: Path, device: Device) -> MaskedPromptClassifier:
    """Open a saved classifier."""
    from transformers import AutoTokenizer

    notes = json.loads((directory / NOTES).read_text(encoding="utf-8"))
    model, _ = open_masked(str(directory), device)
    return MaskedPromptClassifier(
        model=model,
        tokenizer=AutoTokenizer.from_pretrained(directory),
        labels=tuple(notes["labels"]),
        prompt=read_prompt(directory),
        max_tokens=notes["max_tokens"],
        calibrate=notes["prompt"]["calibrate"],
        notes=notes,
    )
