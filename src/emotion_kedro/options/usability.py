"""How many rows the kinds of classifiers are compared on."""

from __future__ import annotations

from emotion_kedro.options.base import Options, Positive


class RowsOptions(Options):
    """Rows that a kind is tested on; kinds that are slow to ask are given fewer."""

    test_rows: Positive | None = None
    """Test rows, drawn at random within each label; None: all."""
    candidates: Positive | None = None
    """Candidates that the classifier trained on real text judges; None: all."""
    seed: int = 0
