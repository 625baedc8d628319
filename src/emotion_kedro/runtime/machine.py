"""On which machine, with which versions and by which command a run was made: what a reader needs beside figures."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

from emotion_kedro import __version__

MEASURED = Path("/proc/self")
"""Where Linux says how much memory a process has."""
SHOWN_VERSIONS = ("kedro", "torch", "transformers", "peft", "pandas", "scikit-learn")


def describe_setting() -> dict[str, str]:
    """Return what a reader needs to judge times and figures: machine, versions, commit, command."""
    return {
        "machine": f"{_processor()}, {os.cpu_count()} cores, {platform.system()}",
        "python": platform.python_version(),
        "versions": ", ".join(
            [f"emotion-kedro {__version__}", *(f"{name} {version(name)}" for name in SHOWN_VERSIONS)]
        ),
        "date": time.strftime("%Y-%m-%d"),
        "commit": _commit(),
        # Where the raw tables lie differs from machine to machine, and is nobody else's business.
        "command": " ".join(["kedro", *(re.sub(r"(raw_root=)[^,]+", r"\1FOLDER", word) for word in sys.argv[1:])]),
    }


def _commit() -> str:
    """Return the commit of the project, marked where files have changed or are new; empty outside of a repository."""
    commit = _git("rev-parse", "--short=8", "HEAD")
    return f"{commit}-dirty" if commit and _git("status", "--porcelain") else commit


def _git(*words: str) -> str:
    try:
        return subprocess.run(["git", *words], capture_output=True, text=True, check=True, timeout=10).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        return ""


def _processor() -> str:
    file = Path("/proc/cpuinfo")
    if file.is_file():
        for line in file.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def forget_peak_memory() -> None:
    """Begin anew to look for the most memory that this process has at a time; nothing happens where none looks."""
    with contextlib.suppress(OSError):
        (MEASURED / "clear_refs").write_text("5", encoding="utf-8")


def peak_memory() -> float | None:
    """Return the most memory that this process had since then, in MB; None where the system does not say.

    Where :func:`forget_peak_memory` may not begin anew, it is the most since the process began.
    """
    with contextlib.suppress(OSError):
        for line in (MEASURED / "status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    return None
