from __future__ import annotations

import base64
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from kedro.io import AbstractVersionedDataset, DatasetError, Version
from killing import kill_in_the_middle

from emotion_kedro.datasets import (
    ChunkedParquetDataset,
    CSVDataset,
    JSONDataset,
    OptionalJSON,
    ParquetDataset,
    PlotDataset,
    TextDataset,
    TimedParquetDataset,
)
from emotion_kedro.runners.incremental.fingerprints import MISSING, content_of
from emotion_kedro.storage.chunks import Chunks

VERSIONS = ("2030-01-01", "2030-01-02")


@dataclass(frozen=True)
class Case:
    """A kind of dataset with two things to save, and one that fails half-way."""

    kind: Callable[..., AbstractVersionedDataset[Any, Any]]
    first: Any
    second: Any
    broken: Any
    preview: str


class Unwritable:
    """A cell that nothing can be made of."""


CASES = {
    "parquet": Case(
        ParquetDataset,
        pd.DataFrame({"text": ["one"]}),
        pd.DataFrame({"text": ["two", "three"]}),
        pd.DataFrame({"text": ["one", Unwritable()]}, dtype=object),
        "TablePreview",
    ),
    "chunks": Case(
        ChunkedParquetDataset,
        Chunks.of(pd.DataFrame({"text": ["one"]})),
        Chunks(lambda: iter([pd.DataFrame({"text": ["two"]}), pd.DataFrame({"text": ["three"]})])),
        # One piece is written before the other turns out to be no table.
        Chunks(lambda: iter([pd.DataFrame({"text": ["one"]}), pd.DataFrame({"text": [Unwritable()]})])),
        "TablePreview",
    ),
    # Half a document is written before the part that JSON does not know.
    "json": Case(JSONDataset, {"a": 1}, {"a": 2}, {"a": 1, "b": Unwritable()}, "JSONPreview"),
    "text": Case(TextDataset, "one\n", "two\n", 3, "HTMLPreview"),
    "csv": Case(
        lambda **settings: CSVDataset(save_args={"index": False}, **settings),
        pd.DataFrame({"text": ["one"]}),
        pd.DataFrame({"text": ["two", "three"]}),
        3,
        "TablePreview",
    ),
    "plot": Case(PlotDataset, b"one", b"two", "no bytes", "ImagePreview"),
}


@pytest.fixture(params=CASES.values(), ids=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return request.param


def same(one: Any, other: Any) -> bool:
    if isinstance(one, Chunks):
        return one.frame().equals(other.frame())
    return one.equals(other) if isinstance(one, pd.DataFrame) else one == other


def versioned(case: Case, root: Path, load: str | None = None, save: str | None = None) -> Any:
    return case.kind(filepath=str(root / "thing"), version=Version(load, save))


def files(root: Path) -> set[str]:
    return {str(file.relative_to(root)) for file in root.rglob("*") if file.is_file()}


def test_the_newest_version_is_loaded_unless_another_is_asked_for(case: Case, tmp_path: Path) -> None:
    for version, data in zip(VERSIONS, (case.first, case.second), strict=True):
        versioned(case, tmp_path, save=version).save(data)
    assert same(versioned(case, tmp_path).load(), case.second)
    assert same(versioned(case, tmp_path, load=VERSIONS[0]).load(), case.first)
    assert files(tmp_path) == {f"thing/{version}/thing" for version in VERSIONS}


def test_a_failed_save_leaves_the_older_version(case: Case, tmp_path: Path) -> None:
    versioned(case, tmp_path, save=VERSIONS[0]).save(case.first)
    failing = versioned(case, tmp_path, save=VERSIONS[1])
    with pytest.raises(DatasetError):
        failing.save(case.broken)
    assert same(versioned(case, tmp_path).load(), case.first)
    assert not versioned(case, tmp_path, load=VERSIONS[1]).exists()
    # The failed version can be written once what was wrong is mended.
    versioned(case, tmp_path, save=VERSIONS[1]).save(case.second)
    assert same(versioned(case, tmp_path).load(), case.second)


def test_without_versions_a_file_is_replaced_or_stays(case: Case, tmp_path: Path) -> None:
    dataset = case.kind(filepath=str(tmp_path / "thing"))
    assert not dataset.exists()
    dataset.save(case.first)
    with pytest.raises(DatasetError):
        dataset.save(case.broken)
    assert same(dataset.load(), case.first)
    dataset.save(case.second)
    assert same(dataset.load(), case.second)
    assert files(tmp_path) == {"thing"}


def test_a_first_save_that_fails_leaves_nothing_that_exists(case: Case, tmp_path: Path) -> None:
    for dataset in (case.kind(filepath=str(tmp_path / "thing.plain")), versioned(case, tmp_path, save=VERSIONS[0])):
        with pytest.raises(DatasetError):
            dataset.save(case.broken)
        assert not dataset.exists()


def test_a_version_is_not_written_twice(case: Case, tmp_path: Path) -> None:
    versioned(case, tmp_path, save=VERSIONS[0]).save(case.first)
    with pytest.raises(DatasetError, match="must not exist"):
        versioned(case, tmp_path, save=VERSIONS[0]).save(case.second)
    assert same(versioned(case, tmp_path).load(), case.first)


def test_nothing_is_not_saved(case: Case, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="'None'"):
        case.kind(filepath=str(tmp_path / "thing")).save(None)
    assert files(tmp_path) == set()


# The document is large enough to be flushed in part before its last entry, which never comes.
KILLED = """
import sys, time
from pathlib import Path
from kedro.io import Version
from emotion_kedro.datasets import JSONDataset

class Slow(dict):
    def items(self):
        for number in range(20_000):
            yield str(number), "x" * 20
        Path(sys.argv[2]).touch()
        time.sleep(60)

# Indented, JSON is written piece by piece.
JSONDataset(filepath=sys.argv[1], version=Version(None, sys.argv[3]), save_args={"indent": 2}).save(Slow(a=1))
"""


def test_a_killed_save_leaves_the_older_version(tmp_path: Path) -> None:
    case = CASES["json"]
    versioned(case, tmp_path, save=VERSIONS[0]).save(case.first)
    kill_in_the_middle(KILLED, str(tmp_path / "thing"), str(tmp_path / "sign"), VERSIONS[1], sign=tmp_path / "sign")
    (half,) = (tmp_path / "thing" / VERSIONS[1]).iterdir()
    assert half.name != "thing"
    assert half.stat().st_size > 100_000
    assert versioned(case, tmp_path).load() == case.first
    assert not versioned(case, tmp_path, load=VERSIONS[1]).exists()
    assert versioned(case, tmp_path).list_versions(full_path=False) == [VERSIONS[0]]


def test_previews_say_what_they_are(case: Case, tmp_path: Path) -> None:
    dataset: Any = case.kind(filepath=str(tmp_path / "thing"))
    dataset.save(case.first)
    # kedro-viz chooses how to draw it by the name of the annotation.
    annotation = inspect.signature(dataset.preview).return_annotation
    assert getattr(annotation, "__name__", str(annotation)) == case.preview
    shown = base64.b64decode(dataset.preview()).decode() if case.preview == "ImagePreview" else str(dataset.preview())
    assert "one" in shown or shown == '{"a": 1}'


def test_how_long_runs_took_is_no_part_of_what_their_table_says(tmp_path: Path) -> None:
    dataset = TimedParquetDataset(filepath=str(tmp_path / "runs.parquet"))
    contents = [content_of(dataset, "runs", {})]
    for seconds, loss in ((1.5, 0.1), (2.5, 0.1), (2.5, 0.1 + 1e-16), (2.5, float("nan"))):
        dataset.save(pd.DataFrame({"arm": ["real"], "seconds": [seconds], "validation_loss": [loss]}))
        contents.append(content_of(dataset, "runs", {}))
    assert contents[0] == MISSING
    assert contents[1] == contents[2]
    assert len(set(contents)) == 4
    assert dataset.load()["seconds"].tolist() == [2.5]


def test_every_table_of_runs_is_kept_so() -> None:
    catalog = "".join(file.read_text() for file in Path("conf/base/catalog").glob("*.yml"))
    classes = re.findall(r"type: (\S+)\n(?:  [^\n]*\n)*  validator: {class: emotion_kedro.schemas.runs.Runs,", catalog)
    assert classes == ["emotion_kedro.datasets.TimedParquetDataset"] * 3


def test_what_is_not_there_loads_as_nothing_and_what_is_there_as_it_is(tmp_path: Path) -> None:
    dataset = OptionalJSON(filepath=str(tmp_path / "findings.json"))
    assert dataset.load() is None
    dataset.save([{"system": "S1"}])
    assert dataset.load() == [{"system": "S1"}]
