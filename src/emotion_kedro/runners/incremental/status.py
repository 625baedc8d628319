"""How outputs stand to what they would be made from now."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Literal

from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from emotion_kedro.runners.incremental.code import Sources
from emotion_kedro.runners.incremental.fingerprints import (
    MadeFrom,
    UnknownError,
    content_of,
    files_in,
    is_kept,
    is_parameter,
    path_of,
    plain,
    without_types,
)
from emotion_kedro.runners.incremental.manifest import Manifest, differences, manifest_path

Kind = Literal["fresh", "stale", "missing", "mixed", "damaged"]
SHOWN = 2
"""Reasons that a line names."""


@dataclasses.dataclass(frozen=True)
class State:
    """How one output stands."""

    dataset: str
    node: str
    kind: Kind
    reasons: tuple[str, ...] = ()
    """What has changed of what it is made from itself."""
    behind: tuple[str, ...] = ()
    """The outputs that it is made from, and that are not fresh."""

    @property
    def why(self) -> str:
        """The reasons in one line; of many the first."""
        reasons = self.reasons or tuple(f"{name} is not fresh" for name in self.behind if self.kind == "stale")
        more = f" (and {len(reasons) - SHOWN} more)" if len(reasons) > SHOWN else ""
        return "; ".join(reasons[:SHOWN]) + more

    def __str__(self) -> str:
        """Return it as one line."""
        return f"{self.kind:<8} {self.dataset}" + (f": {self.why}" if self.why else "")


def kept_outputs(node: Node, catalog: CatalogProtocol) -> dict[str, Path]:
    """Return the outputs of a node that lie in local files, and where."""
    datasets = {name: catalog.get(name) for name in node.outputs}
    paths = {name: path_of(dataset) for name, dataset in datasets.items() if is_kept(dataset)}
    return {name: path for name, path in paths.items() if path is not None}


def in_memory(node: Node, catalog: CatalogProtocol) -> list[str]:
    """Return the outputs of a node that are not there any more in the next run."""
    return [name for name in node.outputs if not is_kept(catalog.get(name))]


def states_of_node(node: Node, catalog: CatalogProtocol, made_from: MadeFrom) -> list[State]:
    """Compare each kept output of a node with what it would be made from now."""
    outputs = kept_outputs(node, catalog)
    manifests = {name: Manifest.read(path) for name, path in outputs.items()}
    runs = {manifest.run for manifest in manifests.values() if manifest is not None}
    return [_state(name, node, outputs[name], manifests[name], made_from, mixed=len(runs) > 1) for name in outputs]


def _state(name: str, node: Node, path: Path, manifest: Manifest | None, made_from: MadeFrom, *, mixed: bool) -> State:
    files = files_in(path)
    if not files:
        return State(name, node.name, "missing")
    if manifest is None:
        return State(name, node.name, "stale", (f"nothing says what {path} was made from",))
    if damage := damaged_files(path, manifest, files):
        return State(name, node.name, "damaged", (f"{', '.join(damage)}: not what {manifest.node} wrote",))
    if changes := differences(manifest.made_from, made_from):
        return State(name, node.name, "stale", tuple(changes))
    if mixed:
        return State(name, node.name, "mixed", (f"other outputs of {node.name} come from another run",))
    return State(name, node.name, "fresh")


def damaged_files(path: Path, manifest: Manifest, files: dict[str, str]) -> list[str]:
    """Return the files of an output that are not, or no more, what was written."""
    names = dict.fromkeys([*manifest.files, *files])
    return [str(path / name) for name in names if manifest.files.get(name) != files.get(name)]


def damage_among(names: Iterable[str], catalog: CatalogProtocol) -> list[str]:
    """Say which data sets that a run may start from are not what an earlier run wrote, and what to do."""
    lines = []
    for name in sorted(name for name in names if not is_parameter(name)):
        path = path_of(catalog.get(name))
        manifest = None if path is None else Manifest.read(path)
        if path is not None and manifest is not None and (files := files_in(path)):
            lines += [
                f"{file} of {name} is not what {manifest.node} wrote on {manifest.time}: run that node again, "
                f"or, if you changed it on purpose, delete {manifest_path(path)}"
                for file in damaged_files(path, manifest, files)
            ]
    return lines


def stale_starts(pipeline: Pipeline, catalog: CatalogProtocol) -> list[str]:
    """Say which data sets that a run starts from were made from something else than what is there now, and why.

    By their manifests alone: what makes them is not in this pipeline, so that a change of its code is not seen.
    """
    lines = []
    for name in sorted(name for name in pipeline.inputs() if not is_parameter(name)):
        if changes := _changes_since(name, catalog):
            more = f" (and {len(changes) - 1} more)" if len(changes) > 1 else ""
            lines.append(f"this run starts from {name}, which is stale: {changes[0]}{more}")
    return lines


def _changes_since(name: str, catalog: CatalogProtocol) -> list[str]:
    path = path_of(catalog.get(name)) if name in catalog else None
    manifest = None if path is None else Manifest.read(path)
    if manifest is None:
        return []
    made_from = manifest.made_from
    values = {key: catalog.load(key) for key in made_from.parameters if is_parameter(key) and key in catalog}
    inputs = {key: old for key, old in made_from.inputs.items() if key in catalog and is_kept(catalog.get(key))}
    try:
        now = {key: content_of(catalog.get(key), key, values) for key in inputs}
        parameters = made_from.parameters | {key: plain(value, key) for key, value in values.items()}
    except UnknownError:
        return []
    # Kedro makes types of the parameters of the pipelines that a run names, and leaves all others as they stand.
    made_then = dataclasses.replace(made_from, parameters=without_types(made_from.parameters))
    made_now = dataclasses.replace(made_from, parameters=without_types(parameters), inputs=made_from.inputs | now)
    return differences(made_then, made_now) + [f"{key} is stale" for key in inputs if _changes_since(key, catalog)]


def states_of(pipeline: Pipeline, catalog: CatalogProtocol, sources: Sources | None = None) -> list[State]:
    """Return the state of every kept output, in the order in which they are made.

    What depends on something that is not fresh is stale: whether it would change shows only when that is made anew.
    """
    sources = sources or Sources()
    behind: dict[str, set[str]] = {}
    contents: dict[str, str] = {}
    states: list[State] = []
    for node in pipeline.nodes:
        waiting = sorted(set().union(*(behind.get(name, ()) for name in node.inputs)))
        try:
            made_from = MadeFrom.now(node, catalog, sources, contents)
        except UnknownError as error:
            node_states = [State(name, node.name, "stale", (str(error),)) for name in kept_outputs(node, catalog)]
        else:
            node_states = states_of_node(node, catalog, made_from)
            contents.update(contents_kept_nowhere(node, catalog, made_from))
        node_states = [_with_upstream(state, waiting) for state in node_states]
        states += node_states
        behind.update({name: set(waiting) for name in node.outputs})  # of those in memory
        behind.update({state.dataset: {state.dataset} for state in node_states if state.kind != "fresh"})
    return states


def contents_kept_nowhere(node: Node, catalog: CatalogProtocol, made_from: MadeFrom) -> dict[str, Any]:
    """Return what stands for the content of a node's outputs in memory: what they are made from."""
    return {name: f"{made_from.digest} {name}" for name in in_memory(node, catalog)}


def _with_upstream(state: State, waiting: list[str]) -> State:
    kind = "stale" if state.kind == "fresh" and waiting else state.kind
    return dataclasses.replace(state, kind=kind, behind=tuple(waiting))
