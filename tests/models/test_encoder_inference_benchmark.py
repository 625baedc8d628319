from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "encoder_inference.py"


@pytest.mark.slow
def test_every_way_answers_alike_and_stands_on_the_page(tiny_encoder: Path, tmp_path: Path) -> None:
    pytest.importorskip("onnxruntime")
    page = tmp_path / "page.md"
    options = ["--base", str(tiny_encoder), "--texts", "16", "--rounds", "1", "--device", "cpu", "--write", str(page)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, str(PROGRAM), *options]
    subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    rows = [[cell.strip() for cell in line.split("|")] for line in page.read_text().splitlines() if "| " in line]
    agreement = {cells[1]: float(cells[2]) for cells in rows if cells[3].endswith("%")}
    assert len(agreement) == 5
    assert all(difference < 1e-4 for way, difference in agreement.items() if "int8" not in way)
