"""Runners for ``kedro run --runner=``."""

from emotion_kedro.runners.incremental import IncrementalRunner
from emotion_kedro.runners.ray import RayIncrementalRunner, RayRunner

__all__ = ["IncrementalRunner", "RayIncrementalRunner", "RayRunner"]
