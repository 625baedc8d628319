"""A head on an encoder: the usual fine-tuning of BERT-like models (Devlin et al. 2019, arXiv 1810.04805)."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_kedro.config.base import CLASSIFIER_NOTES
from emotion_kedro.config.models import EncoderConfig
from emotion_kedro.data.lexicon import lexicon_words
from emotion_kedro.models.cards import classifier_card
from emotion_kedro.models.classifiers import TrainingSet
from emotion_kedro.models.classifiers.fitting import notes_of, tune
from emotion_kedro.models.device import Device, multiple_for, unread_mask
from emotion_kedro.models.language_models import open_name
from emotion_kedro.models.tokenizers import keep_whole, open_tokenizer
from emotion_kedro.models.training import TrainingLog, by_length, pad
from emotion_kedro.storage.cache import Cache

if TYPE_CHECKING:
    import torch

INFERENCE_ROWS = 64


@dataclass
class EncoderClassifier:
    """A fitted encoder with its tokenizer."""

    model: Any
    tokenizer: Any
    labels: tuple[str, ...]
    max_tokens: int
    notes: dict[str, Any]

    @classmethod
    def fit(
        cls, training_set: TrainingSet, learner: EncoderConfig, device: Device, cache: Cache
    ) -> tuple[EncoderClassifier, TrainingLog]:
        """Fine-tune the encoder that ``learner.base`` names."""
        classifier = _untrained(training_set, learner, device)
        if learner.lexicon is not None:
            words = lexicon_words(training_set.rows, training_set.labels, learner.lexicon)
            classifier.notes["lexicon"] = keep_whole(classifier.model, classifier.tokenizer, words)

        log = tune(
            *(classifier, training_set, learner, device, cache),
            loss=lambda rows: loss_of(classifier, rows, learner.label_smoothing),
            run=lambda rows: classifier.outputs(device.put(classifier.batch(rows))),
        )
        return classifier, log

    @classmethod
    def load(cls, directory: Path, device: Device) -> EncoderClassifier:
        """Open a saved classifier."""
        from transformers import AutoModelForSequenceClassification, AutoTokenizer

        model: Any = AutoModelForSequenceClassification.from_pretrained(directory)
        notes = json.loads((directory / CLASSIFIER_NOTES).read_text(encoding="utf-8"))
        labels = tuple(model.config.id2label[index] for index in range(model.config.num_labels))
        tokenizer = AutoTokenizer.from_pretrained(directory)
        return cls(model.to(device.place), tokenizer, labels, notes["max_tokens"], notes)

    def probabilities(self, texts: Sequence[str], *, device: Device) -> np.ndarray:
        """Return softmax probabilities, shape (texts, labels)."""
        import torch

        encoded = self.encode(texts)
        result = np.empty((len(texts), len(self.labels)))
        self.model.eval()
        with torch.inference_mode():
            for rows in by_length(encoded, INFERENCE_ROWS):
                batch = device.put(self.batch([encoded[row] for row in rows]))
                with device.autocast():
                    logits = self.model(**batch).logits
                result[rows] = logits.float().softmax(dim=-1).cpu().numpy()
        return result

    def encode(self, texts: Sequence[str]) -> list[list[int]]:
        """Return each text's token ids, with the encoder's special tokens."""
        ids: list[list[int]] = self.tokenizer(list(texts), truncation=True, max_length=self.max_tokens)["input_ids"]
        return ids

    def outputs(self, batch: dict[str, Any]) -> Any:
        """Return what the model makes of a batch."""
        mask = unread_mask(self.model, batch["attention_mask"], causal=False)
        return self.model(**{**batch, "attention_mask": mask})

    def batch(self, rows: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Return token ids and attention mask, each (rows, longest)."""
        multiple, most = multiple_for(self.model), self.max_tokens
        ids, mask = pad(rows, padding=self.tokenizer.pad_token_id, multiple=multiple, most=most)
        return {"input_ids": ids, "attention_mask": mask}

    def scale(self, temperature: float) -> None:
        """Divide the logits by a temperature: weights and bias of the head's last layer."""
        import torch

        width = len(self.labels)
        layers = [part for part in self.model.modules() if isinstance(part, torch.nn.Linear)]
        last = [layer for layer in layers if layer.out_features == width][-1]
        with torch.no_grad():
            for parameter in last.parameters():
                parameter.div_(temperature)

    def save(self, directory: Path) -> None:
        """Write weights, tokenizer, configuration with ``id2label``, notes and a card."""
        self.model.save_pretrained(directory)
        self.tokenizer.model_max_length = self.max_tokens  # others who open it cut where it was cut here
        self.tokenizer.save_pretrained(directory)
        (directory / CLASSIFIER_NOTES).write_text(json.dumps(self.notes, indent=2), encoding="utf-8")
        (directory / "README.md").write_text(classifier_card(self.labels, self.notes), encoding="utf-8")


def loss_of(classifier: EncoderClassifier, batch: dict[str, Any], smoothing: float) -> torch.Tensor:
    """Return the mean cross-entropy of a batch with ``labels``, (rows,), of which the targets are smoothed."""
    from torch.nn.functional import cross_entropy

    texts = {name: value for name, value in batch.items() if name != "labels"}
    return cross_entropy(classifier.outputs(texts).logits, batch["labels"], label_smoothing=smoothing)


def _untrained(training_set: TrainingSet, learner: EncoderConfig, device: Device) -> EncoderClassifier:
    import torch
    from transformers import AutoModelForSequenceClassification

    # The head is drawn at random: the seed decides it.
    device.seed(training_set.seed)
    name, labels = open_name(learner.base), training_set.labels
    model: Any
    model, loading = AutoModelForSequenceClassification.from_pretrained(
        name,
        output_loading_info=True,
        num_labels=len(labels),
        id2label=dict(enumerate(labels)),
        label2id={label: index for index, label in enumerate(labels)},
        dtype=torch.float32,
    )
    _check_loaded(model, loading["missing_keys"], learner.base)
    tokenizer = open_tokenizer(name, max_tokens=learner.max_tokens)
    model.config.pad_token_id = tokenizer.pad_token_id
    # For whoever opens the model and trains it on: transformers chooses its loss by it.
    model.config.problem_type = "single_label_classification"
    notes = notes_of(training_set, learner)
    return EncoderClassifier(model.to(device.place), tokenizer, labels, learner.max_tokens, notes)


def _check_loaded(model: Any, missing: Collection[str], base: str) -> None:
    """Only the head may be new; an encoder whose own weights were not found would be trained from noise, silently."""
    body = sorted(key for key in missing if key.startswith(f"{model.base_model_prefix}.") and ".pooler." not in key)
    if body:
        raise ValueError(f"{base} lacks {len(body)} weights of its encoder, {body[0]} among them: it is not an encoder")
