"""Tables of figures: scores, differences, and what is measured of the text."""

from __future__ import annotations

import pandera.pandas as pa
from pandera.typing import Series

from emotion_kedro.schemas.base import Table
from emotion_kedro.schemas.runs import OfDesign


class OfPair(Table):
    """Base: ``first`` minus ``second``, of two arms or two learners."""

    experiment: Series[str]
    first: Series[str]
    second: Series[str]
    learner: Series[str]
    size: Series[int]


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
