"""A training on several processes, one a GPU where there are any, by Ray Train.

Each process holds the whole model and takes its share of every batch; their gradients are added up, so that the loss
goes as it would with one process and the same batches. Dropout is drawn in each process for its own rows.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.models.device import Device
from emotion_kedro.models.training.loop import Run, Task
from emotion_kedro.models.training.team import Team

if TYPE_CHECKING:
    from emotion_kedro.storage.cache import Work

logger = logging.getLogger(__name__)

RESTARTS = 2


def take_steps_together(task: Task, config: TrainingConfig, *, device: Device, checkpoints: Work, seed: int) -> None:
    """Take all steps of a training on ``config.workers`` processes; the last state is left as a checkpoint.

    Processes on other hosts have to see the folder of the checkpoints under the same path. Where one dies, all go on
    from the newest checkpoint, :data:`RESTARTS` times at most; what one raises by itself is raised here.
    """
    from ray.exceptions import RayError
    from ray.train import ScalingConfig, WorkerGroupError
    from ray.train.torch import TorchTrainer
    from ray.train.v2._internal.exceptions import RayTrainError

    given = {"task": task, "config": config, "device": device, "seed": seed, "checkpoints": checkpoints}
    trainer = TorchTrainer(
        _take_share,
        train_loop_config=given,
        scaling_config=ScalingConfig(num_workers=config.workers, use_gpu=device.kind == "cuda"),
    )
    for left in reversed(range(RESTARTS + 1)):
        try:
            trainer.fit()
            return
        except WorkerGroupError as error:
            failures = list(error.worker_failures.values())
            if not any(isinstance(failure, (RayError, RayTrainError)) for failure in failures):
                # Where one raised, torch raises a RuntimeError in those that waited for it.
                raise min(failures, key=lambda failure: isinstance(failure, RuntimeError)) from None
            if not left:
                raise
            logger.warning("%s: a process died; all go on from the newest checkpoint", task.name)


def _take_share(given: dict[str, Any]) -> None:
    import torch

    checkpoints = given.pop("checkpoints")
    run = Run(**given, team=Team(torch.distributed.get_rank(), torch.distributed.get_world_size()))
    run.resume(checkpoints)
    run.take_steps(checkpoints)
    run.save(checkpoints)
    torch.distributed.barrier()
