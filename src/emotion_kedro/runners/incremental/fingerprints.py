"""What a node is made from, as values that can be compared and written down."""

from __future__ import annotations

import dataclasses
import enum
import hashlib
import json
import os
import platform
import sys
from collections.abc import Callable, Mapping
from functools import cache
from importlib import metadata
from importlib.util import find_spec
from pathlib import Path, PurePath
from typing import Any

from kedro.io import CatalogProtocol, DatasetError
from kedro.pipeline.node import Node

from emotion_kedro.runners.incremental.code import Code, Sources, bound_arguments, inner

IGNORED = "ignore_changes"
"""``metadata: {incremental: {ignore_changes: true}}`` of a catalog entry: nodes do not run again because of it."""
COMPUTING = {"torch", "tensorflow", "jax"}
"""Libraries whose results depend on the device."""
DISTRIBUTIONS = {"sklearn": "scikit-learn", "yaml": "PyYAML", "PIL": "pillow", "cv2": "opencv-python"}
"""Packages that are installed under another name; the rest is looked up, which takes a third of a second."""
STANDS_FOR = "stands_for"
"""Where the same metadata say of a data set in memory what it was made from."""
MISSING = "missing"
TYPE = "type"
"""Of a typed value: the key at which its type's name stands."""
WHERE = {"filepath", "path", "credentials", "fs_args", "metadata", "version", "latest"}
"""Arguments that do not change a data set's content."""
NOTES = "README.md"


class UnknownError(Exception):
    """Something cannot be compared with what it was, so that the node has to run."""


@dataclasses.dataclass(frozen=True)
class MadeFrom:
    """All that a node's outputs depend on. Values are those of JSON."""

    parameters: dict[str, Any]
    inputs: dict[str, str | dict[str, str]]
    """The content of each: a digest, or that of each file that the parameters choose."""
    code: dict[str, str]
    libraries: dict[str, str]
    device: str

    @classmethod
    def now(
        cls, node: Node, catalog: CatalogProtocol, sources: Sources, contents: dict[str, str], device: str = ""
    ) -> MadeFrom:
        """Return what the node would be made from now.

        Args:
            node: the node.
            catalog: where its inputs lie.
            sources: the project's source.
            contents: of inputs that are kept nowhere, and stand for what they are made from.
            device: that the node computes on, if that is not this machine's.

        Raises:
            UnknownError: if an input or a parameter cannot be compared.
        """
        code = code_of(node, catalog, sources)
        values = {name: catalog.load(name) for name in node.inputs if is_parameter(name)}
        parameters = {name: plain(value, name) for name, value in values.items()}
        if bound := bound_arguments(node.func):
            parameters[f"{inner(node.func).__qualname__}()"] = plain(bound, "arguments bound to the function")
        parameters |= {f"catalog: {name}": entry for name in node_datasets(node) if (entry := entry_of(catalog, name))}
        inputs = {
            name: contents.get(name) or content_of(catalog.get(name), name, values)
            for name in node.inputs
            if not is_parameter(name) and not is_ignored(catalog.get(name))
        }
        libraries = {name: number for name in sorted(code.libraries) if (number := version_of(name))}
        return cls(
            parameters,
            dict(sorted(inputs.items())),
            {**code.modules, **{name: digest_of(file) for name, file in code.data.items()}},
            {"python": platform.python_version(), **libraries},
            (device or device_kind()) if COMPUTING & code.libraries else "",
        )

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that differ where anything does."""
        return hashlib.sha256(json.dumps(dataclasses.asdict(self), sort_keys=True).encode()).hexdigest()


def code_of(node: Node, catalog: CatalogProtocol, sources: Sources) -> Code:
    """Return what a node's function depends on, and the classes of its data sets."""
    classes = {type(catalog.get(name)) for name in node_datasets(node)}
    validators = getattr(catalog, "validators", {})
    classes |= {_class_named(validators[name]["class"]) for name in node_datasets(node) if name in validators}
    return sources.code_of(node.func, *sorted(classes, key=lambda kind: (kind.__module__, kind.__qualname__)))


@cache
def _class_named(path: str) -> type:
    """Return a class that stands for one whose source is looked up; nothing is imported."""
    module, _, name = path.rpartition(".")
    return type(name, (), {"__module__": module})


def node_datasets(node: Node) -> list[str]:
    """Return the data sets that a node reads and writes, without parameters."""
    return [name for name in (*node.inputs, *node.outputs) if not is_parameter(name)]


def entry_of(catalog: CatalogProtocol, name: str) -> dict[str, Any]:
    """Return what the catalog says of how a data set is read and written; where it lies is no part of that."""
    given = dict(getattr(catalog.get(name), "_init_args", None) or {})
    given |= given.pop("kwargs", {})  # those of a class above
    validator = getattr(catalog, "validators", {}).get(name)
    entry = {**given, "validator": validator}
    return {key: _plain_or_type(value) for key, value in entry.items() if key not in WHERE and value not in (None, {})}


def _plain_or_type(value: Any) -> Any:
    try:
        return plain(value, "")
    except UnknownError:
        return type(value).__name__


def is_parameter(name: str) -> bool:
    """Whether a data set holds parameters."""
    return name == "parameters" or name.startswith("params:")


def is_ignored(dataset: Any) -> bool:
    """Whether the catalog says that changes of the data set count for nothing."""
    return bool(_notes(dataset).get(IGNORED))


def _notes(dataset: Any) -> dict[str, Any]:
    metadata = getattr(dataset, "metadata", None)
    notes = metadata.get("incremental") if isinstance(metadata, dict) else None
    return notes if isinstance(notes, dict) else {}


def stand_for(dataset: Any, content: str | None) -> None:
    """Let a data set in memory say what stands for its content, wherever it is sent; None where nobody knows."""
    metadata = getattr(dataset, "metadata", None) or {}
    dataset.metadata = {**metadata, "incremental": {**_notes(dataset), STANDS_FOR: content}}


def is_kept(dataset: Any) -> bool:
    """Whether the data set is there in the next run, too."""
    return not getattr(dataset, "_EPHEMERAL", False)


def plain(value: Any, name: str) -> Any:
    """Return a typed value as JSON can hold it, with the names of its types.

    Raises:
        UnknownError: for a value of which nothing is known but where it lies in memory.
    """
    if value is None or isinstance(value, bool | int | float | str):
        return value.value if isinstance(value, enum.Enum) else value
    if isinstance(value, dict):
        return {str(key): plain(part, name) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [plain(part, name) for part in value]
    if isinstance(value, set | frozenset):
        return sorted((plain(part, name) for part in value), key=json.dumps)
    if isinstance(value, enum.Enum | PurePath):
        return str(value)
    fields = _fields(value)
    if fields is None:
        raise UnknownError(f"{name}: a {type(value).__name__} cannot be compared with an earlier one")
    return {TYPE: type(value).__name__, **{key: plain(part, name) for key, part in fields.items()}}


def without_types(value: Any) -> Any:
    """Return what :func:`plain` made, without the names of types."""
    if isinstance(value, dict):
        return {key: without_types(part) for key, part in value.items() if key != TYPE}
    return [without_types(part) for part in value] if isinstance(value, list) else value


def _fields(value: Any) -> dict[str, Any] | None:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    names = getattr(type(value), "model_fields", None)  # of pydantic
    if names is not None:
        return {name: getattr(value, name) for name in names}
    return {"text": value.isoformat()} if hasattr(value, "isoformat") else None


# --- the content of a data set ------------------------------------------------------------------------------------


def content_of(dataset: Any, name: str, parameters: Mapping[str, Any]) -> str | dict[str, str]:
    """Return a digest of what a data set holds, or ``missing``.

    A data set may say so itself, by a method ``fingerprint(digest_of)``: when files hold times, for instance, that
    count for nothing. ``digest_of`` takes a path, and reads a file once in a process as long as it stays as it is.
    Where parameters say which files are read, it says by a method ``files_for(parameters)`` which they are, by the
    names that users know them by: each has a digest of its own. ``parameters`` are those of the node, as it gets them.

    Raises:
        UnknownError: if it is not kept in files, or one of those cannot be read.
    """
    if not is_kept(dataset) and (content := _notes(dataset).get(STANDS_FOR)):
        return str(content)
    chosen: Callable[[Mapping[str, Any]], dict[str, Path]] | None = getattr(dataset, "files_for", None)
    if chosen is not None:
        return _digests(chosen(parameters))
    method: Callable[[Callable[[Path], str]], str] | None = getattr(dataset, "fingerprint", None)
    path = path_of(dataset)
    if method is not None:
        try:
            return method(digest_of)
        except DatasetError:  # there is nothing to load yet
            return MISSING
    if path is None:
        raise UnknownError(f"{name}: a {type(dataset).__name__} is not kept in files, so that changes cannot be seen")
    files = files_in(path)
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest() if files else MISSING


def path_of(dataset: Any) -> Path | None:
    """Return the local file or directory that a data set would load, there or not; None if it has none."""
    dataset = getattr(dataset, "_dataset", dataset)  # inside of a CachedDataset
    if getattr(dataset, "_protocol", "file") not in ("file", ""):
        return None
    path = getattr(dataset, "_filepath", None) or getattr(dataset, "_path", None)
    if path is None:
        return None
    if getattr(dataset, "_version", None) is not None:
        try:
            return Path(dataset._get_load_path())
        except DatasetError:  # there is no version yet
            return Path(path)
    return Path(path)


def files_in(path: Path) -> dict[str, str]:
    """Return the digest of a file, under ``""``, or of each in a directory, by its relative path.

    Of a directory hidden files do not count, nor does what people may write beside data: :data:`NOTES`.
    """
    if path.is_file():
        return {"": digest_of(path)}
    inside = (file for file in sorted(path.rglob("*")) if file.is_file())
    paths = {file.relative_to(path): file for file in inside}
    return {
        relative.as_posix(): digest_of(file)
        for relative, file in paths.items()
        if not any(part.startswith(".") for part in relative.parts) and relative.as_posix() != NOTES
    }


def _digests(files: Mapping[str, Path]) -> dict[str, str]:
    try:
        return {shown: digest_of(file) for shown, file in files.items()}
    except OSError as error:  # the node itself says best what is wrong with it
        raise UnknownError(f"{error.filename} cannot be read ({error.strerror})") from None


def digest_of(file: Path) -> str:
    """Return the digest of a file; it is read once in a process, as long as it stays as it is."""
    status = file.stat()
    # The time of the last edit can be set back; that of the last change of anything cannot.
    return _digest_of(file, (status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns))


@cache
def _digest_of(file: Path, stamp: tuple[int, ...]) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


# --- libraries and devices ----------------------------------------------------------------------------------------


@cache
def version_of(package: str) -> str:
    """Return the version of the library that a package belongs to; empty for what comes with Python."""
    if package in sys.stdlib_module_names:
        return ""
    try:
        return metadata.version(DISTRIBUTIONS.get(package, package))
    except metadata.PackageNotFoundError:
        # Of an extra that is not installed there is none: no need to look through all that is.
        importable = package in sys.modules or find_spec(package) is not None
        names = _distributions().get(package, []) if importable else []
        return ", ".join(metadata.version(name) for name in sorted(set(names)))


@cache
def _distributions() -> dict[str, list[str]]:
    return dict(metadata.packages_distributions())


@cache
def device_kind() -> str:
    """Return ``cuda``, ``mps`` or ``cpu``, without loading the library that computes there."""
    hidden = os.environ.get("CUDA_VISIBLE_DEVICES", "all") in ("", "-1")
    if not hidden and any(Path("/dev").glob("nvidia[0-9]*")) and "+cpu" not in version_of("torch"):
        return "cuda"
    return "mps" if sys.platform == "darwin" and platform.machine() == "arm64" else "cpu"
