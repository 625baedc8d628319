from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from emotion_kedro.config.data import IngestionConfig, SamplingConfig, SourceConfig
from emotion_kedro.data.readers import read_sources
from emotion_kedro.data.sampling import sample_and_split

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


def test_a_table_in_many_files_gives_the_sample_of_one_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(PROGRAM.parent))
    import big_tables

    monkeypatch.setattr(big_tables, "PART_ROWS", 1500)
    monkeypatch.setattr(big_tables, "GROUP_ROWS", 500)
    big_tables.write_parts(tmp_path / "parts", 4000, seed=3)
    big_tables.write_parts(tmp_path / "fewer", 1500, seed=3)
    files = sorted((tmp_path / "parts").iterdir())
    assert len(files) == 3
    assert files[0].read_bytes() == (tmp_path / "fewer" / files[0].name).read_bytes()
    table = pd.concat(map(pd.read_parquet, files))
    assert 0.07 < table["text"].duplicated().mean() < 0.13
    table.to_csv(tmp_path / "table.csv", index=False)
    samples = [sample_of(tmp_path, file) for file in ("parts/*.parquet", "table.csv")]
    assert samples[0]["record_id"].str.match(r"set:part-\d{4}:\d+$").all()
    assert samples[0].drop(columns="record_id").equals(samples[1].drop(columns="record_id"))


def sample_of(folder: Path, file: str) -> pd.DataFrame:
    source = SourceConfig(file=file, text_column="text", label_column="Emotion")
    records, _ = read_sources(folder, IngestionConfig(sources={"set": source}, cleaning=("collapse_space",)))
    return sample_and_split(records, SamplingConfig(cap=20, conflicts="majority", seed=0))[0]
