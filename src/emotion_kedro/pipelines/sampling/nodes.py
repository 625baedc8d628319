"""Sampling, splitting, and counting what another split would have leaked."""

from __future__ import annotations

from typing import Any

from emotion_kedro.config.base import Frame
from emotion_kedro.config.data import SamplingConfig
from emotion_kedro.storage.chunks import Chunks


def sample_and_split(unified_records: Chunks, config: SamplingConfig) -> tuple[Frame, dict[str, Any]]:
    """Draw a balanced sample and divide it into train, validation and test; return it and what was counted."""
    from emotion_kedro.data import sampling

    return sampling.sample_and_split(unified_records, config)


def measure_leakage(unified_records: Chunks, config: SamplingConfig) -> Frame:
    """Count the test rows that stand in train too, under a plain random split and under the grouped one."""
    from emotion_kedro.data import sampling

    return sampling.leakage_table(unified_records, config)
