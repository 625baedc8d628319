from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd
import pytest
import torch
from killing import kill_in_the_middle

import emotion_kedro
from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.storage import cache as module
from emotion_kedro.storage import identity, whole_files
from emotion_kedro.storage.cache import Cache, Work, clear_finished, copy_kept
from emotion_kedro.storage.identity import contents_of, fingerprint
from emotion_kedro.storage.whole_files import written_whole

TRAINING = TrainingConfig(steps=10, learning_rate=1e-3)
ROWS = pd.DataFrame({"text": ["one", "two", "three"], "label": ["joy", "fear", "joy"]})
OLD = time.time() - 40 * 24 * 3600


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def work(cache: Cache) -> Work:
    return cache.work("work", "a1")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- identities ---------------------------------------------------------------------------------------------------


@pytest.fixture
def base(tmp_path: Path) -> Path:
    directory = tmp_path / "base"
    directory.mkdir()
    for name in ("config.json", "tokenizer.json", "model.safetensors"):
        (directory / name).write_text("{}")
    return directory


def whole(base: Path, rows: pd.DataFrame = ROWS, training: TrainingConfig = TRAINING, seed: int = 0) -> str:
    return fingerprint(base, rows, training, ["joy", "fear"], seed)


def test_a_fingerprint_is_16_digits_and_stays(base: Path) -> None:
    first = whole(base)
    os.utime(base / "config.json", (0, 0))
    assert whole(base, ROWS.set_axis([7, 8, 9])) == first
    assert len(first) == 16
    assert int(first, 16) >= 0


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


def test_parameters_seeds_and_the_version_change_it(base: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen = {whole(base), whole(base, seed=1), whole(base, training=TRAINING.model_copy(update={"patience": 2}))}
    for place, name in ((emotion_kedro, "__version__"), (identity.platform, "python_version")):
        monkeypatch.setattr(place, name, "999" if name == "__version__" else lambda: "999")
        identity._code.cache_clear()
        seen.add(whole(base))
    versions = identity.metadata.version
    for library in identity.LIBRARIES:
        monkeypatch.setattr(
            identity.metadata, "version", lambda name, other=library: "999" if name == other else versions(name)
        )
        identity._code.cache_clear()
        seen.add(whole(base))
    identity._code.cache_clear()
    assert len(seen) == 3 + 2 + len(identity.LIBRARIES)


def test_what_is_kept_after_an_edit_of_the_code_is_for_this_process_alone(
    cache: Cache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    code = tmp_path / "package" / "models" / "net.py"
    code.parent.mkdir(parents=True)
    code.write_text("LIMIT = 1")
    monkeypatch.setattr(identity, "PACKAGE", tmp_path / "package")
    monkeypatch.setattr(emotion_kedro, "BEGAN", time.time_ns())
    monkeypatch.setattr(identity, "MARK", [])
    identity._computing.cache_clear()
    table, work = pd.DataFrame({"text": ["one"]}), cache.work("fit", "a1")
    cache.save_table("runs", "a1", table)
    assert not caplog.text
    code.write_text("LIMIT = 2")
    assert cache.table("runs", "a1") is None  # nobody knows which code this process runs
    cache.save_table("runs", "a2", table)
    assert cache.table("runs", "a2") is not None
    work.save(1, {}, {})
    assert caplog.text.count("code was edited while this process runs") == 1
    identity.MARK.clear()
    monkeypatch.setattr(emotion_kedro, "BEGAN", time.time_ns() + 10**9)
    assert cache.table("runs", "a1") is not None
    assert cache.table("runs", "a2") is None
    assert work.load() is None
    identity._computing.cache_clear()


@pytest.mark.parametrize("room", identity.COMPUTING)
def test_code_that_long_work_runs_changes_it_and_other_code_does_not(
    room: str, base: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "package"
    for name in (room, "report"):
        (package / name / "inner").mkdir(parents=True)
        (package / name / "inner" / "helper.py").write_text("LIMIT = 1")
    monkeypatch.setattr(identity, "PACKAGE", package)
    seen = []
    for name in ("nothing", "report", room):
        if name != "nothing":
            (package / name / "inner" / "helper.py").write_text("LIMIT = 2")
        identity._code.cache_clear()
        identity._computing.cache_clear()
        seen.append(whole(base))
    identity._code.cache_clear()
    identity._computing.cache_clear()
    assert seen[0] == seen[1] != seen[2]


def test_the_files_of_a_model_change_it_and_notes_beside_them_do_not(base: Path) -> None:
    seen = [whole(base)]
    # Times are in them, so that the same work done again would look like another.
    for name in ("generator.json", "classifier.json", "README.md"):
        (base / name).write_text("took 3.2 s")
    assert whole(base) == seen[0]
    for name in ("config.json", "tokenizer.json", "model.safetensors", "adapter_model.safetensors", "reference.json"):
        (base / name).write_text("other")
        seen.append(whole(base))
    (base / "model.safetensors").rename(base / "model-1.safetensors")
    assert len({*seen, whole(base)}) == 7


def test_a_directory_counts_by_its_files_and_any_other_name_by_itself(base: Path) -> None:
    assert contents_of(str(base)) == base
    assert contents_of("package:minilm") == "package:minilm"


def test_nothing_heavy_is_loaded_at_the_start() -> None:
    code = (
        "import sys, emotion_kedro.storage.identity as identity; identity.fingerprint({'a': 1});"
        "print(sorted({'torch', 'pandas', 'numpy', 'safetensors'} & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2] / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"


# --- tables and directories ---------------------------------------------------------------------------------------


def test_a_table_comes_back_as_it_was_with_its_notes(cache: Cache) -> None:
    assert cache.table("runs", "a1") is None
    table = ROWS.copy()
    table.attrs = {"seconds": 1.5}
    cache.save_table("runs", "a1", table)
    loaded = Cache(cache.root).table("runs", "a1")
    assert loaded is not None
    pd.testing.assert_frame_equal(loaded, table)
    assert loaded.attrs == {"seconds": 1.5}
    assert cache.table("runs", "b2") is None
    assert cache.table("other", "a1") is None


def test_a_directory_is_written_once(cache: Cache) -> None:
    assert cache.directory("bases", "a1") is None
    place = cache.save_directory("bases", "a1", lambda folder: (folder / "weights").write_text("first"))
    assert cache.directory("bases", "a1") == place
    # Another process that made the same in the meantime drops its ours.
    assert cache.save_directory("bases", "a1", lambda folder: (folder / "weights").write_text("second")) == place
    assert (place / "weights").read_text() == "first"
    assert names(cache.root / "bases") == ["a1"]


@pytest.mark.parametrize("harm", ["flip", "cut", "remove", "add"])
def test_a_directory_that_is_not_what_was_written_is_made_anew(
    cache: Cache, harm: str, caplog: pytest.LogCaptureFixture
) -> None:
    def write(folder: Path) -> None:
        (folder / "inner").mkdir()
        (folder / "inner" / "weights").write_bytes(b"weights")

    place = cache.save_directory("bases", "a1", write)
    file = place / "inner" / "weights"
    if harm == "remove":
        file.unlink()
    else:
        file.with_name("further" if harm == "add" else file.name).write_bytes(
            b"weighs" if harm == "cut" else b"waights"
        )
    assert cache.directory("bases", "a1") is None
    named = "inner/further" if harm == "add" else "inner/weights"
    assert f"{place} cannot be used ({named} is not what was written)" in caplog.text
    cache.save_directory("bases", "a1", write)
    assert cache.directory("bases", "a1") == place


def test_check_sums_stay_in_the_cache(tmp_path: Path, cache: Cache) -> None:
    place = cache.save_directory("bases", "a1", lambda folder: (folder / "weights").write_text("w"))
    copy_kept(place, tmp_path / "copy")
    assert names(tmp_path / "copy") == ["weights"]
    assert fingerprint(place) == fingerprint(tmp_path / "copy")


@pytest.mark.parametrize("name", [module.TABLE, module.CHECK_SUMS])
def test_a_flipped_bit_in_a_table_or_its_check_sums_is_seen(
    cache: Cache, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    cache.save_table("runs", "a1", ROWS)
    place = cache.root / "runs" / "a1"
    content = (place / name).read_bytes()
    # The first and the last bits, as many at random; tables end in a footer that holds no check sum of its own.
    bits = {0, 8 * len(content) - 1, *random.Random(0).sample(range(8 * len(content)), 50)}
    for bit in sorted(bits):
        caplog.clear()
        flip = bytes([content[bit // 8] ^ (1 << bit % 8)])
        (place / name).write_bytes(content[: bit // 8] + flip + content[bit // 8 + 1 :])
        assert cache.table("runs", "a1") is None, bit
        assert [record.getMessage().split(" (")[0] for record in caplog.records] == [f"{place} cannot be used"]
        (damaged,) = place.parent.glob(".damaged-*")
        damaged.rename(place)
    (place / name).write_bytes(content)
    assert cache.table("runs", "a1") is not None


@pytest.mark.parametrize("content", [None, b"", b"[]", b"\xff", b"{}"])
def test_a_table_without_its_check_sums_is_made_anew(cache: Cache, content: bytes | None) -> None:
    cache.save_table("runs", "a1", ROWS)
    file = cache.root / "runs" / "a1" / module.CHECK_SUMS
    file.unlink()
    if content is not None:
        file.write_bytes(content)
    assert cache.table("runs", "a1") is None
    cache.save_table("runs", "a1", ROWS)
    assert cache.table("runs", "a1") is not None


def fail(*_: object, **__: object) -> NoReturn:
    raise KeyboardInterrupt


@pytest.mark.parametrize(
    "save",
    [
        lambda cache: cache.save_directory("kind", "a1", fail),
        lambda cache: cache.save_table("kind", "a1", type("Broken", (), {"to_parquet": fail})()),
    ],
    ids=["directory", "table"],
)
def test_what_fails_leaves_nothing(cache: Cache, save: Callable[[Cache], Any]) -> None:
    with pytest.raises(KeyboardInterrupt):
        save(cache)
    assert names(cache.root / "kind") == []


def test_everything_is_on_the_disk_before_it_has_its_name(
    cache: Cache, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    flushed: list[str] = []
    flush = whole_files._flush_entry
    monkeypatch.setattr(whole_files, "_flush_entry", lambda path: (flushed.append(path.name), flush(path)))
    work.save(5, {"x": torch.zeros(1)}, {})
    staging = next(name for name in flushed if name.startswith(".partial-"))
    assert sorted(flushed[: flushed.index(staging)]) == ["notes.json", "state"]
    assert flushed[-1] == work.directory.name


def test_what_nothing_used_for_a_month_goes(cache: Cache) -> None:
    for name in ("used", "unused"):
        cache.save_table("runs", name, ROWS)
        cache.save_directory("bases", name, lambda folder: (folder / "weights").touch())
        for kind in ("runs", "bases"):
            os.utime(cache.root / kind / name, (OLD, OLD))
    assert cache.table("runs", "used") is not None
    assert cache.directory("bases", "used") is not None
    later = Cache(cache.root)
    later.save_table("runs", "new", ROWS)
    later.save_directory("bases", "new", lambda folder: None)
    assert names(cache.root / "runs") == ["new", "used"]
    assert names(cache.root / "bases") == ["new", "used"]


def test_leftovers_of_dead_writers_go_and_those_of_living_ones_stay(tmp_path: Path, cache: Cache) -> None:
    code = """
import sys, time
from pathlib import Path
from emotion_kedro.storage.cache import Cache

def write(folder):
    (folder / "half").write_text("half")
    Path(sys.argv[2]).touch()
    time.sleep(60)

Cache(sys.argv[1]).save_directory("bases", "a1", write)
"""
    kill_in_the_middle(code, str(cache.root), str(tmp_path / "sign"), sign=tmp_path / "sign")
    assert cache.directory("bases", "a1") is None
    assert len(names(cache.root / "bases")) == 1
    with written_whole(cache.root / "bases" / "mine") as staging:
        staging.mkdir()
        cache.save_directory("bases", "b2", lambda folder: None)
        assert names(cache.root / "bases") == sorted([staging.name, "b2"])


# --- vectors ------------------------------------------------------------------------------------------------------


def test_vectors_grow_by_parts_and_two_writers_keep_each_others(cache: Cache) -> None:
    keys = [bytes([number]) * 32 for number in range(4)]
    rows = np.arange(8, dtype=np.float32).reshape(4, 2)
    first, second = cache.vectors("features", "a1"), Cache(cache.root).vectors("features", "a1")
    assert first.load() == {}
    first.save(keys[:2], rows[:2])
    second.save(keys[1:], rows[1:])
    loaded = first.load()
    assert set(loaded) == set(keys)
    np.testing.assert_array_equal(np.stack([loaded[key] for key in keys]), rows)


@pytest.mark.parametrize("ending", [b"", b"\x01"])
def test_a_damaged_part_costs_its_own_rows_alone(cache: Cache, ending: bytes, caplog: pytest.LogCaptureFixture) -> None:
    vectors = cache.vectors("features", "a1")
    vectors.save([b"a" * 32], np.ones((1, 2), dtype=np.float32))
    (part,) = vectors.directory.iterdir()
    part.write_bytes(part.read_bytes()[:-1] + ending)
    vectors.save([b"b" * 32], np.ones((1, 2), dtype=np.float32))
    assert set(vectors.load()) == {b"b" * 32}
    assert f"{part} cannot be used" in caplog.text


# --- checkpoints --------------------------------------------------------------------------------------------------


def newest(work: Work) -> int | None:
    checkpoint = work.load()
    return None if checkpoint is None else checkpoint[0]


def test_a_checkpoint_comes_back_as_it_was(work: Work) -> None:
    # Neither contiguous nor without history, as parameters in training are.
    tensor = torch.randn(3, 4, requires_grad=True).T
    work.save(12, {"model/weight": tensor, "optimizer/0/step": torch.tensor(12.0)}, {"recent": [0.5], "best": None})
    step, tensors, notes = work.load() or pytest.fail("there is no checkpoint")
    assert (step, notes) == (12, {"recent": [0.5], "best": None})
    assert torch.equal(tensors["model/weight"], tensor)
    assert tensors["optimizer/0/step"].shape == ()
    assert json.loads((work.directory / "000000012" / "notes.json").read_text())["notes"] == notes


def test_the_newest_is_loaded_and_the_one_before_it_stays(work: Work) -> None:
    for step in (9, 10, 100):
        work.save(step, {"x": torch.tensor(float(step))}, {})
    assert newest(work) == 100
    assert names(work.directory) == ["000000010", "000000100"]


def test_a_checkpoint_of_something_else_is_not_loaded(cache: Cache, work: Work) -> None:
    work.save(1, {"x": torch.zeros(1)}, {})
    assert cache.work("work", "b2").load() is None
    assert cache.work("other", "a1").load() is None


def halved(content: bytes) -> bytes:
    return content[: len(content) // 2]


def flipped(at: int) -> Callable[[bytes], bytes]:
    """Return what flips the lowest bit of one byte, which may well leave readable numbers and valid JSON."""
    return lambda content: content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :]


DAMAGES: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda content: b"",
    "halved": halved,
    "cut": lambda content: content[:-2],
    "zeros": lambda content: bytes(len(content)),
    "other": lambda content: b'["a", "list"]',
    **{
        f"flipped {place}": lambda content, place=place: flipped(len(content) * place // 8)(content)
        for place in range(8)
    },
}


@pytest.mark.parametrize("name", ["state", "notes.json"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_after_a_damaged_checkpoint_the_one_before_it_is_taken(
    work: Work, caplog: pytest.LogCaptureFixture, damage: str, name: str
) -> None:
    for step in (5, 10):
        work.save(step, {"x": torch.full((6,), step / 7)}, {"recent": [step / 7], "best": None})
    for step, before in ((10, 5), (5, None)):
        file = work.directory / f"{step:09d}" / name
        file.write_bytes(DAMAGES[damage](file.read_bytes()))
        assert newest(work) == before
        assert f"{file.parent} cannot be used" in caplog.text
    assert len([path for path in work.directory.iterdir() if path.name.startswith(".damaged-")]) == 2
    work.save(10, {"x": torch.tensor(10.0)}, {})
    assert newest(work) == 10


def test_a_flipped_bit_is_seen_wherever_it_is(work: Work, caplog: pytest.LogCaptureFixture) -> None:
    """Over both files: what a flip leaves is refused, unless it says the same (a space that became another one)."""
    work.save(5, {"x": torch.ones(2)}, {"recent": [0.5]})
    for name in ("state", "notes.json"):
        file = work.directory / "000000005" / name
        content = file.read_bytes()
        for bit in range(0, 8 * len(content), 7):
            flip = bytes([content[bit // 8] ^ (1 << bit % 8)])
            file.write_bytes(content[: bit // 8] + flip + content[bit // 8 + 1 :])
            loaded = work.load()
            if loaded is not None:
                assert (loaded[1]["x"].tolist(), loaded[2]) == ([1.0, 1.0], {"recent": [0.5]})
                assert name == "notes.json"
                continue
            (damaged,) = work.directory.glob(".damaged-*")
            damaged.rename(file.parent)
        file.write_bytes(content)
    assert newest(work) == 5


@pytest.mark.parametrize("name", ["state", "notes.json"])
def test_a_checkpoint_without_one_of_its_files_is_set_aside(work: Work, name: str) -> None:
    for step in (5, 10):
        work.save(step, {"x": torch.tensor(float(step))}, {})
    (work.directory / "000000010" / name).unlink()
    assert newest(work) == 5


def test_a_checkpoint_that_does_not_fit_is_set_aside_too(work: Work, caplog: pytest.LogCaptureFixture) -> None:
    def assert_fits(tensors: dict[str, torch.Tensor], notes: dict[str, Any]) -> None:
        if notes["width"] != 5:
            raise ValueError(f"its width is {notes['width']}")

    for step in (5, 10):
        work.save(step, {"x": torch.tensor(float(step))}, {"width": step})
    assert (work.load(assert_fits) or pytest.fail("there is no checkpoint"))[0] == 5
    assert f"{work.directory / '000000010'} cannot be used (its width is 10)" in caplog.text


@pytest.mark.parametrize("moment", ["write_text", "rename"])
def test_a_save_that_is_cut_short_leaves_the_older_one(
    work: Work, monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    work.save(5, {"x": torch.tensor(5.0)}, {})
    with monkeypatch.context() as cut:
        cut.setattr(Path, moment, fail)
        with pytest.raises(KeyboardInterrupt):
            work.save(10, {"x": torch.tensor(10.0)}, {})
    assert newest(work) == 5


def test_a_save_survives_another_process_that_clears_the_same_work(cache: Cache, work: Work) -> None:
    work.save(5, {"x": torch.zeros(1)}, {})

    class Cleared(dict):
        def items(self) -> Any:
            whole_files.discard(work.directory)
            return super().items()

    work.save(10, Cleared(x=torch.zeros(1)), {})
    assert newest(work) == 10


@pytest.fixture
def owners() -> Iterator[None]:
    before = module.OWNER.set("")
    module.OPENED.clear()
    yield
    module.OPENED.clear()
    module.OWNER.reset(before)


@pytest.mark.usefixtures("owners")
def test_only_the_work_of_one_owner_in_this_process_is_cleared(cache: Cache) -> None:
    cache.work("other process", "b2").save(5, {"x": torch.zeros(1)}, {})
    module.OPENED.clear()
    module.OWNER.set("one node")
    ours = Cache(cache.root)
    ours.work("mine", "a1").save(5, {"x": torch.zeros(1)}, {})
    Cache(cache.root).work("mine", "a2").save(5, {"x": torch.zeros(1)}, {})
    ours.work("never saved", "a1")
    ours.save_table("runs", "a1", ROWS)
    module.OWNER.set("the next node")
    # An object may be used in other threads than that of its owner.
    ours.work("mine", "a3").save(5, {"x": torch.zeros(1)}, {})
    Cache(cache.root).work("next", "a4").save(5, {"x": torch.zeros(1)}, {})
    clear_finished("one node")
    assert names(cache.root / "work") == ["next-a4", "other%20process-b2"]
    assert ours.table("runs", "a1") is not None
    assert set(module.OPENED) == {"the next node"}


@pytest.mark.parametrize("kind", ["table", "directory"])
def test_checkpoints_go_with_the_entry_that_their_work_leads_to(
    cache: Cache, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = cache.towards("runs", "a1")
    for work in (inner.work("first", "b1"), inner.work("second", "b2"), cache.work("other", "b3")):
        work.save(5, {"x": torch.zeros(1)}, {})
        assert newest(work) == 5
    with monkeypatch.context() as killed:
        # The entry is there, and nothing else was done.
        killed.setattr(Cache, "finish", lambda *_: None)
        if kind == "table":
            cache.save_table("runs", "a1", ROWS)
        else:
            cache.save_directory("runs", "a1", lambda folder: None)
    assert newest(inner.work("first", "b1")) == 5
    later = Cache(cache.root)
    assert (later.table("runs", "a1") if kind == "table" else later.directory("runs", "a1")) is not None
    assert names(cache.root / "work") == ["other-b3"]


def test_clearing_that_is_cut_short_leaves_nothing_that_looks_whole(
    work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    work.save(5, {"x": torch.zeros(1)}, {})
    monkeypatch.setattr(whole_files.shutil, "rmtree", lambda *_, **__: None)
    whole_files.discard(work.directory)
    assert work.load() is None
    assert not work.directory.exists()
