"""Files and folders that are not what they should be; :func:`make` knows them by name."""

from __future__ import annotations

import bz2
import gzip
import io
import itertools
import json
import lzma
import pickle
import random
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors.numpy import save_file

Row = tuple[str, str]
_WORDS = "river lantern garden violin copper harbour meadow thunder velvet window orchard".split()  # noqa: SIM905


def rows(count: int = 60, labels: tuple[str, ...] = ("joy", "fear"), seed: int = 0) -> list[Row]:
    """So many different texts of each label."""
    numbers = random.Random(seed)
    return [
        (" ".join(numbers.choices(_WORDS, k=9)) + f" {label} {row}", label)
        for row, label in itertools.product(range(count), labels)
    ]


def csv(table: list[Row] | None = None) -> bytes:
    lines = ["text,label", *(f"{text},{label}" for text, label in (rows() if table is None else table))]
    return ("\n".join(lines) + "\n").encode()


def _records() -> list[dict[str, str]]:
    return [{"text": text, "label": label} for text, label in rows()]


def _book(table: pd.DataFrame) -> bytes:
    stream = io.BytesIO()
    table.to_excel(stream, index=False)
    return stream.getvalue()


def _parquet() -> bytes:
    return pd.DataFrame(_records()).to_parquet()


def _damaged(data: bytes, first: int = 20) -> bytes:
    return data[:first] + bytes(byte ^ 0xFF for byte in data[first : first + 40]) + data[first + 40 :]


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as archive:
        archive.writestr("diary.csv", csv())
    return stream.getvalue()


def _other(labels: list[str], count: int = 60) -> bytes:
    """Good rows, and one of each of these labels."""
    return csv(
        [*rows(count), *((f"another day {number} of it {number * 7}", label) for number, label in enumerate(labels))]
    )


def _few(count: int) -> bytes:
    return csv([*rows(60, ("joy",)), *rows(count, ("fear",), seed=1)])


_ONE = "the same small text of the same small fear again and again and again"

FILES: dict[str, Callable[[], bytes]] = {
    "csv": csv,
    "csv_broken": lambda: b"text,label\none,two,joy\n",
    "xlsx": lambda: _book(pd.DataFrame(_records()).rename(columns=str)),
    "xlsx_twice": lambda: _book(pd.DataFrame([["a", "joy", "fear"]], columns=["text", "label", "label"])),
    "xlsx_empty": lambda: _book(pd.DataFrame()),
    "xlsx_cut": lambda: _book(pd.DataFrame(_records()))[:2000],
    "xlsx_damaged": lambda: _damaged(book := _book(pd.DataFrame(_records())), book.index(b"sheet1.xml") + 40),
    "xls": lambda: bytes.fromhex("d0cf11e0a1b11ae1") + bytes(600),
    "parquet": _parquet,
    "parquet_cut": lambda: _parquet()[:-30],
    "parquet_damaged": lambda: _damaged(_parquet()),
    "gzip": lambda: gzip.compress(csv()),
    "zip": _zip,
    "bzip2": lambda: bz2.compress(csv()),
    "xz": lambda: lzma.compress(csv()),
    "zstd": lambda: bytes.fromhex("28b52ffd") + bytes(range(200)),
    "utf_16": lambda: csv().decode().encode("utf-16"),
    "utf_16_le": lambda: csv().decode().encode("utf-16-le"),
    "utf_32": lambda: csv().decode().encode("utf-32"),
    "png": lambda: bytes.fromhex("89504e470d0a1a0a") + bytes(200),
    "pdf": lambda: b"%PDF-1.7\n" + bytes(range(200)),
    "sqlite": lambda: b"SQLite format 3\0" + bytes(200),
    "pickle": lambda: pickle.dumps(_records()),
    "json": lambda: json.dumps(_records()).encode(),
    "json_lines": lambda: "\n".join(map(json.dumps, _records())).encode(),
    "json_lines_broken": lambda: b'{"text": "a", "label": "joy"}\n{"text": "b", "label": "fear"}\n{"text": "c",\n',
    "json_object": lambda: b'{"text": ["a"], "label": ["joy"]}',
    "json_latin_1": lambda: '[{"text": "caf\xe9", "label": "joy"}]'.encode("latin-1"),
    "json_deep": lambda: b"[" * 100_000,
    "latin_1": lambda: "text,label\na good day,joy\nthe caf\xe9,fear\n".encode("latin-1"),
    "shouted": lambda: csv(
        [(text, label.title() if row // 2 % 2 else label) for row, (text, label) in enumerate(rows())]
    ),
    "spaced": lambda: csv([(text, f" {label}") for text, label in rows()]),
    "mapped": lambda: _other(["Happy", "happy"]),
    "strange": lambda: _other(["glee"] * 40),
    "loving": lambda: _other(["love"] * 40),
    "one": lambda: _few(1),
    "two": lambda: _few(2),
    "eight": lambda: _few(8),
    "copies": lambda: csv([*rows(60, ("joy",)), *[(_ONE, "fear")] * 60]),
    "near_copies": lambda: csv([*rows(60, ("joy",)), *((f"{_ONE} {row}", "fear") for row in range(60))]),
    "joys": lambda: csv(rows(60, ("joy",), seed=2)),
    "conflict": lambda: csv([(text, label) for text, _ in rows(30) for label in ("joy", "fear")]),
    "distinct": lambda: csv([(f"{text} {row}", f"{text} {row}") for row, (text, _) in enumerate(rows(120))]),
}


def _model(folder: Path, **changes: object) -> None:
    """Lay out a BERT of two layers: what is read of it before a run, no more."""
    folder.mkdir(parents=True)
    config = {"model_type": "bert", "num_hidden_layers": 2, "max_position_embeddings": 512, "hidden_size": 4, **changes}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text("{}")
    (folder / "tokenizer_config.json").write_text("{}")
    save_file({"embeddings": np.zeros((8, 4), dtype=np.float32)}, folder / "model.safetensors")


def _changed(change: Callable[[Path], object], **config: object) -> Callable[[Path], None]:
    def make(folder: Path) -> None:
        _model(folder, **config)
        change(folder)

    return make


def _written(name: str, content: bytes) -> Callable[[Path], None]:
    return _changed(lambda folder: (folder / name).write_bytes(content))


def _without(folder: Path, *names: str) -> None:
    for name in names:
        (folder / name).unlink()


def _pickled(folder: Path) -> None:
    _without(folder, "model.safetensors")
    (folder / "pytorch_model.bin").write_bytes(pickle.dumps({"embeddings": [0.0]}))


def _part_missing(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    parts = {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))


def _cut(folder: Path) -> None:
    file = folder / "model.safetensors"
    file.write_bytes(file.read_bytes()[:-8])


FOLDERS: dict[str, Callable[[Path], None]] = {
    "folder": lambda folder: folder.mkdir(parents=True),
    "model": _model,
    "model_config_broken": _written("config.json", b'{"model_type": '),
    "model_without_kind": lambda folder: _model(folder, model_type=None),
    "model_without_weights": _changed(lambda folder: _without(folder, "model.safetensors")),
    "model_weights_empty": _written("model.safetensors", b""),
    "model_weights_text": _written("model.safetensors", b"version https://git-lfs.github.com/spec/v1\n" * 9),
    "model_weights_cut": _changed(_cut),
    "model_part_missing": _changed(_part_missing),
    "model_pickled": _changed(_pickled),
    "model_without_tokenizer": _changed(lambda folder: _without(folder, "tokenizer.json", "tokenizer_config.json")),
    "model_tokenizer_broken": _written("tokenizer.json", b"{"),
    "model_remote_code": lambda folder: _model(folder, auto_map={"AutoModel": "modeling_mine.Mine"}),
}


def make(path: Path, name: str) -> None:
    """Write the file or the folder of that name to ``path``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.is_file():
        path.unlink()
    if name == "unreadable":
        path.symlink_to("/proc/self/mem")
    elif name in FOLDERS:
        FOLDERS[name](path)
    else:
        path.write_bytes(FILES[name]())
