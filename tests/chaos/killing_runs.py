"""Runs that are killed at random moments and started again until they end; what they left is compared.

``kill -9`` comes after a random CPU time, or just before a random change of the data folder. Of a run with Ray, the
process of the command or a worker is killed after a random time.
"""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

HERE = Path(__file__).parent
KILLED = -9
VERSION = re.compile(r"\d{4}-\d\d-\d\dT\d\d\.\d\d\.\d\d\.\d{3}Z")
TIMES = {"seconds", "times", "date", "time", "started", "setting"}
"""Keys and columns that no two runs share."""
LOCK, MANIFEST, CHECK_SUMS = "run.lock", ".manifest.json", ".sha256"
PAGES = {".html", ".md", ".svg", ".png"}
"""Made from the tables; some say how long a run took."""


@dataclass
class Trial:
    """One run, killed and started again until it ended."""

    words: tuple[str, ...]
    kills: list[str] = field(default_factory=list)
    starts: int = 1
    differences: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        verdict = "equal" if not self.differences else "; ".join(self.differences[:5])
        return f"{self.words[-1]:<28} {' then '.join(self.kills) or 'ended first':<64} {self.starts - 1:>8}  {verdict}"


HEADER = f"{'run':<28} {'killed':<64} {'restarts':>8}  tables, models and cache"


class Killer:
    """A project folder in which runs are killed, one after the other."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *, seed: int, most_kills: int) -> None:
        self.folder, self.random, self.most_kills = folder, random.Random(seed), most_kills
        self.log = folder / "runs.log"
        self.zygote = subprocess.Popen(
            [sys.executable, str(HERE / "zygote.py")],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=(folder / "zygote.log").open("w", encoding="utf-8"),
            text=True,
        )
        assert self._answer() == "ready"
        self.undisturbed: dict[tuple[str, ...], tuple[dict[str, Any], dict[str, Any]]] = {}
        """Of each command: what it used, and what it left."""

    def close(self) -> None:
        """End the process that forks."""
        assert self.zygote.stdin is not None
        self.zygote.stdin.close()
        self.zygote.wait(timeout=60)

    def run(self, words: tuple[str, ...], **kill: float) -> dict[str, Any]:
        """Run ``kedro`` once; return ``status``, ``killed`` (a worker), ``cpu``, ``seconds`` and ``calls``."""
        assert self.zygote.stdin is not None
        order = {"words": words, "folder": str(self.folder), "log": str(self.log), **kill}
        self.zygote.stdin.write(json.dumps(order) + "\n")
        self.zygote.stdin.flush()
        answer: dict[str, Any] = json.loads(self._answer())
        return answer

    def leave_alone(self, words: tuple[str, ...]) -> dict[str, Any]:
        """Run to the end, undisturbed, in an empty data folder; return what it used.

        Another time the same has to be left.
        """
        self._empty()
        used = self.run(words)
        assert used["status"] == 0, self.log.read_text(encoding="utf-8")[-3000:]
        left = contents_of(self.folder / "data")
        other = differences(self.undisturbed.get(words, (used, left))[1], left)
        assert not other, f"two undisturbed runs differ: {other}"
        self.undisturbed[words] = (used, left)
        return used

    def trial(self, words: tuple[str, ...]) -> Trial:
        """Kill a run at random moments, start it again until it ends, and compare."""
        used, expected = self.undisturbed[words]
        self._empty()
        trial, kills = Trial(words), self.random.randint(1, self.most_kills)
        while True:
            kill, name = self._moment(words, used) if len(trial.kills) < kills else ({}, "")
            ended = self.run(words, **kill)
            status, worker = ended["status"], ended["killed"]
            trial.kills += [name] * bool(worker or status == KILLED)
            if status == KILLED:
                trial.starts += 1
                continue
            if status != 0:
                trial.differences = [f"ended with {status}: see {self.log}"]
            break
        # Nodes side by side share features: which of them computes a text, in which batch, changes its last digits.
        rounding = 1e-5 if any("Ray" in word for word in words) else 1e-15
        trial.differences += differences(expected, contents_of(self.folder / "data"), rounding)
        return trial

    def _moment(self, words: tuple[str, ...], used: Mapping[str, Any]) -> tuple[dict[str, float], str]:
        if any("Ray" in word for word in words):
            victim, seconds = self.random.choice(["seconds", "worker"]), self.random.uniform(0.0, used["seconds"])
            return {victim: seconds}, f"{'worker ' * (victim == 'worker')}at {seconds:.1f} s"
        if self.random.random() < 0.5:
            seconds = round(self.random.uniform(0.0, used["cpu"]), 2)
            return {"cpu": seconds}, f"at {seconds:.2f} s"
        call = self.random.randint(1, used["calls"])
        return {"call": call}, f"at change {call}"

    def _empty(self) -> None:
        for path in (self.folder / "data").iterdir():
            if path.is_file():
                path.unlink()
            elif path.name != "01_raw":
                shutil.rmtree(path)
        self.log.unlink(missing_ok=True)

    def _answer(self) -> str:
        assert self.zygote.stdout is not None
        answer = self.zygote.stdout.readline().strip()
        if not answer:
            log = (self.folder / "zygote.log").read_text(encoding="utf-8")
            raise RuntimeError(f"the process that forks ended with {self.zygote.wait()}: {log[-2000:]}")
        return answer


# --- what a run left ----------------------------------------------------------------------------------------------


def contents_of(data: Path) -> dict[str, Any]:
    """Return everything in a data folder that must not depend on kills, by name: of versions the newest.

    Of the cache the names, which are hashes of all that its entries were made from.
    """
    contents = {name: comparable(path) for name, path in files_of(data) if path.suffix not in PAGES}
    cache = data / "06_models" / "cache"
    # Not what is in them: kills decide in how many parts features are written.
    return {**contents, **{f"cache/{path.relative_to(cache)}": "" for path in sorted(cache.glob("*/*"))}}


def files_of(data: Path) -> Iterator[tuple[str, Path]]:
    """Yield name and path of each file, of the newest version where there are versions; links are followed."""
    newest: dict[str, Path] = {}
    for folder, folders, names in os.walk(data, followlinks=True):
        folders[:] = [name for name in folders if name not in {"01_raw", "cache"}]
        for name in set(names) - {LOCK}:
            path = Path(folder) / name
            key = VERSION.sub("<version>", str(path.relative_to(data)))
            newest[key] = max(path, newest.get(key, path), key=str)
    yield from sorted(newest.items())


def comparable(path: Path) -> Any:
    """Return a file's content without times: a table, JSON as values, anything else as bytes.

    Of a manifest and of check sums nothing but that they are there: they hash files with times in them.
    """
    if path.name.endswith((MANIFEST, CHECK_SUMS)):
        return ""
    if path.suffix in {".parquet", ".csv"}:
        table = pd.read_parquet(path) if path.suffix == ".parquet" else pd.read_csv(path)
        return table.drop(columns=[name for name in table if name in TIMES])
    if path.suffix == ".json":
        return without_times(json.loads(path.read_text(encoding="utf-8")))
    return path.read_bytes()


def without_times(value: Any) -> Any:
    """Return a document without its times."""
    if isinstance(value, dict):
        return {key: without_times(part) for key, part in value.items() if key not in TIMES}
    return [without_times(part) for part in value] if isinstance(value, list) else value


def differences(expected: Mapping[str, Any], seen: Mapping[str, Any], rounding: float = 1e-15) -> list[str]:
    """Return what is missing, too much, or other; figures of tables may differ by what is lost in rounding."""
    missing = [f"{name} is missing" for name in expected if name not in seen]
    further = [f"{name} is left over" for name in seen if name not in expected]
    both = [name for name in expected if name in seen]
    return [
        *missing,
        *further,
        *(f"{name} differs" for name in both if not same(expected[name], seen[name], rounding)),
    ]


def same(one: Any, other: Any, rounding: float) -> bool:
    """Whether two contents are the same."""
    if not isinstance(one, pd.DataFrame):
        return bool(one == other)
    try:
        pd.testing.assert_frame_equal(one, other, rtol=0, atol=rounding)
    except AssertionError:
        return False
    return True
