"""The tables that the stages hand on, as pandera models; the catalog checks them when they are saved.

Columns whose names depend on the taxonomy (``p_<label>``) are matched by a pattern. ``size`` is the number of real
train rows per label of a run, and :data:`ALL_ROWS` where it has all of them.
"""

from __future__ import annotations

from typing import Any

import pandera.pandas as pa
from pandera.typing import Series

from emotion_kedro.config.base import PROBABILITY_PREFIX
from emotion_kedro.storage.chunks import Chunks

PROBABILITIES = f"^{PROBABILITY_PREFIX}.+$"


class Table(pa.DataFrameModel):
    """Base: the columns named are there, in any order, and no others."""

    class Config:
        """Extra columns are an error; dtypes are checked, never changed."""

        strict = True
        coerce = False


class OfRecord(Table):
    """Base: a text with its label. ``record_id`` is ``<source>:<row>`` and leads back to the raw file."""

    record_id: Series[str] = pa.Field(unique=True)
    text: Series[str] = pa.Field(str_length={"min_value": 1})
    label: Series[str]
    source: Series[str]


class Records(OfRecord):
    """Records as they are read.

    A table in chunks is checked chunk by chunk, when it is read. That no record stands in two of them is up to who
    reads the sources.
    """

    split: Series[str] | None = pa.Field(isin=["train", "validation", "test", ""])
    """Where a source comes with a validation or test file of its own: the split its rows belong to; else empty."""

    @classmethod
    def validate(cls, check_obj: Any, *args: Any, **options: Any) -> Any:
        """Return the table, checked; raise as pandera does if it is not as it should be."""
        check = super().validate
        if isinstance(check_obj, Chunks):
            return check_obj.checked(lambda piece: check(piece, *args, **options))
        return check(check_obj, *args, **options)


class SplitRecords(OfRecord):
    """Records with their near-duplicate group and the split they fell into."""

    group: Series[int]
    split: Series[str] = pa.Field(isin=["train", "validation", "test"])

    @pa.dataframe_check(error="a group of near-duplicates stands in two splits")
    def groups_do_not_straddle(cls, table: Any) -> bool:  # noqa: N805
        """No group is in two splits; negative groups (the plain split, ungrouped) are exempt."""
        grouped = table[table["group"] >= 0]
        return bool((grouped.groupby("group")["split"].nunique() <= 1).all())


class UnlabelledTexts(Table):
    """A text without a label of the taxonomy; ``other_label`` is its set's own, or empty. A group never straddles."""

    record_id: Series[str] = pa.Field(unique=True)
    text: Series[str] = pa.Field(str_length={"min_value": 1})
    source: Series[str]
    other_label: Series[str]
    group: Series[str]
    split: Series[str] = pa.Field(isin=["train", "test"])

    @pa.dataframe_check(error="a group of texts stands in two splits")
    def groups_do_not_straddle(cls, table: Any) -> bool:  # noqa: N805
        """No text that is judged belongs with one that a model has seen."""
        return bool((table.groupby(["source", "group"])["split"].nunique() <= 1).all())


class Candidates(Table):
    """What a generator wrote for the train rows of a draw (``size``, ``data_seed``), before any filter."""

    candidate_id: Series[str] = pa.Field(unique=True)
    text: Series[str]
    label: Series[str]
    ended: Series[bool]
    """Whether its writer ended it; otherwise it was stopped at the largest number of tokens."""
    generator: Series[str]
    size: Series[int] = pa.Field(ge=0)
    data_seed: Series[int]


class ScoredCandidates(Candidates):
    """Candidates with what the filters measured in them; an arm decides by these figures what it keeps."""

    words: Series[int]
    repetition: Series[float]
    train_similarity: Series[float] = pa.Field(nullable=True)
    predicted: Series[str]
    """The label that the filter's classifier reads; empty where no arm asks for it."""
    probability: Series[float] = pa.Field(nullable=True)
    """The probability that it gives to the candidate's label."""
    review: Series[str] | None
    """What a person decided about it; empty: nothing. There where an arm's filters name ``reviewed``."""


class Reviews(Table):
    """What a person decided about a text that was written for a label; the filter ``reviewed`` reads it."""

    text: Series[str]
    label: Series[str]
    decision: Series[str] = pa.Field(isin=["accept", "reject", "edit"])
    edited_text: Series[str]
    """What takes the text's place; empty where it was not edited."""
    time: Series[str]
    """ISO 8601, UTC."""

    @pa.dataframe_check(error="a text of a label is decided twice")
    def one_decision_each(cls, table: Any) -> bool:  # noqa: N805
        """The last decision is the only one."""
        return not bool(table.duplicated(["text", "label"]).any())


class Texts(Table):
    """A candidate, what each arm made of it, how the evaluator reads it, and the train text that it is nearest to."""

    candidate_id: Series[str] = pa.Field(unique=True)
    label: Series[str]
    generator: Series[str]
    text: Series[str]
    outcomes: Series[str] = pa.Field(alias="^arm_.+$", regex=True)
    """``kept``, or the reason; empty where the arm does not use the generator."""
    filter_probability: Series[float] = pa.Field(nullable=True, ge=0.0, le=1.0)
    evaluator_label: Series[str]
    evaluator_probability: Series[float] = pa.Field(nullable=True, ge=0.0, le=1.0)
    nearest_train_text: Series[str]
    nearest_train_similarity: Series[float] = pa.Field(nullable=True)
    copies_train_text: Series[bool]  # but for a word or a letter, as a piece of one, or by holding one


class TrainingRows(Table):
    """Training rows of an arm, for every draw. Phase -1 comes before phase 0, and 1 after it."""

    size: Series[int] = pa.Field(ge=0)
    data_seed: Series[int]
    record_id: Series[str]
    text: Series[str] = pa.Field(str_length={"min_value": 1})
    label: Series[str]
    origin: Series[str] = pa.Field(isin=["real", "added"])
    generator: Series[str]
    """Empty for real rows."""
    weight: Series[float] = pa.Field(gt=0.0)
    phase: Series[int] = pa.Field(isin=[-1, 0, 1])


class Decisions(Table):
    """Of every candidate that an arm could have added: whether it was kept, and the filter that turned it away."""

    arm: Series[str]
    candidate_id: Series[str]
    size: Series[int] = pa.Field(ge=0)
    data_seed: Series[int]
    kept: Series[bool]
    reason: Series[str]


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
