"""What a run says of itself."""

from __future__ import annotations

import io
import logging
import multiprocessing
import pickle
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset, Version
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner

from emotion_kedro.datasets import JSONDataset, TextDataset
from emotion_kedro.hooks import progress
from emotion_kedro.hooks.progress import ProgressHooks, duration
from emotion_kedro.hooks.remaining import FORECAST, Remaining, expected_seconds
from emotion_kedro.runners.incremental import IncrementalRunner, ManifestHooks
from emotion_kedro.runners.incremental.manifest import Manifest
from emotion_kedro.runtime.bars import bar, is_shown


def keep(value: str) -> str:
    return value


def boast(value: str) -> str:
    return f"{value}!"


def late(value: str) -> str:
    time.sleep(0.3)
    return value


def fail(value: str) -> str:
    raise ValueError("no luck")


def chain(last: Callable[[str], str] = boast) -> Pipeline:
    """Two nodes with files, and between them one whose output is in memory only."""
    return Pipeline(
        [
            node(keep, "raw", "kept", name="read"),
            node(keep, "kept", "passing", name="hand_on"),
            node(last, "passing", "page", name="write"),
        ]
    )


@pytest.fixture
def catalog(tmp_path: Path) -> DataCatalog:
    files = {name: JSONDataset(filepath=str(tmp_path / f"{name}.json")) for name in ("raw", "kept", "page")}
    catalog = DataCatalog({**files, "passing": MemoryDataset()})
    catalog.save("raw", "a")
    return catalog


def run(catalog: DataCatalog, pipeline: Pipeline | None = None, **options: Any) -> None:
    """Run as a session of Kedro does, with the hooks that say how far it is and write manifests."""
    pipeline, runner = pipeline or chain(), options.get("runner", SequentialRunner)()
    manager = _create_hook_manager()
    for hooks in (ProgressHooks(), ManifestHooks()):
        manager.register(hooks)
    missing = options.get("only_missing_outputs", False)
    facts = {"run_params": {"runner": type(runner).__name__, "only_missing_outputs": missing}, "catalog": catalog}
    manager.hook.before_pipeline_run(pipeline=pipeline, **facts)
    runner.run(pipeline, catalog, manager, only_missing_outputs=missing)
    manager.hook.after_pipeline_run(pipeline=pipeline, run_result={}, **facts)


@pytest.fixture
def said(caplog: pytest.LogCaptureFixture) -> Callable[[], list[str]]:
    """A function that returns what was said since it was last asked, times left out."""
    caplog.set_level("INFO", "emotion_kedro.hooks.progress")

    def lines() -> list[str]:
        messages = [each.getMessage() for each in caplog.records if each.name == "emotion_kedro.hooks.progress"]
        caplog.clear()
        return [re.sub(r"\d\.\d s", "no time", message.partition(" ... ")[0]) for message in messages]

    return lines


def set_seconds(catalog: DataCatalog, **seconds: float) -> None:
    """Let the manifests say that the nodes of outputs took so long."""
    for name, value in seconds.items():
        path = Path(catalog.get(name)._filepath)
        manifest = Manifest.read(path)
        assert manifest is not None
        Manifest(**{**vars(manifest), "seconds": value}).write(path)


def test_a_run_says_how_much_there_is_to_do_and_counts(catalog: DataCatalog, said: Callable[[], list[str]]) -> None:
    run(catalog)
    assert said() == ["3 nodes to run", "[1/3] read", "[2/3] hand_on", "[3/3] write", "ran 3 nodes in no time"]

    # What lies in memory only has no manifest: of it nobody knows how long it takes.
    set_seconds(catalog, kept=20.0, page=700.0)
    run(catalog)
    assert said()[0] == "3 nodes to run; 2 of them took 12 min before"
    run(catalog, chain().only_nodes("read"))
    assert said()[0] == "1 node to run, about no time"


def test_what_is_left_is_corrected_by_what_was_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(FORECAST, '{"tune": 100, "write": 40, "": 20}')
    nodes = ["read", "tune", "write", "page"]
    assert expected_seconds(nodes, {"write": 50.0}) == {"read": 10, "tune": 100, "write": 50, "page": 10}
    monkeypatch.delenv(FORECAST)
    assert expected_seconds(nodes, {"write": 50.0}) == {}

    now = 0.0
    monkeypatch.setattr("time.perf_counter", lambda: now)
    remaining = Remaining({"tune": 85.0, "write": 60.0})
    remaining.start("tune")
    now = 35.0
    assert remaining.seconds() == 110
    now = 385.0  # four times as long: so will be the rest
    assert remaining.seconds() == pytest.approx(60 * 4)
    remaining.end("tune", 385.0)
    assert remaining.seconds() == pytest.approx(60 * 4)
    remaining.end("write", 1.0)
    assert remaining.seconds() == 0


def test_a_long_node_says_now_and_then_what_is_left(
    catalog: DataCatalog, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level("INFO", "emotion_kedro.hooks.progress")
    monkeypatch.setenv(FORECAST, '{"read": 20, "hand_on": 40, "": 60}')
    monkeypatch.setattr(progress, "SECONDS_BETWEEN_LINES", 0.05)
    run(catalog, chain(late))
    said = [each.getMessage() for each in caplog.records]
    assert said[0] == "3 nodes to run, about 2 min"
    assert "[1/3] read ... 0.0 s; about 43 s left" in said  # (40 + 60) * 15 / (15 + 20)
    assert any(re.match(r"write runs for 0\.\d s; about \d+ s left", line) for line in said)


def test_only_nodes_that_run_are_counted(catalog: DataCatalog, said: Callable[[], list[str]]) -> None:
    run(catalog, runner=IncrementalRunner)
    assert said() == ["up to 3 nodes to run", "[1/3] read", "[2/3] hand_on", "[3/3] write"]
    run(catalog, runner=IncrementalRunner)
    assert said() == ["0 of 3 nodes to run"]

    # What the missing page is made of is in memory only, and made again for it.
    set_seconds(catalog, page=41.0)
    Path(catalog.get("page")._filepath).unlink()
    run(catalog, runner=IncrementalRunner)
    assert said() == ["up to 2 of 3 nodes to run; 1 of them took 41 s before", "[1/2] hand_on", "[2/2] write"]

    Path(catalog.get("page")._filepath).unlink()
    run(catalog, only_missing_outputs=True)
    assert said()[:-1] == ["2 of 3 nodes to run; 1 of them took no time before", "[1/2] hand_on", "[2/2] write"]


def test_processes_of_a_parallel_runner_count_together(catalog: DataCatalog) -> None:
    hooks, pipeline = ProgressHooks(), chain()
    hooks.before_pipeline_run({"runner": "ParallelRunner"}, pipeline, catalog)
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=hooks.after_node_run, args=(each,)) for each in pipeline.nodes]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert hooks.done.value == 3


def test_the_node_that_stops_a_run_is_named(catalog: DataCatalog, said: Callable[[], list[str]]) -> None:
    with pytest.raises(ValueError, match="no luck"):
        run(catalog, chain(fail))
    assert said()[-1].startswith("[3/3] write stopped after")


def test_versions_are_asked_for_anew_after_the_look_at_manifests(tmp_path: Path) -> None:
    """Processes of a parallel runner get the catalog as it is then, and would read the version before."""
    page = JSONDataset(filepath=str(tmp_path / "page.json"), version=Version(None, None))
    catalog = DataCatalog({"raw": MemoryDataset("a"), "page": page})
    pipeline = Pipeline([node(keep, "raw", "page", name="write")])
    catalog.save("page", "old")
    ProgressHooks().before_pipeline_run({}, pipeline, catalog)
    handed_on = pickle.loads(pickle.dumps(page))
    later = JSONDataset(filepath=str(tmp_path / "page.json"), version=Version(None, "2999-01-01T00.00.00.000Z"))
    later.save("new")
    assert handed_on.load() == "new"


def test_what_came_out_is_shown_with_what_to_do_next(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = TextDataset(filepath=str(tmp_path / "reporting" / "report.html"))
    model = TextDataset(filepath=str(tmp_path / "latest" / "recommended"))
    entries = {"summary": MemoryDataset("It helped.\n"), "report_page": page, "recommended_model": model}
    catalog = DataCatalog({f"diary.{name}": dataset for name, dataset in entries.items()})
    monkeypatch.chdir(tmp_path)
    pipeline = Pipeline([node(keep, "text", "summary"), node(boast, "text", "report_page")])

    def printed() -> str:
        ProgressHooks().after_pipeline_run({}, Pipeline(pipeline, namespace="diary"), catalog)
        return capsys.readouterr().out

    head = "\nIt helped.\nReport      reporting/report.html\n"
    assert printed() == f"{head}Try         emotion status -p diary\n\n"
    model.save("weights")
    told = '{}Try         emotion predict "a text" -m latest/recommended\n            emotion status -p diary\n\n'
    assert printed() == told.format(head)
    monkeypatch.setenv("EMOTION_FORECAST", "{}")  # by emotion try, which says it itself
    assert printed() == ""


@pytest.mark.parametrize(
    ("seconds", "text"), [(0.04, "0.0 s"), (9.96, "10 s"), (99.4, "99 s"), (100, "2 min"), (5400, "1.5 h")]
)
def test_times_are_said_briefly(seconds: float, text: str) -> None:
    assert duration(seconds) == text


# --- bars ---------------------------------------------------------------------------------------------------------


class Terminal(io.StringIO):
    """Keeps what is written, and says that somebody sees it."""

    def isatty(self) -> bool:
        return True


def test_nothing_is_shown_where_nobody_watches(monkeypatch: pytest.MonkeyPatch) -> None:
    quiet = io.StringIO()
    monkeypatch.setattr(sys, "stderr", quiet)
    with bar("training", 2) as show:
        assert not is_shown()
        show(2)
    assert quiet.getvalue() == ""


def test_a_terminal_shows_one_bar_below_the_lines_of_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    terminal = Terminal()
    for name in ("stdout", "stderr"):
        monkeypatch.setattr(sys, name, terminal)
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setenv("COLUMNS", "80")
    handler, log = logging.StreamHandler(terminal), logging.getLogger()
    log.addHandler(handler)
    try:
        with bar("training [x]", 8) as show:
            show(3)
            with bar("inner", 5) as inner:
                inner(5)
            log.warning("a line of the log")
            assert is_shown()
    finally:
        log.removeHandler(handler)
    written = terminal.getvalue()
    assert "training [x]" in written
    assert "3/8" in written
    assert "a line of the log\n" in written
    assert "inner" not in written
    assert handler.stream is terminal
    assert not is_shown()
