"""Texts a second that a fine-tuned encoder classifies: ours, transformers' pipeline, and onnxruntime.

All read the same texts with the same weights, in turns: those of the project's sample, half of which the encoder is
tuned on first. onnxruntime is in the extra ``onnx``.

    OMP_NUM_THREADS=1 python benchmarks/encoder_inference.py --write docs/benchmarks/encoder_inference.md
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from measuring import in_turns, machine, markdown_table, rates_table

from emotion_kedro.config.data import IngestionConfig, SourceConfig
from emotion_kedro.config.models import EncoderConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.data.readers import read_sources
from emotion_kedro.models.classifiers import TrainingSet
from emotion_kedro.models.classifiers.encoder import INFERENCE_ROWS, EncoderClassifier
from emotion_kedro.models.classifiers.exporting import QUANTISED, WHOLE, open_onnx, write_int8, write_onnx
from emotion_kedro.models.device import Device, choose_device
from emotion_kedro.storage.cache import Cache

SAMPLE = Path(__file__).parents[1] / "data" / "01_raw" / "sample"
SOURCE = SourceConfig(file="eit/Emotion_final.csv", text_column="Text", label_column="Emotion")
STEPS = 60
BATCH_ROWS = 32
MAX_TOKENS = 96
BASELINE = f"pipeline, {BATCH_ROWS} texts at a time"
Way = Callable[[], np.ndarray]
"""Returns probabilities, shape (texts, labels)."""


def fitted(base: str, records: pd.DataFrame, device: Device, folder: Path) -> EncoderClassifier:
    """Tune the encoder on every second record."""
    taxonomy = TaxonomyConfig.from_labels(sorted(records["label"].unique()))
    learner = EncoderConfig(
        base=base, max_tokens=MAX_TOKENS, training=TrainingConfig(steps=STEPS, batch_size=16, learning_rate=2e-4)
    )
    training_set = TrainingSet(records.iloc[::2], records.iloc[:0], taxonomy, "benchmark", 0)
    return EncoderClassifier.fit(training_set, learner, device, Cache(folder))[0]


def ours(classifier: EncoderClassifier, texts: Sequence[str], device: Device) -> Way:
    return lambda: classifier.probabilities(texts, device=device)


def through_pipeline(classifier: EncoderClassifier, texts: Sequence[str], device: Device, batch_size: int) -> Way:
    """The way of transformers' documentation; batches are of the texts in their order."""
    from transformers import pipeline

    classify = pipeline(
        "text-classification", model=classifier.model, tokenizer=classifier.tokenizer, device=device.place, top_k=None
    )

    def way() -> np.ndarray:
        answers: Any = classify(list(texts), batch_size=batch_size, truncation=True, max_length=MAX_TOKENS)
        scores = [{entry["label"]: entry["score"] for entry in answer} for answer in answers]
        return np.array([[of_text[label] for label in classifier.labels] for of_text in scores])

    return way


def ways_of(classifier: EncoderClassifier, texts: Sequence[str], device: Device, folder: Path) -> dict[str, Way]:
    ways = {
        "ours": ours(classifier, texts, device),
        BASELINE: through_pipeline(classifier, texts, device, BATCH_ROWS),
        "pipeline, one text at a time": through_pipeline(classifier, texts, device, 1),
    }
    if device.place.type == "cpu":
        file = write_onnx(classifier, folder / WHOLE)
        small = write_int8(file, folder / QUANTISED)
        ways |= {
            "onnxruntime, fp32": partial(open_onnx(classifier, file), texts),
            "onnxruntime, int8": partial(open_onnx(classifier, small), texts),
        }
    return ways


def agreement(ways: dict[str, Way], places: np.ndarray) -> str:
    """Compare what the ways answer with what ours does, and with the labels, as a Markdown table.

    Args:
        ways: by name.
        places: of each text's label among the classifier's.
    """
    reference = ways["ours"]()
    rows = []
    for name, way in ways.items():
        answers = way()
        read = answers.argmax(axis=1)
        same = (read == reference.argmax(axis=1)).mean()
        right = (read == places)[1::2].mean()
        rows.append((name, f"{np.abs(answers - reference).max():.1e}", f"{same:.1%}", f"{right:.1%}"))
    head = ("", "largest difference of a probability", "same label", "right, of texts that it was not tuned on")
    return markdown_table(head, rows)


def page(rates: str, agreements: str, options: argparse.Namespace) -> str:
    """Write up the figures as a Markdown page."""
    import torch

    packages = ["torch", "transformers", "onnxruntime", "numpy"]
    command = f"--texts {options.texts} --rounds {options.rounds} --clock {options.clock}"
    return f"""# How fast an encoder classifies

Written by `benchmarks/encoder_inference.py`, not by hand.

`{options.base}`, tuned for {STEPS} steps on half of the sample, in fp32, reads {options.texts} texts of the sample.
Every way gets texts and returns probabilities: tokenizing counts. Ways are timed in turns, {options.rounds} rounds,
by {options.clock} time, on {torch.get_num_threads()} thread(s). Ours and onnxruntime read batches of {INFERENCE_ROWS}
texts of about the same length; the pipeline reads texts in their order. int8: weights in 8 bits.

{rates}

What they answer, beside ours:

{agreements}

Machine: {machine(packages)}.

    OMP_NUM_THREADS={torch.get_num_threads()} python benchmarks/encoder_inference.py {command}
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--base", default="package:minilm")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--texts", type=int, default=399, help="of the sample's")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--clock", choices=("wall", "process"), default="process")
    parser.add_argument("--write", type=Path, metavar="PATH", help="write a Markdown page here")
    options = parser.parse_args(arguments)
    device = choose_device(options.device)
    records = read_sources(SAMPLE, IngestionConfig(sources={"eit": SOURCE}, cleaning=()))[0].frame()
    texts = records["text"].tolist()[: options.texts]
    with tempfile.TemporaryDirectory() as folder:
        classifier = fitted(options.base, records, device, Path(folder))
        ways = ways_of(classifier, texts, device, Path(folder))
        seconds = in_turns(ways, rounds=options.rounds, clock=options.clock)
        rates = rates_table(seconds, work=len(texts), unit="texts", baseline=BASELINE)
        places = records["label"].map(classifier.labels.index).to_numpy()[: len(texts)]
        agreements = agreement(ways, places)
    print(rates, agreements, sep="\n\n")
    if options.write:
        options.write.write_text(page(rates, agreements, options), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
