"""The texts of a file, of a folder of files or of an address, part by part."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pandas as pd

from emotion_kedro.app.own_table.guessing import guess_texts
from emotion_kedro.config.data import SourceConfig
from emotion_kedro.data.reader_errors import BadRow, SourceError, counted_rows, listed, missing_file
from emotion_kedro.data.tables import read_columns


@contextlib.contextmanager
def files_at(source: Path | str) -> Iterator[list[Path]]:
    """Yield the files of a table: one, those of a folder, or those at an address, which are fetched for as long.

    Raises:
        SourceError: if there is none, or it cannot be fetched; a message of what is read names the address.
    """
    source = str(source).removeprefix("file://")
    if "://" not in source:
        yield _files_in(Path(source))
        return
    import fsspec

    shown = _without_secrets(source)
    above, _, name = shown.rpartition("/")
    with tempfile.TemporaryDirectory() as folder:
        try:
            storage, path = fsspec.url_to_fs(source.rstrip("/"))
            storage.get(path, f"{folder}/{name}", recursive=True)
        except Exception as error:  # each kind of storage has its own
            reason = str(error).replace(source, shown)
            raise SourceError(f"{shown}: it cannot be fetched ({reason})") from None
        try:
            yield _files_in(Path(folder, name))
        except SourceError as error:
            raise SourceError(str(error).replace(folder, above)) from None


def _without_secrets(address: str) -> str:
    """Return an address without a password, and of the web without what may sign it."""
    parts = urlsplit(address)
    path = parts.path if parts.scheme in ("http", "https") else address.partition("://")[2].partition("/")[2]
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}/{path.lstrip('/')}".rstrip("/")


def _files_in(source: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    inside = [path for path in sorted(source.iterdir()) if path.name[0] not in "._"]
    if folders := [path.name for path in inside if path.is_dir()]:
        raise SourceError(
            f"{source}: folders in it are not read ({listed(folders)}); give one of them, or move the files"
        )
    if not inside:
        raise missing_file(source / "*")
    return inside


def without_labels(file: Path, source: SourceConfig) -> tuple[SourceConfig, list[str]]:
    """Return how a file of texts without labels is read, and what is to be said of that.

    By the column of the labelled ones, if it has such a one; of that very file the rows without a label are taken.

    Args:
        file: absolute.
        source: the table with labels.

    Raises:
        SourceError: if it cannot be read, or no column can be told to hold the texts.
    """
    if str(file) == source.file:
        columns: dict[str, Any] = {"label_column": None, "test_file": None, "label_map": {}, "unknown_labels": "error"}
        settings = {**source.model_dump(), **columns, "empty_column": source.label_column, "bad_rows": "drop"}
        return SourceConfig.model_validate(settings), [f"rows without a label: their {source.text_column!r}"]
    texts, notes = _guess_like(file, source)
    bad: list[BadRow] = []
    for _ in read_columns(file, texts, [str(texts.text_column)], bad):
        pass
    return texts, [*notes, *([f"left out: {counted_rows(file, bad)}"] if bad else [])]


def _guess_like(file: Path, source: SourceConfig) -> tuple[SourceConfig, list[str]]:
    # Columns without names have got some: those of another file are others.
    named = None if source.column_names else source.text_column
    with contextlib.suppress(SourceError):
        texts, _, notes = guess_texts(file, named)
        return texts, notes or [f"text: {texts.text_column!r}"]
    try:
        texts, _, notes = guess_texts(file)
    except SourceError as error:
        fix = f"Call it {named!r}, as {Path(str(source.file)).name} does" if named else "Give it columns with names"
        raise SourceError(str(error).replace("Name it: --text COLUMN", fix)) from None
    return texts, notes


class Reading:
    """The rows of files that are one table, part by part; rows are counted on from file to file."""

    def __init__(self, files: Sequence[Path], column: str | None, say: Callable[[str], object]) -> None:
        self.bad = 0
        """Rows that cannot be read, so far."""
        self._say = say
        self._guesses = {file: guess_texts(file, column) for file in files}
        for note in dict.fromkeys(note for _, _, notes in self._guesses.values() for note in notes):
            say(note)
        (first, (config, columns, _)), *others = self._guesses.items()
        self.column = config.text_column
        for file, (other, names, _) in others:
            if (other.text_column, names) != (self.column, columns):
                raise SourceError(
                    f"{file}: the text is {other.text_column!r} among {names}, but {self.column!r} among {columns} in "
                    f"{first}; files of one folder have the same columns: give them one by one, or name --text COLUMN"
                )

    def parts(self, most: int) -> Iterator[pd.DataFrame]:
        """Yield at most so many rows at a time; index: row of the whole table - 1."""
        before = good = 0
        remarks: list[str] = []
        for file, (config, columns, _) in self._guesses.items():
            bad: list[BadRow] = []
            rows = 0
            for chunk in read_columns(file, config, columns, bad):
                rows += len(chunk)
                yield from slices(chunk.set_axis(chunk.index + before), most)
            good += rows
            self.bad += len(bad)
            before += rows + len(bad)
            remarks += [counted_rows(file, bad)] if bad else []
            if good:
                for each in remarks:
                    self._say(f"left out: {each}")
                remarks.clear()
        if not good:
            raise SourceError("; ".join(remarks) if remarks else f"{file}: there is no row below the header")


def slices(table: pd.DataFrame, rows: int) -> Iterator[pd.DataFrame]:
    """Yield the table in pieces of at most so many rows."""
    return (table.iloc[start : start + rows] for start in range(0, len(table), rows))
