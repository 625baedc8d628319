"""What all parameters share."""

from __future__ import annotations

import functools
import hashlib
import importlib
import re
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

if TYPE_CHECKING:
    from pandas import DataFrame as Frame
else:
    # Kedro resolves the type hints of nodes at start-up; a table's type is not worth loading pandas for.
    Frame = Any


def _no_boolean(value: Any) -> Any:
    """Python counts true as 1."""
    if isinstance(value, bool):
        raise ValueError(f"{str(value).lower()} is no number (YAML reads yes, no, on and off so)")
    return value


Whole = Annotated[int, BeforeValidator(_no_boolean)]
Number = Annotated[float, BeforeValidator(_no_boolean)]
Share = Annotated[Number, Field(ge=0.0, le=1.0)]
Positive = Annotated[Whole, Field(ge=1)]
Seed = Annotated[Whole, Field(ge=0, le=2**32 - 1)]
"""What numpy and scikit-learn take for one."""
Rate = Annotated[Number, Field(gt=0.0)]

SHOWN = 20
"""Names in a list of those that there are."""
HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003134f"
"""Chinese characters, for a class of a regular expression: no spaces part their words."""
LEARNER = "learner:"
"""What stands before the names of a pair of learners that are compared."""
ALL = "all"
"""Stands in tables of figures for all sources, labels or rows together: none may be called so."""
ALL_ROWS = 0
"""The ``size`` of a run on all train rows."""
PROBABILITY_PREFIX = "p_"
"""Column ``p_<label>`` of a table of predictions holds the probability of that label."""

CLASSIFIER_NOTES, GENERATOR_NOTES = "classifier.json", "generator.json"
"""Files in which a saved model says what it is and how it was made, times included."""
CLEANING = "cleaning"
"""In the notes of a classifier: the steps that were done to the texts that it learned from."""
NOTES_ON_A_MODEL = frozenset({"README.md", CLASSIFIER_NOTES, GENERATOR_NOTES})
"""Files that do not change what a model says."""
RECOMMENDED = "recommended"
"""Name of the model that the validation rows chose, beside the arms' own."""
OTHER_THAN_ARMS = frozenset({RECOMMENDED, "baseline", "candidates", "majority", "tf-idf"})
"""What lies beside the models and predictions of arms, or stands beside them in tables: no arm may be called so."""


class Config(BaseModel):
    """Base of all parameters: unknown keys are errors, values do not change, numbers are finite."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class Pretrained(Config):
    """What starts from a pretrained model. Weights in a directory count by their content, like any parameter."""

    base: str
    base_contents: str = ""
    """Filled in where ``base`` is a directory: a digest of its files."""

    @model_validator(mode="before")
    @classmethod
    def _with_contents(cls, raw: Any) -> Any:
        return with_contents(raw, "base")


def with_contents(raw: Any, key: str) -> Any:
    """Return raw parameters with a digest of the folder that one of them names, as ``<key>_contents``.

    Raises:
        ValueError: if they have one already, of other files.
    """
    folder = raw.get(key) if isinstance(raw, dict) else None
    if not isinstance(folder, str) or not folder or not Path(folder).is_dir():
        return raw
    digest = digest_of_model(Path(folder))[:16]
    if raw.get(f"{key}_contents") not in (None, "", digest):
        raise ValueError(f"the files in {folder} are others than those that this was made with")
    return {**raw, f"{key}_contents": digest}


def digest_of_model(directory: Path) -> str:
    """Return a digest of a model's files, those of its folders too; but for cards and notes, and hidden ones."""
    inside = ((file.relative_to(directory), file) for file in sorted(directory.rglob("*")) if file.is_file())
    deciding = [
        (name.as_posix(), file, file.stat())
        for name, file in inside
        if name.name not in NOTES_ON_A_MODEL and not any(part.startswith(".") for part in name.parts)
    ]
    return _digest(tuple((name, file, at.st_size, at.st_mtime_ns, at.st_ctime_ns) for name, file, at in deciding))


@functools.cache
def _digest(files: tuple[tuple[str, Path, int, int, int], ...]) -> str:
    """Return the digest of names and contents; files are read once in a process, as long as they stay."""
    whole = hashlib.sha256()
    for name, file, *_ in files:
        with file.open("rb") as stream:
            whole.update(name.encode() + hashlib.file_digest(stream, "sha256").digest())
    return whole.hexdigest()


@dataclass(frozen=True)
class Kind:
    """An entry of a table of kinds: the parameters of a kind, and where it is implemented.

    The tables stand beside the parameters, which import no torch; the implementation is imported when it is needed.
    """

    config: type[Config]
    implementation: str
    """``package.module:name``."""

    def load(self) -> Any:
        """Return the implementation."""
        module, _, name = self.implementation.partition(":")
        return getattr(importlib.import_module(module), name)


def config_of(raw: Mapping[str, Any] | Config, kinds: Mapping[str, Kind], what: str) -> Any:
    """Return the parameters of the kind that ``raw`` names; ``what`` is what there are kinds of, for the message."""
    if isinstance(raw, Config):
        return raw
    kind = str(raw.get("kind") if isinstance(raw, Mapping) else None)
    if kind == "None":
        raise ValueError(f"the key `kind` is missing; of a {what} there are: {', '.join(kinds)}")
    if kind not in kinds:
        raise ValueError(f"there is no {what} of kind {kind!r}; there are: {', '.join(kinds)}")
    return kinds[kind].config.model_validate(raw)


class SmallTransformerConfig(Config):
    """The size of a transformer that is trained from nothing."""

    layers: Positive
    width: Positive
    heads: Positive

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> SmallTransformerConfig:
        if self.width % self.heads:
            raise ValueError(
                f"the width, {self.width}, is no multiple of the heads, {self.heads}; each of them takes an equal part"
            )
        return self


# --- what is said of parameters that do not fit ---------------------------------------------------------------------


def did_you_mean(name: str, known: Collection[str]) -> str:
    """Return a question for the known name that is nearest, to append to a message; empty if none is near."""
    close = get_close_matches(name, sorted({*known} - {name}), n=1)
    return f"; did you mean {close[0]}?" if close else ""


def choices(name: str, known: Collection[str]) -> str:
    """Return the known names that are nearest, or all that there are, to append to a message."""
    near = get_close_matches(name, sorted({*known} - {name}), n=3)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    every = list(known) or ["none"]
    more = f" and {len(every) - SHOWN} more" if len(every) > SHOWN else ""
    return f"; there are: {', '.join(every[:SHOWN])}{more}"


def repeated(values: Iterable[Any]) -> list[Any]:
    """Return the values that are there twice or more often, each once."""
    every = list(values)
    return list(dict.fromkeys(value for value in every if every.count(value) > 1))


def each_once(values: Any) -> Any:
    """Return the values; for validators of lists.

    Raises:
        ValueError: if one of them is there twice.
    """
    if values is not None and (twice := repeated(values)):
        raise ValueError(f"{', '.join(map(str, twice))} is named twice; leave one out")
    return values


def reasons(error: ValueError) -> str:
    """Return what is wrong with parameters, to stand behind what they are: a line for each place, or the message."""
    if not isinstance(error, ValidationError):
        return f": {error}"
    # Of a field that may be one thing or another, the deepest place is the one that was meant, a plain text the last.
    entries = sorted(error.errors(), key=lambda entry: (-len(entry["loc"]), entry["type"] == "string_type"))
    places: dict[str, str] = {}
    for entry in entries:
        place = _place(entry["loc"])
        if not any(deeper.startswith(f"{place}.") for deeper in places):
            places.setdefault(place, _reason(entry))
    lines = [f"{place}: {message}" if place else message for place, message in sorted(places.items())]
    return f": {lines[0]}" if len(lines) == 1 else ":" + "".join(f"\n  {line}" for line in lines)


def _place(loc: tuple[int | str, ...]) -> str:
    """Return the keys that lead to a place; pydantic puts the types that it tried between them, and marks bad keys."""
    keys = [str(part) for part in (loc[:-2] if loc[-1:] == ("[key]",) else loc)]
    return ".".join(key for key in keys if not re.search(r"[\[\]()]|^(str|int|float)$|^[A-Z]\w+(Config|Spec)$", key))


def _reason(entry: Mapping[str, Any]) -> str:
    value = entry["input"]
    if entry["type"] == "extra_forbidden":
        name = str(entry["loc"][-1])
        return f"there is no such key{did_you_mean(name, keys_of(Config))}"
    if entry["type"] == "string_type" and isinstance(value, bool):
        shown = str(value).lower()
        return f"YAML reads yes, no, on, off, true and false as {shown}, no text; put it into quotation marks"
    if entry["type"] == "string_type" and isinstance(value, int | float):
        return f"YAML reads {value} as a number, no text; put it into quotation marks"
    if entry["type"] in {"tuple_type", "list_type"}:
        return f"a list is needed: [{value}]"
    if entry["type"] in {"dict_type", "model_type", "model_attributes_type"}:
        return f"keys with values are needed, not {value!r}"
    given = f", not {value!r}" if entry["type"] == "literal_error" else ""
    return str(entry["msg"]).removeprefix("Value error, ") + given


def files_named(root: Path, pattern: str) -> dict[str, Path]:
    """Return the files of a path or of a pattern of paths: as they are shown -> where they lie; empty: none is there.

    Args:
        root: folder that relative paths start from; what lies below it is shown without it.
        pattern: a path (``~`` is the home folder), or a pattern, whose files come by their number, then by their name.
    """
    path = root / Path(pattern).expanduser()
    paths = [path] if path.is_file() else []
    if not paths and any(mark in pattern for mark in "*?["):
        base = root if path.is_relative_to(root) else Path(path.anchor)
        matches = (match for match in base.glob(path.relative_to(base).as_posix()) if match.is_file())
        # 2.txt before 10.txt
        paths = sorted(matches, key=lambda file: (int(file.stem) if file.stem.isdecimal() else -1, file.name))
    return {(file.relative_to(root) if file.is_relative_to(root) else file).as_posix(): file for file in paths}


def keys_of(config: type[Config]) -> set[str]:
    """Return the names of the fields of these parameters and of all that are derived from them."""
    return {*config.model_fields, *(key for below in config.__subclasses__() for key in keys_of(below))}
