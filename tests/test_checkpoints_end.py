"""Checkpoints go when their node's outputs are saved, whoever runs the nodes; those of nodes that are at work stay."""

from __future__ import annotations

import time
from functools import partial
from pathlib import Path

import pytest
import torch
from kedro.framework.hooks.manager import _create_hook_manager, _register_hooks
from kedro.framework.project import configure_project, settings
from kedro.io import DataCatalog, SharedMemoryDataCatalog
from kedro.pipeline import Pipeline, node
from kedro.runner import AbstractRunner, ParallelRunner, SequentialRunner, ThreadRunner

from emotion_kedro.datasets import JSONDataset
from emotion_kedro.storage.cache import Cache

pytestmark = pytest.mark.filterwarnings("ignore:The node producing outputs")


def checkpoint(root: Path, name: str) -> Path:
    work = Cache(root).work(name, "a1")
    work.save(1, {"x": torch.zeros(1)}, {})
    return work.directory


def first(root: Path) -> tuple[dict[str, int], dict[str, int]]:
    """Leave a checkpoint, and two outputs."""
    checkpoint(root, "first")
    return {}, {}


def second(one: dict[str, int], other: dict[str, int], root: Path) -> dict[str, int]:
    """Start when both outputs of the first are saved; its checkpoint is gone by then, or in a moment."""
    checkpoint(root, "second")
    wait_until_gone(root / "work" / "first-a1")
    return {}


def slow(root: Path) -> dict[str, int]:
    """Be at work until the first has ended; keep the checkpoint for oneself."""
    own = checkpoint(root, "slow")
    while not (root / "other.json").is_file():
        time.sleep(0.01)
    wait_until_gone(root / "work" / "first-a1")
    assert own.is_dir()
    return {}


def wait_until_gone(directory: Path) -> None:
    deadline = time.monotonic() + 10
    while directory.exists():
        assert time.monotonic() < deadline, f"{directory} is still there"
        time.sleep(0.01)


def fails(root: Path) -> dict[str, int]:
    checkpoint(root, "fails")
    raise ValueError("stopped half-way")


@pytest.fixture(scope="module", autouse=True)
def project() -> None:
    configure_project("emotion_kedro")


def run(runner: AbstractRunner, pipeline: Pipeline, root: Path) -> None:
    hooks = _create_hook_manager()
    _register_hooks(hooks, settings.HOOKS)
    names = sorted(pipeline.all_outputs())
    kind = SharedMemoryDataCatalog if isinstance(runner, ParallelRunner) else DataCatalog
    catalog = kind({name: JSONDataset(filepath=str(root / f"{name}.json")) for name in names})
    runner.run(pipeline, catalog, hook_manager=hooks)


@pytest.mark.parametrize(
    "runner",
    [SequentialRunner(), SequentialRunner(is_async=True), ThreadRunner(2), ParallelRunner(2)],
    ids=["sequential", "async", "threads", "processes"],
)
def test_checkpoints_end_with_their_node(tmp_path: Path, runner: AbstractRunner) -> None:
    pipeline = Pipeline(
        [
            node(partial(first, tmp_path), None, ["one", "other"], name="first"),
            node(partial(second, root=tmp_path), ["one", "other"], "more", name="second"),
            node(partial(slow, tmp_path), None, "last", name="slow"),
        ]
    )
    run(runner, pipeline, tmp_path)
    assert list((tmp_path / "work").iterdir()) == []


def test_checkpoints_of_a_node_that_stopped_stay(tmp_path: Path) -> None:
    pipeline = Pipeline([node(partial(fails, tmp_path), None, "never", name="fails")])
    with pytest.raises(ValueError, match="half-way"):
        run(SequentialRunner(), pipeline, tmp_path)
    assert (Cache(tmp_path).work("fails", "a1").load() or (0,))[0] == 1
