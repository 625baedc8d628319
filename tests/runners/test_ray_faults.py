"""Machines and workers that go away while a run uses them: several nodes of Ray on this one."""

from __future__ import annotations

import importlib.util
import os
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner
from safetensors.torch import load_file

from emotion_kedro.augmentation.generators import (
    GenerationContext,
    LabelSampler,
    draw_candidates,
    train_generator,
)
from emotion_kedro.config.augmentation import generator_config
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.leak_guard import LeakGuard
from emotion_kedro.models.device import Device
from emotion_kedro.models.training.loop import Training
from emotion_kedro.runners import RayRunner
from emotion_kedro.storage.cache import Cache

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.xdist_group("ray"),
]


@pytest.fixture
def cluster() -> Iterator[Any]:
    """A cluster whose first machine has no processor; others can be added and removed."""
    import ray
    from ray.cluster_utils import Cluster

    from emotion_kedro.runners.ray.cluster import handlers_kept, path_handed_on

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    # By default it takes 15 s until a machine that does not answer any more counts as gone.
    first = {"num_cpus": 0, "_system_config": {"health_check_period_ms": 200}}
    without = {"include_dashboard": False, "include_log_monitor": False, "no_monitor": True}
    ray.shutdown()
    with handlers_kept(), path_handed_on():  # each machine that is made here sets a handler, added ones too
        cluster = Cluster(initialize_head=True, head_node_args=first | without)
        try:
            ray.init(cluster.address, logging_level="error", log_to_driver=False)
            yield cluster
        finally:  # what fails here must not leave the next test a cluster
            ray.shutdown()
            cluster.shutdown()


TRAINING = {"steps": 4, "batch_size": 4, "learning_rate": 1e-2, "evaluate_every": 2, "checkpoint_every": 0}
DEATHS = {"generator_base": 2, "generator.joy": 3}
"""After which of its steps a worker is killed, by what it trains: labels are tuned by workers that are given parts."""


def counted(folder: Path, deaths: Mapping[str, int]) -> Callable[[Training], None]:
    """Return a step of a training that is written down, after one of which its process dies, once."""
    step = Training.step

    def counting(run: Training) -> None:
        step(run)
        with (folder / "steps.txt").open("a") as stream:
            stream.write(f"{run.task.name} {run.log.steps}\n")
        died = folder / f"{run.task.name}.died"
        if deaths.get(run.task.name) == run.log.steps and not died.exists():
            died.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    return counting


@cache
def watch(folder: Path) -> None:
    """Count the steps of this worker, and let it wait for leave before it writes a label's texts."""
    write = LabelSampler._write

    def waiting(sampler: LabelSampler, label: str) -> pd.DataFrame:
        (folder / f"{label}.began").touch()
        while not (folder / "go").exists():
            time.sleep(0.05)
        return write(sampler, label)

    Training.step = counted(folder, DEATHS)  # type: ignore[method-assign]
    LabelSampler._write = waiting  # type: ignore[method-assign]


class WatchedCache(Cache):
    """One that makes a worker watched to which it is sent."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        watch(self.root.parent)


def tuned(config: Any, context: GenerationContext) -> tuple[Any, list[dict[str, Any]]]:
    kept, log = train_generator(config, context, name="tiny")
    return kept.trained, [{name: value for name, value in entry.items() if name != "seconds"} for entry in log]


def written(config: Any, context: GenerationContext, fitted: Any) -> pd.DataFrame:
    with (context.cache.root.parent / "tries").open("a") as stream:
        stream.write("x")
    return draw_candidates(config, context, fitted, name="tiny")


def both(candidates: pd.DataFrame, before: str) -> tuple[pd.DataFrame, str]:
    return candidates, before


def catalog_for(kept: Cache, records: pd.DataFrame, taxonomy: TaxonomyConfig, device: Device, base: Path) -> Any:
    """Return the catalog of a run with this cache: a model that all labels warm up together."""
    rows = records.assign(group=range(len(records)), split="train").groupby("label")
    held_out = rows.nth([20, 21]).assign(split="validation").reset_index(drop=True)
    context = GenerationContext(
        rows=rows.head(6).reset_index(drop=True),
        taxonomy=taxonomy,
        data_seed=1,
        device=device,
        cache=kept,
        guard=LeakGuard(held_out),
        validation=held_out,
    )
    config = generator_config(
        {
            **{"kind": "fine_tuned", "base": str(base), "tuning": "last_layers", "last_layers": 1, "max_tokens": 24},
            **{"training": TRAINING, "warm_up": TRAINING, "texts": 6},
            "decoding": {"min_new_tokens": 3, "max_new_tokens": 6, "batch_size": 4},
        }
    )
    given = {"config": config, "params:word": "x" * 10**6}
    catalog = DataCatalog({name: MemoryDataset(value) for name, value in given.items()})
    catalog["context"] = MemoryDataset(context, copy_mode="assign")
    return catalog


@contextmanager
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def alike(one: Any, other: Any) -> bool:
    """Whether two logs are equal but for the last digits of losses."""
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[name], other[name]) for name in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(map(alike, one, other))
    return bool(one == pytest.approx(other, abs=1e-4)) if isinstance(one, float) else bool(one == other)


def weights_in(folder: Path) -> dict[str, dict[str, torch.Tensor]]:
    kept = folder / "cache" / "generators"
    return {str(file.relative_to(kept)): load_file(file) for file in kept.rglob("*.safetensors")}


def test_a_generator_whose_workers_and_machine_die_is_the_one_that_was_left_alone(
    tmp_path: Path,
    records: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    cpu: Device,
    tiny_gpt2: Path,
    cluster: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Killed in the warm-up (the node) and in a label's tuning (a part of it), then in the draw with the machine.

    The machine ran the node of the draw, two parts of its work, and held what another node had left in memory.
    """
    alone, beset = tmp_path / "alone", tmp_path / "beset"
    for folder in (alone, beset):
        folder.mkdir()
    pipeline = Pipeline(
        [
            node(str.upper, "params:word", "before", name="before"),
            node(tuned, ["config", "context"], ["fitted", "log"], name="tune"),
            node(written, ["config", "context", "fitted"], "candidates", name="draw"),
            node(both, ["candidates", "before"], "made", name="join"),
        ]
    )
    with monkeypatch.context() as patch, one_thread():  # as the workers have
        patch.setattr(Training, "step", counted(alone, {}))
        expected = SequentialRunner().run(
            pipeline, catalog_for(Cache(alone / "cache"), records, taxonomy, cpu, tiny_gpt2)
        )
    once = Counter((alone / "steps.txt").read_text().splitlines())
    assert len(once) == 5 * TRAINING["steps"]
    assert set(once.values()) == {1}

    first = cluster.add_node(num_cpus=2)
    with ThreadPoolExecutor() as threads:  # machines are added and removed by the first thread alone
        catalog = catalog_for(WatchedCache(beset / "cache"), records, taxonomy, cpu, tiny_gpt2)
        run = threads.submit(RayRunner().run, pipeline, catalog)
        while not run.done() and len(list(beset.glob("*.began"))) < 2:
            time.sleep(0.05)
        until_then = (beset / "steps.txt").read_text()
        cluster.remove_node(first, allow_graceful=False)
        cluster.add_node(num_cpus=1)
        (beset / "go").touch()
        made = run.result(timeout=300)

    candidates, before = made["made"].load()
    pd.testing.assert_frame_equal(candidates, expected["made"].load()[0])
    assert before == "X" * 10**6
    assert (beset / "tries").read_text() == "xx"
    assert alike(made["log"].load(), expected["log"].load())
    there, undisturbed = weights_in(beset), weights_in(alone)
    assert there.keys() == undisturbed.keys() != set()
    # Not to the last digit: a gradient that is nothing but rounding (of a key's bias) AdamW makes a step of.
    for file, tensors in there.items():
        torch.testing.assert_close(tensors, undisturbed[file], rtol=0, atol=1e-3)
    # A checkpoint is written after each step: a kill between the two costs this one step, and the draw costs none.
    steps = Counter((beset / "steps.txt").read_text().splitlines())
    assert steps == once + Counter(f"{name} {step}" for name, step in DEATHS.items())
    assert (beset / "steps.txt").read_text() == until_then
