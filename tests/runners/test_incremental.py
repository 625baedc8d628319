"""An incremental run of a small project that has nothing to do with emotions."""

from __future__ import annotations

import dataclasses
import importlib
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset

from emotion_kedro.runners.incremental import IncrementalRunner, ManifestHooks, fingerprints, package_files, states_of
from emotion_kedro.runners.incremental.commands import causes, described
from emotion_kedro.runners.incremental.fingerprints import MadeFrom, files_in
from emotion_kedro.runners.incremental.hooks import DamagedError
from emotion_kedro.runners.incremental.manifest import Manifest, differences, manifest_path
from emotion_kedro.runners.incremental.status import State

RAN: list[str] = []


def clean(rows: list[int]) -> list[int]:
    RAN.append("clean")
    return sorted(set(rows))


def scale(rows: list[int], factor: int) -> list[int]:
    RAN.append("scale")
    return [factor * row for row in rows]


def describe(rows: list[int], title: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    RAN.append("describe")
    return {"title": str(title), "total": sum(rows)}, {"rows": len(rows)}


@dataclasses.dataclass(frozen=True)
class Title:
    text: str


class Shop:
    """A project of three nodes: raw -> clean -> scaled -> page, notes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.parameters: dict[str, Any] = {"params:factor": 2, "params:title": Title("prices")}
        self.in_memory: set[str] = set()
        self.entry: dict[str, Any] = {}
        self.file("raw").write_text("[3, 1, 3]")
        self.pipeline = Pipeline(
            [
                node(clean, "raw", "clean", name="clean"),
                node(scale, ["clean", "params:factor"], "scaled", name="scale"),
                node(describe, ["scaled", "params:title"], ["page", "notes"], name="describe"),
            ]
        )

    def file(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def catalog(self) -> DataCatalog:
        kept = {"raw", "clean", "scaled", "page", "notes"} - self.in_memory
        files = {name: JSONDataset(filepath=str(self.file(name))) for name in kept}
        memory = {name: MemoryDataset(value) for name, value in self.parameters.items()}
        catalog = DataCatalog(datasets={**files, **memory})
        if self.entry:
            entry = {"type": "json.JSONDataset", "filepath": str(self.file("scaled")), **self.entry}
            catalog["scaled"] = DataCatalog.from_config({"scaled": entry}).get("scaled")
        return catalog

    def run(
        self, runner: Any = None, pipeline: Pipeline | None = None, run_id: str = "first", **run_params: Any
    ) -> list[str]:
        """Return the names of the nodes that ran."""
        RAN.clear()
        hooks = _create_hook_manager()
        hooks.register(ManifestHooks())
        catalog, pipeline = self.catalog(), pipeline or self.pipeline
        hooks.hook.before_pipeline_run(run_params=run_params, pipeline=pipeline, catalog=catalog)
        (runner or IncrementalRunner()).run(pipeline, catalog, hooks, run_id)
        hooks.hook.after_pipeline_run(run_params=run_params, run_result={}, pipeline=pipeline, catalog=catalog)
        return list(RAN)

    def states(self) -> dict[str, tuple[str, str]]:
        return {state.dataset: (state.kind, state.why) for state in states_of(self.pipeline, self.catalog())}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    shop = Shop(tmp_path)
    assert shop.run() == ["clean", "scale", "describe"]
    return shop


def test_nothing_runs_where_nothing_has_changed(shop: Shop) -> None:
    assert shop.run() == []
    assert {kind for kind, _ in shop.states().values()} == {"fresh"}


@pytest.mark.parametrize(
    ("change", "nodes"),
    [
        (lambda shop: shop.parameters.update({"params:factor": 3}), ["scale", "describe"]),
        (lambda shop: shop.parameters.update({"params:title": Title("costs")}), ["describe"]),
        (lambda shop: shop.parameters.update({"params:title": Title("prices")}), []),
        (lambda shop: shop.file("raw").write_text("[3, 1, 4]"), ["clean", "scale", "describe"]),
        (lambda shop: shop.file("raw").write_text("[1, 3, 1]"), ["clean"]),  # comes out the same
        (lambda shop: shop.file("scaled").unlink(), ["scale"]),
        (lambda shop: shop.file("scaled").write_text("[0]"), ["scale"]),
        (lambda shop: manifest_path(shop.file("notes")).unlink(), ["describe"]),
        (lambda shop: manifest_path(shop.file("clean")).write_text("{"), ["clean"]),
    ],
)
def test_a_change_runs_what_depends_on_it(shop: Shop, change: Callable[[Shop], Any], nodes: list[str]) -> None:
    change(shop)

    assert shop.run() == nodes
    assert shop.run() == []


def test_a_file_whose_times_were_set_back_is_read_again(shop: Shop) -> None:
    file, status = shop.file("raw"), shop.file("raw").stat()
    before = fingerprints.digest_of(file)
    file.write_text("[3, 1, 4]")
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert fingerprints.digest_of(file) != before


def test_status_says_what_has_changed_and_what_follows(shop: Shop) -> None:
    shop.parameters["params:factor"] = 3
    shop.file("notes").unlink()

    states = shop.states()

    assert states["clean"] == ("fresh", "")
    assert states["scaled"] == ("stale", "params:factor was 2, is 3")
    assert states["page"] == ("stale", "scaled is not fresh")
    assert states["notes"] == ("missing", "")


def test_status_has_a_line_for_each_cause_however_much_follows_from_it(shop: Shop) -> None:
    shop.parameters |= {"params:factor": 3, "params:title": Title("costs")}
    shop.file("notes").unlink()

    states = states_of(shop.pipeline, shop.catalog())

    assert described(states, all_outputs=False) == [
        "params:factor was 2, is 3: 3 outputs, first scaled",
        'text was "prices", is "costs" (params:title.text): 1 output, first page',
        "not made yet: 1 output, first notes",
        "1 fresh, 2 stale, 1 missing  (each output: --all)",
    ]
    assert described(states, all_outputs=True)[:2] == ["fresh    clean", "stale    scaled: params:factor was 2, is 3"]


def test_one_edit_that_several_parameters_take_up_is_one_cause() -> None:
    values = [f'params:{arm}.encoder.base was "small", is "large"' for arm in ("real", "eda", "template")]
    states = [State(f"model {number}", "fit", "stale", (value, f"code: pack.part{number} has changed"))
              for number, value in enumerate(values)]  # fmt: skip
    page = State("page", "write", "stale", (), ("model 0", "model 2"))

    assert causes([*states, page]) == [
        'base was "small", is "large" (params:real.encoder.base, params:eda.encoder.base and 1 more): '
        "4 outputs, first model 0",
        "code has changed (pack.part0, pack.part1 and 1 more): 4 outputs, first model 0",
    ]


def test_of_a_long_list_what_is_new_in_it_and_gone_is_said() -> None:
    old = MadeFrom(parameters={"params:labels": list("abcdefgh")}, inputs={}, code={}, libraries={}, device="")
    new = dataclasses.replace(old, parameters={"params:labels": list("abcdefiz")})
    assert differences(old, new) == ['params:labels was a list of 8, is one of 8, new ["i", "z"], gone ["g", "h"]']


def test_other_code_another_library_and_another_device_count(shop: Shop) -> None:
    path = shop.file("scaled")
    manifest = Manifest.read(path)
    assert manifest is not None
    for change, expected in [
        ({"code": {**manifest.made_from.code, __name__: "other"}}, f"code: {__name__} has changed"),
        ({"libraries": {**manifest.made_from.libraries, "pandas": "1.0"}}, "pandas was 1.0, is absent"),
        ({"device": "cuda"}, "device was cuda, is none"),
    ]:
        dataclasses.replace(manifest, made_from=dataclasses.replace(manifest.made_from, **change)).write(path)
        assert shop.states()["scaled"] == ("stale", expected)
        assert shop.run() == ["scale"]


def test_what_is_only_in_memory_is_made_when_it_is_needed(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.in_memory = {"clean", "scaled"}
    assert shop.run() == ["clean", "scale", "describe"]
    assert shop.run() == []

    shop.parameters["params:title"] = Title("costs")
    assert shop.run() == ["clean", "scale", "describe"]
    assert json.loads(shop.file("page").read_text()) == {"title": "Title(text='costs')", "total": 8}


def test_a_result_in_memory_is_made_each_time(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.in_memory = {"page"}
    assert shop.run() == ["clean", "scale", "describe"]
    assert shop.run() == ["describe"]


def test_what_cannot_be_compared_runs_and_says_so(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.parameters["params:title"] = object()
    with caplog.at_level(logging.INFO):
        assert shop.run() == ["describe"]
        assert shop.run() == ["describe"]
    assert "params:title: a object cannot be compared" in caplog.text
    assert "scale is skipped: nothing that it depends on has changed" in caplog.text


def test_outputs_of_two_runs_are_mixed(shop: Shop) -> None:
    notes = Manifest.read(shop.file("notes"))
    assert notes is not None
    dataclasses.replace(notes, run="killed before it saved this").write(shop.file("notes"))

    assert shop.states()["page"] == ("mixed", "other outputs of describe come from another run")
    assert shop.run(run_id="second") == ["describe"]


def test_other_runners_leave_manifests_too(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    assert shop.run(SequentialRunner()) == ["clean", "scale", "describe"]
    assert shop.run() == []


def test_missing_outputs_alone_are_made_with_a_warning(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    shop.parameters["params:factor"] = 3
    shop.run(SequentialRunner(), pipeline=shop.pipeline, only_missing_outputs=True)

    assert "skipped, but stale    scaled: params:factor was 2, is 3" in caplog.text
    assert "skipped, but stale    clean" not in caplog.text


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda shop: shop.parameters.update({"params:factor": 3}), "params:factor was 2, is 3"),
        (lambda shop: shop.file("raw").write_text("[3, 1, 4]"), "clean is stale"),
        (lambda shop: shop.file("clean").write_text("[3]"), "clean: its content has changed"),
    ],
)
def test_a_part_of_a_pipeline_that_starts_from_stale_tables_says_so(
    shop: Shop, change: Callable[[Shop], Any], why: str, caplog: pytest.LogCaptureFixture
) -> None:
    rest = shop.pipeline.only_nodes("describe")
    shop.run(pipeline=rest)
    assert "stale" not in caplog.text
    change(shop)
    shop.run(SequentialRunner(), pipeline=rest)
    assert f"this run starts from scaled, which is stale: {why}" in caplog.text


def test_what_the_catalog_says_of_an_output_counts_too(shop: Shop) -> None:
    shop.entry = {"save_args": {"indent": 4}}
    assert shop.states()["scaled"] == ("stale", 'catalog: scaled was null, is {"save_args": {"indent": 4}}')
    assert shop.run()[0] == "scale"
    assert shop.run() == []


def test_what_people_write_beside_a_model_is_none_of_its_content(tmp_path: Path) -> None:
    (tmp_path / "weights").write_text("1")
    before = files_in(tmp_path)
    (tmp_path / "README.md").write_text("what it is")
    (tmp_path / ".DS_Store").write_text("")
    assert files_in(tmp_path) == before != {}
    assert files_in(tmp_path / "README.md") != {}


def test_a_run_does_not_start_from_what_is_damaged(shop: Shop) -> None:
    file = shop.file("scaled")
    file.write_text(file.read_text().replace("2", "3"))
    rest = shop.pipeline.only_nodes("describe")

    with pytest.raises(DamagedError, match=r"scaled\.json of scaled is not what scale wrote"):
        shop.run(pipeline=rest)
    shop.file("page").unlink()
    with pytest.raises(DamagedError, match=r"scaled\.json of scaled is not what scale wrote"):
        shop.run(SequentialRunner(), pipeline=shop.pipeline, only_missing_outputs=True)
    manifest_path(file).unlink()  # as the message says, for who meant it
    assert shop.run(pipeline=rest) == ["describe"]


EDITING = """
import os
from pathlib import Path

HERE = Path(__file__)

def touch(rows):
    return rows, "table.yml"

def edit_module(rows):
    HERE.write_text(HERE.read_text() + "# edited")
    return rows, "table.yml"

def edit_lazy(rows):
    file = HERE.with_name("lazy.py")
    before = file.read_text()
    file.write_text("ADDED = 2")
    from editing.lazy import ADDED
    file.write_text(before)
    return [row + ADDED for row in rows], "table.yml"

def move_in(rows):
    os.replace(HERE.parent.with_name("older.yml"), HERE.with_name("table.yml"))
    return rows, "table.yml"
"""


@pytest.mark.parametrize(
    ("function", "edited"),
    [("touch", ""), ("edit_module", "__init__.py"), ("edit_lazy", "lazy.py"), ("move_in", "table.yml")],
)
def test_what_is_edited_while_it_runs_is_not_taken_for_what_ran(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, function: str, edited: str
) -> None:
    package = tmp_path / "editing"
    package.mkdir()
    for name, text in {"__init__.py": EDITING, "lazy.py": "ADDED = 1", "table.yml": "1", "../older.yml": "0"}.items():
        (package / name).write_text(text)
    time.sleep(0.05)  # a file system's clock lags behind
    monkeypatch.setattr(package_files, "BEGAN", time.time_ns())
    time.sleep(0.05)
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("editing", "editing.lazy"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    shop = Shop(tmp_path)
    func = getattr(importlib.import_module("editing"), function)
    shop.pipeline = Pipeline([node(func, "raw", ["clean", "notes"], name="edit")])
    manifest_path(shop.file("notes")).write_text("of another run")

    shop.run()

    assert {manifest_path(shop.file(name)).is_file() for name in ("clean", "notes")} == {not edited}
    assert caplog.text.count("was edited while this process ran: edit will run again") == bool(edited)
    assert str(package / edited) in caplog.text or not edited


def stream(rows: list[int]) -> Iterator[tuple[list[int], int]]:
    yield rows, 0
    yield rows[1:], 1


def test_what_is_saved_in_pieces_is_not_taken_for_whole(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.pipeline = Pipeline([node(stream, "raw", ["clean", "notes"], name="stream")])
    shop.run()

    assert {kind for kind, _ in shop.states().values()} == {"stale"}


def test_an_input_that_the_catalog_ignores_changes_nothing(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    shop.run()
    ignored = {"incremental": {"ignore_changes": True}}
    catalog = shop.catalog()
    catalog["raw"] = JSONDataset(filepath=str(shop.file("raw")), metadata=ignored)
    first = fingerprints.MadeFrom.now(shop.pipeline.nodes[0], catalog, ManifestHooks()._sources, {})
    shop.file("raw").write_text("[9]")

    assert first == fingerprints.MadeFrom.now(shop.pipeline.nodes[0], catalog, ManifestHooks()._sources, {})
    assert first.inputs == {}


def test_parameters_that_a_run_leaves_untyped_are_no_change(shop: Shop, caplog: pytest.LogCaptureFixture) -> None:
    after = Pipeline([node(len, "page", "length", name="measure")])
    shop.parameters["params:title"] = {"text": "prices"}
    shop.run(SequentialRunner(), pipeline=after)
    assert "stale" not in caplog.text
    shop.parameters["params:title"] = {"text": "costs"}
    shop.run(SequentialRunner(), pipeline=after)
    assert 'starts from page, which is stale: params:title.text was "prices", is "costs"' in caplog.text
