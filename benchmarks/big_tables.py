"""From a table in many Parquet files to a balanced sample: seconds, memory, and what reading the files alone takes.

The table is that of ``balanced_split.py``, made up faster: one row in ten repeats the text of another, and one in
ten of those repeats a text that stands in every file. 84 million rows need 4 GB of disk,
and the work on them 20 GB more.

    python benchmarks/big_tables.py --rows 8400000 --write docs/benchmarks/big_tables.md

Where DuckDB or Polars is installed, it prints as well what they take to find the exact repeats alone.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import balanced_split
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from balanced_split import LONGEST, NEUTRAL_SHARE, OTHER_LABELS, REPEATED_SHARE, SEED, SHORTEST, WORDS
from measuring import machine, markdown_table, peak_gigabytes

from emotion_kedro.storage.chunks import CHUNK_ROWS

PART_ROWS, GROUP_ROWS = 1_000_000, 100_000
COMMON = 5_000
"""Texts that are repeated in every file; other repeats are within a group of rows."""
LIMIT_GIGABYTES = 2.0
SCHEMA = pa.schema([("text", pa.string()), ("Emotion", pa.string())])


def write_parts(folder: Path, rows: int, seed: int) -> None:
    """Write a made-up table of so many rows in files of :data:`PART_ROWS`; a file does not depend on the others."""
    folder.mkdir(parents=True, exist_ok=True)
    common = _texts(np.random.default_rng(seed), COMMON)
    for number, start in enumerate(range(0, rows, PART_ROWS)):
        chance = np.random.default_rng([seed, number])
        with pq.ParquetWriter(folder / f"part-{number:04d}.parquet", SCHEMA, use_dictionary=["Emotion"]) as writer:
            for first in range(start, min(start + PART_ROWS, rows), GROUP_ROWS):
                writer.write_table(_group(chance, min(GROUP_ROWS, rows - first), common))


def _group(chance: np.random.Generator, rows: int, common: pa.Array) -> pa.Table:
    places = np.arange(rows)
    repeated = np.flatnonzero(chance.random(rows) < REPEATED_SHARE)
    places[repeated] = chance.integers(0, rows, len(repeated))
    far = repeated[chance.random(len(repeated)) < REPEATED_SHARE]
    places[far] = rows + chance.integers(0, len(common), len(far))
    texts = pa.chunked_array([_texts(chance, rows), common]).combine_chunks().take(pa.array(places))
    labels = pa.array(["neutral", *OTHER_LABELS])
    drawn = np.where(chance.random(rows) < NEUTRAL_SHARE, 0, chance.integers(1, len(labels), rows))
    return pa.table([texts, labels.take(pa.array(drawn))], schema=SCHEMA)


def _texts(chance: np.random.Generator, rows: int) -> pa.Array:
    ends = np.concatenate([[0], np.cumsum(chance.integers(SHORTEST, LONGEST + 1, rows))]).astype(np.int32)
    words = pa.array(WORDS).take(pa.array(chance.integers(0, len(WORDS), ends[-1])))
    return pc.binary_join(pa.ListArray.from_arrays(pa.array(ends), words), " ")


def read_alone(folder: Path) -> dict[str, float]:
    """Read all rows of the files with pyarrow and drop them; then once more, to clean and hash each text as well."""
    from emotion_kedro.data.cleaning import clean
    from emotion_kedro.data.near_duplicates import text_hashes

    started, used = time.perf_counter(), time.process_time()
    for _ in _batches(folder):
        pass
    alone, alone_used = time.perf_counter(), time.process_time()
    for batch in _batches(folder):
        text_hashes(clean(batch.to_pandas()["text"], balanced_split.CLEANING))
    least = time.process_time() - alone_used
    return {"pyarrow": alone - started, "pyarrow_processor": alone_used - used, "least": least}


def _batches(folder: Path) -> Iterator[pa.RecordBatch]:
    for file in sorted(folder.glob("*.parquet")):
        with pq.ParquetFile(file) as table:
            yield from table.iter_batches(CHUNK_ROWS)


def group_with(engine: str, folder: Path) -> dict[str, Any]:
    """Let DuckDB or Polars hash all texts, in small letters, and count the rows and labels of each; with one thread.

    That is a part of the way: what it takes to find exact repeats and conflicts, without cleaning or a sample.
    """
    started = time.process_time()
    if engine == "duckdb":
        import duckdb

        with tempfile.TemporaryDirectory(dir=folder.parent) as scratch:
            work = duckdb.connect(str(Path(scratch, "work.duckdb")))
            work.execute(f"set threads=1; set memory_limit='{LIMIT_GIGABYTES * 0.75:.1f}GB'")
            work.execute(
                "create table groups as select hash(lower(trim(text))), count(*), min(Emotion), max(Emotion), "
                f"min(file_row_number) from read_parquet('{folder}/*.parquet', file_row_number=true) group by 1"
            )
    else:
        os.environ["POLARS_MAX_THREADS"] = "1"
        import polars

        rows = polars.scan_parquet(folder / "*.parquet", row_index_name="row")
        text, label = polars.col("text").str.strip_chars().str.to_lowercase().hash(), polars.col("Emotion")
        groups = rows.select(text, label, "row").group_by("text")
        first, last = label.min().alias("first"), label.max().alias("last")
        groups.agg(polars.len(), first, last, polars.col("row").min()).collect(engine="streaming")
    return {
        "engine": f"{engine} {version(engine)}",
        "processor": time.process_time() - started,
        "gigabytes": peak_gigabytes(),
    }


def engines_of(folder: Path) -> list[dict[str, Any]]:
    """Measure DuckDB and Polars, where they are installed, each in a fresh process."""
    measured = []
    for engine in ("duckdb", "polars"):
        if find_spec(engine):
            command = [sys.executable, __file__, "--engine", engine, "--read-alone", str(folder)]
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
            measured.append(json.loads(done.stdout))
    return measured


def run_once(folder: Path) -> dict[str, float]:
    """Measure reading alone, then the whole way, each in a fresh process."""
    command = [sys.executable, __file__, "--read-alone", str(folder)]
    alone = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    return alone | balanced_split.run_once(folder / "*.parquet")


def table_of(runs: list[dict[str, float]]) -> str:
    """Lay the runs out as a Markdown table."""
    names = {
        "pyarrow": "pyarrow reads (s)",
        "read": "read (s)",
        "unify": "unify (s)",
        "sample": "sample (s)",
        "total": "total (s)",
        "pyarrow_processor": "processor: pyarrow reads (s)",
        "least": "it reads, texts cleaned and hashed (s)",
        "processor": "all (s)",
    }
    rows = [
        (
            f"{run['rows']:,}",
            *(f"{run[name]:.1f}" for name in names),
            f"{run['rows'] / run['processor']:,.0f}",
            f"{run['gigabytes']:.2f}",
        )
        for run in runs
    ]
    return markdown_table(("rows", *names.values(), "rows/s of the processor", "peak memory (GB)"), rows)


def growth(runs: list[dict[str, float]]) -> str:
    """Say how memory grows from the shortest table to the longest, and where the limit is reached."""
    first, last = min(runs, key=lambda run: run["rows"]), max(runs, key=lambda run: run["rows"])
    if first["rows"] == last["rows"]:
        return ""
    ends = (
        f"Rows are numbered with four bytes: one machine ends at {2**32 / 1e6:,.0f} million rows, whatever its memory."
    )
    if last["gigabytes"] <= first["gigabytes"]:
        return f"\nMemory does not grow from the shortest table to the longest.\n{ends}\n"
    a_row = (last["gigabytes"] - first["gigabytes"]) * 1e9 / (last["rows"] - first["rows"])
    room = last["rows"] + (LIMIT_GIGABYTES - last["gigabytes"]) * 1e9 / a_row
    return f"""
Memory grows by {a_row:.1f} bytes a row from the shortest table to the longest. At that rate {LIMIT_GIGABYTES:.0f} GB
are reached at {room / 1e6:,.0f} million rows, which was not tried.
{ends}
"""


def page(runs: list[dict[str, float]], options: argparse.Namespace) -> str:
    """Write up the runs as a Markdown page."""
    rows = " ".join(str(rows) for rows in options.rows)
    return f"""# Tables in many files

Written by `benchmarks/big_tables.py`, not by hand.

A made-up table like that of [balanced_split](balanced_split.md), in Parquet files of {PART_ROWS:,} rows, goes the same
way: read, cleaned and unified; conflicts and repeats settled over all rows; {balanced_split.CAP} rows a label sampled,
near-duplicates grouped among those, and the groups split. It is the way that a table of ten rows takes; nothing is set
for it. First pyarrow alone reads the files, batch by batch, and drops the rows. Each run is a fresh process; imports
count. The first five figures are by the clock, the others seconds of the processor, whatever else the machine does. To
compare all texts each has to be cleaned, normalised and hashed once: pyarrow's reading and that alone is the least that
exact repeats and conflicts over all rows can take with these functions. The rest is labels, ids, the comparison itself,
the table, written once and read twice, uncompressed, and a constant part: imports, and the near-duplicates of the
sample. No row is dropped by its label here: unification gives the file a second name; it writes the table again where
rows are dropped or labels changed.

{table_of(runs)}
{growth(runs)}
Limit: {LIMIT_GIGABYTES:.0f} GB of memory. Met in every run: {"yes" if met(runs) else "no"}.

Machine: {machine(("pandas", "pyarrow", "numpy"))}.

    OMP_NUM_THREADS=1 python benchmarks/big_tables.py --rows {rows}
"""


def met(runs: list[dict[str, float]]) -> bool:
    """Tell whether every run kept to the limit of memory."""
    return all(run["gigabytes"] <= LIMIT_GIGABYTES for run in runs)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; the exit status is 1 if the limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, nargs="+", default=[840_000, 8_400_000])
    parser.add_argument("--folder", type=Path, help="where the table is kept for the next run; else it is removed")
    parser.add_argument("--write", type=Path, metavar="PATH", help="write a Markdown page here")
    parser.add_argument("--read-alone", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--engine", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.engine:
        print(json.dumps(group_with(options.engine, options.read_alone)))
        return 0
    if options.read_alone:
        print(json.dumps(read_alone(options.read_alone)))
        return 0
    runs = []
    with tempfile.TemporaryDirectory() as temporary:
        for rows in options.rows:
            folder = (options.folder or Path(temporary)) / str(rows)
            if not folder.is_dir():
                write_parts(folder, rows, SEED)
            runs.append(run_once(folder))
            print(table_of(runs[-1:]), flush=True)
            for each in engines_of(folder):
                print(
                    f"{rows:,} rows: {each['engine']} groups in {each['processor']:.1f} s, {each['gigabytes']:.2f} GB"
                )
    if options.write:
        options.write.write_text(page(runs, options), encoding="utf-8")
    return 0 if met(runs) else 1


if __name__ == "__main__":
    sys.exit(main())
