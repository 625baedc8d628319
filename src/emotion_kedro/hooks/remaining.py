"""How long a run still takes: what was expected of its nodes, corrected by what they have taken so far."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Mapping, Sequence

FORECAST = "EMOTION_FORECAST"
"""Variable of the environment by which ``emotion try`` tells its run what to expect: JSON, node -> seconds, those of
all others together under an empty name."""
TRUST = 15.0
"""Seconds that the forecast is taken to have been right for: a first node of half a second tells little."""


def expected_seconds(nodes: Sequence[str], before: Mapping[str, float]) -> dict[str, float]:
    """Return what is expected of each node: what it took before, else what the run was told; empty: nobody knows."""
    forecast: dict[str, float] = json.loads(os.environ.get(FORECAST) or "{}")
    unnamed = [name for name in nodes if name not in forecast]
    seconds = {**{name: forecast.get("", 0.0) / len(unnamed) for name in unnamed if forecast}, **forecast, **before}
    return {name: seconds[name] for name in nodes} if seconds.keys() >= set(nodes) else {}


class Remaining:
    """Says how long the rest takes, for nodes that run one after the other.

    Args:
        expected: node -> seconds.
    """

    def __init__(self, expected: Mapping[str, float]) -> None:
        self._rest = dict(expected)
        self._expected = self._taken = TRUST
        self._running: tuple[str, float] | None = None

    def start(self, node: str) -> None:
        """Begin with a node."""
        self._running = (node, time.perf_counter())

    def end(self, node: str, seconds: float) -> None:
        """Count a node that took so long."""
        self._running = None
        if node in self._rest:
            self._expected += self._rest.pop(node)
            self._taken += seconds

    def seconds(self) -> float:
        """Return about how long the rest takes; 0: nobody knows, or nothing is left.

        A node that overruns counts as finished; the rest is scaled by how late the run is.
        """
        expected, taken, rest = self._expected, self._taken, sum(self._rest.values())
        if self._running is not None:
            node, began = self._running
            running_for, expected_of_node = time.perf_counter() - began, self._rest.get(node, 0.0)
            if running_for * expected > expected_of_node * taken:
                expected, taken, rest = expected + expected_of_node, taken + running_for, rest - expected_of_node
            else:
                return max(rest * taken / expected - running_for, 0.0)
        return rest * taken / expected
