"""The notebooks run, cell by cell, in a project in which the whole job has run."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from project_folder import ROOT, Project

pytestmark = pytest.mark.slow

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(notebook: Path, augmented: tuple[Project, str]) -> None:
    project, _ = augmented
    cells = json.loads(notebook.read_text(encoding="utf-8"))["cells"]
    assert all(not cell.get("outputs") for cell in cells), "outputs are not tracked: clear them"
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    done = subprocess.run(
        [sys.executable, "-c", "\n".join([*code, "print(comparison['verdict'])"])],
        cwd=project.path,
        env=project.environment(),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip().splitlines()[-1] in {"helped", "harmed", "no difference shown"}
