"""The tables that the stages hand on, as pandera models; the catalog checks them when they are saved.

Columns whose names depend on the taxonomy (``p_<label>``) are matched by a pattern. ``size`` is the number of real
train rows per label of a run, and :data:`ALL_ROWS` where it has all of them.
"""

from emotion_kedro.schemas.results import (
    Choices,
    Comparisons,
    LabelGains,
    LabelScores,
    Predictions,
    Recommendation,
    Runs,
    Scores,
    TextQuality,
    TrainingCurves,
)
from emotion_kedro.schemas.rows import (
    Candidates,
    Decisions,
    Records,
    Reviews,
    ScoredCandidates,
    SplitRecords,
    Table,
    Texts,
    TrainingRows,
    UnlabelledTexts,
)

__all__ = [
    "Candidates",
    "Choices",
    "Comparisons",
    "Decisions",
    "LabelGains",
    "LabelScores",
    "Predictions",
    "Recommendation",
    "Records",
    "Reviews",
    "Runs",
    "ScoredCandidates",
    "Scores",
    "SplitRecords",
    "Table",
    "TextQuality",
    "Texts",
    "TrainingCurves",
    "TrainingRows",
    "UnlabelledTexts",
]
