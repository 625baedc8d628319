"""Systems that work on the tables of another run: what they share with it, and what is said when it is missing."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.framework import project
from kedro.io import DataCatalog, MemoryDataset
from kedro.pipeline import Pipeline, node

from emotion_kedro import hooks
from emotion_kedro.datasets import JSONDataset, OptionalJSON, ParquetDataset, RawFolder
from emotion_kedro.hooks import check_inputs
from emotion_kedro.pipeline_registry import on_augment


def work(*_: Any) -> None:
    raise NotImplementedError


def step(*inputs: str, outputs: str = "made", name: str = "work") -> Pipeline:
    return Pipeline([node(work, inputs=list(inputs), outputs=outputs, name=name)])


def test_a_system_on_augment_takes_its_tables_and_has_all_else_for_itself() -> None:
    names = ("split_records", "candidates", "run_log", "params:tune", "params:device")
    system = on_augment("tune", step(*names), own={"tune"})
    assert system.inputs() == {"split_records", "candidates", "tune.run_log", "params:tune.tune", "params:device"}
    assert system.outputs() == {"tune.made"}
    assert [entry.name for entry in system.nodes] == ["tune.work"]


def test_tables_that_the_system_makes_itself_are_its_own() -> None:
    made = step("split_records", outputs="candidates", name="first") + step("candidates", name="second")
    assert on_augment("tune", made).inputs() == {"split_records"}
    assert "tune.candidates" in on_augment("tune", made).datasets()


def catalog_of(folder: Path, *names: str) -> DataCatalog:
    entries: dict[str, Any] = {name: ParquetDataset(filepath=str(folder / name)) for name in names}
    entries["run_log"] = JSONDataset(filepath=str(folder / "run_log"))
    entries["findings"] = OptionalJSON(filepath=str(folder / "findings"))
    entries["raw_folder"] = RawFolder(path=str(folder / "raw"))
    entries["params:a"] = MemoryDataset(1)
    return DataCatalog(entries)


def test_missing_tables_are_named_with_the_run_that_makes_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "pipelines", {"augment": 1, "tune": 1, "augment_thirteen": 1})
    names = ("candidates", "split_records", "thirteen.candidates", "tune.trials")
    catalog = catalog_of(tmp_path, *names)
    catalog["split_records"].save(pd.DataFrame({"text": ["here"]}))
    with pytest.raises(FileNotFoundError) as caught:
        check_inputs(step(*names), catalog)
    message = str(caught.value)
    assert "not there: candidates, thirteen.candidates, tune.trials;" in message
    runs = ("augment", "augment_thirteen", "tune")
    assert re.findall(r"--pipeline=(\w+)", message) == list(runs)


def test_nothing_is_asked_of_logs_raw_tables_optional_documents_and_parameters(tmp_path: Path) -> None:
    check_inputs(step("run_log", "findings", "raw_folder", "params:a", "in memory"), catalog_of(tmp_path))


def test_a_run_is_stopped_before_any_node(tmp_path: Path) -> None:
    catalog = catalog_of(tmp_path, "candidates")
    assert hooks.pipelines is project.pipelines
    with pytest.raises(FileNotFoundError, match=r"run kedro run --pipeline=augment first"):
        hooks.RunHooks().before_pipeline_run({}, step("candidates"), catalog)
    assert not (tmp_path / "run_log").exists()
