"""What guards a run: alone in its folder, able to write, newest by name, stopped with a word."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.io import DataCatalog, MemoryDataset, Version
from kedro.pipeline import Pipeline, node
from kedro.runner import ThreadRunner
from killing import HERE

from emotion_kedro.datasets import ParquetDataset
from emotion_kedro.hooks.project import RunHooks, RunnerError
from emotion_kedro.runtime import guards
from emotion_kedro.runtime.guards import (
    LOCK,
    FolderError,
    alone_in,
    check_versions,
    check_writable,
    stopped_by_signals,
    work_of,
)
from emotion_kedro.storage import whole_files
from emotion_kedro.storage.whole_files import GONE, aside, written_whole

HOLDING = """
import sys
from pathlib import Path
from emotion_kedro.runtime.guards import alone_in

with alone_in(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


def holding(folder: Path, code: str = HOLDING) -> subprocess.Popen[str]:
    environment = {**os.environ, "PYTHONPATH": str(HERE.parent / "src")}
    pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    return subprocess.Popen([sys.executable, "-c", code, str(folder)], env=environment, text=True, **pipes)


@pytest.fixture
def holder(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that uses the folder."""
    process = holding(tmp_path)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


# --- one run a folder ---------------------------------------------------------------------------------------------


def test_a_second_run_is_told_which_is_first_and_a_dead_one_is_in_nobodys_way(
    tmp_path: Path, holder: subprocess.Popen[str]
) -> None:
    with pytest.raises(FolderError) as caught, alone_in(tmp_path):
        pass
    text = (tmp_path / LOCK).read_text()
    (tmp_path / LOCK).unlink()  # lets nobody in
    with pytest.raises(FolderError, match="another run is using"), alone_in(tmp_path):
        pass
    (tmp_path / LOCK).write_text(text)
    assert caught.value.message.startswith(f"run PID {holder.pid} since 20")
    assert f"is using {tmp_path}/ (kedro" in caught.value.message
    with alone_in(tmp_path / "real"):
        pass
    holder.kill()
    holder.wait()
    with alone_in(tmp_path):
        assert (tmp_path / LOCK).read_text().startswith(f"{os.getpid()}\n")


def test_a_process_of_the_run_does_not_keep_the_lock_of_a_run_that_is_gone(tmp_path: Path) -> None:
    forking = HOLDING.replace('print("held", flush=True)', "import os; os.write(1, f'{os.fork()}\\n'.encode())")
    process = holding(tmp_path, forking)
    numbers = {int(process.stdout.readline()) for _ in range(2)} if process.stdout else set()
    process.kill()
    process.wait()
    try:
        with alone_in(tmp_path):
            assert (tmp_path / LOCK).read_text().startswith(f"{os.getpid()}\n")
    finally:
        os.kill(max(numbers), signal.SIGKILL)
        process.communicate()


def test_where_no_lock_can_be_had_the_run_goes_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(errno.ENOLCK, "no locks available")

    went_on = []
    with monkeypatch.context() as network_disk:
        network_disk.setattr(guards.fcntl, "flock", no_locks)
        with alone_in(tmp_path):
            went_on.append("without locks")
    (tmp_path / "file").touch()
    with alone_in(tmp_path / "file" / "below"):  # no folder can be made there
        went_on.append("without a folder")
    assert went_on == ["without locks", "without a folder"]


def test_leftovers_go_at_any_depth_and_nothing_else_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    deep, raw, other = tmp_path / "06_models" / "arm", tmp_path / "01_raw" / "mine", tmp_path / "real" / "deep"
    for folder in (deep, raw, other):
        folder.mkdir(parents=True)
    (tmp_path / "real" / LOCK).touch()
    living = aside(deep / "table")
    dead = aside(deep / "dead").with_name(living.name.replace(f"-{os.getpid()}-", "-4194305-"))
    reused = living.with_name(living.name.replace(f"-{whole_files._start_of(os.getpid())}-", "-1-"))
    elsewhere = living.with_name(living.name.replace(whole_files._machine(), "elsewhere"))
    for path in (living, dead, reused, elsewhere, deep / "whole", raw / f"{GONE}1", other / elsewhere.name):
        path.touch()
    (deep / f"{GONE}1" / "inside").mkdir(parents=True)
    with alone_in(tmp_path):
        left = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
        assert not (deep / f"{GONE}1").exists()
    folder = "06_models/arm"
    kept = {f"{folder}/{living.name}", f"{folder}/whole", f"01_raw/mine/{GONE}1", f"real/deep/{elsewhere.name}"}
    assert left == {LOCK, f"real/{LOCK}", *kept}


def _replace(place: str, who: int, failed: Any) -> None:
    try:
        for _ in range(100):
            with written_whole(Path(place, "folder")) as staging:
                staging.mkdir()
                (staging / "one").write_text(str(who))
                (staging / "two").write_text(str(who))
            whole_files.point(Path(place, "link"), Path(place, "folder"))
    except BaseException as error:
        failed.put(f"{type(error).__name__}: {error}")
        raise


def test_writers_of_one_directory_never_fail_each_other(tmp_path: Path) -> None:
    fork = multiprocessing.get_context("fork")
    failed = fork.SimpleQueue()
    writers = [fork.Process(target=_replace, args=(str(tmp_path), who, failed)) for who in range(4)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    assert failed.empty(), failed.get()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["folder", "link"]
    assert (tmp_path / "link" / "one").read_text() == (tmp_path / "link" / "two").read_text()


# --- what a run will write ----------------------------------------------------------------------------------------


def test_a_folder_that_is_only_read_is_named_before_any_work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "08_reporting").mkdir()
    place = tmp_path / "08_reporting" / "results" / "page.md"
    check_writable([place])
    # Whoever runs the tests may write anywhere.
    monkeypatch.setattr(guards.os, "access", lambda path, mode: path != tmp_path / "08_reporting")
    with pytest.raises(FolderError, match=f"{tmp_path}/08_reporting cannot be written to.*save {place}"):
        check_writable([tmp_path / "other", place])


def test_a_version_that_is_newer_by_name_is_named_with_what_to_do(tmp_path: Path) -> None:
    table = pd.DataFrame({"text": ["one"]})
    newer = ParquetDataset(filepath=str(tmp_path / "rows.parquet"), version=Version(None, "2031-01-01T00.00.00.000Z"))
    check_versions([newer, MemoryDataset(1), ParquetDataset(filepath=str(tmp_path / "plain.parquet"))])
    newer.save(table)
    check_versions([newer])
    older = ParquetDataset(filepath=str(tmp_path / "rows.parquet"), version=Version(None, "2030-12-31T23.59.59.999Z"))
    with pytest.raises(FolderError, match=r"clock says 2030-12-31.*rows.parquet/2031-01-01T00.*Set the clock right"):
        check_versions([older])


def test_a_run_with_nothing_to_do_needs_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dataset = ParquetDataset(filepath=str(tmp_path / "out.parquet"))
    catalog = DataCatalog({"in": MemoryDataset(1), "out": dataset})
    pipeline = Pipeline([node(pd.DataFrame, inputs="in", outputs="out", name="make")])
    assert work_of(pipeline, catalog, only_missing=True).nodes == pipeline.nodes
    dataset.save(pd.DataFrame({"text": ["one"]}))
    monkeypatch.setattr(guards.os, "access", lambda path, mode: False)
    hooks = RunHooks()
    monkeypatch.setattr(hooks, "_begin", lambda: pytest.fail("nothing has to be taken"))
    hooks.before_pipeline_run({"only_missing_outputs": True}, pipeline, catalog)
    with pytest.raises(FolderError):
        hooks.before_pipeline_run({}, pipeline, catalog)


def test_threads_are_refused_in_a_sentence() -> None:
    with pytest.raises(RunnerError, match="take --runner=ParallelRunner"):
        RunHooks().before_pipeline_run({"runner": str(ThreadRunner())}, Pipeline([]), DataCatalog())


FULL = {
    "system": OSError(errno.ENOSPC, "No space left on device"),
    "weights": RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)"),
    "quota": OSError(errno.EDQUOT, "Disk quota exceeded"),
    "limit": OSError(errno.EFBIG, "File too large"),
}


@pytest.mark.parametrize("error", FULL.values(), ids=FULL)
def test_a_full_disk_is_said_with_the_path_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    dataset = ParquetDataset(filepath=str(tmp_path / "rows.parquet"))

    def half(self: pd.DataFrame, file: Any, **_: object) -> None:
        file.write(b"half")
        raise error

    with monkeypatch.context() as full:
        full.setattr(pd.DataFrame, "to_parquet", half)
        with pytest.raises(Exception, match="no room") as caught:
            dataset.save(pd.DataFrame({"text": ["one"]}))
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(Exception, match="no room") as told:
        RunHooks().on_pipeline_error(caught.value, DataCatalog())
    assert str(told.value) == (
        f"the disk has no room for {tmp_path}/rows.parquet; make some, and run the same command again to go on"
    )
    dataset.save(pd.DataFrame({"text": ["one"]}))


# --- when it is stopped -------------------------------------------------------------------------------------------


@pytest.fixture
def usual_handlers() -> Iterator[None]:
    """The handlers of a program in a terminal: one that was started in the background has others."""
    before = {number: signal.signal(number, handler) for number, handler in guards.STOPPING.items()}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.usefixtures("usual_handlers")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_run_with_one_line_and_its_code(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], number: signal.Signals, code: int
) -> None:
    before = signal.getsignal(number)

    def work() -> None:
        with stopped_by_signals(), written_whole(tmp_path / "page") as staging:
            staging.write_text("half")
            os.kill(os.getpid(), number)

    with pytest.raises(SystemExit) as caught:
        work()
    assert caught.value.code == code
    assert capfd.readouterr().err == f"stopped by {number.name}; run the same command again to go on\n"
    assert list(tmp_path.iterdir()) == []
    assert signal.getsignal(number) is before
    guards._STOPPED.clear()


@pytest.mark.usefixtures("usual_handlers")
def test_a_host_programs_own_handlers_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    before = signal.signal(signal.SIGTERM, signal.SIG_IGN)
    try:
        with stopped_by_signals():
            assert signal.getsignal(signal.SIGTERM) is signal.SIG_IGN
            assert signal.getsignal(signal.SIGINT) is guards._stop
    finally:
        signal.signal(signal.SIGTERM, before)


@pytest.mark.usefixtures("usual_handlers")
def test_an_error_gives_the_folder_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = RunHooks()
    hooks.data_root = tmp_path
    hooks._begin()
    with pytest.raises(FolderError), alone_in(tmp_path):
        pass
    hooks.on_pipeline_error(KeyError("a fault"), DataCatalog())
    hooks._begin()
    hooks.after_pipeline_run()
    with alone_in(tmp_path):
        pass
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
