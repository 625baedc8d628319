"""What a node asks of the machine that it runs on."""

from __future__ import annotations

import dataclasses
import math
import re
from collections.abc import Iterable, Mapping
from typing import Any

from click import ClickException
from kedro.pipeline.node import Node

UNITS = {"": 1, "B": 1, "KB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
UNITS |= {f"{unit[0]}iB": 1024**power for power, unit in enumerate(["KB", "MB", "GB", "TB"], start=1)}
TAG = "ray."
"""Tags of a node that say what it asks for: ``ray.cpu-2``, ``ray.gpu-0.5``, ``ray.memory-4GB``."""

GPUS_HIDDEN = "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO"
"""Ray's variable: 1, as here by default, hides GPUs from nodes that ask for none, which would take those of others."""


class ResourcesError(ClickException):
    """Resources that cannot be read or had; the command line shows the message alone."""


@dataclasses.dataclass(frozen=True)
class Resources:
    """Processors, shares of GPUs, and memory in bytes; a process gets no more processors' threads than it asks for."""

    cpu: float = 1
    gpu: float = 0
    memory: int = 0

    def __str__(self) -> str:
        """Return what is asked for, in words."""
        amounts = [
            ("cpu", f"{self.cpu:g}"),
            ("gpu", f"{self.gpu:g}"),
            ("memory", f"{self.memory / UNITS['GB']:.3g} GB"),
        ]
        return ", ".join(f"{name} {said}" for name, said in amounts if getattr(self, name))

    def options(self) -> dict[str, float]:
        """Return them as options of a Ray task."""
        return {"num_cpus": self.cpu, "num_gpus": self.gpu, "memory": self.memory}


def read(words: Any, where: str) -> dict[str, float]:
    """Return resources by name as numbers; memory in bytes.

    Args:
        words: a mapping such as ``{cpu: 2, gpu: 0.5, memory: 4GB}``.
        where: they stand, for the error.

    Raises:
        ResourcesError: naming the place, the value and what could stand there.
    """
    if not isinstance(words, Mapping):
        raise ResourcesError(f"{where}: {words!r} names no resources; write {{cpu: 2, gpu: 0.5, memory: 4GB}}")
    return {str(name): _read(str(name), value, f"{where}.{name}") for name, value in words.items()}


def _read(name: str, value: Any, where: str) -> float:
    if name not in Resources.__dataclass_fields__:
        raise ResourcesError(
            f"{where}: there is no such resource; there are cpu, gpu and memory (names with "
            "dots, as of nodes, go into a file for --config)"
        )
    number = _bytes(value, where) if name == "memory" else _number(value, where)
    if name == "gpu" and number > 1 and number != int(number):
        raise ResourcesError(f"{where}: {value} GPUs cannot be given; write a share of one (0.5) or a whole number")
    return number


def _number(value: Any, where: str) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError):
        number = math.nan
    if not 0 <= number < math.inf:
        raise ResourcesError(f"{where}: {value!r} is no number from 0 up")
    return number


def _bytes(value: Any, where: str) -> int:
    parts = re.fullmatch(r"([0-9.]+) ?([a-zA-Z]*)", str(value).strip())
    if parts is None or parts[2] not in UNITS:
        raise ResourcesError(f"{where}: {value!r} is no size; write it as 4GB, 512MB or 2GiB")
    return int(_number(parts[1], where) * UNITS[parts[2]])


@dataclasses.dataclass(frozen=True)
class Demands:
    """What nodes ask for: all of them, and beyond that those of a tag or a name."""

    of_all: dict[str, float]
    named: dict[str, dict[str, float]]

    @classmethod
    def of(cls, resources: Any, resources_of: Any) -> Demands:
        """Read both from the runner's parameters."""
        named = {} if resources_of is None else resources_of
        if not isinstance(named, Mapping):
            raise ResourcesError(f"resources_of: {named!r} is no mapping from a node or tag to its resources")
        by_name = {str(name): read(words, f"resources_of.{name}") for name, words in named.items()}
        return cls(read({} if resources is None else resources, "resources"), by_name)

    def check_names(self, nodes: Iterable[Node]) -> None:
        """Raise ResourcesError where resources are meant for a node or tag that there is not."""
        names = {name for node in nodes for name in (node.name, *node.tags)}
        if unknown := sorted(set(self.named) - names):
            raise ResourcesError(f"resources_of.{unknown[0]}: no node of this run has that name or tag")

    def of_node(self, node: Node) -> Resources:
        """Return a node's: the nearest word counts, its name before its tags, and these before what all ask for."""
        words = dict(self.of_all)
        for tag in sorted(node.tags):
            words |= self.named.get(tag, {})
        for tag in sorted(tag for tag in node.tags if tag.startswith(TAG)):
            name, _, value = tag.removeprefix(TAG).partition("-")
            words |= read({name: value}, f"tag {tag} of node {node.name}: {TAG}")
        return Resources(**{**words, **self.named.get(node.name, {})})  # type: ignore[arg-type]
