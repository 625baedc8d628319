"""What the tuned generators share: the base they start from, which parameters are tuned, and where both are kept."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from emotion_kedro.config.augmentation import SCRATCH, TunedGeneratorConfig
from emotion_kedro.config.base import GENERATOR_NOTES
from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.models.device import OPENING, Device
from emotion_kedro.models.frozen import blocks_of
from emotion_kedro.models.language_models import (
    LanguageModel,
    Reference,
    fit_language_model,
    load_language_model,
    new_language_model,
    open_directory,
    open_name,
    reference_in,
    resolve,
)
from emotion_kedro.storage.cache import copy_kept
from emotion_kedro.storage.identity import contents_of, fingerprint

if TYPE_CHECKING:
    import pandas as pd

    from emotion_kedro.augmentation.generators import GenerationContext
    from emotion_kedro.config.taxonomy import TaxonomyConfig

BASES, BASE, MODELS = "bases", "base", "generators"
ALL_LABELS = "all labels"
"""What stands in a log for the rows of all labels."""
HEADING = 16
"""Tokens before a text that a model writes: where it begins, and its label."""


@dataclass(frozen=True)
class Base:
    """The model that every label's generator starts from, as it lies in the cache."""

    identity: str
    directory: Path
    under: Path | None = None
    """What it is put on, where it is adapters that name no pretrained model."""

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
        validation = watched_rows(context.validation, config, context)["text"].tolist()
        seed = context.seed_of(config)
    training = unlabelled or (config.scratch.training if config.base == SCRATCH else config.warm_up)
    if training is None:
        texts, validation, seed = [], [], 0
    # Only what the base depends on: another rate for the labels leaves it good.
    relevant = config.model_dump(
        mode="json", include={"base", "scratch", "tuning", "last_layers", "lora", "max_tokens"}
    )
    if config.base == SCRATCH:
        relevant["positions"] = _positions(config)
    identity = fingerprint(
        *(relevant, None if training is None else training.model_dump(mode="json"), texts, validation, seed),
        *(contents_of(config.base), context.device.arithmetic),
    )
    directory = context.cache.directory(BASES, identity)
    if directory is None:
        inner = replace(context, cache=context.cache.towards(BASES, identity))
        model, log = _make_base(config, training, texts, validation, seed, inner, identity)
        directory = context.cache.save_directory(
            BASES, identity, lambda path: write_with_notes(model, path, {"log": log})
        )
    return Base(identity, directory)


def _positions(config: TunedGeneratorConfig) -> int:
    """Return the tokens that a model from scratch has room for: of what it learns from, and of what it is to write."""
    return max(config.max_tokens, config.decoding.max_new_tokens + HEADING)


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
    context.device.seed(seed)
    if config.base == SCRATCH:
        model = new_language_model(texts, config.scratch, max_tokens=_positions(config), device=context.device)
    else:
        model = choose_trained(load_language_model(open_name(config.base), context.device), config)
    log = fit_language_model(
        model,
        model.encode(texts, max_tokens=config.max_tokens),
        model.encode(validation, max_tokens=config.max_tokens),
        training=training,
        name="generator_base",
        device=context.device,
        checkpoints=context.cache.work("generator_base", identity),
        seed=seed,
    )
    return model, [{"label": ALL_LABELS, "texts": len(texts), **log.as_dict()}]


@dataclass(frozen=True)
class Tuner:
    """What tunes copies of a base, one for each part of the rows: a label's, or all."""

    config: Any

    def rows_of(self, part: str, rows: pd.DataFrame, taxonomy: TaxonomyConfig) -> pd.DataFrame:
        """Return the rows of a part, ``text, label``; what is tuned on them knows no more of the taxonomy."""
        raise NotImplementedError

    def encode(self, model: LanguageModel, rows: pd.DataFrame) -> list[list[int]]:
        """Return the token ids of each row's training text."""
        raise NotImplementedError

    def kept(self, part: str, base: Base, context: GenerationContext) -> Path:
        """Return the directory of a part's model in the cache; it is tuned if it is not there yet."""
        identity = self._identity_of(part, base, context)
        directory = context.cache.directory(MODELS, identity)
        if directory is not None:
            return directory
        inner = replace(context, cache=context.cache.towards(MODELS, identity))
        model, notes = self.tune(part, base, inner)
        return context.cache.save_directory(MODELS, identity, lambda path: write_with_notes(model, path, notes))

    def tune(self, part: str, base: Base, context: GenerationContext) -> tuple[LanguageModel, dict[str, Any]]:
        """Tune a copy of the base on a part of the rows; return it with its notes."""
        rows, seed = self.rows_of(part, context.rows, context.taxonomy), context.seed_of(self.config)
        with OPENING:
            context.device.seed(seed)
            opened = open_directory(base.directory, context.device, base=base.under)
            model = choose_trained(opened, self.config)
        name = f"generator.{part}"
        log = fit_language_model(
            model,
            self.encode(model, rows),
            self.encode(model, self._validation_of(part, context)),
            training=self.config.training,
            name=name,
            device=context.device,
            checkpoints=context.cache.work(name, self._identity_of(part, base, context)),
            seed=seed,
        )
        entry = {"label": part, "texts": len(rows), **log.as_dict()}
        return model, {"label": part, "base": self.config.base, "tuning": self.config.tuning, "log": entry}

    def _validation_of(self, part: str, context: GenerationContext) -> pd.DataFrame:
        return watched_rows(self.rows_of(part, context.validation, context.taxonomy), self.config, context)

    def _identity_of(self, part: str, base: Base, context: GenerationContext) -> str:
        """Return the fingerprint of a part's model; how it is sampled has no part in it."""
        relevant = self.config.model_dump(
            mode="json", exclude={"backend", "decoding", "texts", "rows", "seed", "unlabelled", "warm_up"}
        )
        rows = self.rows_of(part, context.rows, context.taxonomy)
        validation = self._validation_of(part, context)
        return fingerprint(
            *(part, rows[["text", "label"]], validation[["text", "label"]], relevant, context.seed_of(self.config)),
            # The base is named too: a checkpoint of the same texts on another base would be another model.
            *(base.identity, context.device.arithmetic),
        )


def watched_rows(rows: pd.DataFrame, config: TunedGeneratorConfig, context: GenerationContext) -> pd.DataFrame:
    """Return the rows on which a loss is watched, drawn from the validation rows where there are more."""
    if len(rows) <= config.validation_texts:
        return rows
    return rows.sample(config.validation_texts, random_state=context.seed_of(config))


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
    if (model / "adapter_config.json").is_file() and reference_in(model) is None:
        copy_kept(base, directory / BASE)


def open_generator(model: Path, base: Path, device: Device) -> LanguageModel:
    """Open a saved generator for sampling; adapters are merged into the model they belong to."""
    return merged(open_directory(model, device, base=base))
