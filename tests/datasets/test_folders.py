from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.hooks.manager import _create_hook_manager
from kedro.io import DataCatalog, DatasetError, MemoryDataset
from kedro.pipeline import Pipeline, node
from kedro.runner import SequentialRunner
from kedro_datasets.json import JSONDataset

from emotion_kedro.config.data import IngestionConfig, UnlabelledConfig
from emotion_kedro.datasets import RawFolder
from emotion_kedro.runners.incremental import ManifestHooks, states_of


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "raw" / "eit").mkdir(parents=True)
    (tmp_path / "raw" / "eit" / "table.csv").write_text("Text,Emotion\n")
    (tmp_path / "raw" / "notes.txt").write_text("four")
    return tmp_path / "raw"


def test_a_missing_folder_is_an_error_that_says_how_to_name_another(tmp_path: Path) -> None:
    dataset = RawFolder(path=str(tmp_path / "absent"))
    assert not dataset.exists()
    with pytest.raises(DatasetError, match="absent with the raw tables; name yours with --params=raw_root=FOLDER"):
        dataset.load()


def test_raw_data_is_never_written(folder: Path) -> None:
    with pytest.raises(DatasetError, match="never written"):
        RawFolder(path=str(folder)).save(folder)
    assert sorted(path.name for path in folder.iterdir()) == ["eit", "notes.txt"]


def test_the_users_home_may_be_a_tilde(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(folder.parent))
    assert RawFolder(path="~/raw").load() == folder


def test_it_knows_the_files_that_parameters_name_with_their_types_or_without(folder: Path) -> None:
    config = IngestionConfig(
        cleaning=(), sources={"eit": {"file": "eit/*.csv", "text_column": "text", "label_column": "label"}}
    )
    files = {"eit/table.csv": folder / "eit/table.csv"}
    assert RawFolder(path=str(folder)).files_for({"a": config, "b": 3}) == files
    assert RawFolder(path=str(folder)).files_for({"a": config.model_dump(mode="json"), "b": {"c": 3}}) == files


def test_the_preview_lists_files_with_their_sizes(folder: Path) -> None:
    assert json.loads(RawFolder(path=str(folder)).preview()) == {"eit/table.csv": 13, "notes.txt": 4}
    assert RawFolder.preview.__annotations__["return"] == "JSONPreview"


def ingest(folder: Path, labelled: Any, unlabelled: Any) -> list[str]:
    return [*labelled.sources, *unlabelled.sources]


def describe(folder: Path) -> str:
    return folder.name


def _edited_unseen(file: Path) -> None:
    """Write other content of the same size, and set the date back."""
    before = file.stat()
    file.write_bytes(file.read_bytes().replace(b"joy", b"sad"))
    os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert (file.stat().st_size, file.stat().st_mtime_ns) == (before.st_size, before.st_mtime_ns)


@pytest.mark.parametrize(
    ("change", "why"),
    [
        (lambda root: _edited_unseen(root / "raw/table.csv"), "file table.csv has changed"),
        (lambda root: _edited_unseen(root / "raw/odd.dat"), "file odd.dat has changed"),
        (lambda root: _edited_unseen(root / "far/table.csv"), "file linked/table.csv has changed"),
        (lambda root: _edited_unseen(root / "own/table.csv"), "file {root}/own/table.csv has changed"),
        (lambda root: _edited_unseen(root / "raw/letters/1.txt"), "file letters/1.txt has changed"),
        (lambda root: shutil.copy(root / "raw/letters/1.txt", root / "raw/letters/2.txt"), "file letters/2.txt is new"),
        (lambda root: (root / "far/table.csv").unlink(), "file linked/table.csv is gone"),
        (lambda root: [os.utime(file, (7, 7)) for file in root.rglob("*.*")], None),
        (lambda root: (root / "raw/letters/notes.csv").write_text("no source names it"), None),
        (lambda root: shutil.rmtree(root / "raw/others"), None),
    ],
)
def test_what_the_sources_name_counts_by_content_and_nothing_else(
    tmp_path: Path, change: Callable[[Path], Any], why: str | None
) -> None:
    for name in ("raw/table.csv", "raw/odd.dat", "far/table.csv", "own/table.csv", "raw/letters/1.txt", "raw/others/a"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text,label\na,joy\n")
    (tmp_path / "raw/linked").symlink_to(tmp_path / "far")
    table = {"format": "csv", "text_column": "text", "label_column": "label"}
    sources = {
        "tables": {"file": ["table.csv", "linked/table.csv"], "validation_file": "odd.dat", **table},
        "own": {"file": str(tmp_path / "table.csv"), "test_file": str(tmp_path / "own/*.csv"), **table},
    }
    letters = {"letters": {"file": "letters/*.txt"}}
    parameters = {
        "params:ingestion": IngestionConfig.model_validate({"cleaning": (), "sources": sources}),
        "params:unlabelled": UnlabelledConfig.model_validate({"cleaning": (), "sources": letters}),
    }
    pipeline = Pipeline([node(ingest, ["raw_folder", *parameters], "records"), node(describe, "raw_folder", "page")])
    kept = {name: JSONDataset(filepath=str(tmp_path / f"made/{name}.json")) for name in ("records", "page")}
    memory = {name: MemoryDataset(value) for name, value in parameters.items()}
    catalog = DataCatalog({"raw_folder": RawFolder(path=str(tmp_path / "raw")), **kept, **memory})
    hooks = _create_hook_manager()
    hooks.register(ManifestHooks())
    SequentialRunner().run(pipeline, catalog, hooks, "first")
    fresh = {state.dataset: state.why for state in states_of(pipeline, catalog)}

    change(tmp_path)

    assert fresh == {"records": "", "page": ""}
    said = f"raw_folder: {why.format(root=tmp_path)}" if why else ""
    assert {state.dataset: state.why for state in states_of(pipeline, catalog)} == {"records": said, "page": ""}
