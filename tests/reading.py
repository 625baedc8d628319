"""Sources read as a whole: what the tests compare is small."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from typing import Any

import pandas as pd
import pyarrow as pa

from emotion_kedro.data import readers
from emotion_kedro.storage.chunks import frame_of


def read_source(*arguments: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the records of a source, and its report."""
    reading = Reading(readers.read_source(*arguments))
    return frame_of(reading), reading.report


class Reading:
    """The pieces of a source; then its report."""

    report: dict[str, Any]

    def __init__(self, pieces: Generator[pa.RecordBatch, None, dict[str, Any]]) -> None:
        self._pieces = pieces

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        self.report = yield from self._pieces
