"""How fast a generator is tuned: low-rank adapters on the top blocks of a language model, on the texts of one label.

    python benchmarks/generator_tuning.py --write docs/benchmarks/generator_tuning.md

Four ways take the same number of steps of 8 texts from the same start, and are then asked for the loss on the same
held-out texts: the plain loop (every step runs the whole model, the output layer on padding too); ours (what the
frozen blocks make of a text is computed once; the output layer sees real tokens); ours where an earlier tuning has
met the texts (the warm-up on all labels has); and peft with the Trainer of transformers.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from measuring import in_turns, machine, markdown_table, ratios

SAMPLE = Path(__file__).parents[1] / "data" / "01_raw" / "sample" / "eit" / "Emotion_final.csv"
LABEL = "sadness"
HELD_OUT = 12
BATCH, RATE, MAX_TOKENS = 8, 1.5e-3, 24
PLAIN, OURS, MET, PEFT = "plain loop", "ours", "ours, texts met before", "peft + Trainer"
PACKAGES = ("torch", "transformers", "peft", "numpy")


@dataclass
class Tuning:
    """One tuning, made afresh before each timing."""

    base: str
    steps: int
    texts: list[str]
    held_out: list[str]
    model: Any = None

    def prepare(self) -> None:
        """Open the base, and put the adapters on it."""
        from emotion_kedro.augmentation.generators.tuning import choose_trained
        from emotion_kedro.config.augmentation import FineTunedConfig, LoraConfig
        from emotion_kedro.models.device import choose_device
        from emotion_kedro.models.language_models import load_language_model, open_name

        device = choose_device("auto")
        device.seed(0)
        config = FineTunedConfig(
            base=self.base, last_layers=6, lora=LoraConfig(rank=16, alpha=32, dropout=0.0), training=self.training
        )
        self.model = choose_trained(load_language_model(open_name(self.base), device), config)
        self.device = device
        self.encoded = self.model.encode(self.texts, max_tokens=MAX_TOKENS)
        self.watched = self.model.encode(self.held_out, max_tokens=MAX_TOKENS)

    @property
    def training(self) -> Any:
        """Its settings."""
        from emotion_kedro.config.training import TrainingConfig

        return TrainingConfig(steps=self.steps, batch_size=BATCH, learning_rate=RATE, evaluate_every=4)

    def ours(self, *, met: bool) -> float:
        """Tune as the project does."""
        from emotion_kedro.models.frozen import MEMORY
        from emotion_kedro.models.language_models import fit_language_model
        from emotion_kedro.storage.cache import Work

        if not met:
            MEMORY.clear()
        with tempfile.TemporaryDirectory() as folder:
            log = fit_language_model(
                *(self.model, self.encoded, self.watched),
                training=self.training,
                name="benchmark",
                device=self.device,
                checkpoints=Work(Path(folder)),
                seed=0,
            )
        return log.validation_loss

    def plain(self) -> float:
        """Tune with the same loop, without what is measured here."""
        import numpy as np

        from emotion_kedro.models.training import Task, plan_batches, train
        from emotion_kedro.storage.cache import Work

        lengths = np.array([len(row) for row in self.encoded])
        task = Task(
            name="benchmark",
            model=self.model.model,
            parameter_groups=[{"params": [value for value in self.model.model.parameters() if value.requires_grad]}],
            plan=plan_batches(lengths, steps=self.steps, batch_size=BATCH, seed=0),
            batch=lambda rows: self.batch([self.encoded[row] for row in rows]),
            loss=self.loss,
            validation_loss=self.mean_loss,
        )
        with tempfile.TemporaryDirectory() as folder:
            log = train(task, self.training, device=self.device, checkpoints=Work(Path(folder)), seed=0)
        return log.validation_loss

    def batch(self, rows: list[list[int]]) -> dict[str, Any]:
        """Return what ``transformers`` takes, labels with it."""
        from emotion_kedro.models.training import pad

        ids, mask = pad(rows, padding=self.model.boundary)
        return {"input_ids": ids, "attention_mask": mask, "labels": ids.masked_fill(mask == 0, -100)}

    def loss(self, batch: dict[str, Any]) -> Any:
        """Return the loss that ``transformers`` computes."""
        return self.model.model(**batch, use_cache=False).loss

    def mean_loss(self) -> float:
        """Return the held-out loss, in nats a token."""
        import torch

        self.model.model.eval()
        with torch.inference_mode(), self.device.autocast():
            return float(self.loss(self.device.put(self.batch(self.watched))))

    def peft(self) -> float:
        """Tune with the Trainer of transformers, rows in random order, padded to the longest of a batch."""
        from transformers import Trainer, TrainingArguments

        with tempfile.TemporaryDirectory() as folder:
            arguments = TrainingArguments(
                output_dir=folder,
                max_steps=self.steps,
                per_device_train_batch_size=BATCH,
                learning_rate=RATE,
                warmup_steps=max(1, round(0.1 * self.steps)),
                weight_decay=0.01,
                save_strategy="no",
                logging_strategy="no",
                report_to=[],
                disable_tqdm=True,
                use_cpu=self.device.kind == "cpu",
                bf16=self.device.half,
            )
            trainer = Trainer(self.model.model, arguments, data_collator=self.batch, train_dataset=self.encoded)
            trainer.train()
        return self.mean_loss()


def measure(base: str, steps: int, texts: int, rounds: int) -> tuple[dict[str, list[float]], dict[str, float]]:
    """Return processor seconds (on a GPU, the clock's) of each way and round, and the last held-out losses."""
    import pandas as pd
    import torch

    table = pd.read_csv(SAMPLE)
    rows = table.loc[table["Emotion"] == LABEL, "Text"].drop_duplicates().tolist()
    tuning = Tuning(base, steps, rows[HELD_OUT : HELD_OUT + texts], rows[:HELD_OUT])
    losses: dict[str, float] = {}

    def noted(name: str, way: Callable[[], float]) -> None:
        losses[name] = way()
        if torch.cuda.is_available():
            torch.cuda.synchronize()

    ways: dict[str, Callable[[], float]] = {
        PLAIN: tuning.plain,
        OURS: partial(tuning.ours, met=False),
        MET: partial(tuning.ours, met=True),
        PEFT: tuning.peft,
    }
    seconds = in_turns(
        {name: partial(noted, name, way) for name, way in ways.items()},
        rounds=rounds,
        warm_up=0,
        clock="wall" if torch.cuda.is_available() else "process",
        prepare=tuning.prepare,
    )
    return seconds, losses


def table_of(seconds: dict[str, list[float]], losses: dict[str, float], steps: int) -> str:
    """Lay the ways out as a Markdown table."""
    faster = ratios(seconds, PLAIN)
    rows = [
        (name, ", ".join(f"{steps / value:.2f}" for value in times), f"{faster[name]:.2f}", f"{losses[name]:.4f}")
        for name, times in seconds.items()
    ]
    return markdown_table(("", "steps/s, each round", f"times {PLAIN}", "held-out loss"), rows)


def page(tables: dict[int, str], options: Any) -> str:
    """Write up the tables as a Markdown page."""
    parts = "\n\n".join(
        f"{steps} steps, {steps * BATCH / options.texts:.1f} visits to a text:\n\n{table}"
        for steps, table in tables.items()
    )
    return f"""# Tuning a generator

Written by `benchmarks/generator_tuning.py`, not by hand.

Adapters of rank 16 on the top 6 blocks of `{options.base}`, {options.texts} texts of one label of the sample, steps of
{BATCH} texts of at most {MAX_TOKENS} tokens, the loss on {HELD_OUT} held-out texts every 4 steps
(`{PEFT}`: at the end). The ways take turns, and the ratio is the median over rounds. Seconds are those of the
processor (on a GPU, of the clock), with validation and checkpoint, without opening the model.

{parts}

- `{PLAIN}`: each step runs the whole model, and the output layer on padding too.
- `{OURS}`: what the frozen blocks make of a text is computed once, within the time; the output layer sees real tokens.
- `{MET}`: those states are there, from the warm-up on all labels.
- `{PEFT}`: `Trainer` of transformers, batches in random order.

Machine: {machine(PACKAGES)}.

    {command(options)}
"""


def command(options: Any) -> str:
    """Return what was run."""
    threads = os.environ.get("OMP_NUM_THREADS")
    steps = " ".join(str(number) for number in options.steps)
    return (f"OMP_NUM_THREADS={threads} " if threads else "") + (
        f"python benchmarks/generator_tuning.py --base {options.base} --steps {steps} --texts {options.texts} "
        f"--rounds {options.rounds}"
    )


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="package:smollm2", help="as in conf/base/globals.yml")
    parser.add_argument("--steps", type=int, nargs="+", default=[16, 48])
    parser.add_argument("--texts", type=int, default=40)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, metavar="PATH", help="write a Markdown page here")
    options: Any = parser.parse_args(arguments)
    tables = {
        steps: table_of(*measure(options.base, steps, options.texts, options.rounds), steps) for steps in options.steps
    }
    print("\n\n".join(tables.values()))
    if options.write:
        options.write.write_text(page(tables, options), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
