"""How fast an encoder is fine-tuned: the project's loop beside the Trainer of transformers.

    python benchmarks/encoder_training.py --write docs/benchmarks/encoder_training.md

All ways train MiniLM with a head on the same texts of the sample, as many texts in all; where layers are frozen, what
they make of a text is computed once, within the time.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from measuring import in_turns, machine, rates_table

SAMPLE = Path(__file__).parents[1] / "data" / "01_raw" / "sample" / "eit" / "Emotion_final.csv"
BASE, MAX_TOKENS, FROZEN = "package:minilm", 96, 3
PADDED = 128
PACKAGES = ("torch", "transformers", "numpy")
BASELINE = "ours, batch 16"


def ours(rows: Any, visits: int, *, batch: int, frozen: int) -> None:
    """Fit the project's classifier, from opening the base to the last step."""
    from emotion_kedro.config.models import EncoderConfig
    from emotion_kedro.config.taxonomy import TaxonomyConfig
    from emotion_kedro.config.training import TrainingConfig
    from emotion_kedro.models.classifiers import TrainingSet, fit_classifier
    from emotion_kedro.models.device import choose_device
    from emotion_kedro.models.frozen import MEMORY
    from emotion_kedro.storage.cache import Cache

    MEMORY.clear()
    taxonomy = TaxonomyConfig.from_labels(sorted(rows["label"].unique()))
    shares = {"continue_share": 0.25, "continue_rate": 0.1}
    training_set = TrainingSet(rows, rows.iloc[:0], taxonomy, "benchmark", 0, **shares)
    training = TrainingConfig(steps=visits // batch, batch_size=batch, learning_rate=2e-4)
    learner = EncoderConfig(base=BASE, max_tokens=MAX_TOKENS, frozen_layers=frozen, training=training)
    with tempfile.TemporaryDirectory() as folder:
        fit_classifier(training_set, learner, choose_device("auto"), Cache(Path(folder)))


def trainer(rows: Any, visits: int, *, batch: int, padded: bool) -> None:
    """Fit with the Trainer of transformers, from opening the base to the last step."""
    import torch
    from transformers import (
        AutoModelForSequenceClassification,
        AutoTokenizer,
        DataCollatorWithPadding,
        Trainer,
        TrainingArguments,
    )

    from emotion_kedro.models.language_models import open_name

    labels = sorted(rows["label"].unique())
    tokenizer = AutoTokenizer.from_pretrained(open_name(BASE))
    model = AutoModelForSequenceClassification.from_pretrained(open_name(BASE), num_labels=len(labels))
    length: dict[str, Any] = {"padding": "max_length", "max_length": PADDED} if padded else {"max_length": MAX_TOKENS}
    encoded = [
        {**tokenizer(text, truncation=True, **length), "labels": labels.index(label)}
        for text, label in zip(rows["text"], rows["label"], strict=True)
    ]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=visits // batch,
            per_device_train_batch_size=batch,
            learning_rate=2e-4,
            save_strategy="no",
            logging_strategy="no",
            report_to=[],
            disable_tqdm=True,
            use_cpu=not torch.cuda.is_available(),
            bf16=torch.cuda.is_available(),
        )
        collator = DataCollatorWithPadding(tokenizer)
        Trainer(model, arguments, data_collator=collator, train_dataset=encoded).train()  # type: ignore[arg-type]


def measure(visits: int, rounds: int) -> dict[str, list[float]]:
    """Return seconds of each way and round: of the processor, on a GPU of the clock."""
    import pandas as pd
    import torch

    rows = pd.read_csv(SAMPLE).rename(columns={"Text": "text", "Emotion": "label"})
    rows = rows.assign(origin="real", phase=0, weight=1.0)
    ways = {
        BASELINE: partial(ours, rows, visits, batch=16, frozen=0),
        "ours, batch 32": partial(ours, rows, visits, batch=32, frozen=0),
        f"ours, batch 32, {FROZEN} layers frozen": partial(ours, rows, visits, batch=32, frozen=FROZEN),
        f"Trainer, batch 16, padded to {PADDED}": partial(trainer, rows, visits, batch=16, padded=True),
        "Trainer, batch 16, dynamic": partial(trainer, rows, visits, batch=16, padded=False),
    }
    ours(rows, 32, batch=16, frozen=0)  # what is imported once is not timed
    clock = "wall" if torch.cuda.is_available() else "process"
    return in_turns(ways, rounds=rounds, warm_up=0, clock=clock)


def page(table: str, options: Any) -> str:
    """Write up the table as a Markdown page."""
    threads = os.environ.get("OMP_NUM_THREADS")
    return f"""# Fine-tuning an encoder

Written by `benchmarks/encoder_training.py`, not by hand.

`{BASE}` with a head, on texts of the sample (EIT), {options.texts} texts in all with repeats. The ways take turns; the
ratio is the median over rounds. Seconds are those of the processor (on a GPU, of the clock), from opening the base to the
last step.

{table}

Machine: {machine(PACKAGES)}.

    {f"OMP_NUM_THREADS={threads} " if threads else ""}python benchmarks/encoder_training.py --texts {options.texts} --rounds {options.rounds}
"""  # noqa: E501 - a command is one line


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=768, help="texts that a way trains on, repeats counted")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, metavar="PATH", help="write a Markdown page here")
    options: Any = parser.parse_args(arguments)
    table = rates_table(measure(options.texts, options.rounds), work=options.texts, unit="texts", baseline=BASELINE)
    print(table)
    if options.write:
        options.write.write_text(page(table, options), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
