"""A head on an encoder: the usual fine-tuning of BERT-like models (Devlin et al. 2019, arXiv 1810.04805)."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

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
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.language_models import open_name
from emotion_kedro.learning.lexicon import keep_whole
from emotion_kedro.learning.training import Task, TrainingLog, train
from emotion_kedro.options import ClassifierOptions
from emotion_kedro.text.lexicon import lexicon_words

INFERENCE_ROWS = 64


@dataclass
class EncoderClassifier:
    """A fitted encoder with its tokenizer."""

    model: Any
    tokenizer: Any
    labels: tuple[str, ...]
    max_tokens: int
    notes: dict[str, Any]

    def probabilities(self, texts: Sequence[str], *, device: Device) -> np.ndarray:
        """Return softmax probabilities, shape (texts, labels)."""
        import torch

        encoded = self.encode(texts)
        result = np.empty((len(texts), len(self.labels)))
        self.model.eval()
        with torch.inference_mode():
            for rows in by_length(np.array([len(row) for row in encoded]), INFERENCE_ROWS):
                batch = device.put(self.batch([encoded[row] for row in rows]))
                with device.autocast():
                    logits = self.model(**batch).logits
                result[rows] = logits.float().softmax(dim=-1).cpu().numpy()
        return result

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids, with the encoder's special tokens."""
        ids: list[list[int]] = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"]
        return ids

    def batch(self, rows: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Return token ids and attention mask, each (rows, longest)."""
        ids, mask = pad(rows, padding=self.tokenizer.pad_token_id)
        return {"input_ids": ids, "attention_mask": mask}

    def save(self, directory: Path) -> None:
        """Write weights, tokenizer, configuration with ``id2label``, notes and a card."""
        self.model.save_pretrained(directory)
        self.tokenizer.save_pretrained(directory)
        (directory / NOTES).write_text(json.dumps(self.notes, indent=2), encoding="utf-8")
        (directory / "README.md").write_text(classifier_card(self.labels, self.notes), encoding="utf-8")


def fit(
    lesson: Lesson, options: ClassifierOptions, device: Device, checkpoints: Checkpoints
) -> tuple[EncoderClassifier, TrainingLog]:
    """Fine-tune the encoder that ``options.base`` names."""
    classifier = _untrained(lesson, options, device)
    if options.lexicon is not None:
        words = lexicon_words(lesson.mix, lesson.labels, options.lexicon)
        classifier.notes["lexicon"] = keep_whole(classifier.model, classifier.tokenizer, words).as_dict()
    groups = trained_parameters(classifier.model, options)
    encoded = classifier.encode(lesson.mix["text"].tolist())
    targets = targets_of(lesson.mix, lesson.labels)
    plan, rates = plan_of(lesson, options, np.array([len(row) for row in encoded]))
    task = Task(
        name=f"{lesson.name} (seed {lesson.seed})",
        model=classifier.model,
        parameter_groups=groups,
        plan=plan,
        rates=rates,
        batch=lambda rows: _labelled(classifier, [encoded[row] for row in rows], targets[rows]),
        loss=lambda batch: classifier.model(**batch).loss,
        validation_loss=validation_of(classifier, lesson, device),
    )
    log = train(task, options.training, device=device, checkpoints=checkpoints, seed=lesson.seed)
    classifier.notes["log"] = log.as_dict()
    return classifier, log


def _untrained(lesson: Lesson, options: ClassifierOptions, device: Device) -> EncoderClassifier:
    import torch
    from transformers import AutoModelForSequenceClassification

    # The head is drawn at random: the seed decides it.
    device.seed(lesson.seed)
    name = open_name(options.base)
    model: Any
    model, loading = AutoModelForSequenceClassification.from_pretrained(
        name,
        output_loading_info=True,
        num_labels=len(lesson.labels),
        id2label=dict(enumerate(lesson.labels)),
        label2id={label: index for index, label in enumerate(lesson.labels)},
        dtype=torch.float32,
    )
    _check_loaded(model, loading["missing_keys"], options.base)
    tokenizer = open_tokenizer(name, options)
    model.config.pad_token_id = tokenizer.pad_token_id
    return EncoderClassifier(
        model.to(device.place), tokenizer, lesson.labels, options.max_tokens, notes_of(lesson, options)
    )


def _check_loaded(model: Any, missing: Collection[str], base: str) -> None:
    """Only the head may be new; an encoder whose own weights were not found would be trained from noise, silently."""
    body = sorted(key for key in missing if key.startswith(f"{model.base_model_prefix}.") and ".pooler." not in key)
    if body:
        raise ValueError(f"{base} lacks {len(body)} weights of its encoder, {body[0]} among them: it is not an encoder")


def _labelled(classifier: EncoderClassifier, rows: list[list[int]], targets: np.ndarray) -> dict[str, Any]:
    import torch

    return {**classifier.batch(rows), "labels": torch.from_numpy(targets)}


def load(directory: Path, device: Device) -> EncoderClassifier:
    """Open a saved encoder classifier."""
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    model: Any = AutoModelForSequenceClassification.from_pretrained(directory)
    notes = json.loads((directory / NOTES).read_text(encoding="utf-8"))
    labels = tuple(model.config.id2label[index] for index in range(model.config.num_labels))
    tokenizer = AutoTokenizer.from_pretrained(directory)
    return EncoderClassifier(model.to(device.place), tokenizer, labels, notes["max_tokens"], notes)
