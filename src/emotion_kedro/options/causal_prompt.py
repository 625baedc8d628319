"""The prompted causal model: on which rows it is asked."""

from __future__ import annotations

from emotion_kedro.options.base import Options, Positive


class CausalPromptOptions(Options):
    """Asking a causal model is slow: validation and test rows may be thinned out, the same rows for all arms."""

    test_rows: Positive | None = None
    """About so many rows of the test side, drawn at random within each label; None: all."""
    validation_rows: Positive | None = None
    """The same for the validation side."""
    examples: Positive = 8
    """Most frequent free answers shown for each arm."""
    seed: int = 0
    """Of the choice of rows."""
