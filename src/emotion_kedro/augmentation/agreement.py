"""The classifier that reads candidates and unlabelled text: it learns from the real rows of a draw alone.

With ``template`` it learns the sentences that say the labels too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from emotion_kedro.augmentation.templates import template_texts
from emotion_kedro.config.filters import AgreementConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.leak_guard import LeakGuard
from emotion_kedro.models.device import Device
from emotion_kedro.storage.cache import Cache

if TYPE_CHECKING:
    from emotion_kedro.models.classifiers import Classifier


def agreement_rows(rows: pd.DataFrame, taxonomy: TaxonomyConfig, config: AgreementConfig) -> pd.DataFrame:
    """Return what the classifier learns from: ``record_id, text, label, origin, weight, phase``."""
    real = rows[["record_id", "text", "label"]].assign(origin="real", weight=1.0)
    if not config.template:
        return real.assign(phase=0).reset_index(drop=True)
    sentences = template_texts(taxonomy)
    share = config.template_weight / sentences["label"].map(sentences["label"].value_counts())
    added = sentences.assign(record_id="template:" + sentences["label"], origin="added", weight=share)
    return pd.concat([real, added], ignore_index=True).assign(phase=0)


def fit_agreement_classifier(
    rows: pd.DataFrame,
    validation: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    learner: Any,
    config: AgreementConfig,
    *,
    seed: int,
    guard: LeakGuard,
    device: Device,
    cache: Cache,
    place: str,
) -> Classifier:
    """Fit the classifier on the real rows of a draw.

    Args:
        rows: train rows, ``record_id, text, label`` and ``group`` where there is one.
        validation: rows on which penalties and losses are watched.
        taxonomy: the labels.
        learner: parameters of a classifier.
        config: whether it learns the template too.
        seed: of its initial values.
        guard: knows the held-out rows.
        device: where.
        cache: for features and checkpoints.
        place: what it is, for messages: "the rows of ..." is put before it.

    Raises:
        LeakError: if a held-out row is among them.
    """
    from emotion_kedro.models.classifiers import TrainingSet, fit_classifier

    guard.assert_disjoint(rows, f"the rows of {place}")
    training = agreement_rows(rows, taxonomy, config)
    guard.assert_disjoint(training["text"].tolist(), f"the training rows of {place}")
    training_set = TrainingSet(training, validation[["text", "label"]].reset_index(drop=True), taxonomy, place, seed)
    classifier, _ = fit_classifier(training_set, learner, device, cache)
    return classifier
