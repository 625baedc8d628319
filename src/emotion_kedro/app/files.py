"""Predictions for files of any size, in any of the formats that sources may have."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.app.model import EmotionModel
from emotion_kedro.chunks import write_parquet
from emotion_kedro.config.base import PROBABILITY_PREFIX
from emotion_kedro.config.data import SourceConfig
from emotion_kedro.data.tables import read_columns
from emotion_kedro.whole_files import written_whole

SEPARATORS = (",", ";", "\t", "|")
ROWS = 1024
"""Texts that are read at a time: sorted by length among themselves, so that few are padded far."""


def predict_file(
    model: EmotionModel,
    source: Path,
    target: Path,
    *,
    column: str = "text",
    abstain: float = 0.0,
    progress: Callable[[int], object] = lambda rows: None,
) -> dict[str, int]:
    """Read the texts of a file, and write a row for each with what the model says.

    The file that is written has ``row`` (counted from 1), ``text``, ``label`` (empty: there was no text, or the model
    kept to itself what it was not sure of), ``probability`` (of the likeliest label), and ``p_<label>``. It is there
    whole or not at all.

    Args:
        model: an open model.
        source: csv, tsv, json, jsonl, parquet, xlsx, or txt with a text a line.
        target: csv, tsv, jsonl or parquet, by its ending.
        column: that holds the texts.
        abstain: the least probability of a label that is named.
        progress: told the number of rows after each part.

    Returns:
        ``rows``, those that are ``empty``, ``abstained`` or ``cut``.

    Raises:
        SourceError: if the file cannot be read; the message names file, row and fix.
        ValueError: for a format that is not written, or if the target is the source.
    """
    if target.resolve() == source.resolve():
        raise ValueError(f"{target} is the file that is read, and would be lost; give --out another name")
    write = _WRITERS.get(target.suffix.lower())
    if write is None:
        raise ValueError(f"{target}: predictions are written as {', '.join(_WRITERS)}, by the file's ending")
    counts = {"rows": 0, "empty": 0, "abstained": 0, "cut": 0}

    def tables() -> Iterator[pd.DataFrame]:
        for texts in _texts(source, column):
            table, parts = _predicted(model, texts, counts["rows"], abstain)
            for name, number in parts.items():
                counts[name] += number
            progress(counts["rows"])
            yield table

    with written_whole(target) as staging:
        write(staging, tables())
    return counts


def _texts(source: Path, column: str) -> Iterator[list[str]]:
    """Yield the texts of a file, so many at a time."""
    if source.suffix.lower() == ".txt" and source.is_file():
        with source.open(encoding="utf-8") as lines:
            while part := [line.rstrip("\n") for line in islice(lines, ROWS)]:
                yield part
        return
    config = SourceConfig(file=source.name, text_column=column, separator=_separator(source, column))
    for chunk in read_columns(source, config, (column,)):
        texts = chunk[column].tolist()
        yield from (texts[start : start + ROWS] for start in range(0, len(texts), ROWS))


def _separator(source: Path, column: str) -> str | None:
    """Return what separates the columns of a .csv file if its header says so; None: the usual."""
    if source.suffix.lower() != ".csv" or not source.is_file():
        return None
    with source.open(encoding="utf-8-sig", errors="replace", newline="") as lines:
        header = lines.readline()
    fits = (mark for mark in SEPARATORS if column in next(csv.reader([header], delimiter=mark), []))
    return next(fits, None)


def _predicted(
    model: EmotionModel, texts: list[str], before: int, abstain: float
) -> tuple[pd.DataFrame, dict[str, int]]:
    filled = [place for place, text in enumerate(texts) if text.strip()]
    predictions = model.predict([texts[place] for place in filled], abstain=abstain)
    table = pd.DataFrame({"row": np.arange(before + 1, before + 1 + len(texts)), "text": texts})
    table["label"] = _spread([prediction.label or "" for prediction in predictions], filled, len(texts), "")
    table["probability"] = _spread([prediction.probability for prediction in predictions], filled, len(texts), np.nan)
    for label in model.labels:
        values = [prediction.probabilities[label] for prediction in predictions]
        table[f"{PROBABILITY_PREFIX}{label}"] = _spread(values, filled, len(texts), np.nan)
    return table, {
        "rows": len(texts),
        "empty": len(texts) - len(filled),
        "abstained": sum(prediction.label is None for prediction in predictions),
        "cut": sum(prediction.cut for prediction in predictions),
    }


def _spread(values: list[Any], places: list[int], length: int, missing: Any) -> list[Any]:
    spread = [missing] * length
    for place, value in zip(places, values, strict=True):
        spread[place] = value
    return spread


def _write_delimited(separator: str) -> Callable[[Path, Iterator[pd.DataFrame]], None]:
    def write(file: Path, tables: Iterator[pd.DataFrame]) -> None:
        with file.open("w", encoding="utf-8", newline="") as stream:
            for number, table in enumerate(tables):
                table.to_csv(
                    stream,
                    sep=separator,
                    header=number == 0,
                    index=False,
                    quoting=csv.QUOTE_MINIMAL,
                    lineterminator="\n",
                )

    return write


def _write_lines(file: Path, tables: Iterator[pd.DataFrame]) -> None:
    with file.open("w", encoding="utf-8") as stream:
        for table in tables:
            for row in table.astype(object).where(table.notna(), None).to_dict(orient="records"):
                stream.write(json.dumps(row, ensure_ascii=False) + "\n")


_WRITERS: dict[str, Callable[[Path, Iterator[pd.DataFrame]], None]] = {
    ".csv": _write_delimited(","),
    ".tsv": _write_delimited("\t"),
    ".jsonl": _write_lines,
    ".parquet": write_parquet,
}
