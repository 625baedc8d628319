from __future__ import annotations

import inspect
import json
from dataclasses import dataclass
from pathlib import Path

import pytest
from kedro.io import DatasetError, Version
from killing import kill_in_the_middle

from emotion_kedro.datasets import ModelDirectory
from emotion_kedro.models.language_models import Reference
from emotion_kedro.runners.incremental.fingerprints import content_of


@dataclass
class Model:
    """Writes its words; fails after the first file if told so."""

    words: str
    fails: BaseException | None = None

    def save(self, directory: Path) -> None:
        assert list(directory.iterdir()) == []
        (directory / "config.json").write_text(json.dumps({"words": self.words}))
        if self.fails is not None:
            raise self.fails
        (directory / "weights").write_text(self.words)


def dataset(root: Path, load: str | None = None, save: str | None = None) -> ModelDirectory:
    return ModelDirectory(filepath=str(root / "joy"), version=Version(load, save))


def words(directory: Path) -> str:
    return (directory / "weights").read_text()


def test_the_newest_version_is_loaded_unless_another_is_asked_for(tmp_path: Path) -> None:
    for number in ("1", "3"):
        dataset(tmp_path, save=f"2030-01-0{number}").save(Model(number))
    assert words(dataset(tmp_path).load()) == "3"
    assert words(dataset(tmp_path, load="2030-01-01").load()) == "1"
    assert not dataset(tmp_path, load="2030-01-02").exists()
    with pytest.raises(DatasetError, match="there is no model directory"):
        dataset(tmp_path, load="2030-01-02").load()


@pytest.mark.parametrize("name", ["weights", "config.json"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove", "add"])
def test_a_model_whose_files_are_not_what_was_written_is_not_loaded(tmp_path: Path, damage: str, name: str) -> None:
    model = dataset(tmp_path, save="2030-01-01")
    model.save(Model("one"))
    weights = model.load() / name
    content = weights.read_bytes()
    (model.load() / "README.md").write_text("a card may be edited")
    (model.load() / ".DS_Store").write_text("left by a file manager")
    assert model.load() == weights.parent
    if damage == "remove":
        weights.unlink()
    elif damage == "add":
        (weights.parent / "more").write_text("")
    else:
        weights.write_bytes(content[:-1] + (bytes([content[-1] ^ 1]) if damage == "flip" else b""))
    with pytest.raises(DatasetError, match=f"is damaged: {'more' if damage == 'add' else name} is not what was"):
        model.load()


def test_notes_that_were_cut_have_a_content_of_their_own(tmp_path: Path) -> None:
    model = dataset(tmp_path, save="2030-01-01")
    model.save(Model("one"))
    notes = model.load() / "classifier.json"
    notes.write_text('{"seed": 1}')
    whole = content_of(model, "model", {})
    notes.write_text('{"seed"')
    assert content_of(model, "model", {}) != whole


def test_a_version_is_not_written_twice(tmp_path: Path) -> None:
    dataset(tmp_path, save="2030-01-01").save(Model("one"))
    with pytest.raises(DatasetError, match="must not exist"):
        dataset(tmp_path, save="2030-01-01").save(Model("two"))
    assert words(dataset(tmp_path).load()) == "one"


@pytest.mark.parametrize("error", [RuntimeError("disk full"), KeyboardInterrupt()])
def test_a_save_that_fails_leaves_nothing(tmp_path: Path, error: BaseException) -> None:
    model = dataset(tmp_path, save="2030-01-01")
    with pytest.raises((DatasetError, KeyboardInterrupt)):
        model.save(Model("one", fails=error))
    assert not model.exists()
    assert not dataset(tmp_path).exists()
    assert list((tmp_path / "joy").iterdir()) == []
    with pytest.raises(DatasetError):
        dataset(tmp_path).load()


def test_a_save_that_fails_leaves_the_older_version(tmp_path: Path) -> None:
    dataset(tmp_path, save="2030-01-01").save(Model("one"))
    with pytest.raises(DatasetError, match="disk full"):
        dataset(tmp_path, save="2030-01-02").save(Model("two", fails=OSError("disk full")))
    assert words(dataset(tmp_path).load()) == "one"
    assert dataset(tmp_path).list_versions(full_path=False) == ["2030-01-01"]


KILLED = """
import sys, time
from pathlib import Path
from kedro.io import Version
from emotion_kedro.datasets import ModelDirectory

class Slow:
    def save(self, directory):
        (directory / "config.json").write_text("{}")
        Path(sys.argv[2]).touch()
        time.sleep(60)

version = Version(None, sys.argv[3]) if len(sys.argv) > 3 else None
ModelDirectory(filepath=sys.argv[1], version=version).save(Slow())
"""


def test_a_killed_save_leaves_the_older_version(tmp_path: Path) -> None:
    dataset(tmp_path, save="2030-01-01").save(Model("one"))
    kill_in_the_middle(KILLED, str(tmp_path / "joy"), str(tmp_path / "sign"), "2030-01-02", sign=tmp_path / "sign")
    assert words(dataset(tmp_path).load()) == "one"
    assert dataset(tmp_path).list_versions(full_path=False) == ["2030-01-01"]
    assert not dataset(tmp_path, load="2030-01-02").exists()


def test_without_versions_a_model_is_replaced(tmp_path: Path) -> None:
    model = ModelDirectory(filepath=str(tmp_path / "joy"))
    assert not model.exists()
    for text in ("one", "two"):
        model.save(Model(text))
    assert model.load() == tmp_path / "joy"
    assert words(model.load()) == "two"
    assert [entry.name for entry in tmp_path.iterdir()] == ["joy"]


def test_without_versions_a_failure_leaves_nothing_half(tmp_path: Path) -> None:
    model = ModelDirectory(filepath=str(tmp_path / "joy"))
    with pytest.raises(DatasetError, match="disk full"):
        model.save(Model("one", fails=OSError("disk full")))
    assert not model.exists()
    assert list(tmp_path.iterdir()) == []


def test_the_preview_shows_the_configuration(tmp_path: Path) -> None:
    model = dataset(tmp_path, save="2030-01-01")
    model.save(Model("one"))
    assert json.loads(model.preview()) == {"words": "one"}
    reference = dataset(tmp_path / "else", save="2030-01-01")
    reference.save(Reference("gpt2"))
    assert json.loads(reference.preview()) == {"model": "gpt2"}
    # kedro-viz chooses how to draw it by the name of the annotation.
    assert str(inspect.signature(model.preview).return_annotation).endswith("JSONPreview")


def with_latest(root: Path, save: str) -> ModelDirectory:
    return ModelDirectory(filepath=str(root / "arms/joy"), latest="../latest/joy", version=Version(None, save))


def test_latest_always_opens_the_newest_version(tmp_path: Path) -> None:
    latest = tmp_path / "latest/joy"
    for day, newest in (("02", "02"), ("01", "02"), ("03", "03")):
        # The second run began before the first, and ends after it.
        with_latest(tmp_path, f"2030-01-{day}").save(Model(day))
        assert words(latest) == newest == words(with_latest(tmp_path, "2031").load())
    assert [entry.name for entry in latest.parent.iterdir()] == ["joy"]
    # A project that is moved takes it along, and Kedro takes it for no version.
    tmp_path.rename(moved := tmp_path.with_name(f"{tmp_path.name}_moved"))
    assert words(moved / "latest/joy") == "03"
    assert len(with_latest(moved, "2031").list_versions(full_path=False)) == 3


def test_latest_that_somebody_removed_is_restored(tmp_path: Path) -> None:
    model = with_latest(tmp_path, "2030")
    model.restore_latest()
    model.save(Model("one"))
    link = tmp_path / "latest/joy"
    link.unlink()
    model.restore_latest()
    assert words(link) == "one"


def test_a_save_that_fails_leaves_latest_where_it_was(tmp_path: Path) -> None:
    with_latest(tmp_path, "2030-01-01").save(Model("one"))
    with pytest.raises(DatasetError):
        with_latest(tmp_path, "2030-01-02").save(Model("two", fails=OSError("disk full")))
    assert words(tmp_path / "latest/joy") == "one"


def test_where_there_are_no_links_latest_is_a_copy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(*_: object, **__: object) -> None:
        raise OSError("Operation not permitted")

    latest = tmp_path / "latest/joy"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "symlink_to", refused)
        for day in ("01", "02"):
            with_latest(tmp_path, f"2030-01-{day}").save(Model(day))
            assert words(latest) == day
            assert not latest.is_symlink()
    with_latest(tmp_path, "2030-01-03").save(Model("03"))
    assert latest.is_symlink()
    assert words(latest) == "03"
    with monkeypatch.context() as patch:
        patch.setattr(Path, "symlink_to", refused)
        with_latest(tmp_path, "2030-01-04").save(Model("04"))
    assert words(latest) == "04"
    assert words(tmp_path / "arms/joy/2030-01-03/joy") == "03"
    assert [entry.name for entry in latest.parent.iterdir()] == ["joy"]
