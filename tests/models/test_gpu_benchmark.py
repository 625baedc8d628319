"""The benchmark of a card runs where there is none, and says so."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


@pytest.mark.slow
def test_without_a_card_the_page_says_that_nothing_was_measured(tmp_path: Path) -> None:
    page = tmp_path / "gpu.md"
    command = [sys.executable, str(PROGRAM), "--rounds", "1", "--write", str(page)]
    environment = {**os.environ, "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=300, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
    text = page.read_text(encoding="utf-8")
    assert "Not measured: no GPU was at hand" in text
    assert all(job in text for job in ("generator training", "decoding", "encoder training"))
