"""A copy of the project in a temporary folder, with models so small that a whole run takes seconds."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import forked
import pandas as pd
import yaml

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Project:
    """A project folder, and the ``kedro`` command run in it."""

    path: Path

    def environment(self) -> dict[str, str]:
        # One thread: tests run beside others, and tiny models gain nothing from more.
        return {**os.environ, "PYTHONPATH": str(self.path / "src"), "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}

    def kedro(self, *words: str, fails: bool = False) -> str:
        """Run ``kedro``; return all it printed; assert how it ended."""
        done = self.python("-m", "kedro", *words, merged=True)
        assert (done.returncode != 0) == fails, done.stdout[-6000:]
        return done.stdout

    def python(self, *words: str, **how: Any) -> subprocess.CompletedProcess[str]:
        """Run a program in the project's folder."""
        return forked.python(*words, cwd=self.path, env=self.environment(), **how)

    def start(self, *words: str, start_new_session: bool = False) -> subprocess.Popen[str]:
        """Start ``kedro`` in an interpreter of its own."""
        return subprocess.Popen(
            [sys.executable, "-m", "kedro", *words],
            cwd=self.path,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=start_new_session,
        )

    def versions(self, path: str) -> list[str]:
        """Return the versions of a versioned data set, oldest first."""
        return sorted(entry.parent.name for entry in (self.path / "data" / path).glob(f"*/{Path(path).name}"))

    def newest(self, path: str) -> Path:
        """Return the file or directory of a data set, of its newest version if it has versions."""
        file = self.path / "data" / path
        versions = self.versions(path)
        return file / versions[-1] / file.name if versions else file

    def table(self, path: str) -> pd.DataFrame:
        """Read the newest version of a table."""
        return pd.read_parquet(self.newest(path))

    def csv(self, path: str) -> pd.DataFrame:
        """Read a table of figures."""
        return pd.read_csv(self.path / "data" / path)

    def document(self, path: str) -> Any:
        """Read a JSON document."""
        return json.loads(self.newest(path).read_text(encoding="utf-8"))

    def configure(self, name: str, content: dict[str, Any]) -> None:
        """Write a file of ``conf/local``."""
        file = self.path / "conf" / "local" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")


TRAINING = {"steps": 12, "batch_size": 8, "learning_rate": 1.0e-3, "evaluate_every": 4, "checkpoint_every": 0}


def tiny_experiments() -> dict[str, Any]:
    """Return overrides for experiments with models that learn next to nothing, fast; ``_*`` are for reuse there."""
    written = yaml.safe_load((Path(__file__).parent / "tiny.yml").read_text(encoding="utf-8"))
    return {name: overrides for name, overrides in written.items() if not name.startswith("_")}


def make_project(path: Path, *, encoder: Path, language_model: Path, masked_lm: Path) -> Project:
    """Lay out the project in ``path``: its configuration and sample, and tiny models in ``conf/local``."""
    for name in ("pyproject.toml", ".telemetry"):
        shutil.copy(ROOT / name, path / name)
    shutil.copytree(ROOT / "conf", path / "conf", ignore=shutil.ignore_patterns("local"))
    # Kedro wants the source inside the project, and no link; compiled, which takes a process of it a second.
    shutil.copytree(ROOT / "src", path / "src", ignore=shutil.ignore_patterns("*.pyc.*", "*.egg-info"))
    (path / "data").mkdir()
    (path / "data" / "01_raw").symlink_to(ROOT / "data" / "01_raw")
    project = Project(path)
    models = {"encoder": str(encoder), "generator": str(language_model), "causal_lm": str(language_model)}
    project.configure("globals.yml", {**models, "masked_lm": str(masked_lm)})
    project.configure("parameters.yml", {"device": "cpu"})
    project.configure("experiments/tiny.yml", tiny_experiments())
    return project
