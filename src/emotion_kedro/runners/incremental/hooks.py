"""Hooks that write manifests, under every runner."""

from __future__ import annotations

import inspect
import logging
import time
from datetime import UTC, datetime
from typing import Any

from click import ClickException
from kedro.framework.hooks import hook_impl
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from kedro.pipeline.node import Node

from emotion_kedro.runners.incremental.code import Sources
from emotion_kedro.runners.incremental.fingerprints import (
    MadeFrom,
    UnknownError,
    code_of,
    files_in,
    is_kept,
    path_of,
    stand_for,
)
from emotion_kedro.runners.incremental.manifest import Manifest, manifest_path
from emotion_kedro.runners.incremental.package_files import edited
from emotion_kedro.runners.incremental.status import (
    contents_kept_nowhere,
    damage_among,
    in_memory,
    stale_starts,
    states_of,
)

logger = logging.getLogger(__name__)


class DamagedError(ClickException):
    """A run would start from files that are damaged; the command line shows the message alone."""


class ManifestHooks:
    """Write down what each output was made from; refuse what is damaged; warn of what is skipped but stale."""

    def __init__(self) -> None:
        self._sources = Sources()
        self._catalog: CatalogProtocol | None = None
        self._running: dict[str, tuple[float, MadeFrom, str]] = {}

    @hook_impl
    def before_pipeline_run(self, run_params: dict[str, Any], pipeline: Pipeline, catalog: CatalogProtocol) -> None:
        """Look at what the run starts from.

        Raises:
            DamagedError: if a file of it is not what the manifest says.
        """
        only_missing = bool(run_params.get("only_missing_outputs"))
        # What is there is taken as it is then, wherever in the pipeline it stands.
        if damage := damage_among(pipeline.datasets() if only_missing else pipeline.inputs(), catalog):
            raise DamagedError("\n".join(damage))
        for line in stale_starts(pipeline, catalog):
            logger.warning(line)
        if only_missing:
            for state in states_of(pipeline, catalog, self._sources):
                if state.kind in ("stale", "mixed"):
                    logger.warning("skipped, but %s", state)

    @hook_impl
    def before_node_run(self, node: Node, catalog: CatalogProtocol, run_id: str) -> None:
        """Note what the node is about to be made from."""
        self._catalog = catalog
        self._running.pop(node.name, None)
        try:
            made_from = MadeFrom.now(node, catalog, self._sources, {})
        except UnknownError as error:
            logger.debug("no manifest for the outputs of %s: %s", node.name, error)
            for name in in_memory(node, catalog):
                stand_for(catalog.get(name), None)
            return
        for name, content in contents_kept_nowhere(node, catalog, made_from).items():
            stand_for(catalog.get(name), content)
        # Of an output that is saved piece by piece no hook tells which is the last.
        if not inspect.isgeneratorfunction(node.func):
            self._running[node.name] = (time.perf_counter(), made_from, run_id)

    @hook_impl
    def after_dataset_saved(self, dataset_name: str, node: Node) -> None:
        """Write the manifest of an output; where nobody knows what it was made from, leave no other run's either."""
        if self._catalog is None:
            return
        dataset = self._catalog.get(dataset_name)
        path = path_of(dataset) if is_kept(dataset) else None
        if path is None:
            return
        self._forget_if_edited(node, self._catalog)
        if node.name not in self._running:
            manifest_path(path).unlink(missing_ok=True)
            return
        started, made_from, run = self._running[node.name]
        seconds = round(time.perf_counter() - started, 3)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        Manifest(dataset_name, node.name, run, now, seconds, made_from, files_in(path)).write(path)

    def _forget_if_edited(self, node: Node, catalog: CatalogProtocol) -> None:
        if node.name in self._running and (files := edited(code_of(node, catalog, self._sources).files())):
            del self._running[node.name]
            more = f" (and {len(files) - 1} more)" if len(files) > 1 else ""
            message = "%s%s was edited while this process ran: %s will run again in the next one"
            logger.warning(message, files[0], more, node.name)
