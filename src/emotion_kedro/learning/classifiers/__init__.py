"""Classifiers: several kinds behind one small interface.

A kind is a class with :meth:`Classifier.probabilities` and :meth:`Classifier.save`, a ``fit`` function and a ``load``
function; :data:`KINDS` is the one place where a new kind is entered.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd

from emotion_kedro.learning.checkpoints import Checkpoints
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.training import TrainingLog
from emotion_kedro.options import AugmentationOptions, ClassifierOptions

logger = logging.getLogger(__name__)


class Classifier(Protocol):
    """A fitted classifier."""

    labels: tuple[str, ...]

    def probabilities(self, texts: Sequence[str], *, device: Device) -> np.ndarray:
        """Return a probability per label, shape (texts, labels), rows adding up to 1."""

    def save(self, directory: Path) -> None:
        """Write a directory that ``transformers`` opens without this package."""


@dataclass(frozen=True)
class Lesson:
    """What a classifier is fitted on."""

    mix: pd.DataFrame
    """Training rows, schema :class:`emotion_kedro.schemas.Mix`."""
    validation: pd.DataFrame
    """Rows on which the loss is watched; may be empty."""
    labels: tuple[str, ...]
    name: str
    seed: int
    augmentation: AugmentationOptions


@dataclass(frozen=True)
class Kind:
    """How classifiers of one kind are fitted and opened again."""

    fit: Callable[[Lesson, ClassifierOptions, Device, Checkpoints], tuple[Classifier, TrainingLog]]
    load: Callable[[Path, Device], Classifier]


def kind_of(name: str) -> Kind:
    """Return the kind called ``name``; the module that holds it is imported only now."""
    return KINDS[name]()


def _encoder() -> Kind:
    from emotion_kedro.learning.classifiers import encoder

    return Kind(fit=encoder.fit, load=encoder.load)


def _masked_prompt() -> Kind:
    from emotion_kedro.learning.classifiers import masked_prompt

    return Kind(fit=masked_prompt.fit, load=masked_prompt.load)


def _causal_prompt() -> Kind:
    from emotion_kedro.learning.classifiers import causal_prompt

    return Kind(fit=causal_prompt.fit, load=causal_prompt.load)


KINDS: dict[str, Callable[[], Kind]] = {
    "encoder": _encoder,
    "masked_prompt": _masked_prompt,
    "causal_prompt": _causal_prompt,
}


def fit_classifier(
    lesson: Lesson, options: ClassifierOptions, *, device: Device, checkpoints: Checkpoints
) -> tuple[Classifier, TrainingLog]:
    """Fit a classifier of the kind that the options name.

    A label without training rows (a generator that failed) is a warning: the classifier never learns to say it.
    """
    missing = sorted(set(lesson.labels) - set(lesson.mix["label"]))
    if missing:
        logger.warning("%s: no training rows for %s", lesson.name, ", ".join(missing))
    return kind_of(options.kind).fit(lesson, options, device, checkpoints)


def load_classifier(directory: Path, device: Device) -> Classifier:
    """Open a saved classifier of any kind."""
    notes: dict[str, Any] = json.loads((directory / NOTES).read_text(encoding="utf-8"))
    return kind_of(notes["kind"]).load(directory, device)


NOTES = "classifier.json"
