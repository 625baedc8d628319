from __future__ import annotations

import json
from pathlib import Path

import pytest
from kedro.io import DatasetError

from emotion_kedro.datasets import RawFolder


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "raw" / "eit").mkdir(parents=True)
    (tmp_path / "raw" / "eit" / "table.csv").write_text("Text,Emotion\n")
    (tmp_path / "raw" / "notes.txt").write_text("four")
    return tmp_path / "raw"


def test_a_folder_is_loaded_as_its_path(folder: Path) -> None:
    dataset = RawFolder(path=str(folder))
    assert dataset.exists()
    assert dataset.load() == folder


def test_a_missing_folder_is_an_error_that_says_how_to_name_another(tmp_path: Path) -> None:
    dataset = RawFolder(path=str(tmp_path / "absent"))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match="absent with the raw tables; name yours with --params=raw_root=FOLDER"):
        dataset.load()


def test_a_file_is_no_folder(folder: Path) -> None:
    assert not RawFolder(path=str(folder / "notes.txt")).exists()


def test_raw_data_is_never_written(folder: Path) -> None:
    with pytest.raises(DatasetError, match="never written"):
        RawFolder(path=str(folder)).save(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["eit", "notes.txt"]


def test_the_users_home_may_be_a_tilde(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert RawFolder(path="~/raw").load() == folder


def test_the_preview_lists_files_with_their_sizes(folder: Path) -> None:
    assert json.loads(RawFolder(path=str(folder)).preview()) == {"eit/table.csv": 13, "notes.txt": 4}
    assert RawFolder.preview.__annotations__["return"] == "JSONPreview"
