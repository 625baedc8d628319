"""Training a model: the loop, its batches, and several processes that take its steps together."""

from emotion_kedro.models.training.batches import by_length, pad, plan_batches
from emotion_kedro.models.training.loop import Task, TrainingLog
from emotion_kedro.models.training.workers import train

__all__ = ["Task", "TrainingLog", "by_length", "pad", "plan_batches", "train"]
