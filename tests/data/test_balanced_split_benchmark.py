from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "balanced_split.py"


@pytest.mark.slow
def test_benchmark_runs_on_a_small_table_and_writes_its_page(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    command = [sys.executable, str(PROGRAM), "--rows", "4000", "--runs", "1", "--write", str(page)]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert "| 4,000 |" in done.stdout
    text = page.read_text()
    assert "| 4,000 |" in text
    assert str(tmp_path) not in text


def test_made_up_table(tmp_path: Path) -> None:
    sys.path.insert(0, str(PROGRAM.parent))
    try:
        from balanced_split import write_table
    finally:
        sys.path.pop(0)
    for name in ("one.csv", "two.csv"):
        write_table(tmp_path / name, rows=3000, seed=7)
    assert (tmp_path / "one.csv").read_bytes() == (tmp_path / "two.csv").read_bytes()
    table = pd.read_csv(tmp_path / "one.csv", keep_default_na=False)
    assert list(table.columns) == ["Unnamed: 0", "text", "Emotion"]
    assert 0.77 < (table["Emotion"] == "neutral").mean() < 0.83
    assert table["Emotion"].nunique() == 13
    assert 0.07 < table["text"].duplicated().mean() < 0.13
    assert table["text"].str.split().str.len().between(5, 25).all()
