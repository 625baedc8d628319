"""Predictions for files of any size, in any of the formats that sources may have."""

from __future__ import annotations

import csv
import hashlib
import json
import logging
from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.app.model import EmotionModel
from emotion_kedro.app.own_table.guessing import guess_texts
from emotion_kedro.config.base import PROBABILITY_PREFIX, digest_of_model
from emotion_kedro.data.reader_errors import BadRow, SourceError, counted_rows
from emotion_kedro.data.tables import read_columns
from emotion_kedro.storage.chunks import write_parquet
from emotion_kedro.storage.whole_files import sweep, written_whole

logger = logging.getLogger(__name__)

ROWS = 1024
"""Texts that are read at a time: sorted by length among themselves, so that few are padded far."""
PART_ROWS = 10 * ROWS
"""Rows, at most, of a file of a folder of predictions: what a kill costs."""
MADE_OF, COMPLETE = "_made_of.json", "_complete.json"
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

    A target without an ending is a folder of Parquet files of :data:`PART_ROWS` rows at most. Killed at any moment, the
    same call goes on after the last file that has its mark, ``_part-000000.json``; each row is in them once. The folder
    is complete once ``_complete.json`` is there; readers of data sets leave names with ``_`` out.

    Args:
        model: an open model.
        source: csv, tsv, json, jsonl, parquet, xlsx, or txt with a text a line; how it is to be read is guessed as
            ``emotion try`` guesses it, and rows that cannot be read are left out.
        target: csv, tsv, jsonl, parquet or xlsx, by its ending; none: a folder.
        column: that holds the texts; None: the one called so, or that looks like it.
        abstain: the least probability of a label that is named.
        progress: told the number of rows after each part.
        say: told what was guessed, and how many rows are left out.

    Returns:
        ``rows``, those that are ``empty``, ``abstained`` or ``cut``, and those left out that are ``bad``.

    Raises:
        SourceError: if the file cannot be read; the message names file, row and fix.
        ValueError: for a format that is not written, if the target is the source, or a folder of other predictions.
    """
    write = None if _is_folder(target) else _writer_for(source, target)
    config, columns, notes = guess_texts(source, column)
    for note in notes:
        say(note)
    counts = {"rows": 0, "empty": 0, "abstained": 0, "cut": 0, "bad": 0}
    bad: list[BadRow] = []

    def tables(part: pd.DataFrame) -> Iterator[pd.DataFrame]:
        for given in _slices(part, ROWS):
            table, numbers = _predicted(model, given, str(config.text_column), abstain)
            _add(counts, numbers)
            progress(counts["rows"])
            yield table

    def parts() -> Iterator[pd.DataFrame]:
        for chunk in read_columns(source, config, columns, bad):
            yield from _slices(chunk, PART_ROWS)
        counts["bad"] = len(bad)
        _check_rows(counts, source, bad)

    if write is None:
        _claim(target, source, {"model": digest_of_model(model.path), "column": config.text_column, "abstain": abstain})
        _write_folder(target, parts(), tables, counts)
    else:
        with written_whole(target) as staging:
            write(staging, (table for part in parts() for table in tables(part)))
    if bad:
        say(f"left out: {counted_rows(source, bad)}")
    return counts


def _check_rows(counts: dict[str, int], source: Path, bad: list[BadRow]) -> None:
    if not counts["rows"]:
        raise SourceError(counted_rows(source, bad) if bad else f"{source}: there is no row below the header")


def _add(counts: dict[str, int], numbers: dict[str, int]) -> None:
    for name, number in numbers.items():
        counts[name] += number


def _slices(table: pd.DataFrame, rows: int) -> Iterator[pd.DataFrame]:
    return (table.iloc[start : start + rows] for start in range(0, len(table), rows))


def _is_folder(target: Path) -> bool:
    return target.is_dir() or not target.suffix


def _claim(folder: Path, source: Path, made_of: dict[str, Any]) -> None:
    """Write down in a folder what its predictions are made of.

    Raises:
        ValueError: if it holds others, or anything else.
    """
    with source.open("rb") as stream:
        made_of = {"file": hashlib.file_digest(stream, "sha256").hexdigest(), **made_of, "rows": PART_ROWS}
    note = folder / MADE_OF
    if not note.is_file():
        if folder.is_dir() and any(not path.name.startswith(".") for path in folder.iterdir()):
            raise ValueError(f"{folder} holds other things than predictions; give --out the name of a new folder")
        _write_note(note, made_of)
    there = json.loads(note.read_text(encoding="utf-8"))
    if others := [name for name in made_of if there.get(name) != made_of[name]]:
        raise ValueError(
            f"{folder} holds predictions made with another {', '.join(others)}; give --out the name of a new folder"
        )
    sweep(folder, lambda inner: True, alone=False)


def _write_folder(
    folder: Path,
    parts: Iterator[pd.DataFrame],
    tables: Callable[[pd.DataFrame], Iterator[pd.DataFrame]],
    counts: dict[str, int],
) -> None:
    """Write a file for each part, then its mark with what was counted in it; parts that have theirs are left."""
    number = -1
    for number, part in enumerate(parts):
        mark = folder / f"_part-{number:06}.json"
        if mark.is_file():
            _add(counts, json.loads(mark.read_text(encoding="utf-8")))
            continue
        before = dict(counts)
        with written_whole(folder / f"part-{number:06}.parquet") as staging:
            write_parquet(staging, tables(part))
        _write_note(mark, {name: counts[name] - before[name] for name in counts})
    _write_note(folder / COMPLETE, {"parts": number + 1, **counts})


def _write_note(file: Path, content: dict[str, Any]) -> None:
    with written_whole(file) as staging:
        staging.write_text(json.dumps(content), encoding="utf-8")


def _writer_for(source: Path, target: Path) -> Callable[[Path, Iterator[pd.DataFrame]], None]:
    if target.resolve() == source.resolve():
        raise ValueError(f"{target} is the file that is read, and would be lost; give --out another name")
    write = _WRITERS.get(target.suffix.lower())
    if write is None:
        raise ValueError(f"{target}: predictions are written as {', '.join(_WRITERS)}, by the file's ending")
    return write


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
