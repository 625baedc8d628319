"""The manifest of an output: a small JSON file beside it that says what it was made from."""

from __future__ import annotations

import dataclasses
import json
import os
import uuid
from pathlib import Path
from typing import Any

from emotion_kedro.runners.incremental.fingerprints import MadeFrom

SUFFIX = ".manifest.json"


@dataclasses.dataclass(frozen=True)
class Manifest:
    """What is known of an output."""

    dataset: str
    node: str
    run: str
    """Identifies the run that wrote it."""
    time: str
    """When it was written: ISO 8601, UTC."""
    seconds: float
    """That the node took up to there."""
    made_from: MadeFrom
    files: dict[str, str]
    """The digest of the file, or of each in the directory."""

    @classmethod
    def read(cls, output: Path) -> Manifest | None:
        """Return the manifest of an output; None if there is none that can be read."""
        try:
            values = json.loads(manifest_path(output).read_text(encoding="utf-8"))
            return cls(**{**values, "made_from": MadeFrom(**values["made_from"])})
        except (OSError, ValueError, TypeError, KeyError):
            return None

    def write(self, output: Path) -> None:
        """Write it beside the output, whole or not at all."""
        target = manifest_path(output)
        # A name that a project which sweeps what killed runs left would take for such.
        staging = target.with_name(f".partial-{uuid.uuid4().hex}-{target.name}")
        try:
            with staging.open("w", encoding="utf-8") as stream:
                json.dump(dataclasses.asdict(self), stream, ensure_ascii=False)
                stream.flush()
                os.fsync(stream.fileno())
            staging.replace(target)
        finally:
            staging.unlink(missing_ok=True)


def manifest_path(output: Path) -> Path:
    """Return where the manifest of an output lies: a hidden file beside it."""
    return output.with_name(f".{output.name}{SUFFIX}")


def differences(old: MadeFrom, new: MadeFrom) -> list[str]:
    """Say in a line each what has changed, with the old value and the new one where they are short."""
    lines = [line for name, pair in _changed(old.parameters, new.parameters) for line in _of_values(name, *pair)]
    lines += [line for name, pair in _changed(old.inputs, new.inputs) for line in _of_contents(name, *pair)]
    lines += [f"code: {name} has changed" for name, _ in _changed(old.code, new.code)]
    lines += [
        f"{name} was {was or 'absent'}, is {now or 'absent'}"
        for name, (was, now) in _changed(old.libraries, new.libraries)
    ]
    if old.device != new.device:
        lines.append(f"device was {old.device or 'none'}, is {new.device or 'none'}")
    return lines


def _changed(old: dict[str, Any], new: dict[str, Any]) -> list[tuple[str, tuple[Any, Any]]]:
    names = dict.fromkeys([*old, *new])
    return [(name, (old.get(name), new.get(name))) for name in names if old.get(name) != new.get(name)]


def _of_values(name: str, old: Any, new: Any) -> list[str]:
    """Go down to the values that differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [line for key, pair in _changed(old, new) for line in _of_values(f"{name}.{key}", *pair)]
    if isinstance(old, list) and isinstance(new, list) and max(len(old), len(new)) > SHOWN_VALUES:
        more, less = ([value for value in these if value not in those] for these, those in ((new, old), (old, new)))
        news = "".join(f", {word} {_short(values)}" for word, values in (("new", more), ("gone", less)) if values)
        return [f"{name} was a list of {len(old)}, is one of {len(new)}{news or ', in another order'}"]
    return [f"{name} was {_short(old)}, is {_short(new)}"]


def _of_contents(name: str, old: Any, new: Any) -> list[str]:
    """Name the files that differ, where each has a digest of its own."""
    if old is None or new is None:
        return [f"{name} {'was no input' if old is None else 'is no input any more'}"]
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [f"{name}: its content has changed"]
    how = {(True, True): "has changed", (True, False): "is gone", (False, True): "is new"}
    return [f"{name}: file {file} {how[file in old, file in new]}" for file, _ in _changed(old, new)]


SHOWN_VALUES = 5
"""A longer list is described by what is new in it, and what is gone."""


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 60 else f"{text[:57]}..."
