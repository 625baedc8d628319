"""Runs with Ray of small pipelines that have nothing to do with emotions."""

from __future__ import annotations

import importlib.util
import json
import logging
import os
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from click import ClickException
from kedro.framework.hooks import hook_impl
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import CachedDataset, DataCatalog, MemoryDataset, Version
from kedro.pipeline import Pipeline, node
from kedro.runner import AbstractRunner, SequentialRunner
from kedro_datasets.json import JSONDataset
from kedro_datasets.pandas import CSVDataset

from emotion_kedro.config.models import FeatureConfig
from emotion_kedro.models.device import Device
from emotion_kedro.models.features import PART, open_features
from emotion_kedro.runners import RayIncrementalRunner, RayRunner
from emotion_kedro.runners.incremental import IncrementalRunner, ManifestHooks, states_of
from emotion_kedro.runners.ray.resources import Demands, ResourcesError
from emotion_kedro.runtime import guards
from emotion_kedro.runtime.elsewhere import each_elsewhere, elsewhere
from emotion_kedro.storage.cache import Cache

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.xdist_group("ray"),
]


class Witness:
    """Hooks that write down, in a file, what was called and in which process."""

    def __init__(self, file: Path) -> None:
        self.file = file

    def _note(self, *words: object) -> None:
        with self.file.open("a") as stream:
            stream.write(" ".join(map(str, [*words, os.getpid()])) + "\n")

    @hook_impl
    def before_node_run(self, node: Any) -> None:
        self._note("before", node.name)

    @hook_impl
    def after_node_run(self, node: Any) -> None:
        self._note("after", node.name)

    @hook_impl
    def on_node_error(self, node: Any) -> None:
        self._note("error", node.name)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str) -> None:
        self._note("saved", dataset_name)

    def lines(self) -> list[str]:
        return [line.rpartition(" ")[0] for line in self.file.read_text().splitlines()]

    def processes(self) -> set[int]:
        return {int(line.rpartition(" ")[2]) for line in self.file.read_text().splitlines()}


def clean(rows: pd.DataFrame) -> pd.DataFrame:
    return rows.drop_duplicates().sort_values("x", ignore_index=True)


def weights(rows: pd.DataFrame) -> np.ndarray:
    return np.asarray(rows["x"], dtype=float)


def scaled(values: np.ndarray, factor: int) -> np.ndarray:
    values *= factor  # what a node gets it may change
    return values


def total(rows: pd.DataFrame, values: np.ndarray, shared: list[int]) -> dict[str, float]:
    values += 1
    return {"rows": len(rows), "sum": float(values.sum()), "shared": sum(shared)}


def pieces(rows: pd.DataFrame) -> Iterator[pd.DataFrame]:
    for _ in range(2):
        yield rows


def shop() -> Pipeline:
    return Pipeline(
        [
            node(clean, "raw", "clean", name="clean"),
            node(weights, "clean", "weights", name="weigh"),
            node(scaled, ["weights", "params:factor"], "scaled", name="scale"),
            node(total, ["clean", "scaled", "params:shared"], "page", name="total"),
            node(len, "scaled", "count", name="count"),
            node(pieces, "clean", "pieces", name="cut"),
        ]
    )


def catalog_in(folder: Path, factor: int = 2) -> DataCatalog:
    folder.mkdir(exist_ok=True)
    if not (folder / "raw.csv").exists():
        pd.DataFrame({"x": [3, 1, 3]}).to_csv(folder / "raw.csv", index=False)
    csv = {
        name: CSVDataset(filepath=str(folder / f"{name}.csv"), save_args={"index": False}) for name in ("raw", "clean")
    }
    return DataCatalog(
        {
            **csv,
            "pieces": CSVDataset(filepath=str(folder / "pieces.csv"), save_args={"index": False, "mode": "a"}),
            "page": JSONDataset(filepath=str(folder / "page.json")),
            "weights": MemoryDataset(copy_mode="assign"),
            "scaled": MemoryDataset(copy_mode="assign") if factor != 2 else MemoryDataset(),
            "params:factor": MemoryDataset(factor),
            "params:shared": MemoryDataset([1, 2]),
        }
    )


def run(runner: AbstractRunner, folder: Path, pipeline: Pipeline | None = None, *plugins: Any, **given: Any) -> Any:
    hooks = _create_hook_manager()
    for plugin in (ManifestHooks(), *plugins):
        hooks.register(plugin)
    return runner.run(pipeline or shop(), catalog_in(folder, **given), hooks, "2026")


@pytest.mark.usefixtures("ray_cluster")
def test_it_makes_what_the_sequential_runner_makes(tmp_path: Path) -> None:
    """Files, results in memory, hooks and manifests, with what is in memory changed in place."""
    results, witnesses = {}, {}
    for runner in (SequentialRunner(), RayRunner()):
        name = type(runner).__name__
        witnesses[name] = Witness(tmp_path / f"{name}.txt")
        results[name] = run(runner, tmp_path / name, None, witnesses[name])["count"].load()
    one, other = tmp_path / "SequentialRunner", tmp_path / "RayRunner"

    assert results == {"SequentialRunner": 2, "RayRunner": 2}
    assert {file.name: file.read_bytes() for file in one.glob("*.*") if not file.name.startswith(".")} == {
        file.name: file.read_bytes() for file in other.glob("*.*") if not file.name.startswith(".")
    }
    manifests = {path.name: json.loads(path.read_text())["made_from"] for path in one.glob(".*")}
    assert manifests == {path.name: json.loads(path.read_text())["made_from"] for path in other.glob(".*")}
    assert ".page.json.manifest.json" in manifests
    assert sorted(witnesses["RayRunner"].lines()) == sorted(witnesses["SequentialRunner"].lines())
    assert os.getpid() not in witnesses["RayRunner"].processes()


@pytest.fixture
def bucket() -> Iterator[dict[str, Any]]:
    """Options of fsspec for an S3-compatible server of this machine that holds an empty bucket, ``shop``."""
    for package in ("moto", "flask", "s3fs"):
        pytest.importorskip(package)
    import s3fs
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    options = {"key": "any", "secret": "any", "client_kwargs": {"endpoint_url": f"http://{host}:{port}"}}
    s3fs.S3FileSystem(**options).mkdir("shop")
    yield options
    server.stop()


@pytest.mark.usefixtures("ray_cluster")
def test_tables_in_a_bucket_are_loaded_and_saved_by_workers(bucket: dict[str, Any], tmp_path: Path) -> None:
    import s3fs

    files = s3fs.S3FileSystem(**bucket)
    left = []
    for runner in (SequentialRunner(), RayRunner()):
        catalog, witness = catalog_in(tmp_path), Witness(tmp_path / type(runner).__name__)
        for name in ("raw", "clean"):
            place = f"s3://shop/{type(runner).__name__}/{name}.csv"
            version = Version(None, "2026-01-02T03.04.05.678Z") if name == "clean" else None
            given = {"credentials": bucket, "version": version, "save_args": {"index": False}}
            catalog[name] = CSVDataset(filepath=place, **given)
        catalog["raw"].save(pd.DataFrame({"x": [3, 1, 3]}))
        hooks = _create_hook_manager()
        hooks.register(witness)
        runner.run(shop().only_nodes("clean", "weigh"), catalog, hooks, "2026")
        left += [{file.split("/", 2)[2]: files.cat(file) for file in files.find(f"shop/{type(runner).__name__}")}]
        assert "saved clean" in witness.lines()
    clean_file = "clean.csv/2026-01-02T03.04.05.678Z/clean.csv"
    assert left == [{"raw.csv": b"x\n3\n1\n3\n", clean_file: b"x\n1\n3\n"}] * 2
    assert os.getpid() not in witness.processes()


@pytest.mark.usefixtures("ray_cluster")
def test_what_is_fresh_is_skipped_and_what_it_needs_in_memory_is_made(tmp_path: Path) -> None:
    def ran(runner: AbstractRunner, factor: int) -> set[str]:
        witness = Witness(tmp_path / "witness.txt")
        witness.file.write_text("")
        pipeline = Pipeline([each for each in shop().nodes if each.name not in ("count", "cut")])
        run(runner, tmp_path / "data", pipeline, witness, factor=factor)
        assert {state.kind for state in states_of(pipeline, catalog_in(tmp_path / "data", factor))} == {"fresh"}
        return {line.removeprefix("after ") for line in witness.lines() if line.startswith("after ")}

    assert ran(RayIncrementalRunner(), 2) == {"clean", "weigh", "scale", "total"}
    assert ran(RayIncrementalRunner(), 2) == set()
    assert ran(IncrementalRunner(), 2) == set()
    assert ran(RayIncrementalRunner(), 3) == {"weigh", "scale", "total"}


def test_on_which_device_a_node_computes_is_no_matter_of_the_machine_of_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tuned, read = node(len, "a", "b", tags="tuned"), node(len, "a", "c")
    ray = RayIncrementalRunner(address="there:1", resources_of={"tuned": {"gpu": 0.5}})
    for here in ("cpu", "cuda"):
        monkeypatch.setattr("emotion_kedro.runners.ray.runner.device_kind", lambda here=here: here)
        assert [ray._device_of(each) for each in (tuned, read)] == ["cuda", "cpu"]
    monkeypatch.setenv("RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO", "0")
    assert ray._device_of(read) == "cuda"


def dies_once(folder: str) -> dict[str, int]:
    tries = Path(folder, "tries.txt")
    with tries.open("a") as stream:
        stream.write("x")
    if len(tries.read_text()) == 1:
        os.kill(os.getpid(), 9)
    return {"x": 1}


def always_dies(folder: str) -> dict[str, int]:
    with Path(folder, "tries.txt").open("a") as stream:
        stream.write("x")
    os._exit(1)


class OddError(ValueError):
    """One that cannot be made again from its message alone."""

    def __init__(self, row: int, word: str) -> None:
        super().__init__(f"row {row}: {word}")


def fails(folder: str) -> dict[str, int]:
    with Path(folder, "tries.txt").open("a") as stream:
        stream.write("x")
    raise OddError(3, "is no number")


def meets(folder: str, name: str, seconds: float) -> bool:
    """Whether two of these are there at the same time."""
    Path(folder, name).touch()
    end = time.monotonic() + seconds
    while len(list(Path(folder).iterdir())) < 2 and time.monotonic() < end:
        time.sleep(0.02)
    met = len(list(Path(folder).iterdir())) == 2
    time.sleep(0.1)
    Path(folder, name).unlink()
    return met


def single(function: Any, folder: Path, runner: RayRunner) -> Any:
    catalog = DataCatalog({"params:folder": MemoryDataset(str(folder))})
    return runner.run(Pipeline([node(function, "params:folder", "made", name="the_node")]), catalog)["made"].load()


@pytest.mark.usefixtures("ray_cluster")
def test_a_node_whose_worker_died_is_run_again_but_not_for_ever(tmp_path: Path) -> None:
    assert single(dies_once, tmp_path, RayRunner(retries=1)) == {"x": 1}
    assert (tmp_path / "tries.txt").read_text() == "xx"

    (tmp_path / "tries.txt").unlink()
    with pytest.raises(RuntimeError, match="node the_node: its worker died, 2 times of 2"):
        single(always_dies, tmp_path, RayRunner(retries=1))
    assert (tmp_path / "tries.txt").read_text() == "xx"


def three() -> tuple[dict[str, int], ...]:
    return {"x": os.getpid()}, {"x": 3}, {"x": 2}


class DyingDataset(JSONDataset):
    """One whose first save kills the process."""

    def save(self, data: Any) -> None:
        if not Path(self._filepath).exists():
            Path(self._filepath).mkdir(parents=True)
            os.kill(os.getpid(), 9)
        super().save(data)


@pytest.mark.usefixtures("ray_cluster")
def test_a_node_whose_worker_died_after_it_saved_a_version_saves_it_again(tmp_path: Path) -> None:
    version = Version(None, "2026-01-01T00.00.00.000Z")
    catalog = DataCatalog(
        {
            "a": JSONDataset(filepath=str(tmp_path / "a.json"), version=version),
            "b": DyingDataset(filepath=str(tmp_path / "b.json"), version=version),
            "c": CachedDataset(JSONDataset(filepath=str(tmp_path / "c.json"), version=version)),
        }
    )
    RayRunner(retries=1).run(Pipeline([node(three, None, ["a", "c", "b"])]), catalog)
    assert catalog.load("a")["x"] > 0
    assert catalog.load("b") == {"x": 2}
    assert catalog.load("c") == {"x": 3}
    assert len(list(tmp_path.glob("[ac].json/*/[ac].json"))) == 2


@pytest.mark.usefixtures("ray_cluster")
def test_retries_are_counted_by_the_worker_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray tries again without an end what its memory monitor killed: here it does so whatever killed a worker."""
    from emotion_kedro.runners.ray import schedule

    class Endless(schedule.Tasks):
        def __init__(self, catalog: Any, setting: Any, demands: Any, retries: int) -> None:
            super().__init__(catalog, setting, demands, -1)

    monkeypatch.setattr(schedule, "Tasks", Endless)
    with pytest.raises(RuntimeError, match="node the_node: its worker died, 2 times of 2"):
        single(always_dies, tmp_path, RayRunner(retries=1))
    assert (tmp_path / "tries.txt").read_text() == "xx"


@pytest.mark.usefixtures("ray_cluster")
def test_a_node_that_fails_by_its_own_fault_is_named_and_run_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR), pytest.raises(Exception, match="row 3: is no number") as stopped:
        single(fails, tmp_path, RayRunner())

    assert stopped.value.__notes__ == ["in node the_node, on a worker"]
    assert "node the_node failed" in caplog.text
    assert "raise OddError(3" in caplog.text
    assert (tmp_path / "tries.txt").read_text() == "x"


def test_workers_that_join_while_parts_are_handed_out_get_some(monkeypatch: pytest.MonkeyPatch) -> None:
    most: list[int] = []

    class Part:
        options = lambda self, **_: self  # noqa: E731

        def remote(self, sent: Any, item: int, retries: int) -> SimpleNamespace:
            most.append(item - done[0] + 1)
            return SimpleNamespace(item=item, future=lambda: item)

    done = [0]

    def first(waiting: dict[int, SimpleNamespace]) -> SimpleNamespace:
        done[0] += 1
        return waiting.pop(min(waiting))

    stand_in = SimpleNamespace(
        cluster_resources=lambda: {"CPU": 1 if done[0] < 4 else 3},
        **{"put": lambda each: each, "get": lambda task: task.item, "cancel": lambda task: None},
        remote=lambda function: Part(),
    )
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    monkeypatch.setattr("emotion_kedro.runtime.elsewhere._first", first)
    assert list(each_elsewhere(lambda item: item, range(20))) == list(range(20))
    assert max(most[:4]) == 2
    assert max(most) == 6


def spread(folder: str) -> list[str]:
    """Return what other workers left, after this one did its own part."""

    def leave(name: str) -> None:
        Path(folder, name).write_text(str(os.getpid()))

    with elsewhere(leave, ["a", "b"]):
        leave("here")
    return sorted(file.name for file in Path(folder).iterdir() if file.read_text() != str(os.getpid()))


def said_by_parts(folder: str) -> list[str]:
    """Return what the log of each part would show, and which task of Ray it is."""
    import ray
    from kedro.framework import project

    before = dict(project.LOGGING.data)
    loggers = {"loggers": {"emotion_kedro": {"level": "WARNING"}}}
    project.configure_logging({"version": 1, "disable_existing_loggers": False} | loggers)

    def note(name: str) -> None:
        level = logging.getLogger("emotion_kedro").level
        Path(folder, name).write_text(f"{level} {ray.get_runtime_context().get_task_name()}")

    with elsewhere(note, ["a", "b"]):
        pass
    project.configure_logging(before)
    with elsewhere(str, ["a", "b"]):
        pass  # and there too
    return [Path(folder, name).read_text() for name in ("a", "b")]


def parts_of_parts(folder: str) -> list[bool]:
    """Return whether a node's work, and a part of it, were given away."""

    def give(name: str) -> None:
        with elsewhere(str, ["a"]) as given_away:
            Path(folder, name).write_text(str(given_away))

    with elsewhere(give, ["part"]) as given_away:
        pass
    return [given_away, Path(folder, "part").read_text() == "True"]


@pytest.mark.usefixtures("ray_cluster")
def test_a_part_gives_nothing_away(tmp_path: Path) -> None:
    assert single(parts_of_parts, tmp_path, RayRunner()) == [True, False]


@pytest.mark.usefixtures("ray_cluster")
def test_parts_log_as_their_node_does_and_under_its_name(tmp_path: Path) -> None:
    assert single(said_by_parts, tmp_path, RayRunner()) == [f"{logging.WARNING} a part of the_node"] * 2


@pytest.mark.usefixtures("ray_cluster")
def test_a_node_gives_parts_of_its_work_to_other_workers(tmp_path: Path) -> None:
    assert single(spread, tmp_path, RayRunner(resources={"cpu": 2})) == ["a", "b"]
    kept = tmp_path / "kept"
    kept.mkdir()
    # It would keep its memory while it waits: were there no more, for ever.
    assert single(spread, kept, RayRunner(resources={"cpu": 2, "memory": "1MB"})) == []
    with elsewhere(fails, [str(tmp_path)]):
        pass  # in a process that does no task of Ray nothing is called


TEXTS = [f"i feel {word} today, {number}" for number in range(PART // 2 + 50) for word in ("joy", "grief")]


def features_alone(folder: str) -> Any:
    """Return the features of more texts than are saved together, of a node that can compute none itself."""
    from emotion_kedro.models.features import MeanEncoder

    compute = MeanEncoder.vectors
    MeanEncoder.vectors = None  # type: ignore[assignment, method-assign]
    try:
        device = Device("cpu", "test", half=False)
        config = FeatureConfig(base=str(Path(folder, "encoder")), max_tokens=32)
        return open_features(config, Cache(Path(folder, "cache")), device)(TEXTS)
    finally:
        MeanEncoder.vectors = compute  # type: ignore[method-assign]


@pytest.mark.usefixtures("ray_cluster")
def test_features_are_computed_by_other_workers_and_are_the_same(
    tmp_path: Path, tiny_encoder: Path, cpu: Device
) -> None:
    shutil.copytree(tiny_encoder, tmp_path / "encoder")
    there = single(features_alone, tmp_path, RayRunner())
    here = open_features(FeatureConfig(base=str(tiny_encoder), max_tokens=32), Cache(tmp_path / "here"), cpu)(TEXTS)
    np.testing.assert_array_equal(there, here)


def spoiled(folder: str) -> None:
    """Give away a part that fails by its own fault."""
    with elsewhere(fails, [folder]):
        pass
    fails(folder)


def orphaned(folder: str) -> int:
    """Give away a part whose worker dies each time; return how often it was tried."""
    with elsewhere(always_dies, [folder]):
        pass
    return len(Path(folder, "tries.txt").read_text())


@pytest.mark.usefixtures("ray_cluster")
def test_a_part_that_fails_is_not_tried_again_and_one_that_dies_not_for_ever(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="row 3: is no number"):
        single(spoiled, tmp_path, RayRunner())
    assert (tmp_path / "tries.txt").read_text() == "x"

    (tmp_path / "tries.txt").unlink()
    assert single(orphaned, tmp_path, RayRunner(retries=1)) == 2


def threads(folder: str) -> list[str]:
    """Return torch's threads and those that Ray gave, here and in two parts of this node's work."""
    import torch

    def note(name: str) -> None:
        Path(folder, name).write_text(f"{torch.get_num_threads()} {os.environ['OMP_NUM_THREADS']}")

    with elsewhere(note, ["a", "b"]):
        note("here")
    return [Path(folder, name).read_text() for name in ("here", "a", "b")]


@pytest.mark.slow
@pytest.mark.usefixtures("ray_cluster")
def test_a_worker_that_did_another_node_takes_the_threads_of_this_one(tmp_path: Path) -> None:
    assert single(threads, tmp_path, RayRunner()) == ["1 1"] * 3
    assert single(threads, tmp_path, RayRunner(resources={"cpu": 2}))[0] in {"2 2", "1 1"}  # 1: where OMP_ says so


def waits(folder: str) -> None:
    Path(folder, "began.txt").touch()
    try:
        for _ in range(600):
            time.sleep(0.1)
    finally:
        Path(folder, "ended.txt").touch()


@pytest.mark.usefixtures("ray_cluster")
def test_a_run_that_is_told_to_stop_stops_its_nodes(tmp_path: Path) -> None:
    """By a signal whose handler ends the program with an exit code."""

    def told(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    def tell() -> None:
        while not (tmp_path / "began.txt").exists():
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, told)
    threading.Thread(target=tell).start()
    try:
        with pytest.raises(SystemExit) as stopped:
            single(waits, tmp_path, RayRunner())
    finally:
        signal.signal(signal.SIGTERM, before)
    assert stopped.value.code == 128 + signal.SIGTERM
    assert (tmp_path / "ended.txt").exists()


def test_a_signal_that_comes_to_rays_own_handler_is_the_runs() -> None:
    from emotion_kedro.runners.ray import cluster

    def told(number: int, frame: Any) -> None:
        raise SystemExit(128 + number)

    for kept in (cluster.handlers_kept, guards.handlers_kept):
        before = signal.signal(signal.SIGTERM, told)
        try:
            with pytest.raises(SystemExit, match="143"), kept():
                _stopped_as_by_ray()
            with pytest.raises(SystemExit, match="3"), kept():
                sys.exit(3)
            assert signal.getsignal(signal.SIGTERM) is told
        finally:
            signal.signal(signal.SIGTERM, before)


def _stopped_as_by_ray() -> None:
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(number))
    signal.raise_signal(signal.SIGTERM)


def gives_by_itself_and_in_a_thread(folder: str) -> list[bool]:
    with ThreadPoolExecutor(1) as pool:
        return [_gives(folder), pool.submit(_gives, folder).result()]


def _gives(folder: str) -> bool:
    with elsewhere(Path(folder).joinpath, ["a", "b"]) as given:
        return given


@pytest.mark.usefixtures("ray_cluster")
def test_threads_of_a_node_give_nothing_away(tmp_path: Path) -> None:
    """There Ray gives no processors back while one waits, so that its parts would wait for ever."""
    assert single(gives_by_itself_and_in_a_thread, tmp_path, RayRunner(resources={"cpu": 2})) == [True, False]


@pytest.mark.parametrize("address", ["{}", "ray://{}"])
def test_a_cluster_that_is_not_there_is_named_at_once(address: str) -> None:
    from emotion_kedro.runners.ray.cluster import SECONDS_TO_ANSWER, ClusterError, check_listening

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        nobody = address.format(f"127.0.0.1:{free.getsockname()[1]}")
    began = time.perf_counter()
    with pytest.raises(ClusterError, match=f"no Ray cluster at address {nobody}"):
        check_listening(nobody)
    assert time.perf_counter() - began < SECONDS_TO_ANSWER
    for known in (None, "local"):
        check_listening(known)


def test_auto_does_not_wait_for_a_cluster_that_is_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Ray leaves the address of a cluster that was ended by a signal."""
    from emotion_kedro.runners.ray.cluster import ClusterError, check_listening

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        gone = f"127.0.0.1:{free.getsockname()[1]}"
    services = "ray._private.services.canonicalize_bootstrap_address_or_die"
    monkeypatch.setattr(services, lambda address: gone)
    with pytest.raises(ClusterError, match=f"no Ray cluster at address {gone}"):
        check_listening("auto")

    def none(address: str) -> str:
        raise ConnectionError("set --address")

    monkeypatch.setattr(services, none)
    with pytest.raises(ClusterError, match="address: auto, but no Ray cluster runs on this machine"):
        check_listening("auto")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"cpus": "two"}, "cpus: 'two' is no whole number from 1 up"),
        ({"cpus": 0}, "cpus: 0 is no whole number from 1 up"),
        ({"retries": True}, "retries: True is no whole number from 0 up"),
        ({"is_async": "maybe"}, "is_async: 'maybe' is neither true nor false"),
        ({"runtime_env": "x"}, "runtime_env: 'x' is no mapping"),
        ({"runtime_env": {"pipp": ["abc"]}}, "runtime_env: there is no pipp; there are .*pip"),
    ],
)
def test_what_the_runner_cannot_read_is_said_at_once(given: dict[str, Any], told: str) -> None:
    with pytest.raises(ClickException, match=told):
        RayRunner(**given)


def test_variables_of_the_workers_are_words() -> None:
    assert RayRunner(runtime_env={"env_vars": {"X": 1}}).runtime_env == {"env_vars": {"X": "1"}}


def test_folders_of_local_files_are_those_that_are_there(tmp_path: Path) -> None:
    from emotion_kedro.runners.ray.storage import folders_of

    (tmp_path / "data" / "raw").mkdir(parents=True)
    places = {"a": "data/raw/a.csv", "b": "data/made/later/b.csv", "c": "other/c.csv"}
    files = {name: CSVDataset(filepath=str(tmp_path / place)) for name, place in places.items()}
    catalog = DataCatalog(
        {**files, "d": MemoryDataset(), "unused": CSVDataset(filepath=str(tmp_path.parent / "e.csv"))}
    )
    pipeline = Pipeline([node(clean, "a", "b"), node(clean, "b", "d")])
    assert folders_of(pipeline, catalog) == [tmp_path / "data"]
    assert folders_of(pipeline + Pipeline([node(clean, "b", "c")]), catalog) == [tmp_path]
    away = DataCatalog({"a": CSVDataset(filepath="memory://a.csv"), "b": CSVDataset(filepath="memory://b.csv")})
    assert folders_of(Pipeline([node(clean, "a", "b")]), away) == []


def test_a_token_is_seen_where_its_folder_is_and_gone_afterwards(tmp_path: Path) -> None:
    from emotion_kedro.runners.ray.storage import tokens_in, unseen

    with tokens_in([tmp_path, tmp_path / "nowhere"]) as tokens:
        assert [token.parent for token in tokens] == [tmp_path]
        assert unseen(tokens, 0) == []
        assert unseen([*tokens, tmp_path / "elsewhere"], 0) == [tmp_path / "elsewhere"]
    assert list(tmp_path.iterdir()) == []


@pytest.mark.usefixtures("ray_cluster")
def test_a_run_stops_before_its_first_node_where_another_machine_does_not_see_its_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """This machine stands for another one, whose disk either has what was written here or has not."""
    from emotion_kedro.runners.ray import storage

    monkeypatch.setattr(storage.socket, "gethostname", lambda: "the driver's")
    assert run(RayRunner(), tmp_path / "seen")["count"].load() == 2

    monkeypatch.setattr(storage, "unseen", lambda tokens, seconds: tokens)
    with pytest.raises(storage.StorageError, match="does not see what this one writes into " + str(tmp_path / "lost")):
        run(RayRunner(), tmp_path / "lost")
    assert {file.name for file in (tmp_path / "lost").iterdir()} == {"raw.csv"}


def test_independent_nodes_run_side_by_side_as_far_as_there_is_room(tmp_path: Path) -> None:
    def met(runner: RayRunner, seconds: float) -> bool:
        nodes = [node(partial(meets, str(tmp_path), name, seconds), None, name, name=name, tags="m") for name in "ab"]
        results = runner.run(Pipeline(nodes), DataCatalog()).values()
        return all(result.load() for result in results)

    assert met(RayRunner(), 20)
    assert not met(RayRunner(resources_of={"m": {"cpu": 2}}), 0.3)
    with pytest.raises(ResourcesError, match=r"node . asks for cpu 1, gpu 0\.5, and no machine of the cluster has"):
        met(RayRunner(resources={"gpu": 0.5}), 0)
    with pytest.raises(ResourcesError, match=r"resources_of\.sleeps: no node of this run has that name or tag"):
        met(RayRunner(resources_of={"sleeps": {"cpu": 2}}), 0)


def test_the_nearest_word_on_resources_counts() -> None:
    tagged = node(len, "a", "b", name="tagged", tags=["training", "ray.gpu-0.5", "ray.memory-2GiB"])
    demands = Demands.of({"cpu": 2, "memory": "4GB"}, {"training": {"gpu": 1, "cpu": 3}, "named": {"cpu": "0.5"}})

    assert demands.of_node(tagged).options() == {"num_cpus": 3, "num_gpus": 0.5, "memory": 2 * 1024**3}
    assert str(demands.of_node(node(len, "a", "b", name="named"))) == "cpu 0.5, memory 4 GB"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ({"cpus": 1}, r"resources\.cpus: there is no such resource; there are cpu, gpu and memory"),
        ({"cpu": -1}, r"resources\.cpu: -1 is no number from 0 up"),
        ({"gpu": "all"}, r"resources\.gpu: 'all' is no number"),
        ({"gpu": 1.5}, r"resources\.gpu: 1.5 GPUs cannot be given"),
        ({"memory": "4 gigs"}, r"resources\.memory: '4 gigs' is no size; write it as 4GB"),
        (3, "resources: 3 names no resources"),
    ],
)
def test_resources_that_cannot_be_read_are_named(words: Any, told: str) -> None:
    with pytest.raises(ResourcesError, match=told):
        RayRunner(resources=words)
