"""What Kedro asks of any runner, of SequentialRunner and of RayRunner side by side."""

from __future__ import annotations

import importlib.util
import json
import logging
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.hooks import hook_impl
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import AbstractDataset, DataCatalog, DatasetError, MemoryDataset
from kedro.pipeline import Pipeline, node
from kedro.runner import AbstractRunner, SequentialRunner
from kedro_datasets.json import JSONDataset

from emotion_kedro.runners import RayRunner

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("ray") is None, reason="Ray is not installed"),
    pytest.mark.xdist_group("ray"),
    pytest.mark.usefixtures("ray_cluster"),
]


@pytest.fixture(params=[SequentialRunner, RayRunner])
def runner(request: pytest.FixtureRequest) -> AbstractRunner:
    return request.param()


@pytest.fixture(params=[SequentialRunner, RayRunner])
def runner_in_threads(request: pytest.FixtureRequest) -> AbstractRunner:
    return request.param(is_async=True)


class Lines(AbstractDataset[Any, list[Any]]):
    """A file with a line of JSON for each time that something was saved; a second file says what was done with it."""

    def __init__(self, file: Path) -> None:
        self.file, self.events = file, file.with_name("events.txt")

    def _note(self, event: str) -> None:
        with self.events.open("a") as stream:
            stream.write(f"{event} {self.file.name}\n")

    def load(self) -> list[Any]:
        self._note("load")
        return [json.loads(line) for line in self.file.read_text().splitlines()]

    def save(self, data: Any) -> None:
        self._note("save")
        with self.file.open("a") as stream:
            stream.write(json.dumps(data) + "\n")

    def confirm(self) -> None:
        self._note("confirm")

    def _exists(self) -> bool:
        return self.file.exists()

    def _release(self) -> None:
        self._note("release")

    def _describe(self) -> dict[str, Any]:
        return {"file": str(self.file)}


class Given(AbstractDataset[Any, Any]):
    """A value that somebody holds in the process of the run, until it is released."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def load(self) -> Any:
        return self.value

    def save(self, data: Any) -> None:
        self.value = data

    def _release(self) -> None:
        self.value = None

    def _describe(self) -> dict[str, Any]:
        return {}


def catalog_of(**values: Any) -> DataCatalog:
    return DataCatalog({name: value if isinstance(value, AbstractDataset) else MemoryDataset(value)
                        for name, value in values.items()})  # fmt: skip


def loaded(results: dict[str, Any]) -> dict[str, Any]:
    return {name: dataset.load() for name, dataset in results.items()}


def same(value: Any) -> Any:
    return value


def one() -> int:
    return 1


def both(first: Any, second: Any) -> list[Any]:
    return [first, second]


def split(value: int) -> dict[str, int]:
    return {"less": value - 1, "more": value + 1}


def nothing(value: Any) -> None:
    return None


def fails(*values: Any) -> Any:
    raise LookupError("no such row")


def pairs() -> Iterator[tuple[int, int]]:
    for number in range(3):
        yield number, number**2


def empty() -> Iterator[int]:
    yield from ()


def named_pairs() -> Iterator[dict[str, int]]:
    for first, second in pairs():
        yield {"number": first, "square": second}


# Pipeline, what is given, and the outputs that nobody takes.
SHAPES: dict[str, tuple[list[Any], dict[str, Any], dict[str, Any]]] = {
    "a chain whose nodes are named in another order": (
        [node(same, "b", "c"), node(same, "a", "b"), node(one, None, "a")],
        {},
        {"c": 1},
    ),
    "branches that meet again": (
        [node(same, "a", "b"), node(same, "b", "c"), node(same, "b", "d"), node(both, ["c", "d"], "e")],
        {"a": 7},
        {"e": [7, 7]},
    ),
    "branches of their own": ([node(same, "a", "b"), node(same, "c", "d")], {"a": 1, "c": 2}, {"b": 1, "d": 2}),
    "inputs and outputs by name": (
        [node(split, {"value": "a"}, {"less": "b", "more": "c"}), node(same, "b", "d")],
        {"a": 5},
        {"c": 6, "d": 4},
    ),
    "one data set twice": ([node(both, ["a", "a"], "b")], {"a": 3}, {"b": [3, 3]}),
    "a node whose output is nobody's": ([node(nothing, "a", None), node(same, "a", "b")], {"a": 3}, {"b": 3}),
    "namespaces": (
        [Pipeline([node(same, "a", "b"), node(both, ["b", "params:p"], "c")], namespace="n", inputs={"a"})],
        {"a": 3, "params:n.p": 4},
        {"n.c": [3, 4]},
    ),
    "no node": ([], {}, {}),
}


@pytest.mark.parametrize("is_async", [False, True])
@pytest.mark.parametrize("name", SHAPES)
def test_every_output_that_nobody_takes_is_a_result_each_time(
    name: str, is_async: bool, runner: AbstractRunner
) -> None:
    nodes, given, expected = SHAPES[name]
    catalog, anew = catalog_of(**given), type(runner)(is_async=is_async)
    patterns = catalog.config_resolver.list_patterns()
    for _ in range(2):
        assert loaded(anew.run(Pipeline(nodes), catalog, _create_hook_manager())) == expected
    assert catalog.config_resolver.list_patterns() == patterns


def test_a_result_in_a_file_can_be_loaded(runner: AbstractRunner, tmp_path: Path) -> None:
    catalog = catalog_of(a=2, b=Lines(tmp_path / "b"))
    assert loaded(runner.run(Pipeline([node(same, "a", "b")]), catalog)) == {"b": [2]}


@pytest.mark.parametrize(
    ("nodes", "given", "error", "told"),
    [
        ([node(same, "a", "b")], {}, ValueError, r"Pipeline input\(s\) \{'a'\} not found in the DataCatalog"),
        (
            [Pipeline([node(same, "a", "b")], namespace="n")],
            {"a": 1},
            ValueError,
            r"Pipeline input\(s\) \{'n.a'\} not found",
        ),
        ([node(same, "a", "b")], {"a": MemoryDataset()}, DatasetError, "has not been saved yet"),
        ([node(nothing, "a", "b"), node(same, "b", "c")], {"a": 1}, DatasetError, "Saving 'None' to a 'Dataset'"),
        ([node(fails, "a", "b"), node(same, "b", "c")], {"a": 1}, LookupError, "no such row"),
    ],
)
@pytest.mark.parametrize("is_async", [False, True])
def test_what_cannot_be_is_said_by_the_same_error(
    nodes: list[Any], given: dict[str, Any], error: type[Exception], told: str, is_async: bool, runner: AbstractRunner
) -> None:
    with pytest.raises(error, match=told):
        type(runner)(is_async=is_async).run(Pipeline(nodes), catalog_of(**given), _create_hook_manager())


@pytest.mark.parametrize(
    ("function", "outputs"), [(pairs, ["left", "right"]), (named_pairs, {"number": "left", "square": "right"})]
)
def test_what_a_generator_yields_is_saved_one_by_one(
    function: Any, outputs: Any, runner: AbstractRunner, tmp_path: Path
) -> None:
    catalog = catalog_of(left=Lines(tmp_path / "left"), right=Lines(tmp_path / "right"))
    results = runner.run(Pipeline([node(function, None, outputs)]), catalog)
    assert (tmp_path / "events.txt").read_text().replace("release left\n", "").replace("release right\n", "") == (
        "save left\nsave right\n" * 3
    )
    assert loaded(results) == {"left": [0, 1, 2], "right": [0, 1, 4]}


def test_a_generator_saves_in_no_threads(runner_in_threads: AbstractRunner) -> None:
    with pytest.raises(ValueError, match="Async data loading and saving does not work with nodes wrapping generator"):
        runner_in_threads.run(Pipeline([node(pairs, None, ["a", "b"])]), DataCatalog(), _create_hook_manager())


def test_a_generator_that_yields_nothing_leaves_nothing(runner: AbstractRunner) -> None:
    nodes = [node(empty, None, "a"), node(same, "a", "b")]
    with pytest.raises(DatasetError, match="has not been saved yet"):
        runner.run(Pipeline(nodes[:1]), DataCatalog())["a"].load()
    with pytest.raises(DatasetError, match="has not been saved yet"):
        runner.run(Pipeline(nodes), DataCatalog())


@pytest.mark.parametrize("is_async", [False, True])
def test_what_no_node_needs_any_more_is_released_and_what_is_given_is_not(
    is_async: bool, runner: AbstractRunner, tmp_path: Path
) -> None:
    given = Given([1])
    catalog = catalog_of(given=given, start=Lines(tmp_path / "start"), middle=Lines(tmp_path / "middle"))
    catalog["start"].save(0)
    nodes = [node(both, ["given", "start"], "middle"), node(same, "middle", "b"), node(same, "middle", "c")]
    pipeline = Pipeline([*nodes, node(both, ["b", "c"], "d")])
    results = type(runner)(is_async=is_async).run(pipeline, catalog, _create_hook_manager())

    assert loaded(results) == {"d": [[[[1], [0]]]] * 2}
    assert given.value == [1]
    events = (tmp_path / "events.txt").read_text().splitlines()
    assert "release start" not in events
    assert [event for event in events if event.endswith("middle")][-1] == "release middle"
    assert events.count("load middle") == 2


def test_transcoded_data_sets_are_one(runner: AbstractRunner, tmp_path: Path) -> None:
    file = tmp_path / "rows"
    catalog = DataCatalog({"rows@saved": Lines(file), "rows@json": JSONDataset(filepath=str(file))})
    nodes = [node(same, "rows@json", "b"), node(one, None, "rows@saved")]
    assert loaded(runner.run(Pipeline(nodes), catalog)) == {"b": 1}
    assert (tmp_path / "events.txt").read_text().splitlines()[-1] == "release rows"


@pytest.mark.parametrize("confirming", ["first", "second"])
def test_a_node_confirms_what_it_is_told_to_once_and_when_it_is_done(
    confirming: str, runner: AbstractRunner, tmp_path: Path
) -> None:
    catalog = catalog_of(a=Lines(tmp_path / "a"), b=Lines(tmp_path / "b"), c=Lines(tmp_path / "c"))
    catalog["a"].save(1)
    confirms = {name: "a" if name == confirming else None for name in ("first", "second")}
    nodes = [
        node(same, "a", "b", name="first", confirms=confirms["first"]),
        node(same, "b", "c", name="second", confirms=confirms["second"]),
    ]
    runner.run(Pipeline(nodes), catalog)
    events = [line for line in (tmp_path / "events.txt").read_text().splitlines() if not line.startswith("release")]
    saved = "save b" if confirming == "first" else "save c"
    assert [event for event in events if event.startswith("confirm")] == ["confirm a"]
    assert events[events.index(saved) + 1] == "confirm a"


@pytest.mark.parametrize(
    ("failing", "suggested"),
    [("first", None), ("second", "second"), ("third", "second"), ("fourth", "fourth")],
)
def test_a_run_that_failed_says_from_which_nodes_it_can_go_on(
    failing: str,
    suggested: str | None,
    runner: AbstractRunner,
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """After the first and the third node there is a file, after the second there is none."""
    monkeypatch.setattr(AbstractRunner, "_logger", logging.getLogger(__name__))
    catalog = catalog_of(raw=1, a=Lines(tmp_path / "a"), c=Lines(tmp_path / "c"))
    names = {"first": ("raw", "a"), "second": ("a", "b"), "third": ("b", "c"), "fourth": ("c", "d")}
    nodes = [node(fails if name == failing else same, *ends, name=name) for name, ends in names.items()]
    with pytest.raises(LookupError, match="no such row"):
        runner.run(Pipeline(nodes), catalog, _create_hook_manager())
    found = re.findall(r'--from-nodes "(.*)"', caplog.text)
    assert found == ([] if suggested is None else [suggested])
    assert ("No nodes ran" in caplog.text) == (suggested is None)


@pytest.mark.parametrize(
    ("there", "ran"),
    [((), {"first", "second", "third"}), (("a",), {"second", "third"}), (("c",), {"first"}), (("a", "c"), set())],
)
def test_only_what_is_missing_is_made(
    there: tuple[str, ...], ran: set[str], runner: AbstractRunner, tmp_path: Path
) -> None:
    """The second output is in memory alone; resources may be meant for a node that need not run."""
    a, c = Lines(tmp_path / "a"), Lines(tmp_path / "c")
    for name in there:
        (tmp_path / name).write_text("0\n")
    names = {"first": ("raw", "a"), "second": ("a", "b"), "third": ("b", "c")}
    pipeline = Pipeline([node(same, *ends, name=name) for name, ends in names.items()])
    if isinstance(runner, RayRunner):
        runner = RayRunner(resources_of={"first": {"cpu": 0.5}})
    witness = Ran(tmp_path / "ran.txt")
    hooks = _create_hook_manager()
    hooks.register(witness)
    runner.run(pipeline, catalog_of(raw=1, a=a, c=c), hooks, only_missing_outputs=True)
    assert witness.names() == ran


class Ran:
    """Hooks that note which nodes ran and failed, and let the first input of each be another."""

    def __init__(self, file: Path, value: Any = None) -> None:
        self.file, self.value = file, value
        file.write_text("")

    @hook_impl
    def before_node_run(self, node: Any) -> dict[str, Any] | None:
        return None if self.value is None else {node.inputs[0]: self.value}

    @hook_impl
    def after_node_run(self, node: Any) -> None:
        with self.file.open("a") as stream:
            stream.write(f"{node.name}\n")

    @hook_impl
    def on_node_error(self, error: Exception, node: Any) -> None:
        with self.file.open("a") as stream:
            stream.write(f"{node.name} failed: {error}\n")

    def names(self) -> set[str]:
        return set(self.file.read_text().splitlines())


@pytest.mark.parametrize("is_async", [False, True])
def test_hooks_may_change_what_a_node_gets_and_hear_of_its_error(
    is_async: bool, runner: AbstractRunner, tmp_path: Path
) -> None:
    hooks, witness = _create_hook_manager(), Ran(tmp_path / "ran.txt", value=9)
    hooks.register(witness)
    nodes = [node(same, "a", "b", name="copy"), node(fails, "b", "c", name="fail")]
    runner = type(runner)(is_async=is_async)
    assert loaded(runner.run(Pipeline(nodes[:1]), catalog_of(a=1), hooks)) == {"b": 9}
    with pytest.raises(LookupError):
        runner.run(Pipeline(nodes), catalog_of(a=1), hooks)
    assert witness.names() == {"copy", "fail failed: no such row"}


def locks(value: Any) -> Any:
    return threading.Lock()


def closure(value: int) -> Callable[[int], int]:
    return lambda other: value + other


def called(function: Callable[[int], int]) -> int:
    return function(1)


def test_what_is_made_in_memory_has_to_be_such_as_can_be_sent() -> None:
    """By Ray's pickling, which takes functions too; nothing of this is asked where all is one process."""
    nodes = [node(closure, "a", "b"), node(called, "b", "c")]
    assert loaded(RayRunner().run(Pipeline(nodes), catalog_of(a=2))) == {"c": 3}
    given = catalog_of(a=2, b=MemoryDataset(copy_mode="assign"))
    with pytest.raises(TypeError, match="node lock: what it takes or makes cannot be sent to or from a worker"):
        RayRunner().run(Pipeline([node(locks, "a", "b", name="lock")]), given)
    with pytest.raises(TypeError, match="data set a cannot be sent to workers"):
        RayRunner().run(Pipeline([node(same, "a", "b")]), catalog_of(a=Given(locks(0))))
