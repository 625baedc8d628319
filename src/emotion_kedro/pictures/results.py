"""What a run found out, and the names that go with it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pandas as pd

from emotion_kedro.pictures import plots

ALL = "all"
METRICS = plots.METRICS
SPLIT_COUNTS = ("splits", "counts")  # where the sampling report keeps split -> ... -> label -> rows
USABILITY = {
    "real_to_real": ("real to real", "The figure to read the others against: both trained and tested on real text."),
    "real_to_synthetic_all": (
        "real to synthetic, all",
        "Trained on real text, tested on all candidates: how often a text is of the label it was written for.",
    ),
    "real_to_synthetic_kept": (
        "real to synthetic, kept",
        "The same on the candidates that the filter kept; it chose them, so a higher figure is no surprise.",
    ),
    "synthetic_to_real": (
        "synthetic to real",
        "Trained on synthetic text alone, tested on real text: how much of the task the generators pass on.",
    ),
}


@dataclass(frozen=True)
class RunResults:
    """What a run found out; an interval `I` is `{"estimate", "low", "high", "level", "samples"}`.

    Missing figures are None or NaN and are shown as a dash; a table or dictionary without content is left out.
    """

    title: str
    labels: list[str]
    ingestion: dict[str, Any]
    """Source -> `files`, `rows`, `kept`, `dropped` (`empty text`, `unknown label` -> label -> rows), `labels`."""
    unification: dict[str, Any]
    """`taxonomy`, `kept`, `dropped` (source -> label -> rows)."""
    sampling: dict[str, Any]
    """Numbers by name, nested up to split -> source -> label; shown as they are."""
    leakage: pd.DataFrame
    """`split_strategy` (`plain`, `grouped`), `source`, counts and shares of the test rows that stand in train."""
    generators: list[dict[str, Any]]
    """One a label: `label`, `texts`, `steps`, `seconds`, `best_step`, `stopped_early`, `losses`."""
    classifiers: list[dict[str, Any]]
    """One a training run: `name`, `seed`, `steps`, `rows`, `seconds`, `losses`."""
    synthetic: pd.DataFrame
    """One row a label and one `all`: yield, fidelity, diversity, novelty; `real_<column>`: of as many real texts."""
    yields: pd.DataFrame
    """`label`, `reason`, `candidates`."""
    examples: pd.DataFrame
    """`label`, `text`, `probability` of kept candidates."""
    scores: dict[str, Any]
    """`arms` -> arm -> `rows`, `seeds`, `accuracy` (I), `macro_f1` (I), `ece`, `log_loss`, `per_seed`, `sources`."""
    per_label: pd.DataFrame
    """`arm`, `label`, `precision`, `recall`, `f1`, `support`."""
    confusion: pd.DataFrame
    """`arm`, `label`, `predicted`, `rows`."""
    reliability: pd.DataFrame
    """`arm`, `bin`, `confidence`, `accuracy`, `rows`."""
    comparison: dict[str, Any]
    """`first`, `second`, `rows`, `seeds`, `accuracy` (I), `macro_f1` (I), `mcnemar`, `verdict`, `sentence`."""
    usability: dict[str, Any]
    """Accuracies (I or None) by the names of `USABILITY`."""
    times: list[dict[str, Any]]
    """`node`, `seconds`."""
    setting: dict[str, str]
    """Machine, versions, seeds, models, command: whatever is needed to do it again."""
