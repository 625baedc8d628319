"""Tables of runs: what was predicted, what that took, which model was chosen."""

from __future__ import annotations

from typing import Any

import pandera.pandas as pa
from pandera.typing import Series

from emotion_kedro.config.base import PROBABILITY_PREFIX
from emotion_kedro.schemas.base import Table

PROBABILITIES = f"^{PROBABILITY_PREFIX}.+$"


class OfDesign(Table):
    """Base: an arm and learner at a size."""

    experiment: Series[str]
    arm: Series[str]
    learner: Series[str]
    size: Series[int] = pa.Field(ge=0)


class Predictions(OfDesign):
    """A probability per label for each test row of each run (arm, learner, size, data seed, training seed).

    Those for validation rows are in a table of their own, by which a model is chosen and which nothing else reads.
    """

    data_seed: Series[int]
    seed: Series[int]
    record_id: Series[str]
    source: Series[str]
    label: Series[str]
    predicted: Series[str]
    """The label read; empty where a free answer named none."""
    probabilities: Series[float] = pa.Field(alias=PROBABILITIES, regex=True, ge=0.0, le=1.0)


class Runs(OfDesign):
    """One row for each run: what it was trained on, and what that took."""

    data_seed: Series[int]
    seed: Series[int]
    train_rows: Series[int] = pa.Field(ge=0)
    added_rows: Series[int] = pa.Field(ge=0)
    steps: Series[int] = pa.Field(ge=0)
    validation_loss: Series[float] = pa.Field(nullable=True)
    """Log loss of the validation rows, in nats, by the classifier as it is saved: after calibration."""
    temperature: Series[float] = pa.Field(gt=0.0)
    """What the logits were divided by; 1: nothing was changed."""
    seconds: Series[float]
    device: Series[str]


class Choices(Table):
    """An arm that may be recommended: the run whose classifier is kept, and what the validation rows say of the arm.

    It is made without a look at any test row.
    """

    arm: Series[str] = pa.Field(unique=True)
    learner: Series[str]
    size: Series[int] = pa.Field(ge=0)
    data_seed: Series[int]
    seed: Series[int]
    validation_rows: Series[int] = pa.Field(ge=0)
    validation_loss: Series[float] = pa.Field(nullable=True)
    """Mean over the arm's runs, after calibration."""
    runs: Series[int] = pa.Field(ge=1)
    temperature: Series[float] = pa.Field(gt=0.0)
    threshold: Series[float] = pa.Field(nullable=True, ge=0.0, le=1.0)
    """The smallest probability from which on validation rows are answered as accurately as asked; NaN: none is."""
    chosen: Series[bool]

    @pa.dataframe_check(error="not exactly one arm is chosen")
    def one_is_chosen(cls, table: Any) -> bool:  # noqa: N805
        """There is one recommended model."""
        return bool(table["chosen"].sum() == 1)


class Recommendation(Choices):
    """The same arms with what their kept classifiers do on the test rows, and intervals over these rows."""

    test_rows: Series[int] = pa.Field(ge=1)
    answered: Series[float] = pa.Field(nullable=True)
    """Share of the test rows whose likeliest label has at least the probability ``threshold``."""
    answered_low: Series[float] = pa.Field(nullable=True)
    answered_high: Series[float] = pa.Field(nullable=True)
    answered_accuracy: Series[float] = pa.Field(nullable=True)
    answered_accuracy_low: Series[float] = pa.Field(nullable=True)
    answered_accuracy_high: Series[float] = pa.Field(nullable=True)
    ece: Series[float] = pa.Field(nullable=True)
    ece_before: Series[float] = pa.Field(nullable=True)
    """Before the temperature."""


class TrainingCurves(Table):
    """What a training wrote down of its losses: a row for each look at them."""

    model: Series[str]
    """``classifier NAME`` or ``generator NAME``."""
    part: Series[str]
    """Of a generator with a model for each label: the label; else empty."""
    step: Series[float]
    train: Series[float] = pa.Field(nullable=True)
    """Mean training loss since the look before, in nats."""
    validation: Series[float] = pa.Field(nullable=True)
