from __future__ import annotations

import json
import os
from pathlib import Path
from typing import NoReturn

import pandas as pd
import pytest
import torch

import emotion_kedro
from emotion_kedro.learning import checkpoints
from emotion_kedro.learning.checkpoints import Checkpoints, TableParts, clear_opened, contents_of, fingerprint
from emotion_kedro.options import TrainingOptions

OPTIONS = TrainingOptions(steps=10, learning_rate=1e-3)
ROWS = pd.DataFrame({"text": ["one", "two", "three"], "label": ["joy", "fear", "joy"]})


@pytest.fixture
def base(tmp_path: Path) -> Path:
    directory = tmp_path / "base"
    directory.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (directory / name).write_text("{}")
    return directory


def whole(base: Path, rows: pd.DataFrame = ROWS, options: TrainingOptions = OPTIONS, seed: int = 0) -> str:
    return fingerprint(base, rows, options, ["joy", "fear"], seed)


def test_a_fingerprint_is_16_digits_and_stays(base: Path) -> None:
    first = whole(base)
    os.utime(base / "config.json", (0, 0))
    assert whole(base, ROWS.set_axis([7, 8, 9])) == first
    assert len(first) == 16
    assert int(first, 16) >= 0


@pytest.mark.parametrize(
    ("field", "value"), [("steps", 11), ("learning_rate", 2e-3), ("patience", 2), ("checkpoint_every", 1)]
)
def test_options_change_the_fingerprint(base: Path, field: str, value: float) -> None:
    assert whole(base, options=OPTIONS.model_copy(update={field: value})) != whole(base)


def test_the_seed_changes_the_fingerprint(base: Path) -> None:
    assert whole(base, seed=1) != whole(base, seed=0)


@pytest.mark.parametrize(
    "rows",
    [
        ROWS.assign(text=["one", "two", "four"]),
        ROWS.assign(label=["fear", "joy", "joy"]),
        ROWS.iloc[:2],
        ROWS.iloc[::-1],
        ROWS.rename(columns={"text": "words"}),
        ROWS[["label", "text"]],
    ],
    ids=["a text", "a label", "a row less", "the order", "a name", "the columns' order"],
)
def test_rows_change_the_fingerprint(base: Path, rows: pd.DataFrame) -> None:
    assert whole(base, rows) != whole(base)


def test_base_files_change_the_fingerprint(base: Path) -> None:
    seen = [whole(base)]
    for name in ("config.json", "tokenizer.json", "model.safetensors", "adapter_model.safetensors", "reference.json"):
        (base / name).write_text("other")
        seen.append(whole(base))
    (base / "model.safetensors").rename(base / "model-1.safetensors")
    seen.append(whole(base))
    assert len(set(seen)) == 7


def test_notes_beside_a_model_leave_the_fingerprint_alone(base: Path) -> None:
    before = whole(base)
    # Times are in them, so that the same work done again would look like another.
    for name in ("generator.json", "classifier.json", "README.md"):
        (base / name).write_text("took 3.2 s")
    assert whole(base) == before


def test_a_directory_counts_by_its_files_and_any_other_name_by_itself(base: Path) -> None:
    assert contents_of(str(base)) == base
    assert contents_of("package:minilm") == "package:minilm"
    before = fingerprint(contents_of(str(base)))
    (base / "vocab.txt").write_text("other")
    assert fingerprint(contents_of(str(base))) != before


def test_the_version_of_the_package_changes_the_fingerprint(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = whole(base)
    monkeypatch.setattr(emotion_kedro, "__version__", "999")
    assert whole(base) != before


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, "work", "a1")
    # Neither contiguous nor without history, as parameters in training are.
    tensor = torch.randn(3, 4, requires_grad=True).T
    store.save(12, {"model/weight": tensor, "optimizer/0/step": torch.tensor(12.0)}, {"recent": [0.5], "best": None})
    step, tensors, notes = store.load() or pytest.fail("there is no checkpoint")
    assert (step, notes) == (12, {"recent": [0.5], "best": None})
    assert torch.equal(tensors["model/weight"], tensor)
    assert tensors["optimizer/0/step"].shape == ()


def test_the_newest_checkpoint_is_loaded_and_older_ones_go(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, "work", "a1")
    for step in (9, 10, 100):
        store.save(step, {"x": torch.tensor(float(step))}, {})
    assert (store.load() or pytest.fail("there is no checkpoint"))[0] == 100
    assert [path.name for path in store.directory.iterdir()] == ["000000100"]


def test_a_checkpoint_of_something_else_is_not_found(tmp_path: Path) -> None:
    Checkpoints(tmp_path, "work", "a1").save(1, {"x": torch.zeros(1)}, {})
    assert Checkpoints(tmp_path, "work", "b2").load() is None
    assert Checkpoints(tmp_path, "other", "a1").load() is None


def test_a_half_written_checkpoint_is_ignored(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, "work", "a1")
    store.save(5, {"x": torch.tensor(5.0)}, {})
    half = store.directory / ".partial-10"
    half.mkdir()
    (half / "state").write_bytes(b"not a tensor")
    assert (store.load() or pytest.fail("there is no checkpoint"))[0] == 5
    store.save(10, {"x": torch.tensor(10.0)}, {})
    step, tensors, _ = store.load() or pytest.fail("there is no checkpoint")
    assert (step, tensors["x"].item()) == (10, 10.0)


def test_a_half_written_checkpoint_alone_is_none(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, "work", "a1")
    (store.directory / ".partial-10").mkdir(parents=True)
    assert store.load() is None


@pytest.mark.parametrize("moment", ["write_text", "rename"])
def test_a_save_that_is_cut_short_leaves_the_older_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    store = Checkpoints(tmp_path, "work", "a1")
    store.save(5, {"x": torch.tensor(5.0)}, {})

    def killed(*_: object, **__: object) -> NoReturn:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, moment, killed)
    with pytest.raises(KeyboardInterrupt):
        store.save(10, {"x": torch.tensor(10.0)}, {})
    monkeypatch.undo()
    assert (store.load() or pytest.fail("there is no checkpoint"))[0] == 5


def test_cleared_work_has_no_checkpoint(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, "work", "a1")
    store.save(5, {"x": torch.zeros(1)}, {})
    store.clear()
    assert store.load() is None
    assert list(tmp_path.iterdir()) == []


def test_only_the_work_of_this_process_is_cleared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "OPENED", set())
    Checkpoints(tmp_path, "other", "b2").save(5, {"x": torch.zeros(1)}, {})
    TableParts(tmp_path, "other", "c3").save(0, ROWS)
    # As another process would see it.
    checkpoints.OPENED.clear()
    Checkpoints(tmp_path, "mine", "a1").save(5, {"x": torch.zeros(1)}, {})
    TableParts(tmp_path, "mine", "a2").save(0, ROWS)
    Checkpoints(tmp_path, "never saved", "a1")
    clear_opened()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["other-b2", "other-c3"]
    assert not checkpoints.OPENED


def test_clearing_that_is_cut_short_leaves_nothing_that_looks_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Checkpoints(tmp_path, "work", "a1")
    store.save(5, {"x": torch.zeros(1)}, {})
    monkeypatch.setattr(checkpoints.shutil, "rmtree", lambda *_, **__: None)
    store.clear()
    assert store.load() is None
    assert not store.directory.exists()


def test_notes_are_plain_json(tmp_path: Path) -> None:
    store = Checkpoints(tmp_path, "work", "a1")
    store.save(5, {"x": torch.zeros(1)}, {"worse": 1})
    assert json.loads((store.directory / "000000005" / "notes.json").read_text()) == {"worse": 1}


def test_parts_of_a_table_come_back_in_order(tmp_path: Path) -> None:
    parts = TableParts(tmp_path, "candidates", "a1")
    assert parts.load() == []
    for number in (2, *range(2), *range(3, 11)):
        parts.save(number, pd.DataFrame({"number": [number], "text": ["x"]}))
    assert [int(table["number"].iloc[0]) for table in parts.load()] == list(range(11))
    parts.clear()
    assert parts.load() == []


def test_parts_after_a_gap_do_not_count(tmp_path: Path) -> None:
    parts = TableParts(tmp_path, "candidates", "a1")
    for number in (0, 1, 3):
        parts.save(number, pd.DataFrame({"number": [number]}))
    assert [int(table["number"].iloc[0]) for table in parts.load()] == [0, 1]


def test_a_half_written_part_is_ignored(tmp_path: Path) -> None:
    parts = TableParts(tmp_path, "candidates", "a1")
    parts.save(0, pd.DataFrame({"text": ["x"]}))
    (parts.directory / ".partial-1").write_bytes(b"PAR1")
    assert len(parts.load()) == 1
    assert TableParts(tmp_path, "candidates", "b2").load() == []
