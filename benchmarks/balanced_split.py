"""From a table of 840,000 rows to a balanced, leak-free sample: how long it takes, and how much memory.

The table has the columns and labels of the largest set (EABOT) and its imbalance: four rows in five are neutral, and
one row in ten repeats the text of an earlier one. It is made up: words drawn at random, with a seed.

    python benchmarks/balanced_split.py --write docs/benchmarks/balanced_split.md
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import platform
import random
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROWS = 840_000
SEED = 0
NEUTRAL_SHARE = 0.8
REPEATED_SHARE = 0.1
SHORTEST, LONGEST = 5, 25
LIMIT_SECONDS, LIMIT_GIGABYTES = 30.0, 2.0
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
    """Read, unify, sample and split the table in this process; seconds of each step, and peak memory in GB."""
    started = time.perf_counter()
    from emotion_kedro.config.data import SamplingConfig, SourceConfig, UnificationConfig
    from emotion_kedro.config.taxonomy import TaxonomyConfig
    from emotion_kedro.data.readers import read_source
    from emotion_kedro.data.sampling import sample_and_split
    from emotion_kedro.data.unification import unify_labels

    imported = time.perf_counter()
    source = SourceConfig(file=path.name, text_column="text", label_column="Emotion", label_map=LABEL_MAP)
    steps = ("unescape_html", "drop_broken_characters", "drop_links", "mask_mentions", "collapse_space")
    records, _ = read_source(path.parent, "eabot", source, steps)
    read = time.perf_counter()
    taxonomy = TaxonomyConfig.from_labels(sorted({LABEL_MAP.get(label, label) for label in ("neutral", *OTHER_LABELS)}))
    records, _, _ = unify_labels(records, UnificationConfig(taxonomy=taxonomy))
    unified = time.perf_counter()
    sample, report = sample_and_split(records, SamplingConfig(cap=800, conflicts="majority", seed=SEED))
    done = time.perf_counter()
    usage = resource.getrusage(resource.RUSAGE_SELF)
    unit = 1 if sys.platform == "darwin" else 1024  # bytes on macOS, kilobytes on Linux
    return {
        "import": imported - started,
        "read": read - imported,
        "unify": unified - read,
        "sample": done - unified,
        "total": done - started,
        "processor": usage.ru_utime + usage.ru_stime,
        "gigabytes": usage.ru_maxrss * unit / 1e9,
        "rows": report["rows"],
        "kept": len(sample),
    }


def run_once(path: Path) -> dict[str, float]:
    """Measure in a fresh process, so that every run starts from nothing."""
    command = [sys.executable, __file__, "--measure", str(path)]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    return dict(json.loads(done.stdout))


def table_of(runs: list[dict[str, float]]) -> str:
    """Lay the runs out as a Markdown table, with the worst of them as the last row."""
    steps = ("import", "read", "unify", "sample", "total", "processor", "gigabytes")
    lines = ["| Run | " + " | ".join((*(f"{step} (s)" for step in steps[:-1]), "peak memory (GB)")) + " |"]
    lines.append("|---" * (len(steps) + 1) + "|")
    worst = {step: max(run[step] for run in runs) for step in steps}
    for name, run in [*((str(number), run) for number, run in enumerate(runs, start=1)), ("worst", worst)]:
        lines.append("| " + " | ".join((name, *(f"{run[step]:.2f}" for step in steps))) + " |")
    return "\n".join(lines)


def machine() -> str:
    """Name the processor and the versions that matter."""
    model = platform.processor() or platform.machine()
    information = Path("/proc/cpuinfo")
    if information.is_file():
        names = [line for line in information.read_text().splitlines() if line.startswith("model name")]
        model = names[0].split(":", 1)[1].strip() if names else model
    packages = ("pandas", "pyarrow", "numpy", "scipy", "scikit-learn", "datasketch")
    versions = ", ".join(f"{name} {version(name)}" for name in packages)
    return f"{os.cpu_count()} x {model}; {platform.system()}; Python {platform.python_version()}, {versions}"


def page(runs: list[dict[str, float]], rows: int) -> str:
    """Write up the runs as a Markdown page."""
    return f"""# From {rows:,} rows to a balanced split

Written by `benchmarks/balanced_split.py`, not by hand.

A made-up table with the schema and labels of EABOT ({rows:,} rows, {NEUTRAL_SHARE:.0%} neutral, {REPEATED_SHARE:.0%}
repeated texts, {SHORTEST} to {LONGEST} words a row, seed {SEED}) is read, cleaned and unified (taxonomy of 13 labels);
conflicts and repeats are settled, 800 rows a label are sampled, near-duplicates grouped, and the groups split into
train, validation and test. {int(runs[0]["kept"]):,} rows are kept. Each run is a fresh process; imports count.
"total" is by the clock; "processor" is what it takes of the processor, whatever else the machine does.

{table_of(runs)}

Limits: {LIMIT_SECONDS:.0f} s and {LIMIT_GIGABYTES:.0f} GB. Met in every run: {"yes" if met(runs) else "no"}.

Machine: {machine()}.

    python benchmarks/balanced_split.py --runs {len(runs)} --rows {rows}
"""


def met(runs: list[dict[str, float]]) -> bool:
    """Tell whether every run kept to both limits."""
    return all(run["total"] <= LIMIT_SECONDS and run["gigabytes"] <= LIMIT_GIGABYTES for run in runs)


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark; the exit status is 1 if a limit is broken."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--rows", type=int, default=ROWS)
    parser.add_argument("--write", type=Path, metavar="PATH", help="write a Markdown page here")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    options: Any = parser.parse_args(arguments)
    if options.measure:
        print(json.dumps(measure(options.measure)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "emotion_sentimen_dataset.csv"
        write_table(path, options.rows, SEED)
        runs = [run_once(path) for _ in range(options.runs)]
    print(table_of(runs))
    if options.write:
        options.write.write_text(page(runs, options.rows), encoding="utf-8")
    return 0 if met(runs) else 1


if __name__ == "__main__":
    sys.exit(main())
