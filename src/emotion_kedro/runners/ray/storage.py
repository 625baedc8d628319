"""Whether all machines of a cluster see the files of a run: what is saved where nobody else looks would be lost."""

from __future__ import annotations

import contextlib
import socket
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import ray
from kedro.io import CatalogProtocol
from kedro.pipeline import Pipeline
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from emotion_kedro.runners.incremental.fingerprints import path_of
from emotion_kedro.runners.ray.resources import ResourcesError

TOKEN = ".seen-"
SECONDS_TO_SEE = 5.0
"""A network disk may show a new file late."""
SECONDS_TO_ANSWER = 60.0
"""A machine that says nothing by then is not waited for."""


class StorageError(ResourcesError):
    """A machine of the cluster does not see the files of the run; the command line shows the message alone."""


def check_storage(pipeline: Pipeline, catalog: CatalogProtocol, machines: Iterable[Mapping[str, Any]]) -> None:
    """Stop where what nodes save on one machine would not be seen on this one.

    Only data sets in local files are looked at, and only machines that are not this one.

    Args:
        pipeline: what runs.
        catalog: where its data sets lie.
        machines: on which nodes may run, as ``ray.nodes()`` has them.

    Raises:
        StorageError: naming machine and folder, and what helps.
    """
    others = [machine for machine in machines if machine["NodeManagerHostname"] != socket.gethostname()]
    folders = folders_of(pipeline, catalog) if others else []
    if not folders:
        return
    with tokens_in(folders) as tokens:
        look, options = ray.remote(unseen), {"num_cpus": 0, "max_retries": 0}
        strategies = [NodeAffinitySchedulingStrategy(machine["NodeID"], soft=False) for machine in others]
        looking = [
            look.options(**options, scheduling_strategy=each).remote(tokens, SECONDS_TO_SEE) for each in strategies
        ]
        ray.wait(looking, num_returns=len(looking), timeout=SECONDS_TO_ANSWER)
        for machine, task in zip(others, looking, strict=True):
            # Of a machine that is gone, or that lacks packages, its nodes tell.
            with contextlib.suppress(ray.exceptions.RayError):
                if missing := ray.get(task, timeout=0):
                    raise StorageError(
                        f"machine {machine['NodeManagerHostname']} does not see what this one writes into "
                        f"{', '.join(str(token.parent) for token in missing)}: what nodes save there would be lost. "
                        "Keep the data sets on a disk that all machines see under the same path, or on s3:// and the "
                        "like; or leave out `address`, to run on this machine alone"
                    )


def folders_of(pipeline: Pipeline, catalog: CatalogProtocol) -> list[Path]:
    """Return the folders of the data sets that are local files, as far as they exist; none lies within another."""
    paths = (path_of(catalog.get(name)) for name in pipeline.datasets())
    parents = {path.absolute().parent for path in paths if path is not None}
    folders = {next(folder for folder in (parent, *parent.parents) if folder.is_dir()) for parent in parents}
    return sorted(folder for folder in folders if folders.isdisjoint(folder.parents))


@contextlib.contextmanager
def tokens_in(folders: Iterable[Path]) -> Iterator[list[Path]]:
    """Write a file that nobody else has into each folder, for as long as it is looked for.

    Where nothing may be written no node can save: such a folder is left out.
    """
    tokens = []
    try:
        for folder in folders:
            token = folder / f"{TOKEN}{uuid.uuid4().hex}"
            with contextlib.suppress(OSError):
                token.touch(exist_ok=False)
                tokens.append(token)
        yield tokens
    finally:
        for token in tokens:
            token.unlink(missing_ok=True)


def unseen(files: Iterable[Path], seconds: float) -> list[Path]:
    """Return those that are not there after so many seconds; looked for on the machine where this is called."""
    end = time.monotonic() + seconds
    while (missing := [file for file in files if not file.exists()]) and time.monotonic() < end:
        time.sleep(0.1)
    return missing
