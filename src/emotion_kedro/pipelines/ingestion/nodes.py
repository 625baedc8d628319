"""Reading the sources."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.options import IngestionOptions


def ingest_sources(raw_folder: Path, options: IngestionOptions) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read and clean the tables of all sources in use; return their records and what was counted."""
    from emotion_kedro.text.sources import read_sources

    return read_sources(raw_folder, options)
