"""``emotion data``: gets the public tables that can be had, and says of the others what to put where.

``raw_tables.yml`` lists them. A file that is there is never touched. One from the web has the bytes that the results
were measured on, or is refused; Kaggle's may have changed since, which is said.
"""

from __future__ import annotations

import hashlib
import logging
import shutil
import urllib.request
from collections.abc import Iterator, Mapping
from http.client import HTTPException
from pathlib import Path
from typing import Annotated

import click
import yaml
from pydantic import Field, model_validator

from emotion_kedro.app.model import project_folder
from emotion_kedro.config.base import Config, Positive, choices
from emotion_kedro.storage.whole_files import sha256_of, written_whole

LISTED = Path(__file__).with_name("raw_tables.yml")
SECONDS = 60
"""Without an answer for so long, the web is out of reach."""
INSTALL = "Kaggle's tables need one more package: pip install 'emotion-kedro[data]'"
REAL = Path("data/01_raw/real")
"""Where ``--env=real`` looks for them, as seen from the project's folder."""


class RawFile(Config):
    """A file as results were measured on it."""

    rows: Positive
    bytes: Positive
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = None
    """None: a pattern, which stands for several files; ``rows`` is how many."""

    @property
    def count(self) -> int:
        """The number of files that the name stands for."""
        return self.rows if self.sha256 is None else 1


class RawTable(Config):
    """A public table: its files below the folder of the real tables, and where they come from."""

    title: str
    licence: str
    files: dict[str, RawFile]
    kaggle: str | None = None
    """``owner/name`` of a set whose files have the same names."""
    web: Annotated[str, Field(pattern="^https://")] | None = None
    """The folder of a fixed version; the files' own names are put behind it."""
    by_hand: str | None = None
    note: str = ""

    @model_validator(mode="after")
    def _from_one_place(self) -> RawTable:
        if sum(place is not None for place in (self.kaggle, self.web, self.by_hand)) != 1:
            raise ValueError("give one of kaggle, web and by_hand")
        if self.web and not all(file.sha256 for file in self.files.values()):
            raise ValueError("a file from the web needs its sha256")
        return self

    @property
    def place(self) -> str:
        """Where a person finds it."""
        return self.by_hand or (f"kaggle.com/datasets/{self.kaggle}" if self.kaggle else str(self.web))


def raw_tables() -> dict[str, RawTable]:
    """Return the public tables by the names of their sources."""
    entries = yaml.safe_load(LISTED.read_text(encoding="utf-8"))
    return {name: RawTable.model_validate(entry) for name, entry in entries.items()}


def missing_files(table: RawTable, root: Path) -> list[str]:
    """Return the names of its files, and patterns, that are not below the folder, or not all of what they stand for."""
    return [name for name, file in table.files.items() if len(list(root.glob(name))) < file.count]


def fetch(table: RawTable, root: Path) -> None:
    """Get the files that are not there yet; each is there whole or not at all.

    Raises:
        ValueError: if one cannot be had; the message says why.
    """
    for name in missing_files(table, root):
        if table.kaggle:
            _from_kaggle(table.kaggle, root / name)
        elif table.web:
            _from_web(f"{table.web}/{Path(name).name}", root / name, str(table.files[name].sha256))


def _from_kaggle(handle: str, target: Path) -> None:
    """Copy the files whose names fit, wherever in the set they lie."""
    try:
        import kagglehub
    except ImportError:
        raise ValueError(INSTALL) from None
    logging.getLogger("kagglehub").setLevel(logging.ERROR)
    try:
        folder = Path(kagglehub.dataset_download(handle))
    except Exception as error:  # of the network, of the account, of the set: each a class of its own
        unreached = isinstance(error, OSError) and getattr(error, "response", None) is None
        reason = "it is out of reach" if unreached else _first_line(error)
        raise ValueError(f"Kaggle did not give {handle}: {reason}") from error
    files = sorted(folder.rglob(target.name))
    if not files:
        names = sorted(file.name for file in folder.rglob("*") if file.is_file())
        raise ValueError(f"{handle} has no {target.name}{choices(target.name, names)}")
    for file in files:
        if not (place := target.with_name(file.name)).exists():
            with written_whole(place) as staging:
                shutil.copyfile(file, staging)


def _from_web(address: str, target: Path, sha256: str) -> None:
    try:
        with urllib.request.urlopen(address, timeout=SECONDS) as answer:
            content = answer.read()
    except (OSError, HTTPException) as error:
        raise ValueError(f"{address} is out of reach: {getattr(error, 'reason', error)}") from error
    actual = hashlib.sha256(content).hexdigest()
    if actual != sha256:
        raise ValueError(f"{address} has SHA-256 {actual}, expected {sha256}: it is left out")
    with written_whole(target) as staging:
        staging.write_bytes(content)


def _first_line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__


def _state(name: str, file: RawFile, root: Path) -> str:
    """Return in words what is there of a file."""
    paths = [path for path in root.glob(name) if path.is_file()]
    if not paths:
        return "missing"
    if file.sha256 is None:
        return f"there ({len(paths)} files)" if len(paths) == file.rows else f"there ({len(paths)} of {file.rows})"
    same = sha256_of(paths[0]) == file.sha256
    return "there" if same else "there, with other bytes than the results were measured on"


def _described(name: str, table: RawTable, root: Path) -> Iterator[str]:
    megabytes = sum(file.bytes for file in table.files.values()) / 1e6
    yield click.style(name, bold=True) + f"  {table.title}; {megabytes:.1f} MB; licence: {table.licence}"
    if table.note:
        yield f"    {table.note}"
    for file, entry in table.files.items():
        yield f"    {file}: {_state(file, entry, root)}"


def _chosen(names: tuple[str, ...]) -> Mapping[str, RawTable]:
    tables = raw_tables()
    for name in names:
        if name not in tables:
            raise click.UsageError(f"there is no table {name}{choices(name, tables)}")
    return {name: table for name, table in tables.items() if not names or name in names}


@click.command()
@click.argument("names", nargs=-1)
@click.option("--to", "root", type=click.Path(path_type=Path), help=f"Their folder; else {REAL} of the project.")
@click.option("--list", "only_list", is_flag=True, help="Get nothing; say what is there, and what is missing.")
def data(names: tuple[str, ...], root: Path | None, only_list: bool) -> None:
    """Get the public tables that results were measured on: all, or those that are named.

    Kaggle's need its account on this machine and pip install 'emotion-kedro[data]'. Each table has a licence: look at
    it before you hand texts on. What is there already stays as it is.

    \b
    emotion data --list
    emotion data eit goemotions --to ~/tables
    """  # noqa: D301 - click wants the character itself
    chosen = _chosen(names)
    root = (project_folder() or Path()) / REAL if root is None else root
    failed: list[str] = []
    for name, table in chosen.items():
        try:
            if not only_list:
                fetch(table, root)
        except (ValueError, OSError) as error:
            failed.append(f"{name}: {error}")
        click.echo("\n".join(_described(name, table, root)))
    missing = [(table, files) for table in chosen.values() if (files := missing_files(table, root))]
    if missing:
        click.echo(f"\nWhat is missing is put below {root} by hand:")
    for table, files in missing:
        click.echo(f"    {', '.join(files)}\n        from {table.place}")
    if failed:
        raise click.ClickException("\n  ".join(["not everything could be had", *failed]))
