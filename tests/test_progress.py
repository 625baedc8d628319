"""What a run says of itself."""

from __future__ import annotations

import io
import logging
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from kedro.runner import ParallelRunner, SequentialRunner

from emotion_kedro import settings
from emotion_kedro.bars import bar, is_shown
from emotion_kedro.datasets import JSONDataset, TextDataset
from emotion_kedro.progress import ProgressHooks, duration
from emotion_kedro.runners.incremental import IncrementalRunner, ManifestHooks
from emotion_kedro.runners.incremental.manifest import Manifest, manifest_path


def keep(value: str) -> str:
    return value


def boast(value: str) -> str:
    return f"{value}!"


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
    caplog.set_level("INFO", "emotion_kedro.progress")

    def lines() -> list[str]:
        messages = [each.getMessage() for each in caplog.records if each.name == "emotion_kedro.progress"]
        caplog.clear()
        return [message.partition(" ... ")[0] for message in messages]

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
    assert said() == ["3 nodes to run", "[1/3] read", "[2/3] hand_on", "[3/3] write", "ran 3 nodes in 0.0 s"]

    # What lies in memory only has no manifest: of it nobody knows how long it takes.
    set_seconds(catalog, kept=20.0, page=700.0)
    run(catalog)
    assert said()[0] == "3 nodes to run; 2 of them took 12 min before"
    set_seconds(catalog, page=41.0)
    run(catalog, chain().only_nodes("write").from_inputs("passing") + Pipeline([node(keep, "raw", "kept", name="read")]))


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
    assert said()[:-1] == ["2 of 3 nodes to run; 1 of them took 0.0 s before", "[1/2] hand_on", "[2/2] write"]
