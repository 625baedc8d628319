"""What the tuned generators share: the base they start from, which parameters are tuned, and where both are kept."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_kedro.config.augmentation import SCRATCH, TunedGeneratorConfig
from emotion_kedro.config.base import GENERATOR_NOTES
from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.models.device import Device
from emotion_kedro.models.language_models import (
    REFERENCE,
    LanguageModel,
    Reference,
    blocks_of,
    fit_language_model,
    load_language_model,
    open_directory,
    open_name,
    resolve,
    train_from_scratch,
)
from emotion_kedro.models.training import TrainingLog
from emotion_kedro.storage.cache import Work, copy_kept
from emotion_kedro.storage.identity import contents_of, fingerprint

if TYPE_CHECKING:
    from emotion_kedro.augmentation.generators import GenerationContext

BASES, BASE = "bases", "base"


@dataclass(frozen=True)
class Base:
    """The model that every label's generator starts from, as it lies in the cache."""

    identity: str
    directory: Path

    @property
    def log(self) -> list[dict[str, Any]]:
        """Its training log, in a list; none where it is a pretrained model as it is."""
        log: list[dict[str, Any]] = read_notes(self.directory)["log"]
        return log


def prepare_base(config: TunedGeneratorConfig, context: GenerationContext) -> Base:
    """Return the base, made once for all draws that it is the same for.

    ``scratch`` is trained, and a pretrained model tuned where ``warm_up`` or ``unlabelled`` says so: labels share the
    cost of learning how such texts are written; otherwise the pretrained model is only pointed to.
    """
    unlabelled: TrainingConfig | None = getattr(config, "unlabelled", None)
    texts, validation, seed = context.unlabelled["text"].tolist(), [], config.seed
    if unlabelled is None:
        texts = context.rows["text"].tolist()
        validation = validation_texts(context.validation["text"].tolist(), config, context)
        seed = context.seed_of(config)
    training = unlabelled or (config.scratch.training if config.base == SCRATCH else config.warm_up)
    if training is None:
        texts, validation, seed = [], [], 0
    # Only what the base depends on: another rate for the labels leaves it good.
    relevant = config.model_dump(
        mode="json", include={"base", "scratch", "tuning", "last_layers", "lora", "max_tokens"}
    )
    identity = fingerprint(
        *(relevant, None if training is None else training.model_dump(mode="json"), texts, validation, seed),
        *(contents_of(config.base), context.device.kind),
    )
    directory = context.cache.directory(BASES, identity)
    if directory is None:
        inner = replace(context, cache=context.cache.towards(BASES, identity))
        model, log = _make_base(config, training, texts, validation, seed, inner, identity)
        directory = context.cache.save_directory(
            BASES, identity, lambda path: write_with_notes(model, path, {"log": log})
        )
    return Base(identity, directory)


def _make_base(
    config: TunedGeneratorConfig,
    training: TrainingConfig | None,
    texts: list[str],
    validation: list[str],
    seed: int,
    context: GenerationContext,
    identity: str,
) -> tuple[LanguageModel | Reference, list[dict[str, Any]]]:
    if training is None:
        return Reference(config.base), []
    work = context.cache.work("generator_base", identity)
    if config.base == SCRATCH:
        model, log = train_from_scratch(
            texts,
            validation,
            config.scratch.model_copy(update={"training": training}),
            max_tokens=config.max_tokens,
            device=context.device,
            checkpoints=work,
            seed=seed,
        )
    else:
        context.device.seed(seed)
        model = choose_trained(load_language_model(open_name(config.base), context.device), config)
        log = fit(
            model,
            texts,
            validation,
            config,
            training,
            name="generator_base",
            seed=seed,
            device=context.device,
            work=work,
        )
    return model, [{"label": "all labels", "texts": len(texts), **log.as_dict()}]


def fit(
    model: LanguageModel,
    texts: Sequence[str],
    validation: Sequence[str],
    config: TunedGeneratorConfig,
    training: TrainingConfig,
    *,
    name: str,
    seed: int,
    device: Device,
    work: Work,
) -> TrainingLog:
    """Tune a language model on texts; its loss is watched on the validation texts, if there are any."""
    return fit_language_model(
        model,
        model.encode(texts, max_tokens=config.max_tokens),
        model.encode(validation, max_tokens=config.max_tokens),
        training=training,
        name=name,
        device=device,
        checkpoints=work,
        seed=seed,
    )


def validation_texts(texts: list[str], config: TunedGeneratorConfig, context: GenerationContext) -> list[str]:
    """Return the texts on which a loss is watched, drawn from the validation texts where there are more."""
    if len(texts) <= config.validation_texts:
        return texts
    import pandas as pd

    return pd.Series(texts, dtype="str").sample(config.validation_texts, random_state=context.seed_of(config)).tolist()


def has_dropout(directory: Path) -> bool:
    """Whether something in a kept base is dropped at random in training."""
    from transformers import AutoConfig

    settings = AutoConfig.from_pretrained(resolve(directory)).to_dict()
    return any("drop" in name and isinstance(value, float) and value > 0 for name, value in settings.items())


def choose_trained(language_model: LanguageModel, config: TunedGeneratorConfig) -> LanguageModel:
    """Mark the parameters that are tuned; with LoRA, put adapters on them unless the base has them already."""
    model = language_model.model
    if config.tuning == "full" or language_model.adapted:
        return language_model
    blocks = blocks_of(model)
    first = len(blocks) - min(config.last_layers or len(blocks), len(blocks))
    if config.tuning == "lora":
        reference = None if config.base == SCRATCH else config.base
        return LanguageModel(_with_adapters(model, blocks[first:], config), language_model.tokenizer, reference)
    model.requires_grad_(False)
    for block in blocks[first:]:
        block.requires_grad_(True)
    return language_model


def _with_adapters(model: Any, blocks: Any, config: TunedGeneratorConfig) -> Any:
    import torch
    from peft import LoraConfig, get_peft_model
    from transformers.pytorch_utils import Conv1D

    inside = {id(module) for block in blocks for module in block.modules()}
    linear = {
        name: module
        for name, module in model.named_modules()
        if id(module) in inside and isinstance(module, torch.nn.Linear | Conv1D)
    }
    adapters = LoraConfig(
        task_type="CAUSAL_LM",
        r=config.lora.rank,
        lora_alpha=config.lora.alpha,
        lora_dropout=config.lora.dropout,
        target_modules=list(linear),
        # GPT-2's own linear layer keeps its weight the other way round.
        fan_in_fan_out=any(isinstance(module, Conv1D) for module in linear.values()),
    )
    adapted = get_peft_model(model, adapters)
    # The saved adapters name their base as the parameters do, not by a folder of this machine.
    adapted.peft_config["default"].base_model_name_or_path = config.base
    return adapted


def merged(language_model: LanguageModel) -> LanguageModel:
    """Return the model with its adapters merged into it: decoding costs then what it costs in the base."""
    if not language_model.adapted:
        return language_model
    return LanguageModel(language_model.model.merge_and_unload(), language_model.tokenizer)


def write_with_notes(model: LanguageModel | Reference, directory: Path, notes: dict[str, Any]) -> None:
    """Write a model, and beside it what made it."""
    model.save(directory)
    (directory / GENERATOR_NOTES).write_text(json.dumps(notes, indent=2), encoding="utf-8")


def read_notes(directory: Path) -> dict[str, Any]:
    """Return what :func:`write_with_notes` wrote beside a model."""
    notes: dict[str, Any] = json.loads((directory / GENERATOR_NOTES).read_text(encoding="utf-8"))
    return notes


def copy_base_for(model: Path, base: Path, directory: Path) -> None:
    """Copy the base into a generator's directory, where its model is adapters that name no pretrained one."""
    if (model / "adapter_config.json").is_file() and not (model / REFERENCE).is_file():
        copy_kept(base, directory / BASE)


def open_generator(model: Path, base: Path, device: Device) -> LanguageModel:
    """Open a saved generator for sampling; adapters are merged into the model they belong to."""
    return merged(open_directory(model, device, base=base))
