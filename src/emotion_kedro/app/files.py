"""Predictions for files of any size, in any of the formats that sources may have."""

from __future__ import annotations

import csv
import json
import logging
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.app.model import EmotionModel
from emotion_kedro.app.own_table.guessing import guess_texts
from emotion_kedro.chunks import write_parquet
from emotion_kedro.config.base import PROBABILITY_PREFIX
from emotion_kedro.config.data import SourceConfig
from emotion_kedro.data.reader_errors import BadRow, SourceError, counted_rows
from emotion_kedro.data.tables import read_columns
from emotion_kedro.whole_files import written_whole

logger = logging.getLogger(__name__)

ROWS = 1024
"""Texts that are read at a time: sorted by length among themselves, so that few are padded far."""
SHEET_ROWS, CELL = 2**20 - 1, 2**15 - 1
"""Rows that a sheet of Excel has below its header, and characters that a cell holds."""


def predict_file(
    model: EmotionModel,
    source: Path,
    target: Path,
    *,
    column: str | None = None,
    abstain: float = 0.0,
    progress: Callable[[int], object] = lambda rows: None,
    say: Callable[[str], object] = logger.warning,
) -> dict[str, int]:
    """Read the texts of a file, and write a row for each with what the model says.

    The file that is written has ``row`` (counted from 1, as the file has them), the columns of the file that is read,
    ``predicted`` (a label; empty: there was no text, or the model kept to itself what it was not sure of),
    ``probability`` (of the likeliest label), and ``p_<label>``. A column of the file that is called like one of these
    gets ``_in`` behind its name; one whose name is there twice is left out. It is there whole or not at all.

    Args:
        model: an open model.
        source: csv, tsv, json, jsonl, parquet, xlsx, or txt with a text a line; how it is to be read is guessed as
            ``emotion try`` guesses it, and rows that cannot be read are left out.
        target: csv, tsv, jsonl, parquet or xlsx, by its ending.
        column: that holds the texts; None: the one called so, or that looks like it.
        abstain: the least probability of a label that is named.
        progress: told the number of rows after each part.
        say: told what was guessed, and how many rows are left out.

    Returns:
        ``rows``, those that are ``empty``, ``abstained`` or ``cut``, and those left out that are ``bad``.

    Raises:
        SourceError: if the file cannot be read; the message names file, row and fix.
        ValueError: for a format that is not written, or if the target is the source.
    """
    write = _writer_for(source, target)
    config, columns, notes = guess_texts(source, column)
    for note in notes:
        say(note)
    counts = {"rows": 0, "empty": 0, "abstained": 0, "cut": 0, "bad": 0}
    bad: list[BadRow] = []

    def tables() -> Iterator[pd.DataFrame]:
        for part in _parts(source, config, columns, bad):
            table, numbers = _predicted(model, part, str(config.text_column), abstain)
            for name, number in numbers.items():
                counts[name] += number
            progress(counts["rows"])
            yield table
        counts["bad"] = len(bad)
        if not counts["rows"]:
            raise SourceError(counted_rows(source, bad) if bad else f"{source}: there is no row below the header")

    with written_whole(target) as staging:
        write(staging, tables())
    if bad:
        say(f"left out: {counted_rows(source, bad)}")
    return counts


def _writer_for(source: Path, target: Path) -> Callable[[Path, Iterator[pd.DataFrame]], None]:
    if target.resolve() == source.resolve():
        raise ValueError(f"{target} is the file that is read, and would be lost; give --out another name")
    write = _WRITERS.get(target.suffix.lower())
    if write is None:
        raise ValueError(f"{target}: predictions are written as {', '.join(_WRITERS)}, by the file's ending")
    return write


def _parts(source: Path, config: SourceConfig, columns: list[str], bad: list[BadRow]) -> Iterator[pd.DataFrame]:
    for chunk in read_columns(source, config, columns, bad):
        yield from (chunk.iloc[start : start + ROWS] for start in range(0, len(chunk), ROWS))


def _predicted(
    model: EmotionModel, given: pd.DataFrame, column: str, abstain: float
) -> tuple[pd.DataFrame, dict[str, int]]:
    texts = given[column].tolist()
    filled = [place for place, text in enumerate(texts) if text.strip()]
    predictions = model.predict([texts[place] for place in filled], abstain=abstain)
    found: dict[str, list[Any]] = {
        "predicted": _spread([prediction.label or "" for prediction in predictions], filled, len(texts), ""),
        "probability": _spread([prediction.probability for prediction in predictions], filled, len(texts), np.nan),
    }
    for label in model.labels:
        values = [prediction.probabilities[label] for prediction in predictions]
        found[f"{PROBABILITY_PREFIX}{label}"] = _spread(values, filled, len(texts), np.nan)
    own = given.rename(columns=lambda name: _free_name(name, {"row", *found}, given.columns))
    rows = pd.DataFrame({"row": given.index + 1}, index=given.index)
    table = pd.concat([rows, own, pd.DataFrame(found, index=given.index)], axis=1).reset_index(drop=True)
    return table, {
        "rows": len(texts),
        "empty": len(texts) - len(filled),
        "abstained": sum(prediction.label is None for prediction in predictions),
        "cut": sum(prediction.cut for prediction in predictions),
    }


def _free_name(name: str, taken: Collection[str], others: Collection[str]) -> str:
    """Return the name, or where predictions take it, one with ``_in`` behind it that no other column has."""
    free = name
    while free in taken or (free != name and free in others):
        free += "_in"
    return free


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


def _write_sheet(file: Path, tables: Iterator[pd.DataFrame]) -> None:
    from openpyxl import Workbook

    book = Workbook(write_only=True)
    sheet = book.create_sheet("predictions")
    rows = 0
    for table in tables:
        if rows == 0:
            sheet.append([_cell(sheet, name) for name in table.columns])
        rows += len(table)
        if rows > SHEET_ROWS:
            raise ValueError(f"a sheet of Excel ends after {SHEET_ROWS:,} rows; give --out a file that ends in .csv")
        for values in table.astype(object).where(table.notna(), None).itertuples(index=False, name=None):
            sheet.append([_cell(sheet, value) for value in values])
    book.save(file)


def _cell(sheet: Any, value: Any) -> Any:
    """Return what a cell is to show: of a text, never a formula, nor characters that Excel refuses."""
    if not isinstance(value, str):
        return value
    from openpyxl.cell import WriteOnlyCell
    from openpyxl.cell.cell import ILLEGAL_CHARACTERS_RE

    cell = WriteOnlyCell(sheet, ILLEGAL_CHARACTERS_RE.sub(" ", value)[:CELL])
    cell.data_type = "s"
    return cell


_WRITERS: dict[str, Callable[[Path, Iterator[pd.DataFrame]], None]] = {
    ".csv": _write_delimited(","),
    ".tsv": _write_delimited("\t"),
    ".jsonl": _write_lines,
    ".parquet": write_parquet,
    ".xlsx": _write_sheet,
}
