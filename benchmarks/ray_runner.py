"""Whole runs, one after another and side by side: one thread, two threads, and Ray with two workers of one thread each.

    python benchmarks/ray_runner.py --write docs/benchmarks/ray_runner.md

The default job for thirteen labels, and a small study, both on the sample that ships with the project, each time in an
empty data folder. Before that, what the machine itself allows: a training of one thread alone, and two of them at once.
It takes 50 minutes, and the machine should have nothing else to do.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import yaml
from measuring import machine, markdown_table

STUDY = {
    "study_edft": {
        "generators": {"opened": None, "rest": None},
        "learners": {
            "encoder": {"training": {"steps": 120, "evaluate_every": 120}},
            "encoder_longer": None,
            "encoder_smoothed": None,
            "contrastive": None,
            "linear": None,
        },
        "arms": {
            name: None
            for name in (
                *("generated", "words_generated", "words_generated_light", "words_generated_last"),
                *("words_generated_first", "words_rest"),
            )
        },
        "design": {"sizes": [8], "test_rows": 90},
        "compare": [["words", "real"]],
        "evaluation": {"primary": ["words", "real", "encoder"]},
    }
}
"""What is left of a study: five arms with four draws of eight rows a label each, and no language model."""

EXPERIMENTS = {"augment_thirteen": None, "study_edft": STUDY}

RAY = "emotion_kedro.runners.RayRunner"
WAYS: dict[str, tuple[str, int, list[str]]] = {
    "in a row, one thread": ("SequentialRunner", 1, []),
    "in a row, two threads": ("SequentialRunner", 2, []),
    "Ray, two workers": (RAY, 1, ["--runner-params=cpus=2"]),
}
"""Name -> runner, threads of each process (nodes under Ray have as many as processors), further options."""


@contextlib.contextmanager
def configuration(override: Mapping[str, object] | None) -> Iterator[Path]:
    """Give a copy of the project's configuration with a data folder of its own, both gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder, "conf")
        shutil.copytree("conf", copy, ignore=shutil.ignore_patterns("local"))
        local = copy / "local" / "experiments"
        local.mkdir(parents=True)
        (copy / "local" / "globals.yml").write_text(yaml.safe_dump({"data_root": str(Path(folder, "data"))}))
        if override:
            (local / "smaller.yml").write_text(yaml.safe_dump(override))
        yield copy


def seconds_of(experiment: str, way: str) -> float:
    """Return the seconds of a whole command, start-up included; its output is shown where it fails."""
    runner, threads, options = WAYS[way]
    with configuration(EXPERIMENTS[experiment]) as conf:
        command = [sys.executable, "-m", "kedro", "run", f"--pipelines={experiment}", f"--runner={runner}"]
        started = time.perf_counter()
        done = subprocess.run(
            [*command, f"--conf-source={conf}", *options],
            capture_output=True,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads)},
        )
        took = time.perf_counter() - started
    if done.returncode:
        raise SystemExit(f"{experiment}, {way}:\n{done.stdout[-3000:]}\n{done.stderr[-3000:]}")
    return took


def train(steps: int = 40) -> float:
    """Train an encoder of MiniLM's size with one thread, and return the seconds of its steps."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model = BertForSequenceClassification(
        BertConfig(hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536)
    )
    optimiser = torch.optim.AdamW(model.parameters(), lr=1e-4)
    ids, labels = torch.randint(1000, 30000, (16, 24)), torch.randint(0, 2, (16,))
    started = time.perf_counter()
    for _ in range(steps):
        model(input_ids=ids, labels=labels).loss.backward()
        optimiser.step()
        optimiser.zero_grad()
    return time.perf_counter() - started


def slowdown(rounds: int = 3) -> float:
    """Return how many times as long a training of one thread takes where another one runs beside it."""
    command = [sys.executable, __file__, "--train"]
    alone: list[float] = []
    beside: list[float] = []
    for _ in range(rounds):
        for times, copies in ((alone, 1), (beside, 2)):
            running = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(copies)]
            times.append(statistics.mean(float(each.communicate()[0]) for each in running))
    return statistics.median(beside) / statistics.median(alone)


def rows_of(seconds: dict[str, dict[str, list[float]]]) -> list[Sequence[str]]:
    """Lay out seconds, and how many times as fast as each way in a row Ray was; medians over rounds."""
    one, two, ray = WAYS
    rows: list[Sequence[str]] = []
    for experiment, times in seconds.items():
        single, double = (
            statistics.median(a / b for a, b in zip(times[base], times[ray], strict=True)) for base in (one, two)
        )
        shown = (", ".join(f"{each:.0f}" for each in times[way]) for way in WAYS)
        rows.append((experiment, *shown, f"{single:.2f}", f"{single / 2:.0%}", f"{double:.2f}"))
    return rows


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--train", action="store_true", help="only train once, and print the seconds")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--experiments", nargs="+", choices=list(EXPERIMENTS), default=list(EXPERIMENTS))
    parser.add_argument("--write", type=Path, metavar="PATH", help="write a Markdown page here")
    options = parser.parse_args()
    if options.train:
        print(train())
        return
    beside = slowdown()
    seconds: dict[str, dict[str, list[float]]] = {}
    for experiment in options.experiments:
        seconds[experiment] = {way: [] for way in WAYS}
        for _ in range(options.rounds):
            for way in WAYS:
                seconds[experiment][way].append(seconds_of(experiment, way))
                print(f"{experiment}, {way}: {seconds[experiment][way][-1]:.0f} s", flush=True)
    head = (
        "seconds",
        *WAYS,
        "Ray: times one thread",
        "of two cores used so",
        "Ray: times two threads",
    )
    text = f"""# Runs side by side

Written by `benchmarks/ray_runner.py`, not by hand. Whole commands, start-up included (Ray's too),
each in an empty data folder.

{markdown_table(head, rows_of(seconds))}

`study_edft` is a study without language models: five arms, four draws of eight rows a label, 120 steps, the sample.

A training of one thread takes {beside:.2f} times as long here where another one runs beside it, so that two
workers can get at most {1 / beside:.0%} of what two undisturbed cores would give.

Machine: {machine(("kedro", "ray", "torch"))}.

    python {" ".join(sys.argv)}
"""
    print(text)
    if options.write:
        options.write.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
