"""Reading the sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from emotion_kedro.config.base import Frame
from emotion_kedro.config.data import IngestionConfig, UnlabelledConfig
from emotion_kedro.storage.chunks import Chunks


def ingest_sources(raw_folder: Path, config: IngestionConfig) -> tuple[Chunks, dict[str, Any]]:
    """Read and clean the tables of all sources; return their records and what was counted."""
    from emotion_kedro.data.readers import read_sources

    return read_sources(raw_folder, config)


def read_unlabelled(raw_folder: Path, config: UnlabelledConfig) -> tuple[Frame, dict[str, Any]]:
    """Read and clean texts without labels; return them, divided into train and test, and what was counted."""
    from emotion_kedro.data import unlabelled

    return unlabelled.read_unlabelled(raw_folder, config)
