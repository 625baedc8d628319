"""A training in this process, or on several, one a GPU where there are any, by Ray Train.

Of several, each process holds the whole model and takes its share of every batch; their gradients are added up, so that
the loss goes as it would with one process and the same batches. Dropout is drawn in each process for its own rows.
"""

from __future__ import annotations

import contextlib
import logging
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.models.device import Device
from emotion_kedro.models.training.loop import Task, Training, TrainingLog
from emotion_kedro.models.training.team import Team
from emotion_kedro.runtime.guards import handlers_kept

if TYPE_CHECKING:
    from emotion_kedro.storage.cache import Work

logger = logging.getLogger(__name__)

RESTARTS = 2


def train(task: Task, config: TrainingConfig, *, device: Device, checkpoints: Work, seed: int) -> TrainingLog:
    """Train ``task.model`` in place with AdamW, linear warm-up and decay; go on from a checkpoint if there is one.

    With ``config.patience`` the parameters of the best validation loss are put back at the end. With
    ``config.workers`` the steps are taken by as many processes, and what they end with is read here.

    Raises:
        ValueError: as soon as a loss is read that is not finite, or if the parameters are not in the end.
    """
    training = Training(task, config, device, seed)
    training.resume(checkpoints)
    if config.workers > 1 and training.goes_on:
        take_steps_together(task, config, device=device, checkpoints=checkpoints, seed=seed)
        training.resume(checkpoints)
        if training.goes_on:
            raise ValueError(
                f"{task.name}: what {config.workers} processes ended with is not in {checkpoints.directory}: "
                "all machines have to see that folder, and code must not be edited while they train"
            )
    training.take_steps(checkpoints)
    training.restore_best()
    training.assert_sound()
    return training.log


def take_steps_together(task: Task, config: TrainingConfig, *, device: Device, checkpoints: Work, seed: int) -> None:
    """Take all steps of a training on ``config.workers`` processes; the last state is left as a checkpoint.

    They are started on the cluster that this process is connected to (that of ``RayRunner``), else on this machine.
    Processes on other hosts have to see the folder of the checkpoints under the same path. Where one dies, all go on
    from the newest checkpoint, :data:`RESTARTS` times at most; what one raises by itself is raised here.

    Raises:
        ValueError: if there are fewer processors, or GPUs, than processes.
    """
    from ray.train import RunConfig, ScalingConfig
    from ray.train.torch import TorchTrainer

    given = {"task": task, "config": config, "device": device, "seed": seed, "checkpoints": checkpoints}
    with _connected(config.workers), _room_for_notes(checkpoints) as notes:
        _assert_room(config.workers, "GPU" if device.kind == "cuda" else "CPU")
        trainer = TorchTrainer(
            _take_share,
            train_loop_config=given,
            scaling_config=ScalingConfig(num_workers=config.workers, use_gpu=device.kind == "cuda"),
            run_config=RunConfig(storage_path=notes),
        )
        _fit(trainer, task.name)


def _fit(trainer: Any, name: str) -> None:
    from ray.train import WorkerGroupError

    # A process less, which would tell of machines that are taken away soon; and the end is seen sooner than in 2 s.
    for setting, value in {"ENABLE_PREEMPTION_WATCHER": "0", "HEALTH_CHECK_INTERVAL_S": "0.5"}.items():
        os.environ.setdefault(f"RAY_TRAIN_{setting}", value)
    for left in reversed(range(RESTARTS + 1)):
        try:
            with handlers_kept():
                trainer.fit()
            return
        except WorkerGroupError as error:
            failures = error.worker_failures
            for rank, failure in failures.items():
                logger.debug("%s: process %d: %r", name, rank, failure)
            if not any(type(failure).__module__.startswith("ray.") for failure in failures.values()):
                # Where one raised, torch raises a RuntimeError in those that waited for it.
                raise min(failures.values(), key=lambda failure: isinstance(failure, RuntimeError)) from None
            if not left:
                raise
            logger.warning("%s: a process died; all go on from the newest checkpoint", name)


@contextlib.contextmanager
def _connected(workers: int) -> Iterator[None]:
    """Use the cluster that this process is connected to, or one of this machine that lasts as long as the training.

    Ray would join any cluster that runs here, and keep its own handler of SIGTERM: neither is wanted.
    """
    import ray

    if ray.is_initialized():
        yield
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # no word to its makers
    cpus = max(workers, os.cpu_count() or 1)
    with handlers_kept():
        ray.init("local", num_cpus=cpus, include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    try:
        yield
    finally:
        with handlers_kept():
            ray.shutdown()


@contextlib.contextmanager
def _room_for_notes(checkpoints: Work) -> Iterator[str]:
    """Return a folder, beside the checkpoints, for what Ray writes down of a training; it goes with its end."""
    checkpoints.folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".ray-", dir=checkpoints.folder, ignore_cleanup_errors=True) as folder:
        yield str(Path(folder).resolve())


def _assert_room(workers: int, kind: str) -> None:
    """Raise a ValueError instead of waiting for ever for what there is not."""
    import ray

    free = ray.cluster_resources().get(kind, 0)
    if kind == "GPU":  # a node keeps its GPUs while it waits; its processors it gives back
        free -= ray.get_runtime_context().get_assigned_resources().get(kind, 0)
    if free < workers:
        raise ValueError(f"training.workers: {workers} processes need a {kind} each, and there are {free:g} for them")


def _take_share(given: dict[str, Any]) -> None:
    import torch

    # Ray may give each process of a machine another GPU than the one on which the model was pickled.
    given["task"].model.to(given["device"].place)
    checkpoints = given.pop("checkpoints")
    team = Team(torch.distributed.get_rank(), torch.distributed.get_world_size())
    training = Training(**given, team=team)
    training.resume(checkpoints)
    team.assert_agree(training.log.steps)
    training.take_steps(checkpoints)
    training.save(checkpoints)
    torch.distributed.barrier()
