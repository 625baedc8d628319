"""Classifiers: several kinds behind one small interface.

A kind is a class with :meth:`Classifier.probabilities`, :meth:`Classifier.save` and the class methods ``fit`` and
``load``; :data:`emotion_kedro.config.models.LEARNERS` is the one place where a new kind is entered.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from emotion_kedro.config.base import CLASSIFIER_NOTES
from emotion_kedro.config.models import LEARNERS, LearnerConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.models.device import Device
from emotion_kedro.models.training import TrainingLog
from emotion_kedro.storage.cache import Cache

if TYPE_CHECKING:
    import pandas as pd  # it takes half a second, and nobody who predicts needs it

logger = logging.getLogger(__name__)


class Classifier(Protocol):
    """A fitted classifier. Prompted kinds also have ``answered(texts, *, device)``: probabilities and free answers.

    Kinds whose parameters have ``temperature`` also have ``scale(temperature)``, which divides the logits: in the
    weights themselves, so that they are saved so.
    """

    labels: tuple[str, ...]
    notes: dict[str, Any]
    """What stands in ``classifier.json``."""

    def probabilities(self, texts: Sequence[str], *, device: Device) -> np.ndarray:
        """Return a probability per label, shape (texts, labels), rows adding up to 1."""

    def save(self, directory: Path) -> None:
        """Write a directory that ``transformers`` opens without this package, if it is made of a pretrained model."""


@dataclass(frozen=True)
class TrainingSet:
    """What a classifier is fitted on."""

    rows: pd.DataFrame
    """``text``, ``label``, ``origin`` (``real`` or ``added``), ``weight`` above 0, and ``phase``: rows of -1 come
    before those of 0, rows of 1 after them, at a lower rate. Missing: all are ``real``, of equal weight, of phase 0."""
    validation: pd.DataFrame
    """``text`` and ``label`` of the rows on which the loss is watched; may be empty."""
    taxonomy: TaxonomyConfig
    name: str
    seed: int

    def __post_init__(self) -> None:
        usual: dict[str, Any] = {"origin": "real", "weight": 1.0, "phase": 0}
        missing = {name: value for name, value in usual.items() if name not in self.rows}
        object.__setattr__(self, "rows", self.rows.assign(**missing).reset_index(drop=True))

    @property
    def labels(self) -> tuple[str, ...]:
        """The taxonomy's labels, in the order of probabilities."""
        return self.taxonomy.names


def fit_classifier(
    training_set: TrainingSet, learner: LearnerConfig, device: Device, cache: Cache
) -> tuple[Classifier, TrainingLog]:
    """Fit a classifier of the kind that the learner names; goes on from a checkpoint in the cache if there is one.

    Where rows differ in weight, a tuned model sees rows drawn in proportion to it, and a linear one weighs its loss.
    A label without training rows (a generator that failed) is a warning: the classifier never learns to say it.

    Raises:
        ValueError: if there are no rows, or one has a label of another taxonomy.
    """
    _check(training_set)
    missing = sorted(set(training_set.labels) - set(training_set.rows["label"]))
    if missing:
        logger.warning("%s: no training rows for %s", training_set.name, ", ".join(missing))
    fitted: tuple[Classifier, TrainingLog] = LEARNERS[learner.kind].load().fit(training_set, learner, device, cache)
    if getattr(learner, "temperature", False):
        _calibrate(fitted[0], training_set, device)
    return fitted


def _calibrate(classifier: Any, training_set: TrainingSet, device: Device) -> None:
    """Scale the classifier by the temperature that its validation rows choose, and note it; without rows by none."""
    from emotion_kedro.metrics.calibration import fit_temperature, with_temperature
    from emotion_kedro.models.classifiers.fitting import log_loss, targets_of

    validation = training_set.validation
    notes: dict[str, Any] = {"temperature": 1.0, "validation_rows": len(validation)}
    if len(validation):
        given = classifier.probabilities(validation["text"].tolist(), device=device)
        targets = targets_of(validation, training_set.labels)
        temperature = fit_temperature(given, targets)
        classifier.scale(temperature)
        scaled = with_temperature(given, temperature)
        notes |= {
            "temperature": temperature,
            "loss_before": log_loss(given, targets),
            "loss": log_loss(scaled, targets),
        }
    classifier.notes["calibration"] = notes


def temperature_of(classifier: Classifier) -> float:
    """Return what the classifier's logits were divided by after it was fitted; 1 where they were not."""
    notes: dict[str, Any] = getattr(classifier, "notes", {})
    return float(notes.get("calibration", {}).get("temperature", 1.0))


def load_classifier(directory: Path, device: Device) -> Classifier:
    """Open a saved classifier of any kind."""
    notes: dict[str, Any] = json.loads((directory / CLASSIFIER_NOTES).read_text(encoding="utf-8"))
    classifier: Classifier = LEARNERS[notes["kind"]].load().load(directory, device)
    return classifier


def _check(training_set: TrainingSet) -> None:
    rows, name = training_set.rows, training_set.name
    if rows.empty:
        raise ValueError(f"{name}: there are no texts to train on")
    for part in (rows, training_set.validation):
        foreign = sorted(set(part["label"]) - set(training_set.labels))
        if foreign:
            raise ValueError(f"{name}: rows with {', '.join(foreign)}, which the taxonomy does not have")
