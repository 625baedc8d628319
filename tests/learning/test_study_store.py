from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from emotion_kedro.learning.study.store import SECONDS, Store

TABLE = pd.DataFrame({"text": pd.Series(["one", "zwei", "三"], dtype="str"), "weight": [1.0, 0.1, 1 / 3]})


def test_a_table_comes_back_as_it_was_with_the_seconds_it_took(tmp_path: Path) -> None:
    store = Store(tmp_path / "kept")
    assert store.load("cells", "ab") is None
    assert not store.has("cells", "ab")
    saved = store.save("cells", "ab", TABLE, seconds=1.23456)
    loaded = Store(tmp_path / "kept").load("cells", "ab")
    assert loaded is not None
    pd.testing.assert_frame_equal(loaded, TABLE, check_exact=True)
    pd.testing.assert_frame_equal(saved, TABLE, check_exact=True)
    assert loaded.attrs == saved.attrs == {SECONDS: 1.235}
    assert TABLE.attrs == {}


def test_kinds_and_fingerprints_are_apart(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.save("cells", "ab", TABLE, seconds=1)
    assert store.load("written", "ab") is None
    assert store.load("cells", "abc") is None
    store.save("cells", "ab", TABLE.head(1), seconds=2)
    again = store.load("cells", "ab")
    assert again is not None
    assert len(again) == 1
    assert again.attrs == {SECONDS: 2}


def test_a_table_that_was_cut_off_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path)

    def half(_table: pd.DataFrame, path: Path) -> None:
        path.write_bytes(b"PAR1 and no more")
        raise KeyboardInterrupt

    monkeypatch.setattr(pd.DataFrame, "to_parquet", half)
    with pytest.raises(KeyboardInterrupt):
        store.save("cells", "ab", TABLE, seconds=1)
    monkeypatch.undo()
    assert store.load("cells", "ab") is None
    assert not store.has("cells", "ab")
    assert store.save("cells", "ab", TABLE, seconds=1) is not None
    assert store.has("cells", "ab")


def test_a_table_that_is_written_again_is_whole_at_every_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path)
    store.save("cells", "ab", TABLE, seconds=1)
    seen: list[Any] = []
    rename = Path.rename

    def look_first(path: Path, target: Path) -> Path:
        seen.append(store.load("cells", "ab"))
        return rename(path, target)

    monkeypatch.setattr(Path, "rename", look_first)
    store.save("cells", "ab", TABLE.head(1), seconds=1)
    assert [len(table) for table in seen] == [3]
    assert [file.name for file in (tmp_path / "cells").iterdir()] == ["ab.parquet"]
