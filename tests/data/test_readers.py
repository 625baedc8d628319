from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from reading import read_source

from emotion_kedro.config.data import IngestionConfig, SourceConfig
from emotion_kedro.data import tables
from emotion_kedro.data.readers import SourceError, read_sources
from emotion_kedro.data.tables import read_columns
from emotion_kedro.schemas.records import Records

STEPS = ("unescape_html", "collapse_space")
KNOWN = frozenset({"admiration", "anger", "fear", "joy", "love", "surprise"})


def source(**changes: Any) -> SourceConfig:
    return SourceConfig(**{"file": "a.csv", "text_column": "text", "label_column": "label"} | changes)


def read(folder: Path, content: str | bytes, **changes: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    (folder / "a.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    return read_source(folder, "set", source(**changes), STEPS, KNOWN)


def problem(folder: Path, content: str | bytes, **changes: Any) -> str:
    with pytest.raises(SourceError) as caught:
        read(folder, content, **changes)
    return str(caught.value)


def test_records_and_report(tmp_path: Path) -> None:
    table = "id,text,label\n1,I  am &amp; was,happiness\n2,   ,joy\n3,oh,woe\n4,no,anger\n5,NA,joy\n"
    records, report = read(tmp_path, table, label_map={"happiness": "joy"}, unknown_labels="drop")
    Records.validate(records)
    assert records.values.tolist() == [
        ["set:1", "I am & was", "joy", "set", ""],
        ["set:4", "no", "anger", "set", ""],
        ["set:5", "NA", "joy", "set", ""],
    ]
    assert report == {
        "files": ["a.csv"],
        "rows": 5,
        "kept": 3,
        "dropped": {"empty text": 1, "unknown label": {"woe": 1}},
        "labels": {"anger": 1, "joy": 2},
    }


def test_label_map_comes_before_labels_of_the_same_name(tmp_path: Path) -> None:
    records, _ = read(tmp_path, "text,label\na,fear\nb,joy\n", label_map={"fear": "surprise"})
    assert records["label"].tolist() == ["surprise", "joy"]


def test_rows_are_counted_across_chunks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tables, "CHUNK_ROWS", 2)
    table = "text,label\n" + "".join(f"t{row},{'glee' if row == 5 else 'joy'}\n" for row in range(1, 8))
    records, report = read(tmp_path, table, unknown_labels="drop")
    assert records["record_id"].tolist() == [f"set:{row}" for row in (1, 2, 3, 4, 6, 7)]
    assert records["text"].tolist() == [f"t{row}" for row in (1, 2, 3, 4, 6, 7)]
    assert report["rows"] == 7
    assert "data row 5, column 'label': unknown label 'glee'" in problem(tmp_path, table)


def test_several_files_and_own_cleaning(tmp_path: Path) -> None:
    (tmp_path / "one.tsv").write_text('joy\t"A\nfear\tB "b"\n')
    (tmp_path / "two.tsv").write_text("joy\tC\n")
    options = source(
        file=("one.tsv", "two.tsv"),
        separator="\t",
        quoting=False,
        column_names=("label", "text"),
        cleaning=("lower",),
    )
    records, report = read_source(tmp_path, "set", options, STEPS)
    assert records["record_id"].tolist() == ["set:one:1", "set:one:2", "set:two:1"]
    assert records["text"].tolist() == ['"a', 'b "b"', "c"]
    assert report["files"] == ["one.tsv", "two.tsv"]


@pytest.mark.parametrize(
    ("encoding", "codec"), [("utf-8", "utf-8-sig"), ("UTF8", "utf-8-sig"), ("gb18030", "gb18030"), ("utf-16", "utf-16")]
)
def test_encodings_and_byte_order_mark(tmp_path: Path, encoding: str, codec: str) -> None:
    records, _ = read(tmp_path, "text,label\n高兴 é,joy\n".encode(codec), encoding=encoding)
    assert records["text"].tolist() == ["高兴 é"]


def test_line_ends_quotes_and_blank_lines(tmp_path: Path) -> None:
    records, report = read(tmp_path, 'text,label\r\n"a, ""b""\r\nc",joy\r\n\r\nd,joy\r\n')
    assert records["text"].tolist() == ['a, "b" c', "d"]
    assert records["record_id"].tolist() == ["set:1", "set:2"]
    assert report["rows"] == 2


def test_blank_lines_before_the_header_are_none_of_it(tmp_path: Path) -> None:
    records, report = read(tmp_path, "\ntext,label\na day,joy\na night,\n", unknown_labels="drop")
    assert records["text"].tolist() == ["a day"]
    assert report["rows"] == 2


def test_empty_fields_at_the_end_are_not_missing_fields(tmp_path: Path) -> None:
    records, _ = read(tmp_path, "text,label,note\na,joy,\nb,joy,x\n")
    assert records["text"].tolist() == ["a", "b"]


@pytest.mark.parametrize(
    ("content", "changes", "pieces"),
    [
        ("text,label\na,joy,x\nb,joy,x\n", {}, ["data row 1 (line 2)", "3 field(s)", "'a,joy,x'"]),
        ("text,label\na,joy\n\nb\nc,joy\n", {}, ["data row 2 (line 4)", "1 field(s)", "'b'"]),
        ("a,joy\nb\n", {"column_names": ("text", "label")}, ["data row 2 (line 2)", "1 field(s)", "'b'"]),
        ("text,label\na,joy\nb \xe9,joy\n".encode("latin-1"), {}, ["line 3", r"b'\xe9'", "not utf-8", "encoding"]),
        ("text,label\n ,joy\nb,woe\n", {"unknown_labels": "drop"}, ["none is left", "1 have no text", "1 have an"]),
        (
            "text,label\na,joy\nb,glee\nc,glee\nd,woe\n",
            {},
            ["data row 2", "'label'", "'glee'", "3 ('glee': 2, 'woe': 1)", "label_map", "unknown_labels: drop"],
        ),
    ],
)
def test_problem_names_file_row_value_and_remedy(
    tmp_path: Path, content: str | bytes, changes: dict[str, Any], pieces: list[str]
) -> None:
    message = problem(tmp_path, content, **changes)
    for piece in ["a.csv", *pieces]:
        assert piece in message


def test_ragged_row_before_bad_bytes(tmp_path: Path) -> None:
    content = b"text,label\n" + b"a,joy\n" * 3 + b"b,joy,x\n" + b"a,joy\n" * 5000 + b"\xff,joy\n"
    message = problem(tmp_path, content)
    assert "data row 4" in message or "line 5006" in message


def test_very_long_field_beside_a_short_row(tmp_path: Path) -> None:
    message = problem(tmp_path, "text,label\n" + "z" * 200_000 + ",joy\nb\n")
    assert "data row 2 (line 3)" in message


def both(**sources_: SourceConfig) -> IngestionConfig:
    return IngestionConfig(cleaning=STEPS, sources=sources_, known_labels=KNOWN)


def test_sources_are_put_below_each_other_in_the_order_of_use(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na,joy\n")
    (tmp_path / "b.csv").write_text("text,label\nb,fear\n")
    records, reports = read_sources(tmp_path, both(second=source(file="b.csv"), first=source()))
    assert records.frame()["record_id"].tolist() == ["second:1", "first:1"]
    assert list(reports) == ["second", "first"]


def test_record_ids_must_be_unique(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("text,label\na,joy\n")
    twins = {"set": source(file=("a.csv", "b.csv")), "set:a": source()}
    with pytest.raises(SourceError, match=r"the same ids, from set:a:1 on"):
        read_sources(tmp_path, both(**twins))
    with pytest.raises(SourceError, match=r"names a\.csv twice"):
        read_source(tmp_path, "set", source(file=("a.csv", "*.csv")), STEPS)


NAMES = ("admiration", "annoyance", "anger", "nervousness", "fear")
MANY = "a\t0\nb\t1,2\nc\t2,4\n \t1,2\nd\t3,4\ne\t2,2\n"


def several(**changes: Any) -> dict[str, Any]:
    return {
        "separator": "\t",
        "quoting": False,
        "column_names": ("text", "label"),
        "label_separator": ",",
        "label_names": NAMES,
        "label_map": {"annoyance": "anger", "nervousness": "fear"},
    } | changes


@pytest.mark.parametrize(
    ("rule", "kept"),
    [
        # Record 4 has no text, record 6 has one label that stands twice.
        ("drop", {1: "admiration", 6: "anger"}),
        ("first", {1: "admiration", 2: "anger", 3: "anger", 5: "fear", 6: "anger"}),
        ("agree", {1: "admiration", 2: "anger", 5: "fear", 6: "anger"}),
    ],
)
def test_rows_with_several_labels(tmp_path: Path, rule: str, kept: dict[int, str]) -> None:
    records, report = read(tmp_path, MANY, **several(several_labels=rule))
    assert dict(zip(records["record_id"], records["label"], strict=True)) == {
        f"set:{row}": label for row, label in kept.items()
    }
    assert report["several_labels"] == {"rule": rule, "rows": 3, "kept": len(kept) - 2}
    assert report["dropped"] == {"empty text": 1, "unknown label": {}, "several labels": 5 - len(kept)}
    assert report["rows"] == len(kept) + 1 + report["dropped"]["several labels"]


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ("5", "unknown label '5'. `label_names` has labels 0 to 4."),
        ("1,9", "unknown label '9' in '1,9'."),
        ("1,", "there is no label in '1,'."),
        ("anger", "unknown label 'anger'."),
    ],
)
def test_a_number_without_a_name_is_an_error_wherever_it_stands(tmp_path: Path, field: str, said: str) -> None:
    message = problem(tmp_path, f"a\t0\nb\t{field}\n", **several())
    assert f"a.csv, data row 2, column 'label': {said}" in message


def test_an_unknown_label_may_be_dropped_from_among_several(tmp_path: Path) -> None:
    records, report = read(tmp_path, "a\t0\nb\t1,9\nc\t9\n", **several(several_labels="first", unknown_labels="drop"))
    assert records["record_id"].tolist() == ["set:1"]
    assert report["dropped"] == {"empty text": 0, "unknown label": {"9": 2}, "several labels": 0}
    assert "1 are dropped for their several labels" in problem(tmp_path, "a\t0,1\n", **several())


ROWS = [("fine & dandy", "joy"), ("", "anger"), ("brr", "fear")]


TABLE = pd.DataFrame(ROWS, columns=["text", "label"])
JSON = [{"text": text or None, "label": label} for text, label in ROWS]
WRITERS: dict[str, Callable[[Path], Any]] = {
    "a.csv": lambda path: TABLE.to_csv(path, index=False),
    "a.tsv": lambda path: TABLE.to_csv(path, index=False, sep="\t"),
    "a.json": lambda path: path.write_text(json.dumps(JSON)),
    "a.jsonl": lambda path: path.write_text("\n\n".join(json.dumps({**row, "id": 7}) for row in JSON)),
    "a.parquet": lambda path: TABLE.replace("", None).to_parquet(path),
    "a.xlsx": lambda path: TABLE.to_excel(path, index=False),
}


@pytest.mark.parametrize("file", WRITERS)
def test_every_format_gives_the_same_records(tmp_path: Path, file: str) -> None:
    WRITERS[file](tmp_path / file)
    records, report = read_source(tmp_path, "set", source(file=str(tmp_path / file)), STEPS, KNOWN)
    assert records[["record_id", "text", "label"]].values.tolist() == [
        ["set:1", "fine & dandy", "joy"],
        ["set:3", "brr", "fear"],
    ]
    assert (report["rows"], report["dropped"]["empty text"], report["files"]) == (3, 1, [file])
    with pytest.raises(SourceError, match=rf"{file}.*no column 'words'.*'text'"):
        read_source(tmp_path, "set", source(file=file, text_column="words"), STEPS)


def test_numbers_are_labels_as_they_are_written(tmp_path: Path) -> None:
    table = pd.DataFrame({"text": ["a", "b", "c"], "label": [1.0, 0.0, 4.0]})
    table.to_parquet(tmp_path / "a.parquet")
    table.to_excel(tmp_path / "a.xlsx", index=False, sheet_name="second")
    named = {"label_names": ("sadness", "joy"), "unknown_labels": "drop"}
    for file in ("a.parquet", "a.xlsx"):
        records, report = read_source(tmp_path, "set", source(file=file, **named), STEPS)
        assert records["label"].tolist() == ["joy", "sadness"]
        assert report["dropped"]["unknown label"] == {"4": 1}
    with pytest.raises(SourceError, match="no sheet 'first'; there are: second"):
        read_source(tmp_path, "set", source(file="a.xlsx", sheet="first"), STEPS)


def test_a_list_of_labels_counts_as_several(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_text('{"text": "a", "label": ["joy", "fear"]}\n{"text": "b", "label": ["fear"]}\n')
    several_of_jsonl = source(file="a.jsonl", label_separator="|", several_labels="first")
    records, _ = read_source(tmp_path, "set", several_of_jsonl, STEPS, KNOWN)
    assert records["label"].tolist() == ["joy", "fear"]
    with pytest.raises(SourceError, match=r"data row 1 \(line 1\): 'label' holds \['joy', 'fear'\]"):
        read_source(tmp_path, "set", source(file="a.jsonl"), STEPS)


BAD_CSV = "text,label\n" + "ok,joy\nb,joy,x\n\nonly\n" + "too,many,fields\n" * 15 + "ok,fear\n"
BAD_LINES = '{"text": "a", "label": "joy"}\n{"text": \n["a"]\n"a"\n{"text": "b"}\n{"text": "c", "label": "fear"}\n'


@pytest.mark.parametrize(
    ("file", "content", "pieces"),
    [
        ("a.csv", BAD_CSV, ["17 row(s)", "data row 2 (line 3): 3 f", "data row 3 (line 5): 1 field(s)", "and 5 more"]),
        ("a.jsonl", BAD_LINES, ["4 row(s)", "(line 2): no JSON", "(line 3): no object", "(line 5): it has no 'label'"]),
    ],
)
def test_all_bad_rows_are_named_at_once_or_dropped(tmp_path: Path, file: str, content: str, pieces: list[str]) -> None:
    (tmp_path / file).write_text(content)
    with pytest.raises(SourceError) as caught:
        read_source(tmp_path, "set", source(file=file), STEPS, KNOWN)
    for piece in [file, *pieces, "bad_rows: drop"]:
        assert piece in str(caught.value)
    records, report = read_source(tmp_path, "set", source(file=file, bad_rows="drop"), STEPS, KNOWN)
    assert records["label"].tolist() == ["joy", "fear"]
    assert records["record_id"].iloc[-1] == f"set:{report['rows']}"
    assert report["dropped"]["bad rows"] == report["rows"] - 2 == int(pieces[0].split()[0])


def test_dropping_rows_still_names_what_would_swallow_the_file(tmp_path: Path) -> None:
    message = problem(tmp_path, 'text,label\na,joy\n"b,joy\nc,joy\n', bad_rows="drop")
    assert "data row 2 (about line 3): a quotation mark is opened and never closed" in message
    records, report = read(tmp_path, b"text,label\na,joy\n\xe9,joy\n", bad_rows="drop")
    assert (len(records), report["dropped"]["bad rows"]) == (1, 1)


def test_columns_of_parquet_are_read_alike_whatever_they_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("emotion_kedro.data.tables.CHUNK_ROWS", 2)
    values = pa.array(["1", None, "0", "1", None, "0"])
    texts = pa.array([f"text {row}" for row in range(6)], pa.large_string())
    labels = [values, values.fill_null(""), values.dictionary_encode(), values.cast("int8"), values.cast("double")]
    read = []
    for number, column in enumerate(labels):
        pq.write_table(pa.table({"text": texts, "label": column}), tmp_path / f"{number}.parquet")
        config = source(file=f"{number}.parquet", label_map={"0": "joy", "1": "fear", "": "joy"})
        read.append(list(read_columns(tmp_path / config.file, config, ["text", "label"])))
    assert [piece.index.tolist() for piece in read[0]] == [[0, 1], [2, 3], [4, 5]]
    assert all(pd.concat(pieces).equals(pd.concat(read[0])) for pieces in read)


def test_a_text_in_parquet_that_is_not_utf_8_is_an_error_of_the_file(tmp_path: Path) -> None:
    broken = pa.array([b"fine", b"\xe9"]).view(pa.string())
    pq.write_table(pa.table({"text": broken, "label": ["joy", "joy"]}), tmp_path / "a.parquet")
    with pytest.raises(SourceError, match=r"a.parquet: this Parquet file is damaged \(.*UTF8"):
        read_source(tmp_path, "set", source(file="a.parquet"), STEPS)


def test_files_of_their_own_become_splits(tmp_path: Path) -> None:
    for name, text in (("train", "a"), ("dev", "b"), ("test", "c")):
        (tmp_path / f"{name}.csv").write_text(f"text,label\n{text},joy\n")
    config = source(file="train.csv", validation_file="dev.csv", test_file="test.csv")
    records, report = read_source(tmp_path, "set", config, STEPS, KNOWN)
    Records.validate(records)
    assert records[["record_id", "split"]].values.tolist() == [
        ["set:train:1", ""],
        ["set:dev:1", "validation"],
        ["set:test:1", "test"],
    ]
    assert report["splits"] == {"test": 1, "validation": 1}


def test_files_of_the_same_name_have_their_folder_in_the_record_id(tmp_path: Path) -> None:
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "a.csv").write_text("text,label\na,joy\n")
    records, _ = read_source(tmp_path, "set", source(file="*/a.csv"), STEPS)
    assert records["record_id"].tolist() == ["set:one/a.csv:1", "set:two/a.csv:1"]


def test_without_known_labels_any_stands_for_itself_but_none_at_all(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text,label\na,tests\nb,docs\nc,\n")
    with pytest.raises(SourceError, match="data row 3, column 'label': there is no label"):
        read_source(tmp_path, "set", source(), STEPS)
    records, _ = read_source(tmp_path, "set", source(unknown_labels="drop", label_map={"docs": "pages"}), STEPS)
    assert records["label"].tolist() == ["tests", "pages"]
