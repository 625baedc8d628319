"""What the benchmarks share: ways timed in turns, the machine's name, a Markdown table.

Programs beside this one import it by its bare name: ``python benchmarks/<program>.py`` finds it.
"""

from __future__ import annotations

import os
import platform
import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path


def machine(packages: Sequence[str]) -> str:
    """Name the card, if there is one, the processor, and the versions of packages."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        names = [line for line in information.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    parts = [f"{os.cpu_count()} x {model}", platform.system(), f"Python {platform.python_version()}, {versions}"]
    return "; ".join([card(), *parts] if card() else parts)


def card() -> str:
    """Return the name of the GPU that torch sees; empty where there is none or torch was not imported."""
    torch = sys.modules.get("torch")
    return str(torch.cuda.get_device_name()) if torch is not None and torch.cuda.is_available() else ""


def peak_gigabytes() -> float:
    """Return the most memory that this process has held, in GB (1e9 bytes)."""
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes on Linux
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e9


def in_turns(
    ways: Mapping[str, Callable[[], object]],
    *,
    rounds: int,
    warm_up: int = 1,
    clock: str = "wall",
    prepare: Callable[[], object] | None = None,
) -> dict[str, list[float]]:
    """Time each way once a round, one after the other, so that what else the machine does hits all of them alike.

    Args:
        ways: name -> what is timed. Work on a GPU has to be waited for inside.
        rounds: timed rounds.
        warm_up: rounds before that, not timed.
        clock: ``wall`` or ``process`` (seconds of the processor, all threads of this process together).
        prepare: called before each timing, not timed.

    Returns:
        Seconds of each round, by name.
    """
    now = {"wall": time.perf_counter, "process": time.process_time}[clock]
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for number in range(-warm_up, rounds):
        for name, way in ways.items():
            if prepare is not None:
                prepare()
            started = now()
            way()
            if number >= 0:
                seconds[name].append(now() - started)
    return seconds


def ratios(seconds: Mapping[str, Sequence[float]], baseline: str) -> dict[str, float]:
    """Return how many times as fast as the baseline each way is: the median over rounds of the ratio in a round."""
    return {
        name: statistics.median(base / other for base, other in zip(seconds[baseline], times, strict=True))
        for name, times in seconds.items()
    }


def rates_table(seconds: Mapping[str, Sequence[float]], *, work: float, unit: str, baseline: str) -> str:
    """Lay the ways out as a Markdown table: median rate, its range, and the ratio to the baseline.

    Args:
        seconds: as :func:`in_turns` returns them.
        work: units of work of one timing.
        unit: what they are, such as ``texts``.
        baseline: the way that has ratio 1.
    """
    faster = ratios(seconds, baseline)
    rows = []
    for name, times in seconds.items():
        rate = statistics.median(work / value for value in times)
        rows.append(
            (name, f"{rate:,.4g}", f"{work / max(times):,.4g} to {work / min(times):,.4g}", f"{faster[name]:.2f}")
        )
    return markdown_table(("", f"{unit}/s (median)", "slowest to fastest round", f"times {baseline}"), rows)


def markdown_table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Lay rows out as a Markdown table."""
    lines = ["| " + " | ".join(row) + " |" for row in (head, *rows)]
    return "\n".join([lines[0], "|---" * len(head) + "|", *lines[1:]])
