"""Sampling, splitting, and counting what another split would have leaked."""

from __future__ import annotations

from typing import Any

import pandas as pd

from emotion_kedro.options import SamplingOptions


def sample_and_split(unified_records: pd.DataFrame, options: SamplingOptions) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Draw a balanced sample and divide it into train, validation and test; return it and what was counted."""
    from emotion_kedro.text import sampling

    return sampling.sample_and_split(unified_records, options)


def measure_leakage(unified_records: pd.DataFrame, options: SamplingOptions) -> pd.DataFrame:
    """Count the test rows that stand in train too, under a plain random split and under the grouped one."""
    from emotion_kedro.text import sampling

    return sampling.leakage_table(unified_records, options)
