"""Tables of what came out: predictions, runs, and the figures made of them."""

from __future__ import annotations

from typing import Any

import pandera.pandas as pa
from pandera.typing import Series

from emotion_kedro.schemas.rows import PROBABILITIES, Table


class OfDesign(Table):
    """Base: an arm and learner at a size."""

    experiment: Series[str]
    arm: Series[str]
    learner: Series[str]
    size: Series[int] = pa.Field(ge=0)


class OfPair(Table):
    """Base: ``first`` minus ``second``, of two arms or two learners."""

    experiment: Series[str]
    first: Series[str]
    second: Series[str]
    learner: Series[str]
    size: Series[int]


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


class Scores(OfDesign):
    """A metric of an arm and learner at a size, with its interval over test rows, data seeds and training seeds.

    ``source`` is ``all``, or one of those that ``score_by: [source]`` asks for.
    """

    source: Series[str]
    metric: Series[str]
    """``accuracy``, ``macro_f1``, ``ece``, ``log_loss``."""
    value: Series[float] = pa.Field(nullable=True)
    low: Series[float] = pa.Field(nullable=True)
    high: Series[float] = pa.Field(nullable=True)
    rows: Series[int]
    runs: Series[int]


class LabelScores(OfDesign):
    """Precision, recall and F1 of a label, over all runs of an arm and learner at a size."""

    label: Series[str]
    precision: Series[float]
    recall: Series[float]
    f1: Series[float]
    support: Series[float]


class Comparisons(OfPair):
    """The difference ``first`` minus ``second``, paired over rows and runs: of two arms, or two learners of an arm."""

    source: Series[str]
    metric: Series[str]
    difference: Series[float]
    low: Series[float]
    high: Series[float]
    detectable: Series[float] = pa.Field(nullable=True)
    """The smallest difference that would be seen with 80 % power at the 5 % level."""
    p_value: Series[float] = pa.Field(nullable=True)
    """Of the accuracy, by the standard error that its interval rests on."""
    p_holm: Series[float] = pa.Field(nullable=True)
    """The same after Holm's correction for all comparisons of the experiment."""
    rows: Series[int]
    runs: Series[int]
    verdict: Series[str] = pa.Field(isin=["helped", "harmed", "no difference shown"])


class LabelGains(OfPair):
    """The difference ``first`` minus ``second`` in the F1 of a label, paired over rows and runs."""

    label: Series[str]
    difference: Series[float]
    low: Series[float] = pa.Field(nullable=True)
    high: Series[float] = pa.Field(nullable=True)
    rows: Series[int]
    """The label's test rows."""
    runs: Series[int]


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


class TextQuality(Table):
    """A figure of the text that an arm adds, for a label or ``all``, beside that of held-out real text."""

    experiment: Series[str]
    arm: Series[str]
    label: Series[str]
    metric: Series[str]
    value: Series[float] = pa.Field(nullable=True)
    real: Series[float] = pa.Field(nullable=True)
    texts: Series[int]
    target: Series[str]
    """What the figure should reach, in words; empty where nothing is asked."""
    met: Series[str] = pa.Field(isin=["yes", "no", ""])
    """Empty where nothing is asked, or a figure is missing."""
