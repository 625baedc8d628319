from __future__ import annotations

import json
from pathlib import Path

import pytest
from kedro.io import DatasetError

from emotion_kedro.datasets import PictureFolder


def test_pictures_are_files_named_after_them(tmp_path: Path) -> None:
    dataset = PictureFolder(filepath=str(tmp_path / "study" / "images"))
    assert not dataset.exists()
    dataset.save({"curves": b"one", "overview": b"two"})
    assert dataset.exists()
    assert (tmp_path / "study" / "images" / "curves.png").read_bytes() == b"one"
    assert dataset.load() == {"curves": b"one", "overview": b"two"}
    assert json.loads(dataset.preview()) == {"curves.png": 3, "overview.png": 3}


def test_no_picture_of_an_earlier_run_stays(tmp_path: Path) -> None:
    dataset = PictureFolder(filepath=str(tmp_path / "images"))
    dataset.save({"curves": b"one", "relation": b"old"})
    dataset.save({"curves": b"two"})
    assert dataset.load() == {"curves": b"two"}
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


def test_a_save_that_fails_leaves_the_pictures_that_were_there(tmp_path: Path) -> None:
    dataset = PictureFolder(filepath=str(tmp_path / "images"))
    dataset.save({"curves": b"one"})
    with pytest.raises(DatasetError):
        dataset.save({"curves": b"two", "overview": None})  # type: ignore[dict-item]
    assert dataset.load() == {"curves": b"one"}
    assert [path.name for path in tmp_path.iterdir()] == ["images"]


@pytest.mark.parametrize("name", ["", "../curves", "a/b"])
def test_a_name_that_leads_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    dataset = PictureFolder(filepath=str(tmp_path / "images"))
    with pytest.raises(DatasetError, match="no names of pictures"):
        dataset.save({name: b"one"})
    assert not dataset.exists()


def test_missing_pictures_are_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="there is no folder of pictures"):
        PictureFolder(filepath=str(tmp_path / "images")).load()
