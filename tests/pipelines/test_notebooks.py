"""The notebooks run in a project in which the whole job has run, and are stored with their outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient
from project_folder import ROOT, Project

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("augment")]

NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


@pytest.mark.parametrize("notebook", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_is_stored_as_it_ran(
    notebook: Path, augmented: tuple[Project, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    project, _ = augmented
    stored = nbformat.read(notebook, as_version=4)
    shown = [cell for cell in stored.cells if cell.cell_type == "code"][1:]
    assert all(cell.outputs for cell in shown), "run the notebook after `make augment` and save it"
    monkeypatch.setenv("PYTHONPATH", str(project.path / "src"))
    fresh = nbformat.read(notebook, as_version=4)
    NotebookClient(fresh, timeout=120, resources={"metadata": {"path": str(project.path)}}).execute()
    assert [_kinds(cell) for cell in fresh.cells] == [_kinds(cell) for cell in stored.cells]
    verdict = fresh.cells[-1].outputs[-1]["data"]["text/plain"]
    says = any(word in verdict for word in ("helped", "harmed", "no difference shown"))
    assert says == (notebook.stem != "data")


def _kinds(cell: Any) -> list[list[str]]:
    """Return what a cell shows: tables, pictures, text."""
    return [sorted(output["data"]) for output in cell.get("outputs", []) if "data" in output]
