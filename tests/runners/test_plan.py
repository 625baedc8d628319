"""How long a run would take with more workers."""

from __future__ import annotations

import pytest
from kedro.pipeline import Pipeline, node

from emotion_kedro.runners.ray.plan import critical_path, described, wall_time


def same(value: int) -> int:
    return value


def diamond() -> Pipeline:
    """Return start -> three branches of one node each -> end, and a node on its own."""
    branches = [node(same, "start", name, name=name) for name in ("a", "b", "c")]
    end = node(lambda *values: sum(values), ["a", "b", "c"], "end", name="end")
    return Pipeline(
        [node(same, "raw", "start", name="start"), *branches, end, node(same, "raw", "alone", name="alone")]
    )


SECONDS = {"start": 1.0, "a": 5.0, "b": 3.0, "c": 2.0, "end": 1.0, "alone": 4.0}


@pytest.mark.parametrize(
    ("workers", "overhead", "expected"),
    [
        (1, 0, 16.0),
        (1, 0.5, 19.0),
        (2, 0, 9.0),  # one: start, a from 1, c from 6, end from 8; the other: alone, b from 4
        (3, 0, 7.0),
        (100, 0, 7.0),
        (100, 0.5, 8.5),
    ],
)
def test_the_wall_time_of_so_many_workers(workers: int, overhead: float, expected: float) -> None:
    assert wall_time(diamond(), SECONDS, workers, overhead) == expected


def test_the_longest_chain_is_named() -> None:
    assert [each.name for each in critical_path(diamond(), SECONDS)] == ["start", "a", "end"]
    known = {name: took for name, took in SECONDS.items() if name != "c"}
    assert described(diamond(), known, (2,), 0, 1) == [
        "6 nodes, 14.0 s of work in the log of the last run",
        "no time is known of 1 of them, which count as nothing: c",
        "critical path 7.0 s: start 1.0 s -> a 5.0 s -> end 1.0 s",
        "     2 workers        9.0 s, 1.56 times as fast as the nodes' own times in a row",
    ]
