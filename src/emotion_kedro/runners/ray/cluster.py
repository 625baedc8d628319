"""The cluster that a run uses: one that is there, or one of this machine that lasts as long as the run."""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import ray
from kedro.pipeline.node import Node

from emotion_kedro.runners.ray.resources import GPUS_HIDDEN, Resources, ResourcesError

logger = logging.getLogger(__name__)
SECONDS_TO_ANSWER = 10.0


class ClusterError(ResourcesError):
    """There is no cluster at that address; the command line shows the message alone."""


@contextlib.contextmanager
def connected(
    address: str | None, cpus: int | None, runtime_env: Mapping[str, Any], *, shows_logs: bool = True
) -> Iterator[None]:
    """Use the cluster at an address, or a new one on this machine; one that this process already uses is kept.

    What workers log and print is shown here too, if wanted.
    """
    if ray.is_initialized():
        yield
        return
    set_defaults()
    options: dict[str, Any] = {} if address else {"num_cpus": cpus, "include_dashboard": False}
    options |= {"log_to_driver": shows_logs, "logging_level": logging.ERROR}
    check_listening(address)
    # To a cluster that is there the path is sent with each task, to workers that are started for this run alone.
    environment = _with_path(runtime_env) if address else dict(runtime_env)
    with handlers_kept(), contextlib.nullcontext() if address else path_handed_on():
        try:
            ray.init(address or "local", runtime_env=environment, **options)
        except (ConnectionError, ValueError) as error:
            token = "; one that was started with a token needs RAY_AUTH_MODE=token" if address else ""
            raise ClusterError(f"no Ray cluster at address {address}: {error}{token}") from error
    try:
        yield
    finally:
        with handlers_kept():
            ray.shutdown()


def set_defaults() -> None:
    """Set what Ray is to read from the environment, where nothing else stands there."""
    # No word to its makers; errors of what nobody waits for any more are no news; and a worker that has loaded torch is
    # kept until another node needs it: by default it ends after a second.
    settings = {"USAGE_STATS_ENABLED": 0, "IGNORE_UNHANDLED_ERRORS": 1, "idle_worker_killing_time_threshold_ms": 10_000}
    named = {f"RAY_{name}": str(value) for name, value in settings.items()}
    os.environ.update({**named, GPUS_HIDDEN: "1", **os.environ})


def check_listening(address: str | None) -> None:
    """Stop where nobody answers at HOST:PORT, which Ray itself would try for minutes.

    Raises:
        ClusterError: naming the address.
    """
    if address == "auto":
        address = _of_this_machine()
    host, _, port = (address or "").removeprefix("ray://").rpartition(":")
    if host and port.isdecimal():
        try:
            socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS_TO_ANSWER).close()
        except OSError as error:
            raise ClusterError(f"no Ray cluster at address {address}: {error.strerror or error}") from error


def _with_path(runtime_env: Mapping[str, Any]) -> dict[str, Any]:
    """Let workers import what this process can, and see the GPUs that they were given."""
    variables = {"PYTHONPATH": _path(), GPUS_HIDDEN: os.environ[GPUS_HIDDEN]}
    return {**runtime_env, "env_vars": {**variables, **runtime_env.get("env_vars", {})}}


def _path() -> str:
    return os.pathsep.join(filter(None, sys.path))


def _of_this_machine() -> str:
    """Return where Ray would look for the cluster of this machine; what it goes by may be left from one that is gone.

    Raises:
        ClusterError: if there is nothing to go by.
    """
    from ray._private.services import canonicalize_bootstrap_address_or_die

    try:
        return canonicalize_bootstrap_address_or_die("auto")
    except ConnectionError:
        problem = "no Ray cluster runs on this machine; start one (ray start --head), or leave address out"
        raise ClusterError(f"address: auto, but {problem}") from None


@contextlib.contextmanager
def path_handed_on() -> Iterator[None]:
    """Let the machines that are started meanwhile, and with them their workers, import what this process can.

    By a ``runtime_env`` each worker would be started anew: those that Ray starts with a machine have none.
    """
    before = os.environ.get("PYTHONPATH")
    os.environ["PYTHONPATH"] = _path()
    try:
        yield
    finally:
        os.environ.pop("PYTHONPATH")
        if before is not None:
            os.environ["PYTHONPATH"] = before


@contextlib.contextmanager
def handlers_kept() -> Iterator[None]:
    """Ray sets a handler of SIGTERM of its own: the run's stays, and is told of one that came to Ray's."""
    handler, is_main = signal.getsignal(signal.SIGTERM), threading.current_thread() is threading.main_thread()
    ended: SystemExit | None = None
    try:
        yield
    except SystemExit as error:
        ended = error
    finally:
        if is_main and handler is not None:  # None: one that Python did not set, and cannot
            signal.signal(signal.SIGTERM, handler)
    if ended is not None:
        if is_main and ended.code == signal.SIGTERM:  # so Ray's ends the process
            signal.raise_signal(signal.SIGTERM)
        raise ended


def check_room(demands: Mapping[Node, Resources]) -> list[dict[str, Any]]:
    """Stop before a node waits for ever for what no machine of the cluster has; return the machines of use.

    Raises:
        ResourcesError: naming the node, what it asks for, and the most that there is.
    """
    machines = [machine for machine in ray.nodes() if machine["Alive"]]
    useful: dict[str, dict[str, Any]] = {}
    for node, resources in demands.items():
        fitting = {machine["NodeID"]: machine for machine in machines if _fits(resources, machine["Resources"])}
        if not fitting:
            raise ResourcesError(
                f"node {node.name} asks for {resources}, and no machine of the cluster has that; there are "
                + "; ".join(_described(machine["Resources"] for machine in machines))
            )
        useful |= fitting
    return list(useful.values())


def tell_of_idle_gpus(demands: Iterable[Resources]) -> None:
    """Warn where the cluster has GPUs and no node asks for one: they are hidden from all then."""
    if ray.cluster_resources().get("GPU") and not any(resources.gpu for resources in demands):
        logger.warning(
            "the cluster has GPUs, and no node asks for one: all compute on processors. Give nodes a share, as "
            "--runner-params=resources_of.TAG.gpu=1 (tags are names of stages)"
        )


def _fits(resources: Resources, machine: Mapping[str, float]) -> bool:
    amounts = {"CPU": resources.cpu, "GPU": resources.gpu, "memory": resources.memory}
    return all(machine.get(name, 0) >= value for name, value in amounts.items())


def _described(machines: Iterable[Mapping[str, float]]) -> list[str]:
    sizes = [Resources(each.get("CPU", 0), each.get("GPU", 0), int(each.get("memory", 0))) for each in machines]
    return sorted({str(size) for size in sizes})
