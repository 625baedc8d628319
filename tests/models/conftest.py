"""Language models small enough to train in a second."""

from __future__ import annotations

from typing import Any

import pytest

from emotion_kedro.storage.cache import Cache, Work


@pytest.fixture
def store(cache: Cache) -> Work:
    return cache.work("work", "a1")


class CutOffWork(Work):
    """Checkpoints of a run whose power goes as soon as the first one is written."""

    def save(self, step: int, tensors: dict[str, Any], notes: dict[str, Any]) -> None:
        super().save(step, tensors, notes)
        raise KeyboardInterrupt


class CutOffCache(Cache):
    def work(self, name: str, identity: str) -> Work:
        work = super().work(name, identity)
        return CutOffWork(work.directory, work.folder)


@pytest.fixture
def cut_off(cache: Cache) -> Cache:
    """The place of ``cache``, in a run that is cut off."""
    return CutOffCache(cache.root)
