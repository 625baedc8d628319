"""What a card does: training and decoding of a model of GPT-2's size, fine-tuning of one of BERT-base's.

    python benchmarks/gpu.py --write docs/benchmarks/gpu.md

Models have random weights and texts random tokens: speed does not depend on either. On a machine without a GPU all
runs in tiny sizes, which shows that the program works and nothing else.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from measuring import card, machine, markdown_table

PEAK_BF16 = {"H100": 989e12, "H200": 989e12, "A100": 312e12, "L40S": 362e12, "L4": 121e12}
"""Dense bf16 operations a second, by what the card's name contains (makers' data sheets; SXM where there are two)."""
TARGETS = {"generator training": "40 % MFU", "decoding": "300,000 new tokens/s", "encoder training": "5,000 texts/s"}
PACKAGES = ("torch", "transformers", "numpy")


@dataclass(frozen=True)
class Size:
    """Sizes of everything."""

    layers: int
    width: int
    vocabulary: int
    batch: int
    texts: int
    steps: int
    decoded: int
    new_tokens: int


FULL = Size(layers=12, width=768, vocabulary=50257, batch=512, texts=8192, steps=40, decoded=1024, new_tokens=40)
TINY = Size(layers=2, width=32, vocabulary=500, batch=8, texts=64, steps=4, decoded=8, new_tokens=8)


def gpt2(size: Size, device: Any) -> Any:
    """Return a GPT-2 with random weights."""
    from transformers import GPT2Config, GPT2LMHeadModel

    heads = max(1, size.width // 64)
    ends: dict[str, Any] = {"bos_token_id": 0, "eos_token_id": 0}
    config = GPT2Config(
        vocab_size=size.vocabulary, n_embd=size.width, n_layer=size.layers, n_head=heads, n_positions=1024, **ends
    )
    return GPT2LMHeadModel(config).to(device.place)


def texts_of(size: Size) -> list[list[int]]:
    """Return random token ids, of 8 to 40 tokens a text."""
    import numpy as np

    chance = np.random.default_rng(0)
    return [chance.integers(1, size.vocabulary, size=chance.integers(8, 41)).tolist() for _ in range(size.texts)]


def seconds_of(work: Callable[[], Any], rounds: int) -> float:
    """Return the median seconds of a piece of work; the first round is not counted."""
    import torch

    seconds = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        work()
        if torch.cuda.is_available():
            torch.cuda.synchronize()
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds[1:])


def generator_training(size: Size, device: Any, rounds: int) -> tuple[float, float]:
    """Train all parameters by the project's own loop; return real tokens/s and operations/s."""
    from emotion_kedro.config.training import TrainingConfig
    from emotion_kedro.models.language_models import LanguageModel, fit_language_model
    from emotion_kedro.storage.cache import Work

    model, encoded = gpt2(size, device), texts_of(size)
    training = TrainingConfig(
        steps=size.steps, batch_size=size.batch, learning_rate=1e-4, evaluate_every=size.steps, checkpoint_every=10**6
    )
    tokens: list[int] = []

    def train() -> None:
        with tempfile.TemporaryDirectory() as folder:
            log = fit_language_model(
                *(LanguageModel(model, _Tokenizer()), encoded, []),
                training=training,
                name="benchmark",
                device=device,
                checkpoints=_NoWork(Path(folder)),
                seed=0,
            )
        tokens.append(log.tokens)

    class _NoWork(Work):
        def save(self, step: int, tensors: dict[str, Any], notes: dict[str, Any]) -> None:
            """Write nothing: the disk is not what is measured."""

    seconds = seconds_of(train, rounds)
    rate = tokens[-1] / seconds
    return rate, 6 * sum(value.numel() for value in model.parameters()) * rate


class _Tokenizer:
    """What a language model asks of its tokenizer in training."""

    eos_token_id = 0

    def get_vocab(self) -> dict[str, int]:
        return {}


def decoding(size: Size, device: Any, rounds: int) -> float:
    """Draw texts by the project's own sampling; return new tokens/s."""
    from emotion_kedro.config.augmentation import DecodingConfig
    from emotion_kedro.models.decoding import Request, sample_answers

    model = gpt2(size, device).eval()
    requests = [Request((1, 2, 3, 4))] * size.decoded
    lengths = {"min_new_tokens": size.new_tokens, "max_new_tokens": size.new_tokens}
    config = DecodingConfig(**lengths, temperature=1.0, top_k=50, top_p=0.95, batch_size=size.decoded)

    def draw() -> None:
        sample_answers(model, requests, config, guidance=1.0, ends=[0], device=device, seed=0)

    return size.decoded * size.new_tokens / seconds_of(draw, rounds)


def encoder_training(size: Size, device: Any, rounds: int) -> float:
    """Fine-tune a BERT with a head by the project's own loop; return texts/s."""
    import numpy as np
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    from emotion_kedro.config.training import TrainingConfig
    from emotion_kedro.models.classifiers.encoder import EncoderClassifier
    from emotion_kedro.models.training import Task, plan_batches
    from emotion_kedro.models.training.loop import Training

    heads = max(1, size.width // 64)
    sizes: dict[str, Any] = dict(
        vocab_size=size.vocabulary,
        hidden_size=size.width,
        num_hidden_layers=size.layers,
        num_attention_heads=heads,
        intermediate_size=4 * size.width,
        num_labels=6,
        problem_type="single_label_classification",
    )
    model: Any = BertForSequenceClassification(BertConfig(**sizes)).to(device.place)
    classifier = EncoderClassifier(model, _Padding(), tuple("abcdef"), 64, {})
    encoded = texts_of(size)
    plan = plan_batches(np.array([len(ids) for ids in encoded]), steps=size.steps, batch_size=size.batch, seed=0)
    task = Task(
        name="benchmark",
        model=model,
        parameter_groups=[{"params": list(model.parameters())}],
        plan=plan,
        batch=lambda rows: {
            **classifier.batch([encoded[row] for row in rows]),
            "labels": torch.from_numpy(rows.astype(np.int64) % 6),
        },
        loss=lambda batch: classifier.outputs(batch).loss,
    )

    def train() -> None:
        run = Training(task, TrainingConfig(steps=size.steps, learning_rate=1e-5), device, seed=0)
        for _ in plan:
            run.step()

    return sum(len(rows) for rows in plan) / seconds_of(train, rounds)


class _Padding:
    pad_token_id = 0


def page(rates: dict[str, str], size: Size, options: Any) -> str:
    """Write up the rates as a Markdown page."""
    measured = (
        f"Card: {card()}."
        if card()
        else "**Not measured: no GPU was at hand.** The figures are of tiny sizes on a CPU: they show that the\n"
        "program runs, and say nothing about a card. No target has been tried; run the command on a machine with a GPU."
    )
    rows = [(name, rate, TARGETS[name]) for name, rate in rates.items()]
    return f"""# On a GPU

Written by `benchmarks/gpu.py`, not by hand.

{measured}

{markdown_table(("", "measured", "target on an H100"), rows)}

Random weights, {size.layers} layers of width {size.width}, vocabulary {size.vocabulary:,}; random texts of 8 to 40
tokens, batched by length and on a GPU padded to a multiple of 8; {size.batch} texts a step; {size.decoded} texts
decoded at once. Tokens are real ones, without padding; MFU counts 6 operations for each parameter and real token.
Decoding is the project's own sampling, up to the last token of every text.

Machine: {machine(PACKAGES)}.

    python benchmarks/gpu.py --rounds {options.rounds}
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", type=Path, metavar="PATH", help="write a Markdown page here")
    options: Any = parser.parse_args(arguments)
    from emotion_kedro.models.device import choose_device

    device = choose_device("auto")
    size = FULL if device.kind == "cuda" else TINY
    tokens, operations = generator_training(size, device, options.rounds)
    peak = next((value for name, value in PEAK_BF16.items() if name in card()), None)
    share = f", {operations / peak:.1%} MFU" if peak else ""
    rates = {
        "generator training": f"{tokens:,.0f} tokens/s{share}",
        "decoding": f"{decoding(size, device, options.rounds):,.0f} new tokens/s",
        "encoder training": f"{encoder_training(size, device, options.rounds):,.0f} texts/s",
    }
    print(f"{device}: {rates}")
    if options.write:
        options.write.write_text(page(rates, size, options), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
