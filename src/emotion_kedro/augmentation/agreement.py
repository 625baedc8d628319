"""The classifier that reads candidates and unlabelled text: it learns from the real rows of a draw alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.leak_guard import LeakGuard
from emotion_kedro.models.device import Device
from emotion_kedro.storage.cache import Cache

if TYPE_CHECKING:
    import pandas as pd

    from emotion_kedro.models.classifiers import Classifier


def fit_agreement_classifier(
    rows: pd.DataFrame,
    validation: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    learner: Any,
    *,
    seed: int,
    guard: LeakGuard,
    device: Device,
    cache: Cache,
    place: str,
) -> Classifier:
    """Fit the classifier on the real rows of a draw, ``record_id, text, label`` and ``group`` where there is one.

    Penalties and losses are watched on the validation rows; ``place`` is what it is, for messages.

    Raises:
        LeakError: if a held-out row is among them.
    """
    from emotion_kedro.models.classifiers import TrainingSet, fit_classifier

    guard.assert_disjoint(rows, f"the rows of {place}")
    texts = rows[["text", "label"]].reset_index(drop=True)
    training_set = TrainingSet(texts, validation[["text", "label"]].reset_index(drop=True), taxonomy, place, seed)
    classifier, _ = fit_classifier(training_set, learner, device, cache)
    return classifier
