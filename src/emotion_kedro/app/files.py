"""Predictions for files of any size, in any of the formats that sources may have."""

from __future__ import annotations

import fcntl
import functools
import json
import logging
import os
import re
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.app.model import EmotionModel, load_model
from emotion_kedro.app.own_table.reading import Reading, files_at, slices
from emotion_kedro.app.own_table.writing import writer_for
from emotion_kedro.config.base import PROBABILITY_PREFIX
from emotion_kedro.runtime.elsewhere import each_elsewhere
from emotion_kedro.runtime.guards import opened_to_lock
from emotion_kedro.storage.chunks import write_parquet
from emotion_kedro.storage.whole_files import sha256_of, sweep, written_whole

logger = logging.getLogger(__name__)

ROWS = 1024
"""Texts that are read at a time: sorted by length among themselves, so that few are padded far."""
PART_ROWS = 10 * ROWS
"""Rows, at most, of a file of a folder of predictions: what a kill costs."""
LOCK = ".lock"
SECONDS_TO_SEE = 60.0
"""A network disk may show late what another machine has written."""
MADE_OF, COMPLETE = "_made_of.json", "_complete.json"
COUNTED = ("rows", "empty", "abstained", "cut", "bad")


def predict_file(
    model: EmotionModel,
    source: Path | str,
    target: Path,
    *,
    column: str | None = None,
    abstain: float = 0.0,
    progress: Callable[[int], object] = lambda rows: None,
    say: Callable[[str], object] = logger.warning,
    cluster: str | None = None,
) -> dict[str, int]:
    """Read the texts of a file, and write a row for each with what the model says.

    The file that is written has ``row`` (counted from 1, as the file has them), the columns of the file that is read,
    ``predicted`` (a label; empty: there was no text, or the model kept to itself what it was not sure of),
    ``probability`` (of the likeliest label), and ``p_<label>``. A column of the file that is called like one of these
    gets ``_in`` behind its name; one whose name is there twice is left out. It is there whole or not at all.

    A target without an ending is a folder of Parquet files of :data:`PART_ROWS` rows at most. Killed at any moment, the
    same call goes on with the files that lack their mark, as ``_part-000000.json``; each row is in them once. The
    folder is complete once ``_complete.json`` is there; readers of data sets leave names with ``_`` out.

    Args:
        model: an open model.
        source: csv, tsv, json, jsonl, parquet, xlsx, or txt with a text a line; how it is to be read is guessed as
            ``emotion try`` guesses it, and rows that cannot be read are left out. A folder of such files is one table,
            in the order of their names; what lies at an address, as ``s3://``, is fetched first.
        target: csv, tsv, jsonl, parquet or xlsx, by its ending; none: a folder.
        column: that holds the texts; None: the one called so, or that looks like it.
        abstain: the least probability of a label that is named.
        progress: told the number of rows after each part.
        say: told what was guessed, and how many rows are left out.
        cluster: of Ray, whose workers write the files of a folder: its address, ``auto``, or ``local`` for one of this
            machine that ends with the call. They see the folder and the model under the same paths.

    Returns:
        ``rows``, those that are ``empty``, ``abstained`` or ``cut``, and those left out that are ``bad``.

    Raises:
        SourceError: if the file cannot be read; the message names file, row and fix.
        ValueError: for a format that is not written, if the target is the source, or a folder of other predictions.
    """
    write = _writer_of(target, for_cluster=bool(cluster))
    with files_at(source) as files, nullcontext() if write else _alone_in(target):
        _assert_apart(target, files)
        reading = Reading(files, column, say)
        counts = dict.fromkeys(COUNTED, 0)
        given = (str(reading.column), abstain)

        def report(numbers: dict[str, int]) -> None:
            for name, number in numbers.items():
                counts[name] += number
            progress(counts["rows"])

        if write is not None:
            with written_whole(target) as staging:
                parts = reading.parts(PART_ROWS)
                write(staging, (table for part in parts for table in _tables(model, *given, part, report)))
        else:
            made_of = {"model": model.digest, "column": reading.column, "abstain": abstain}
            _claim(target, files, made_of, say)
            left = _unmarked(target, reading.parts(PART_ROWS), report)
            if cluster:
                _write_by_workers(cluster, (model.path, model.digest), (target.absolute(), *given), left, report)
            else:
                for numbered in left:
                    _write_part(model, (target, *given), report, numbered)
        counts["bad"] = reading.bad
        if write is None:
            _write_note(target / COMPLETE, {"parts": len(list(target.glob("_part-*.json"))), **counts})
    return counts


def _writer_of(target: Path, *, for_cluster: bool) -> Any:
    """Return what writes a file; None: the target is a folder.

    Raises:
        ValueError: for a format that is not written, a file that several workers would write, and an address.
    """
    if re.match(r"[a-z0-9+]{2,}:/", target.as_posix()):
        raise ValueError(f"{target} is no path on a disk, the only place that is written to; give --out a folder there")
    write = None if target.is_dir() or not target.suffix else writer_for(target)
    if for_cluster and write:
        raise ValueError(f"{target}: the workers of a cluster write a folder; give --out a name without an ending")
    return write


def _claim(folder: Path, files: Sequence[Path], made_of: dict[str, Any], say: Callable[[str], object]) -> None:
    """Write down in a folder what its predictions are made of, or say how much of them is there.

    Raises:
        ValueError: if it holds others, or anything else.
    """
    # File by file: a part ends where its file does.
    made_of = {"file": [f"{sha256_of(file)}{file.suffix}" for file in files], **made_of, "rows": PART_ROWS}
    note = folder / MADE_OF
    names = [path.name for path in folder.iterdir() if not path.name.startswith(".")]
    if names in ([], [MADE_OF]):  # what claimed it has left nothing
        _write_note(note, made_of)
    elif not note.is_file():
        raise ValueError(f"{folder} holds other things than predictions; give --out the name of a new folder")
    claim = json.loads(note.read_text(encoding="utf-8"))
    if others := [name for name in made_of if claim.get(name) != made_of[name]]:
        raise ValueError(
            f"{folder} holds predictions made with another {', '.join(others)}; give --out the name of a new folder"
        )
    sweep(folder, lambda inner: True, alone=False)
    if parts := len(list(folder.glob("_part-*.json"))):
        say(f"{folder}: {parts:,} part(s) are there already; what is missing follows")


Report = Callable[[dict[str, int]], object]
"""Is told what was counted."""
Part = tuple[int, pd.DataFrame]
"""Its number, and its rows."""


def _mark(folder: Path, number: int) -> Path:
    return folder / f"_part-{number:06}.json"


def _file(folder: Path, number: int) -> Path:
    return folder / f"part-{number:06}.parquet"


def _unmarked(folder: Path, parts: Iterator[pd.DataFrame], report: Report) -> Iterator[Part]:
    """Yield the parts that have no mark yet, or are not as it says; of the others, tell what was counted in them."""
    for number, part in enumerate(parts):
        mark, file = _mark(folder, number), _file(folder, number)
        counts = json.loads(mark.read_text(encoding="utf-8")) if mark.is_file() and file.is_file() else {}
        if counts and counts.pop("sha256") == sha256_of(file):
            report(counts)
        else:
            for path in (mark, folder / COMPLETE):
                path.unlink(missing_ok=True)
            yield number, part


def _write_part(model: EmotionModel, given: tuple[Path, str, float], report: Report, numbered: Part) -> dict[str, int]:
    """Write the file of a part, then its mark with what was counted in it, which is returned."""
    (folder, column, abstain), (number, part) = given, numbered
    counts = dict.fromkeys(COUNTED, 0)

    def count(numbers: dict[str, int]) -> None:
        counts.update({name: counts[name] + value for name, value in numbers.items()})
        report(numbers)

    file = _file(folder, number)
    with written_whole(file) as staging:
        write_parquet(staging, _tables(model, column, abstain, part, count))
    _write_note(_mark(folder, number), {**counts, "sha256": sha256_of(file)})
    return counts


def _write_by_workers(
    cluster: str, model: tuple[Path, str], given: tuple[Path, str, float], parts: Iterator[Part], report: Report
) -> None:
    """Let workers write the parts; the model is its folder and its digest.

    Raises:
        ValueError: if a part is not seen here, or a worker finds another model.
    """
    if find_spec("ray") is None:
        raise ValueError("--cluster needs Ray: pip install 'ray>=2.50'")
    from emotion_kedro.runners.ray.cluster import connected
    from emotion_kedro.runners.ray.storage import unseen

    with connected(None if cluster == "local" else cluster, None, {}, shows_logs=False):
        path, digest = model
        work = functools.partial(_write_part_there, (path.absolute(), digest), given)
        for number, counts in each_elsewhere(work, parts):
            if unseen([_file(given[0], number), _mark(given[0], number)], SECONDS_TO_SEE):
                raise ValueError(
                    f"{given[0]}: part {number} was written by a worker, and is not seen here; give --out a folder on "
                    "a disk that all machines of the cluster see under the same path"
                )
            report(counts)


def _write_part_there(
    model: tuple[Path, str], given: tuple[Path, str, float], numbered: Part
) -> tuple[int, dict[str, int]]:
    return numbered[0], _write_part(_opened(*model), given, lambda numbers: None, numbered)


@functools.cache
def _opened(path: Path, digest: str) -> EmotionModel:
    """Open a model once in each process of a worker.

    Raises:
        ValueError: if it is not the one that the command was given.
    """
    model = load_model(path)
    if model.digest != digest:
        raise ValueError(
            f"{path} holds another model, on a worker, than the command was given; name one that stays as it is "
            "(--model), on a disk that all machines see, and a new folder (--out)"
        )
    return model


def _tables(
    model: EmotionModel, column: str, abstain: float, part: pd.DataFrame, report: Report
) -> Iterator[pd.DataFrame]:
    for given in slices(part, ROWS):
        table, numbers = _predicted(model, given, column, abstain)
        report(numbers)
        yield table


def _write_note(file: Path, content: dict[str, Any]) -> None:
    with written_whole(file) as staging:
        staging.write_text(json.dumps(content), encoding="utf-8")


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Hold a folder for one command; the kernel lets go of it however the command ends.

    Raises:
        ValueError: if another command holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = opened_to_lock(folder / LOCK)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ValueError(f"{folder}: another command is writing there; wait until it ends") from None
    finally:
        os.close(lock)


def _assert_apart(target: Path, files: Sequence[Path]) -> None:
    if target.exists() and any(target.samefile(file) for file in files):
        raise ValueError(f"{target} is the file that is read, and would be lost; give --out another name")


def _predicted(
    model: EmotionModel, given: pd.DataFrame, column: str, abstain: float
) -> tuple[pd.DataFrame, dict[str, int]]:
    texts = given[column].tolist()
    filled = [place for place, text in enumerate(texts) if model.cleaned(text).strip()]
    predictions = model.predict([texts[place] for place in filled], abstain=abstain)
    columns: dict[str, list[Any]] = {
        "predicted": [prediction.label or "" for prediction in predictions],
        "probability": [prediction.probability for prediction in predictions],
    }
    for label in model.labels:
        columns[f"{PROBABILITY_PREFIX}{label}"] = [prediction.probabilities[label] for prediction in predictions]
    # Typed where no row has a prediction, too: what is written in pieces has the same columns in each.
    types = {name: "str" if name == "predicted" else "float64" for name in columns}
    read = pd.DataFrame(columns, given.index[filled]).astype(types).reindex(given.index).fillna({"predicted": ""})
    given_columns = given.rename(columns=lambda name: _free_name(name, {"row", *read}, given.columns))
    rows = pd.DataFrame({"row": given.index + 1}, index=given.index)
    table = pd.concat([rows, given_columns, read], axis=1).reset_index(drop=True)
    return table, {
        "rows": len(texts),
        "empty": len(texts) - len(filled),
        "abstained": sum(prediction.label is None for prediction in predictions),
        "cut": sum(prediction.cut for prediction in predictions),
    }


def _free_name(name: str, used: Collection[str], others: Collection[str]) -> str:
    """Return the name, or where predictions take it, one with ``_in`` behind it that no other column has."""
    free = name
    while free in used or (free != name and free in others):
        free += "_in"
    return free
