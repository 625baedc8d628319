"""From a table of 840,000 rows to a balanced, leak-free sample: how long it takes, and how much memory.

The same from a tenth of the rows says what grows with them.

The table has the columns and labels of the largest set (EABOT) and its imbalance: four rows in five are neutral, and
one row in ten repeats the text of an earlier one. It is made up: words drawn at random, with a seed.

    python benchmarks/balanced_split.py --write docs/benchmarks/balanced_split.md
"""

from __future__ import annotations

import argparse
import csv
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from measuring import machine, markdown_table, peak_gigabytes

if TYPE_CHECKING:  # what is measured counts its own imports
    from emotion_kedro.config.data import CleaningStep

ROWS = 840_000
SEED = 0
NEUTRAL_SHARE = 0.8
REPEATED_SHARE = 0.1
SHORTEST, LONGEST = 5, 25
LIMIT_SECONDS, LIMIT_GIGABYTES = 10.0, 0.5
CAP = 800
CLEANING: tuple[CleaningStep, ...] = (
    "unescape_html",
    "drop_broken_characters",
    "drop_links",
    "mask_mentions",
    "collapse_space",
)
LABEL_MAP = {
    "happiness": "joy",
    "worry": "fear",
    "fun": "amusement",
    "hate": "annoyance",
    "enthusiasm": "excitement",
}
OTHER_LABELS = (*LABEL_MAP, "anger", "boredom", "empty", "love", "relief", "sadness", "surprise")
WORDS = (  # noqa: SIM905 - a list this long is easier to read as text
    "a about after again all always am and another anything as at away back bad be because been before best "
    "better big bit book bored but by came can cannot city cold come could day did do done down dream each early "
    "end even ever every evening family far feel feeling felt few find first food for forget found friend from "
    "gave get give glad go going gone good got great had half happy hard has hate have he head hear heart help "
    "her here him his home hope house how i if in is it job just keep kind knew know last late laugh leave left "
    "less let letter life light like little live long look lost lot love made make man many maybe me mind moment "
    "money more morning most mother move much music my myself need never new next nice night no not nothing now "
    "of off old on once one only open or other our out over own people place plan play please quiet rain read "
    "real rest right road room run sad said same say school sea see seem she should show sit sleep slow small "
    "smile so some song soon sorry start stay still stop story street such summer sun sure take talk tell than "
    "thank that the them then there these they thing think this though time tired to today told tomorrow too town "
    "train tree try turn two under until up us very wait walk want warm was water way we week well went were what "
    "when where which while white who why will window winter wish with without woman word work world worry would "
    "write wrong year yes yesterday yet you young your "
).split()


def write_table(path: Path, rows: int, seed: int) -> None:
    """Write the made-up table, row by row: this process stays small, or its size would count as the child's."""
    chance = random.Random(seed)
    kept: list[str] = []
    with path.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["Unnamed: 0", "text", "Emotion"])
        for row in range(rows):
            label = "neutral" if chance.random() < NEUTRAL_SHARE else chance.choice(OTHER_LABELS)
            if kept and chance.random() < REPEATED_SHARE:
                text = chance.choice(kept)
            else:
                text = " ".join(chance.choices(WORDS, k=chance.randint(SHORTEST, LONGEST)))
                kept.append(text)
                if len(kept) > 10_000:  # repeats come from the latest distinct texts
                    kept = kept[5_000:]
            table.writerow([row, text, label])


def measure(path: Path) -> dict[str, float]:
    """Read, unify, sample and split the table in this process; seconds of each step, and peak memory in GB.

    ``path`` may end in a pattern of files. What is made on the way goes to a folder beside them, and is removed.
    """
    started = time.perf_counter()
    from emotion_kedro.config.data import IngestionConfig, SamplingConfig, SourceConfig, UnificationConfig
    from emotion_kedro.config.taxonomy import TaxonomyConfig
    from emotion_kedro.data.readers import read_sources
    from emotion_kedro.data.sampling import sample_and_split
    from emotion_kedro.data.unification import unify_labels
    from emotion_kedro.storage.chunks import Chunks

    imported = time.perf_counter()
    source = SourceConfig(file=path.name, text_column="text", label_column="Emotion", label_map=LABEL_MAP)
    config = IngestionConfig(
        sources={"eabot": source},
        cleaning=CLEANING,
    )
    made = tempfile.TemporaryDirectory(dir=path.parent)
    records_file, unified_file = Path(made.name, "records.parquet"), Path(made.name, "unified.parquet")
    records, _ = read_sources(path.parent, config)
    records.write(records_file)
    read = time.perf_counter()
    records = Chunks.in_parquet(records_file)
    taxonomy = TaxonomyConfig.from_labels(sorted({LABEL_MAP.get(label, label) for label in ("neutral", *OTHER_LABELS)}))
    records, _, _ = unify_labels(records, UnificationConfig(taxonomy=taxonomy))
    records.write(unified_file)
    unified = time.perf_counter()
    records = Chunks.in_parquet(unified_file)
    sample, report = sample_and_split(records, SamplingConfig(cap=CAP, conflicts="majority", seed=SEED))
    done = time.perf_counter()
    made.cleanup()
    return {
        "import": imported - started,
        "read": read - imported,
        "unify": unified - read,
        "sample": done - unified,
        "total": done - started,
        "processor": time.process_time(),
        "gigabytes": peak_gigabytes(),
        "rows": report["rows"],
        "kept": len(sample),
    }


def run_once(path: Path) -> dict[str, float]:
    """Measure in a fresh process, so that every run starts from nothing."""
    command = [sys.executable, __file__, "--measure", str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


def table_of(runs: list[dict[str, float]]) -> str:
    """Lay the runs out as a Markdown table."""
    steps = ("import", "read", "unify", "sample", "total", "processor", "gigabytes")
    head = ("rows", *(f"{step} (s)" for step in steps[:-1]), "peak memory (GB)")
    return markdown_table(head, [(f"{run['rows']:,}", *(f"{run[step]:.2f}" for step in steps)) for run in runs])


def page(runs: list[dict[str, float]], options: argparse.Namespace) -> str:
    """Write up the runs as a Markdown page."""
    rows = " ".join(str(rows) for rows in options.rows)
    packages = ("pandas", "pyarrow", "numpy", "scipy", "scikit-learn", "datasketch")
    return f"""# From 840,000 rows to a balanced split

Written by `benchmarks/balanced_split.py`, not by hand.

A made-up table with the schema and labels of EABOT ({NEUTRAL_SHARE:.0%} neutral, {REPEATED_SHARE:.0%} repeated texts,
{SHORTEST} to {LONGEST} words a row, seed {SEED}) is read, cleaned and unified (taxonomy of 13 labels); conflicts and
repeats are settled, {CAP} rows a label are sampled, near-duplicates grouped, and the groups split into train,
validation and test. Records and unified records are written to files and read again, as in a run. Each run is a fresh
process; imports count. "total" is by the clock; "processor" is what it takes of the processor, whatever else the
machine does. Runs on tables of different lengths are made in turns.

{table_of(runs)}

Limits for {ROWS:,} rows: {LIMIT_SECONDS:.0f} s of the processor and {LIMIT_GIGABYTES} GB.
Met in every run: {"yes" if met(runs) else "no"}.

About nine bytes a row stay in memory: whether it is left, its label and source, its place in the order of the draw.

Machine: {machine(packages)}.

    OMP_NUM_THREADS=1 python benchmarks/balanced_split.py --runs {options.runs} --rows {rows}
"""


def met(runs: list[dict[str, float]]) -> bool:
    """Tell whether every run on at most 840,000 rows kept to both limits."""
    return all(
        run["processor"] <= LIMIT_SECONDS and run["gigabytes"] <= LIMIT_GIGABYTES for run in runs if run["rows"] <= ROWS
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; the exit status is 1 if a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rows", type=int, nargs="+", default=[ROWS // 10, ROWS])
    parser.add_argument("--write", type=Path, metavar="PATH", help="write a Markdown page here")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, str(rows), "emotion_sentimen_dataset.csv") for rows in options.rows]
        for path, rows in zip(paths, options.rows, strict=True):
            path.parent.mkdir()
            write_table(path, rows, SEED)
        runs = [run_once(path) for _ in range(options.runs) for path in paths]
    runs.sort(key=lambda run: run["rows"])
    print(table_of(runs))
    if options.write:
        options.write.write_text(page(runs, options), encoding="utf-8")
    return 0 if met(runs) else 1


if __name__ == "__main__":
    sys.exit(main())
