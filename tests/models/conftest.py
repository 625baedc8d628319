"""Language models small enough to train in a second."""

from __future__ import annotations

import pytest

from emotion_kedro.storage.cache import Cache, Work


@pytest.fixture
def store(cache: Cache) -> Work:
    return cache.work("work", "a1")
