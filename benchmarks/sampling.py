"""New tokens a second: this project's sampling beside ``generate`` of transformers, with and without guidance.

    python benchmarks/sampling.py [--rows 48] [--tokens 16] [--rounds 3] [--write docs/benchmarks/sampling.md]

All ways draw the same number of tokens from the same model, in turns; seconds are those of the processor.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from measuring import in_turns, machine, rates_table

from emotion_kedro.config.augmentation import DecodingConfig
from emotion_kedro.models.decoding import Request, sample_answers
from emotion_kedro.models.device import choose_device
from emotion_kedro.models.language_models import LanguageModel, load_language_model, open_name


def generated(model: LanguageModel, rows: int, tokens: int) -> Any:
    import torch

    start = torch.full((rows, 1), model.boundary)
    lengths = {"min_new_tokens": tokens, "max_new_tokens": tokens, "pad_token_id": model.boundary}
    with torch.inference_mode():
        return model.model.generate(
            start, attention_mask=torch.ones_like(start), do_sample=True, top_k=50, top_p=0.95, **lengths
        )


def sampled(model: LanguageModel, rows: int, tokens: int, guidance: float) -> Any:
    decoding = DecodingConfig(min_new_tokens=tokens, max_new_tokens=tokens, top_k=50, top_p=0.95)
    request = Request((model.boundary,), (model.boundary,))
    return sample_answers(
        model.model,
        [request] * rows,
        decoding,
        guidance=guidance,
        ends=[model.boundary],
        device=choose_device("cpu"),
        seed=0,
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, default in (("rows", 48), ("tokens", 16), ("rounds", 3), ("threads", 1)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--base", default="package:smollm2")
    parser.add_argument("--write", type=Path)
    options = parser.parse_args()
    import torch

    torch.set_num_threads(options.threads)
    model = load_language_model(open_name(options.base), choose_device("cpu"))
    rows, tokens = options.rows, options.tokens
    # Of three times the rows a third of the seconds counts.
    ways: dict[str, tuple[int, Callable[[], Any]]] = {
        f"generate, {rows} rows": (rows, partial(generated, model, rows, tokens)),
        f"ours, {rows} rows": (rows, partial(sampled, model, rows, tokens, 1.0)),
        f"ours, {3 * rows} rows": (3 * rows, partial(sampled, model, 3 * rows, tokens, 1.0)),
        f"ours, guided, {rows} rows": (rows, partial(sampled, model, rows, tokens, 2.0)),
    }
    seconds = in_turns({name: way for name, (_, way) in ways.items()}, rounds=options.rounds, clock="process")
    by_token = {name: [value / ways[name][0] * rows for value in values] for name, values in seconds.items()}
    table = rates_table(by_token, work=rows * tokens, unit="new tokens", baseline=next(iter(ways)))
    page = f"""# Sampling

{table}

Processor seconds, all ways in turns, {options.rounds} rounds, {tokens} tokens a text, top 50, nucleus .95.

Guidance reads every token twice, so that its rate is about half the unguided one by its nature.

{machine(("torch", "transformers"))}
"""
    print(page)
    if options.write is not None:
        options.write.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
