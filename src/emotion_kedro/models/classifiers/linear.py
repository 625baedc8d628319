"""A logistic regression on frozen features: scikit-learn's, with its weights as JSON and safetensors."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from emotion_kedro.cache import Cache
from emotion_kedro.config.models import FeatureConfig, LinearConfig
from emotion_kedro.models.cards import LINEAR, classifier_card
from emotion_kedro.models.classifiers import NOTES, TrainingSet
from emotion_kedro.models.classifiers.fitting import log_loss, notes_of, targets_of
from emotion_kedro.models.device import Device
from emotion_kedro.models.features import TfidfFeatures, open_features
from emotion_kedro.models.training import TrainingLog

WEIGHTS, VOCABULARY = "model.safetensors", "vocabulary.json"
ITERATIONS = 1000
NEVER = -30.0
"""Logit of a label without training rows: a probability of about 1e-13."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """What a fit leaves: ``softmax(features @ weights.T + bias)`` are the probabilities."""

    weights: Floats
    """(labels, width)."""
    bias: Floats
    """(labels,)."""

    def probabilities(self, features: Any) -> Floats:
        """Return softmax probabilities, (rows, labels), of dense or sparse features, (rows, width)."""
        logits = np.asarray(features @ self.weights.T, dtype=np.float64) + self.bias
        odds: Floats = np.exp(logits - logits.max(axis=1, keepdims=True))
        return odds / odds.sum(axis=1, keepdims=True)


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

        Without validation rows the strongest penalty is taken: it comes closest to telling labels apart by their class
        means. The same rows give the same classifier, whatever the seed.
        """
        started = time.perf_counter()
        config, labels = learner.features, training_set.labels
        texts = training_set.rows["text"].tolist()
        features: Any = (
            TfidfFeatures.fit(config, texts) if config.kind == "tfidf" else open_features(config, cache, device)
        )
        validation = training_set.validation
        checked = None if validation.empty else features(validation["text"].tolist())
        fits = _fit_all(
            features(texts),
            targets_of(training_set.rows, labels),
            training_set.rows["weight"].to_numpy(dtype=np.float64),
            labels=len(labels),
            penalties=learner.penalties,
        )
        losses = [
            np.nan if checked is None else log_loss(fit.layer.probabilities(checked), targets_of(validation, labels))
            for fit in fits
        ]
        chosen = 0 if checked is None else int(np.argmin(losses))
        fit = fits[chosen]
        entry = {"step": float(fit.steps), "train": fit.loss}
        if checked is not None:
            entry["validation"] = losses[chosen]
        seconds = time.perf_counter() - started
        log = TrainingLog(training_set.name, str(device), fit.steps, len(texts), seconds=seconds, losses=[entry])
        notes = {**notes_of(training_set, learner), "features": config.model_dump(), "penalty": fit.penalty}
        return cls(fit.layer, features, labels, {**notes, "log": log.as_dict()}), log

    @classmethod
    def load(cls, directory: Path, device: Device) -> LinearClassifier:
        """Open a saved classifier; an encoder that its features need is not in the directory."""
        from safetensors.numpy import load_file

        notes = json.loads((directory / NOTES).read_text(encoding="utf-8"))
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
        (directory / NOTES).write_text(json.dumps(self.notes, indent=2), encoding="utf-8")
        (directory / "README.md").write_text(classifier_card(self.labels, self.notes, usage=LINEAR), encoding="utf-8")


@dataclass(frozen=True)
class _Fit:
    penalty: float
    layer: Layer
    steps: int
    loss: float
    """Mean log loss of the train rows, by weight."""


def _fit_all(
    features: Any, targets: NDArray[np.int64], weights: Floats, *, labels: int, penalties: Sequence[float]
) -> list[_Fit]:
    """Return a fit for every penalty, the strongest first; each starts from the one before it.

    Args:
        features: dense or sparse, (rows, width).
        targets: class index of each row, (rows,).
        weights: what each row counts in the loss, (rows,).
        labels: how many there are; some may have no row.
        penalties: against the mean loss of a row.
    """
    from sklearn.linear_model import LogisticRegression

    present = np.unique(targets)
    ordered = sorted(set(penalties), reverse=True)
    if len(present) == 1:
        empty = _layer(np.zeros((1, features.shape[1])), np.zeros(1), present, labels)
        return [_Fit(ordered[0], empty, 0, 0.0)]
    model = LogisticRegression(max_iter=ITERATIONS, warm_start=True)
    fits = []
    for penalty in ordered:
        model.set_params(C=1.0 / (penalty * weights.sum()))
        model.fit(features, targets, sample_weight=weights)
        layer = _layer(model.coef_, model.intercept_, present, labels)
        losses = -np.log(np.clip(layer.probabilities(features)[np.arange(len(targets)), targets], 1e-12, None))
        loss = float(np.average(losses, weights=weights))
        fits.append(_Fit(penalty, layer, int(np.max(model.n_iter_)), loss))
    return fits


def _layer(coefficients: Any, intercepts: Any, present: NDArray[np.int64], labels: int) -> Layer:
    """Return a row for each label: scikit-learn has one for both of two, and none for a label without rows."""
    if len(present) == 2 and len(coefficients) == 1:
        coefficients, intercepts = (np.concatenate([-values / 2, values / 2]) for values in (coefficients, intercepts))
    weights, bias = np.zeros((labels, coefficients.shape[1])), np.full(labels, NEVER)
    weights[present], bias[present] = coefficients, intercepts
    return Layer(weights, bias)
