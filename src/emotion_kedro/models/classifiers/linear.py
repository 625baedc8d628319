"""A logistic regression on frozen features: scikit-learn's, with its weights as JSON and safetensors."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from emotion_kedro.config.base import CLASSIFIER_NOTES
from emotion_kedro.config.models import FeatureConfig, LinearConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.models.cards import LINEAR, classifier_card
from emotion_kedro.models.classifiers import TrainingSet
from emotion_kedro.models.classifiers.fitting import notes_of
from emotion_kedro.models.classifiers.logistic import Floats, Layer, best_fit
from emotion_kedro.models.device import Device
from emotion_kedro.models.features import TfidfFeatures, open_features
from emotion_kedro.models.training import TrainingLog
from emotion_kedro.storage.cache import Cache

WEIGHTS, VOCABULARY = "model.safetensors", "vocabulary.json"


@dataclass
class LinearClassifier:
    """A fitted logistic regression with its features."""

    layer: Layer
    features: Any
    labels: tuple[str, ...]
    notes: dict[str, Any]

    @classmethod
    def fit(
        cls, training_set: TrainingSet, learner: LinearConfig, device: Device, cache: Cache
    ) -> tuple[LinearClassifier, TrainingLog]:
        """Fit one regression for every penalty and keep that with the least log loss on the validation rows.

        The same rows give the same classifier, whatever the seed.
        """
        started = time.perf_counter()
        config = learner.features
        texts = training_set.rows["text"].tolist()
        features: Any = (
            TfidfFeatures.fit(config, texts) if config.kind == "tfidf" else open_features(config, cache, device)
        )
        blended = _label_embeddings(training_set.taxonomy, features) if learner.label_embeddings else None
        fit, entry = best_fit(training_set, features, learner.penalties, blended)
        seconds = time.perf_counter() - started
        log = TrainingLog(training_set.name, str(device), fit.steps, len(texts), seconds=seconds, losses=[entry])
        notes = {**notes_of(training_set, learner), "features": config.model_dump(), "penalty": fit.penalty}
        return cls(fit.layer, features, training_set.labels, {**notes, "log": log.as_dict()}), log

    @classmethod
    def load(cls, directory: Path, device: Device) -> LinearClassifier:
        """Open a saved classifier; an encoder that its features need is not in the directory."""
        from safetensors.numpy import load_file

        notes = json.loads((directory / CLASSIFIER_NOTES).read_text(encoding="utf-8"))
        tensors, config = load_file(directory / WEIGHTS), FeatureConfig.model_validate(notes["features"])
        features: Any
        if config.kind == "tfidf":
            vocabulary = json.loads((directory / VOCABULARY).read_text(encoding="utf-8"))
            features = TfidfFeatures(config, vocabulary, tensors["idf"])
        else:
            features = open_features(config, None, device)
        return cls(Layer(tensors["weights"], tensors["bias"]), features, tuple(notes["labels"]), notes)

    def probabilities(self, texts: Sequence[str], *, device: Device) -> Floats:
        """Return a probability per label, shape (texts, labels); an encoder stays on the device of the fit."""
        return self.layer.probabilities(self.features(list(texts)))

    def scale(self, temperature: float) -> None:
        """Divide the logits by a temperature: weights and bias."""
        self.layer = Layer(self.layer.weights / temperature, self.layer.bias / temperature)

    def save(self, directory: Path) -> None:
        """Write the weights, of TF-IDF its n-grams too, notes and a card."""
        from safetensors.numpy import save_file

        tensors: dict[str, Any] = {"weights": self.layer.weights, "bias": self.layer.bias}
        if isinstance(self.features, TfidfFeatures):
            tensors["idf"] = self.features.idf
            vocabulary = json.dumps(self.features.vocabulary, ensure_ascii=False)
            (directory / VOCABULARY).write_text(vocabulary, encoding="utf-8")
        save_file({name: np.ascontiguousarray(tensor) for name, tensor in tensors.items()}, directory / WEIGHTS)
        (directory / CLASSIFIER_NOTES).write_text(json.dumps(self.notes, indent=2), encoding="utf-8")
        (directory / "README.md").write_text(classifier_card(self.labels, self.notes, usage=LINEAR), encoding="utf-8")


def _label_embeddings(taxonomy: TaxonomyConfig, features: Any) -> Floats:
    """Return what the encoder makes of each label's words in the taxonomy's sentence, (labels, width).

    What all labels have in common is taken away, so that a row is what tells a label from the others; rows have
    length 1.
    """
    means = np.stack([features(taxonomy.sentences(label)).mean(axis=0) for label in taxonomy.names])
    apart = means - means.mean(axis=0)
    embeddings: Floats = apart / np.linalg.norm(apart, axis=1, keepdims=True).clip(min=1e-12)
    return embeddings
