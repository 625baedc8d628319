"""``emotion data``, without a network: stand-ins for Kaggle and for the web."""

from __future__ import annotations

import hashlib
import io
import sys
from pathlib import Path
from types import SimpleNamespace
from urllib.error import URLError

import pytest
import yaml
from click.testing import CliRunner, Result

from emotion_kedro.app import fetching
from emotion_kedro.cli import cli

ROOT = Path(__file__).parents[2]
CONTENT = b"text\tlabel\nso glad\tjoy\n"
LISTED = {
    "kaggle_table": {
        "title": "A table",
        "licence": "MIT",
        "kaggle": "somebody/a-table",
        "files": {
            "one/table.csv": {"rows": 1, "bytes": 9, "sha256": "0" * 64},
            "one/letters/*.txt": {"rows": 2, "bytes": 9},
        },
    },
    "web_table": {
        "title": "Another",
        "licence": "not stated",
        "web": "https://example.org/data",
        "files": {"two/train.tsv": {"rows": 1, "bytes": 9, "sha256": hashlib.sha256(CONTENT).hexdigest()}},
    },
    "reviews": {
        "title": "Reviews",
        "licence": "research",
        "by_hand": "its authors send it",
        "files": {"three/all.csv": {"rows": 1, "bytes": 9, "sha256": "0" * 64}},
    },
}


class World:
    """What Kaggle and the web answer, and a folder that tables go to."""

    def __init__(self, folder: Path) -> None:
        self.root, self.kaggle = folder / "real", folder / "kaggle"
        self.web: bytes | None = CONTENT
        self.asked: list[str] = []
        (self.kaggle / "deep").mkdir(parents=True)
        for name in ("table.csv", "deep/0.txt", "deep/1.txt", "readme.md"):
            (self.kaggle / name).write_text(name)

    def download(self, handle: str) -> str:
        self.asked.append(handle)
        return str(self.kaggle)

    def open(self, address: str, timeout: int) -> io.BytesIO:
        self.asked.append(address)
        if self.web is None:
            raise URLError("no such host")
        return io.BytesIO(self.web)

    def run(self, *arguments: str) -> Result:
        return CliRunner().invoke(cli, ["data", "--to", str(self.root), *arguments])


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    made = World(tmp_path)
    (tmp_path / "tables.yml").write_text(yaml.safe_dump(LISTED))
    monkeypatch.setattr(fetching, "LISTED", tmp_path / "tables.yml")
    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=made.download))
    monkeypatch.setattr("urllib.request.urlopen", made.open)
    return made


def test_gets_what_can_be_had_and_says_where_the_rest_goes(world: World) -> None:
    result = world.run()

    assert result.exit_code == 0, result.output
    assert sorted(str(path.relative_to(world.root)) for path in world.root.rglob("*") if path.is_file()) == [
        "one/letters/0.txt",
        "one/letters/1.txt",
        "one/table.csv",
        "two/train.tsv",
    ]
    assert "A table; 0.0 MB; licence: MIT" in result.output
    assert "one/table.csv: there, with other bytes than the results were measured on" in result.output
    assert "one/letters/*.txt: there (2 files)" in result.output
    assert "two/train.tsv: there\n" in result.output
    assert result.output.endswith("three/all.csv\n        from its authors send it\n")

    # What is there already, a person's own perhaps, stays as it is, and nobody is asked for it again.
    (world.root / "two/train.tsv").write_text("mine")
    world.asked.clear()
    assert world.run().exit_code == 0
    assert world.asked == []
    assert (world.root / "two/train.tsv").read_text() == "mine"

    # Of a set of files those come that are not there, and the others stay.
    (world.root / "one/letters/0.txt").write_text("mine")
    (world.root / "one/letters/1.txt").unlink()
    assert "one/letters/*.txt: there (2 files)" in world.run().output
    assert (world.root / "one/letters/0.txt").read_text() == "mine"


def test_what_cannot_be_had_is_said_and_the_rest_comes(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "kagglehub", None)
    world.web = b"something else"
    result = world.run()
    assert result.exit_code == 1
    assert "pip install 'emotion-kedro[data]'" in result.output
    assert "https://example.org/data/train.tsv has SHA-256" in result.output
    assert not list(world.root.rglob("*.*"))

    world.web = None
    assert "https://example.org/data/train.tsv is out of reach: no such host" in world.run("web_table").output
    monkeypatch.setitem(sys.modules, "kagglehub", SimpleNamespace(dataset_download=world.download))
    (world.kaggle / "table.csv").rename(world.kaggle / "tables.csv")
    world.web = CONTENT
    result = world.run()
    assert "kaggle_table: somebody/a-table has no table.csv; did you mean tables.csv?" in result.output
    assert (world.root / "two/train.tsv").is_file()
    assert "there is no table webtable; did you mean web_table" in world.run("webtable").output
    world.asked.clear()
    assert world.run("--list").exit_code == 0
    assert world.asked == []


def test_the_list_names_each_file_that_sources_read() -> None:
    sources = yaml.safe_load((ROOT / "conf/base/parameters/ingestion.yml").read_text())["ingestion"]["sources"]
    listed = {file for table in fetching.raw_tables().values() for file in table.files}
    for source in sources.values():
        files = source["file"] if isinstance(source["file"], list) else [source["file"]]
        for file in [*files, *filter(None, (source.get("validation_file"), source.get("test_file")))]:
            assert file in listed or any(Path(name).match(file) for name in listed), file
    # And each place has a file in the sample, which is how a person sees what it looks like.
    assert not [file for file in listed if not any((ROOT / "data/01_raw/sample").glob(file))]
