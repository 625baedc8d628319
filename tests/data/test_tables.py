"""What files that other programs write have in them: it is read, or it is said why not."""

from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from openpyxl.chart import BarChart
from openpyxl.styles import PatternFill
from workbooks import with_dimension

from emotion_kedro.app.own_table.guessing import guess_source
from emotion_kedro.config.data import SourceConfig
from emotion_kedro.data.reader_errors import BadRow, SourceError
from emotion_kedro.data.tables import columns_of, read_columns

TABLE = pd.DataFrame({"text": ["a", "b", "c"], "label": ["joy", "fear", "joy"]})


def rows_of(file: Path, bad: list[BadRow] | None = None, **changes: Any) -> list[list[str]]:
    """Return text and label of each row that can be read."""
    changes = {"text_column": "text", "label_column": "label"} | changes
    source = SourceConfig(file=file.name, bad_rows="error" if bad is None else "drop", **changes)
    return [row for piece in read_columns(file, source, ["text", "label"], bad) for row in piece.values.tolist()]


@pytest.mark.parametrize("cells", ["A1", "A1:B2", "A1:C9"])
def test_a_sheet_is_read_whole_whatever_size_it_gives_itself(tmp_path: Path, cells: str) -> None:
    file = tmp_path / "a.xlsx"
    TABLE.assign(note=[None, None, "seen"]).to_excel(file, index=False)
    with_dimension(file, cells)
    assert rows_of(file) == TABLE.values.tolist()


def test_a_cell_beside_the_header_is_not_missed_unless_the_columns_are_given(tmp_path: Path) -> None:
    file = tmp_path / "a.xlsx"
    pd.DataFrame([["text", "label"], ["a", "joy", "seen"], ["b", "fear"]]).to_excel(file, index=False, header=False)
    assert rows_of(file) == [["a", "joy"], ["b", "fear"]]
    bad: list[BadRow] = []
    assert len(rows_of(file, bad, column_names=("text", "label"))) == 2
    assert [str(row) for row in bad] == ["data row 2 (line 2): more cells than the 2 columns"]


def test_empty_cells_of_a_coloured_header_are_no_columns(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [list(TABLE), *TABLE.values.tolist()]:
        book.active.append(row)
    for cell in ("C1", "D1", "XFD1"):
        book.active[cell].fill = PatternFill("solid", fgColor="ffff00")
    book.save(tmp_path / "a.xlsx")
    assert rows_of(tmp_path / "a.xlsx") == TABLE.values.tolist()
    assert columns_of(tmp_path / "a.xlsx", SourceConfig(file="a.xlsx", text_column="text")) == ["text", "label"]


def test_a_chart_before_the_table_is_not_taken_for_it(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for row in [list(TABLE), *TABLE.values.tolist()]:
        book.active.append(row)
    book.create_chartsheet("Shares", 0).add_chart(BarChart())
    book.save(tmp_path / "a.xlsx")
    assert rows_of(tmp_path / "a.xlsx") == TABLE.values.tolist()
    with pytest.raises(SourceError, match="no sheet 'Shares'; there are: Sheet"):
        rows_of(tmp_path / "a.xlsx", sheet="Shares")
    del book["Sheet"]
    book.save(tmp_path / "chart.xlsx")
    with pytest.raises(SourceError, match=r"chart\.xlsx: there are charts in it and no table"):
        rows_of(tmp_path / "chart.xlsx")


def test_a_column_of_bytes_in_parquet_is_one_of_texts(tmp_path: Path) -> None:
    """Some programs write texts without saying that they are some."""
    file, bad = tmp_path / "a.parquet", list[BadRow]()
    texts = pa.array(["día".encode(), b"\xe9", None])
    image = pa.array([{"bytes": b"\xff", "day": date(2024, 1, 2)}] * 3)
    labels = pa.array([b"joy", b"joy", b"fear"]).dictionary_encode()
    pq.write_table(pa.table({"text": texts, "label": labels, "raw": texts, "image": image}), file)
    assert rows_of(file, bad) == [["día", "joy"], ["", "fear"]]
    assert [str(row) for row in bad] == ["data row 2: 'text' holds bytes that are not UTF-8"]
    with pytest.raises(SourceError, match=r"1 row\(s\) cannot be read: data row 2: 'text' holds bytes"):
        rows_of(file)
    source = SourceConfig(file="a.parquet", text_column="label", bad_rows="drop")
    [beside] = read_columns(file, source, ["label", "raw", "image"], [])
    assert beside["raw"].tolist() == ["día", "\\xe9", ""]
    assert beside["image"].tolist() == ['{"bytes": "\\\\xff", "day": "2024-01-02"}'] * 3


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_half_of_a_character_is_a_fault_of_its_row_alone(tmp_path: Path, ending: str) -> None:
    """Programs that cut texts by UTF-16 units write it."""
    file, bad = tmp_path / f"a.{ending}", list[BadRow]()
    half = json.loads('"\\ud83d"')
    texts = ("a", f"cut {half}", "b\U0001f600")
    rows = [{"text": text, "label": "joy", "note": f"no {half}", half: 1} for text in texts]
    file.write_text(json.dumps(rows) if ending == "json" else "\n".join(map(json.dumps, rows)))
    assert rows_of(file, bad) == [["a", "joy"], ["b\U0001f600", "joy"]]
    assert [row.row for row in bad] == [2]
    with pytest.raises(SourceError, match=r"data row 2.*: 'text' holds half of a character, '\\ud83d'"):
        rows_of(file)
    source = SourceConfig(file=file.name, text_column="text", bad_rows="drop")
    names = columns_of(file, source)
    assert names == ["text", "label", "note"]
    [table] = read_columns(file, source, names, [])
    assert table["note"].tolist() == ["no \ufffd"] * 2


def test_a_number_without_end_is_a_fault_of_its_row_or_its_file(tmp_path: Path) -> None:
    good, endless, bad = '{"text": "a", "label": "joy"}', f'{{"text": {"7" * 5000}, "label": "joy"}}', list[BadRow]()
    (tmp_path / "a.jsonl").write_text(f"{endless}\n{good}\n")
    assert rows_of(tmp_path / "a.jsonl", bad) == [["a", "joy"]]
    assert "(line 1): no JSON (a whole number in it has too many digits to be read)" in str(bad[0])
    (tmp_path / "a.json").write_text(f"[{good}, {endless}]")
    with pytest.raises(SourceError, match=r"a\.json: a whole number in it has too many digits"):
        rows_of(tmp_path / "a.json")


@pytest.mark.parametrize("ending", ["json", "jsonl"])
def test_bytes_that_are_no_text_are_named_where_columns_are_looked_for(tmp_path: Path, ending: str) -> None:
    file = tmp_path / f"a.{ending}"
    rows = [json.dumps(row) for row in TABLE.to_dict("records") * 90]
    lines = "[" + ",\n".join(rows) + "]" if ending == "json" else "\n".join(rows)
    file.write_bytes(lines.encode().replace(b'"c"', b'"\xe9"', 1))
    with pytest.raises(SourceError, match=rf"a\.{ending}, line 3: the bytes b'\\xe9' .* are not utf-8"):
        columns_of(file, SourceConfig(file=file.name, text_column="text"))
    with pytest.raises(SourceError, match=rf"a\.{ending}, line 3"):
        guess_source(file)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_a_first_line_that_tells_excel_the_separator_is_no_header(tmp_path: Path, encoding: str) -> None:
    file, bad = tmp_path / "a.csv", list[BadRow]()
    content = "sep=;\r\ntext;label\r\n" + "".join(f"a, b {row};{'joy' if row % 3 else 'fear'}\r\n" for row in range(30))
    file.write_bytes(content.encode(encoding))
    source = guess_source(file).source
    assert (source.text_column, source.label_column, source.separator) == ("text", "label", ";")
    changes = {"encoding": encoding.removesuffix("-sig")}
    read = rows_of(file, **changes)
    assert (len(read), read[0]) == (30, ["a, b 0", "fear"])
    file.write_bytes((content + "alone\r\n").encode(encoding))
    assert rows_of(file, bad, **changes) == read
    assert str(bad[0]).startswith("data row 31 (line 33): 1 field(s)")
