from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.compute as pc
import pytest

from emotion_kedro.schemas.records import Records
from emotion_kedro.storage import chunks
from emotion_kedro.storage.chunks import Chunks, batch_of


def record(row: int, **changes: str) -> dict[str, str]:
    return {"record_id": f"a:{row}", "text": f"text {row}", "label": "joy", "source": "a", "split": ""} | changes


def pieces() -> Iterator[pd.DataFrame]:
    for start in (1, 4):
        yield pd.DataFrame([record(row) for row in range(start, start + 3)]).astype("str")
    yield pd.DataFrame([record(7)]).astype("str").iloc[:0]


def test_a_spool_can_be_read_again_and_goes_with_its_last_reader(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(chunks, "CHUNK_ROWS", 2)
    spooled = Chunks.spooled(map(batch_of, pieces()))
    assert [len(piece) for piece in spooled] == [2, 1, 2, 1]
    assert spooled.frame().equals(pd.concat(pieces(), ignore_index=True))
    view = spooled.where(lambda piece: np.asarray(pc.not_equal(piece["record_id"], "a:2")))
    del spooled
    assert view.frame()["record_id"].tolist() == ["a:1", "a:3", "a:4", "a:5", "a:6"]
    del view
    assert list(tmp_path.iterdir()) == []


def test_columns_of_a_file_alone_are_those_of_the_table(tmp_path: Path) -> None:
    chunks.write_parquet(tmp_path / "table.parquet", pieces())
    for table in (Chunks.in_parquet(tmp_path / "table.parquet"), Chunks(pieces)):
        assert table.only("text", "label", "group").frame().equals(table.frame()[["text", "label"]])
        assert table.where(lambda piece: np.asarray(pc.greater(piece["record_id"], "a:3"))).frame()[
            "text"
        ].tolist() == [f"text {row}" for row in range(4, 7)]


def test_small_pieces_are_written_as_one(tmp_path: Path) -> None:
    small = (pd.DataFrame([record(row, label=f"label {row % 3}")]).astype("str") for row in range(40))
    chunks.write_parquet(tmp_path / "table.parquet", small)
    [piece] = Chunks.in_parquet(tmp_path / "table.parquet")
    assert len(piece) == 40
    assert piece["label"].to_pylist() == [f"label {row % 3}" for row in range(40)]


def test_a_table_keeps_its_rows_where_another_file_is_written_over(tmp_path: Path) -> None:
    first, link, second = tmp_path / "first.parquet", tmp_path / "link.parquet", tmp_path / "second.parquet"
    chunks.write_parquet(first, pieces())
    link.symlink_to(first.name)
    Chunks.in_parquet(link).write(second)
    assert not second.is_symlink()
    chunks.write_parquet(first, [next(pieces())])
    assert len(Chunks.in_parquet(second).frame()) == 6


@pytest.mark.parametrize("label", [None, 7])
def test_a_check_sees_labels_that_are_none(label: object) -> None:
    table = pd.DataFrame([record(1), record(2)]).astype("str")
    table["label"] = pd.Series([label, label], dtype="object" if label is None else "int64")
    with pytest.raises(Exception, match="label"):
        Records.validate(Chunks.of(table)).frame()


def test_a_table_without_rows_has_its_columns() -> None:
    empty = next(pieces()).iloc[:0]
    assert Chunks.spooled(iter([batch_of(empty)])).frame().dtypes.to_dict() == empty.dtypes.to_dict()


def test_a_schema_checks_every_piece_when_it_is_read() -> None:
    assert Records.validate(Chunks(pieces)).frame().equals(Chunks(pieces).frame())
    texts = pd.concat(pieces()).assign(text=lambda table: table["text"].replace("text 5", ""))
    wrong = Records.validate(Chunks.of(texts))
    with pytest.raises(Exception, match="str_length"):
        wrong.frame()
