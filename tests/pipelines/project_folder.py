"""A copy of the project in a temporary folder, with models so small that a whole run takes seconds."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
import yaml

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Project:
    """A project folder, and the ``kedro`` command run in it."""

    path: Path

    def command(self, *words: str) -> list[str]:
        return [sys.executable, "-m", "kedro", *words]

    def environment(self) -> dict[str, str]:
        # One thread: tests run beside others, and tiny models gain nothing from more.
        return {**os.environ, "PYTHONPATH": str(self.path / "src"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

    def kedro(self, *words: str, fails: bool = False) -> str:
        """Run ``kedro``; return all it printed; assert how it ended."""
        process = self.start(*words)
        printed, _ = process.communicate(timeout=600)
        assert (process.returncode != 0) == fails, printed[-4000:]
        return printed

    def start(self, *words: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            self.command(*words),
            cwd=self.path,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def versions(self, path: str) -> list[str]:
        """Return the versions of a versioned data set, oldest first."""
        return sorted(entry.parent.name for entry in (self.path / "data" / path).glob(f"*/{Path(path).name}"))

    def table(self, path: str) -> pd.DataFrame:
        """Read the newest version of a table."""
        file = self.path / "data" / path
        return pd.read_parquet(file / self.versions(path)[-1] / file.name if file.is_dir() else file)


def tiny_parameters(encoder: Path) -> dict[str, object]:
    """Return parameters for models that learn next to nothing, fast."""
    training = {"steps": 12, "batch_size": 8, "learning_rate": 1.0e-3, "evaluate_every": 4, "checkpoint_every": 2}
    scratch = {"layers": 1, "width": 32, "heads": 2, "vocabulary": 600}
    return {
        "generation": {
            "base": "scratch",
            "tuning": "full",
            "scratch": {**scratch, "training": {**training, "steps": 40}},
            "warm_up": None,
            "training": {**training, "steps": 6},
        },
        "synthesis": {
            "quota": 8,
            "max_draws": 2,
            "decoding": {"batch_size": 16, "min_new_tokens": 4},
            "filter": {"tau": 0.0, "max_repetition": 1.0, "min_words": 1},
        },
        "classification": {"classifier": {"base": str(encoder), "training": training}, "seeds": [0, 1]},
        "evaluation": {"bootstrap_samples": 200},
        "device": "cpu",
    }


def make_project(path: Path, parameters: dict[str, object]) -> Project:
    """Lay out the project in ``path``: its configuration and sample, and these parameters in ``conf/local``."""
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, path / name)
    shutil.copytree(ROOT / "conf", path / "conf", ignore=shutil.ignore_patterns("local"))
    # Kedro wants the source inside the project, and no link.
    shutil.copytree(ROOT / "src", path / "src", ignore=shutil.ignore_patterns("__pycache__", "*.egg-info"))
    (path / "data").mkdir()
    (path / "data" / "01_raw").symlink_to(ROOT / "data" / "01_raw")
    local = path / "conf" / "local"
    local.mkdir()
    (local / "parameters.yml").write_text(yaml.safe_dump(parameters), encoding="utf-8")
    return Project(path)
