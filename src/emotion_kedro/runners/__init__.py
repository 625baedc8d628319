"""Runners for ``kedro run --runner=``."""

from emotion_kedro.runners.incremental import IncrementalRunner

__all__ = ["IncrementalRunner"]
