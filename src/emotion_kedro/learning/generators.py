"""Generators: a causal language model tuned on the bare texts of one label, and sampled.

The report trains one GPT-2 per label on texts alone, without a prompt; so does this. What is tuned is a parameter: the
whole model, its top blocks, or low-rank adapters on them.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from emotion_kedro.learning.checkpoints import Checkpoints
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.language_models import (
    LanguageModel,
    Reference,
    blocks_of,
    fit_language_model,
    load_language_model,
    open_directory,
    open_name,
    train_from_scratch,
)
from emotion_kedro.learning.training import TrainingLog
from emotion_kedro.learning.weights import SCRATCH
from emotion_kedro.options import DecodingOptions, GenerationOptions, TrainingOptions

logger = logging.getLogger(__name__)

NOTES = "generator.json"


@dataclass(frozen=True)
class Generator:
    """A tuned language model that writes texts of one label."""

    label: str
    language_model: LanguageModel
    notes: dict[str, Any]

    def save(self, directory: Path) -> None:
        """Write the model, or its adapters alone where there are any, with tokenizer and notes."""
        self.language_model.save(directory)
        (directory / NOTES).write_text(json.dumps(self.notes, indent=2), encoding="utf-8")

    def sample(self, rows: int, decoding: DecodingOptions, *, device: Device, seed: int) -> list[str]:
        """Draw ``rows`` texts; the same seed draws the same texts.

        Returns texts without special tokens and outer white space; some may be empty.
        """
        import torch
        from transformers import LogitsProcessorList

        model, tokenizer = self.language_model.model, self.language_model.tokenizer
        boundary = self.language_model.boundary
        device.seed(seed)
        model.eval()
        start = torch.full((rows, 1), boundary, dtype=torch.long, device=device.place)
        with torch.inference_mode(), device.autocast():
            drawn = model.generate(
                input_ids=start,
                attention_mask=torch.ones_like(start),
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                logits_processor=LogitsProcessorList(
                    [nucleus(decoding.top_k, decoding.top_p, temperature=decoding.temperature)]
                ),
                min_new_tokens=decoding.min_new_tokens,
                max_new_tokens=decoding.max_new_tokens,
                eos_token_id=boundary,
                pad_token_id=boundary,
            )
        # Every row started from the same single token, so that one slice is right for all.
        texts = tokenizer.batch_decode(drawn[:, 1:], skip_special_tokens=True)
        return [" ".join(text.split()) for text in texts]


def nucleus(top_k: int, top_p: float, *, temperature: float = 1.0) -> Any:
    """Return a logits processor that keeps the smallest set of tokens with probability ``top_p`` among the top k.

    Logits are divided by the temperature first, as is usual; ``generate`` would do so after processors of ours.

    Nucleus sampling (Holtzman et al. 2020, arXiv 1904.09751), restricted to the k likeliest tokens first: sorting k
    numbers instead of the whole vocabulary, which dominates the cost of sampling a small model.
    """
    import torch
    from transformers import LogitsProcessor

    class Nucleus(LogitsProcessor):
        def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
            values, indices = (scores / temperature).topk(min(top_k, scores.shape[-1]), dim=-1)  # sorted, (rows, k)
            before = values.softmax(dim=-1).cumsum(dim=-1).roll(1, dims=-1)
            before[:, 0] = 0.0
            values = values.masked_fill(before >= top_p, float("-inf"))
            return torch.full_like(scores, float("-inf")).scatter(-1, indices, values)

    return Nucleus()


@dataclass(frozen=True)
class Texts:
    """What a language model is tuned on, and the texts on which its loss is watched (none: no early stop)."""

    train: Sequence[str]
    validation: Sequence[str]


def prepare_base(
    texts: Texts, options: GenerationOptions, *, device: Device, checkpoints: Checkpoints
) -> tuple[LanguageModel | Reference, TrainingLog]:
    """Make the model that every label's generator starts from.

    ``scratch`` is trained on the texts of all labels; a pretrained model is tuned on them where ``warm_up`` says so, so
    that the labels share the cost of learning how such texts are written; otherwise it is only pointed to.
    """
    if options.base == SCRATCH:
        return train_from_scratch(
            texts.train,
            texts.validation,
            options.scratch,
            max_tokens=options.max_tokens,
            device=device,
            checkpoints=checkpoints,
            seed=options.seed,
        )
    if options.warm_up is None:
        return Reference(options.base), TrainingLog("base")
    device.seed(options.seed)
    language_model = choose_trained(load_language_model(open_name(options.base), device), options)
    log = _fit(language_model, texts, options, options.warm_up, name="base", device=device, checkpoints=checkpoints)
    return language_model, log


def train_generator(
    base: Path,
    texts: Texts,
    *,
    label: str,
    options: GenerationOptions,
    device: Device,
    checkpoints: Checkpoints,
    under: Path | None = None,
) -> tuple[Generator, TrainingLog]:
    """Tune a copy of the base model on the texts of one label.

    Args:
        base: directory that :func:`prepare_base`'s result was saved to; or a generator's, to tune it further.
        texts: texts of the label.
        label: the label; names the generator.
        options: what is tuned, and for how long.
        device: where.
        checkpoints: what a killed run goes on from.
        under: where ``base`` is a generator of adapters: what :func:`prepare_base` made.

    Raises:
        ValueError: if there are no train texts.
    """
    if not texts.train:
        raise ValueError(f"the label {label!r} has no train texts; raise sampling.cap or add a source that has it")
    device.seed(options.seed)
    language_model = choose_trained(open_directory(base, device, base=under), options)
    log = _fit(
        language_model,
        texts,
        options,
        options.training,
        name=f"generator.{label}",
        device=device,
        checkpoints=checkpoints,
    )
    notes = {"label": label, "base": options.base, "tuning": options.tuning, "texts": len(texts.train)}
    return Generator(label, language_model, {**notes, "log": log.as_dict()}), log


def _fit(
    language_model: LanguageModel,
    texts: Texts,
    options: GenerationOptions,
    training: TrainingOptions,
    *,
    name: str,
    device: Device,
    checkpoints: Checkpoints,
) -> TrainingLog:
    return fit_language_model(
        language_model,
        language_model.encode(texts.train, max_tokens=options.max_tokens),
        language_model.encode(texts.validation, max_tokens=options.max_tokens),
        options=training,
        name=name,
        device=device,
        checkpoints=checkpoints,
        seed=options.seed,
    )


def choose_trained(language_model: LanguageModel, options: GenerationOptions) -> LanguageModel:
    """Mark the parameters that are tuned; with LoRA, put adapters on them unless the base has them already."""
    model = language_model.model
    if options.tuning == "full" or language_model.adapted:
        return language_model
    blocks = blocks_of(model)
    first = len(blocks) - min(options.last_layers or len(blocks), len(blocks))
    if options.tuning == "lora":
        reference = None if options.base == SCRATCH else options.base
        return LanguageModel(_with_adapters(model, blocks[first:], options), language_model.tokenizer, reference)
    model.requires_grad_(False)
    for block in blocks[first:]:
        block.requires_grad_(True)
    return language_model


def _with_adapters(model: Any, blocks: Any, options: GenerationOptions) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers.pytorch_utils import Conv1D

    inside = {id(module) for block in blocks for module in block.modules()}
    linear = {
        name: module
        for name, module in model.named_modules()
        if id(module) in inside and isinstance(module, torch.nn.Linear | Conv1D)
    }
    config = LoraConfig(
        task_type="CAUSAL_LM",
        r=options.lora.rank,
        lora_alpha=options.lora.alpha,
        lora_dropout=options.lora.dropout,
        target_modules=list(linear),
        # GPT-2's own linear layer keeps its weight the other way round.
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in linear.values()),
    )
    adapted = get_peft_model(model, config)
    # The saved adapters name their base as the parameters do, not by a folder of this machine.
    adapted.peft_config["default"].base_model_name_or_path = options.base
    return adapted


def load_generator(directory: Path, base: Path, device: Device) -> Generator:
    """Open a saved generator for sampling; adapters are put on the base model they belong to, and merged."""
    notes = json.loads((directory / NOTES).read_text(encoding="utf-8"))
    language_model = open_directory(directory, device, base=base)
    if language_model.adapted:
        # Merged, a step of decoding costs what it costs in the base model.
        language_model = LanguageModel(language_model.model.merge_and_unload(), language_model.tokenizer)
    return Generator(notes["label"], language_model, notes)
