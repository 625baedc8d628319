"""Whatever bytes a file has: it is read, row by row as it was written, or refused by a sentence that names it."""

from __future__ import annotations

import csv
import functools
import io
import json
import os
import tempfile
from pathlib import Path
from typing import Any

from bad_inputs import making
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reading import read_source

from emotion_kedro.config.data import SourceConfig
from emotion_kedro.data.reader_errors import SourceError
from emotion_kedro.schemas.records import Records

FUZZED = settings(
    max_examples=int(os.environ.get("FUZZ_EXAMPLES", "150")),
    deadline=None,
    database=None,
    derandomize="FUZZ_EXAMPLES" not in os.environ,
    suppress_health_check=list(HealthCheck),
)
LABELS = ("joy", "fear", "Joy", " joy", "glee", "", "joy,fear", "0")
ENDINGS = ("csv", "tsv", "json", "jsonl", "parquet", "xlsx")
TEXTS = st.text(st.characters(codec="utf-8"), max_size=12)
ROWS = st.lists(st.tuples(TEXTS, st.sampled_from(LABELS)), max_size=8)
CLEAN = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\0"), min_size=1, max_size=20).filter(str.strip)

GOOD_ROWS = st.lists(st.tuples(CLEAN, st.sampled_from(["joy", "fear"])), min_size=1, max_size=8)


def delimited(rows: list[tuple[str, ...]], separator: str = ",") -> bytes:
    stream = io.StringIO()
    csv.writer(stream, delimiter=separator, lineterminator="\n").writerows([("text", "label"), *rows])
    return stream.getvalue().encode()


@functools.cache
def made(ending: str) -> bytes:
    """A workbook says when it was written."""
    return making.FILES[ending]()


def whole_file(ending: str, rows: list[tuple[str, str]]) -> bytes:
    objects = [{"text": text, "label": label} for text, label in rows]
    if ending == "json":
        return json.dumps(objects).encode()
    if ending == "jsonl":
        return "\n".join(map(json.dumps, objects)).encode()
    if ending in {"parquet", "xlsx"}:
        return made(ending)
    return delimited(rows, "\t" if ending == "tsv" else ",")


@st.composite
def files(draw: st.DrawFn) -> tuple[str, bytes]:
    """An ending, and bytes: any, or those of a good file with some of them changed, left out or put in."""
    ending = draw(st.sampled_from(ENDINGS))
    if draw(st.booleans()):
        return ending, draw(st.binary(max_size=200))
    data = bytearray(whole_file(draw(st.sampled_from(ENDINGS)) if draw(st.booleans()) else ending, draw(ROWS)))
    for _ in range(draw(st.integers(0, 4))):
        place = draw(st.integers(0, len(data)))
        data[place : place + draw(st.integers(0, 3))] = draw(st.binary(max_size=3))
    return ending, bytes(data)


SOURCES = st.fixed_dictionaries(
    {},
    optional={
        "quoting": st.booleans(),
        "bad_rows": st.sampled_from(["error", "drop"]),
        "unknown_labels": st.sampled_from(["error", "drop"]),
        "encoding": st.sampled_from(["utf-8", "utf-16", "latin-1", "gb18030", "utf-16-le"]),
        "column_names": st.sampled_from([("text", "label"), ("id", "text", "label")]),
        "label_separator": st.sampled_from([",", "+"]),
        "label_names": st.just(("joy", "fear")),
    },
)


def read(name: str, data: bytes, steps: tuple[str, ...], **changes: Any) -> tuple[Any, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / name).write_bytes(data)
        source = SourceConfig(file=name, text_column="text", label_column="label", **changes)
        return read_source(Path(folder), "set", source, steps, frozenset({"joy", "fear"}))


@FUZZED
@given(files(), SOURCES)
def test_any_bytes_are_read_or_refused_with_the_name_of_the_file(
    file: tuple[str, bytes], changes: dict[str, Any]
) -> None:
    ending, data = file
    try:
        table, report = read(f"fuzz.{ending}", data, ("drop_broken_characters",), **changes)
    except SourceError as error:
        if f"fuzz.{ending}" not in str(error):
            raise
        return
    Records.validate(table)
    assert set(table["label"]) <= {"joy", "fear"}
    lost = {
        reason: sum(count.values()) if isinstance(count, dict) else count for reason, count in report["dropped"].items()
    }
    assert len(table) == report["kept"] == sum(report["labels"].values())
    assert report["kept"] > 0
    assert report["rows"] == report["kept"] + sum(lost.values())


@FUZZED
@given(GOOD_ROWS, st.sampled_from(ENDINGS[:4]))
def test_a_table_is_read_as_it_was_written(rows: list[tuple[str, str]], ending: str) -> None:
    table, _ = read(f"a.{ending}", whole_file(ending, rows), ())
    assert list(zip(table["text"], table["label"], strict=True)) == rows
