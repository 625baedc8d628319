"""Causal language models: opening a pretrained one, or building a small one from scratch.

A text is framed by one token, the boundary, on both sides: it starts a text and it ends it. Training and generation
share that frame, so that a generator is asked in the form it was taught.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_kedro.config.training import ScratchConfig, TrainingConfig
from emotion_kedro.models.cards import adapter_card
from emotion_kedro.models.device import Device, multiple_for, unread_mask
from emotion_kedro.models.frozen import KeptStates
from emotion_kedro.models.pretrained import PACKAGED, cache_directory, packaged_weights
from emotion_kedro.models.tokenizers import END_OF_TEXT, train_byte_level
from emotion_kedro.models.training import Task, TrainingLog, by_length, pad, plan_batches, train
from emotion_kedro.storage.whole_files import written_whole

if TYPE_CHECKING:
    from emotion_kedro.storage.cache import Work

logger = logging.getLogger(__name__)

REFERENCE = "reference.json"
VALIDATION_ROWS = 64
PLACES = 64
"""On a GPU the predicted tokens of a batch are filled up to a multiple of it, so that there are few shapes."""
IGNORED = -100
"""The target of a place that is no target."""


@dataclass(frozen=True)
class LanguageModel:
    """A causal model with its tokenizer. Where the model is adapters on another, ``reference`` names that other."""

    model: Any
    tokenizer: Any
    reference: str | None = None

    @property
    def boundary(self) -> int:
        """The token id that starts and ends a text."""
        vocabulary = self.tokenizer.get_vocab()
        if END_OF_TEXT in vocabulary:
            return int(vocabulary[END_OF_TEXT])
        return int(self.tokenizer.eos_token_id)

    def save(self, directory: Path) -> None:
        """Write model and tokenizer as ``transformers`` opens them; of an adapted model the adapters alone."""
        if self.adapted:
            # peft keeps the names in a set, whose order differs from process to process.
            config = self.model.peft_config["default"]
            config.target_modules = sorted(config.target_modules)
            # Asked to find out, peft would look for the base model on a hub.
            self.model.save_pretrained(directory, save_embedding_layers=False)
            # peft's own card names the base by a folder of this machine.
            (directory / "README.md").write_text(adapter_card(config.base_model_name_or_path), encoding="utf-8")
        else:
            self.model.save_pretrained(directory)
        if self.reference is not None:
            Reference(self.reference).save(directory)
        self.tokenizer.save_pretrained(directory)

    @property
    def adapted(self) -> bool:
        """Whether the model is low-rank adapters on another."""
        return hasattr(self.model, "peft_config")

    def encode(self, texts: Sequence[str], *, max_tokens: int) -> list[list[int]]:
        """Return each text's token ids with a boundary on both sides; a text that is cut short has none at its end."""
        if not texts:  # some versions of the tokenizer stumble over no texts at all
            return []
        boundary = self.boundary
        encoded = self.tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        return [[boundary, *ids, boundary][:max_tokens] for ids in encoded]

    def loss(self, batch: dict[str, Any]) -> Any:
        """Mean cross-entropy per token of the next token, in nats, over the tokens that are not padding.

        The output layer, which is a third of the work in a small model with a large vocabulary, sees those alone.
        """
        import torch

        def choose(_: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
            return (given[0].flatten(0, 1).index_select(0, batch["places"])[None], *given[1:])

        handle = self.model.get_output_embeddings().register_forward_pre_hook(choose)
        try:
            logits = self.model(**self.inputs(batch), use_cache=False).logits[0]
        finally:
            handle.remove()
        return torch.nn.functional.cross_entropy(logits.float(), batch["targets"])

    def inputs(self, batch: dict[str, Any]) -> dict[str, Any]:
        """Return what the model takes of a batch."""
        mask = unread_mask(self.model, batch["attention_mask"], causal=True)
        return {"input_ids": batch["input_ids"], "attention_mask": mask}

    def batch(self, rows: Sequence[Sequence[int]]) -> dict[str, Any]:
        """Return token ids and attention mask, each (rows, longest); places and targets, each (predicted tokens,).

        ``places`` counts through the tokens of all rows, padding included; ``targets`` has the token that comes next.
        """
        import torch

        most = getattr(self.model.config, "max_position_embeddings", None)
        ids, mask = pad(rows, padding=self.boundary, multiple=multiple_for(self.model), most=most)
        places = torch.from_numpy(np.flatnonzero(np.pad(mask.numpy()[:, 1:], ((0, 0), (0, 1)))))
        targets = ids.flatten()[places + 1]
        few_shapes = -len(places) % (PLACES if multiple_for(self.model) > 1 else 1)
        places = torch.nn.functional.pad(places, (0, few_shapes))
        targets = torch.nn.functional.pad(targets, (0, few_shapes), value=IGNORED)
        return {"input_ids": ids, "attention_mask": mask, "places": places, "targets": targets}

    def mean_loss(
        self, encoded: list[list[int]], *, device: Device, batch_size: int, kept: KeptStates | None = None
    ) -> float:
        """Return the cross-entropy per token over all texts, in nats (its exponential is the perplexity)."""
        import torch

        kept = kept or KeptStates()
        loss = kept.loss(self.loss)
        batches = by_length(encoded, batch_size)
        predicted = [sum(len(encoded[row]) - 1 for row in rows) for rows in batches]
        losses = []
        self.model.eval()
        for rows in batches:
            batch = device.put(kept.batch(self.batch([encoded[row] for row in rows])))
            with torch.inference_mode(), device.autocast():
                losses.append(loss(batch))
        return float(np.average(torch.stack(losses).tolist(), weights=predicted))

    def run(self, rows: Sequence[Sequence[int]], *, device: Device) -> None:
        """Run the model on some texts' token ids, for those who look into it."""
        self.model(**self.inputs(device.put(self.batch(rows))), use_cache=False)


@dataclass(frozen=True)
class Reference:
    """A pretrained model that stays where it is: its directory or its name on a hub, instead of a copy."""

    name: str

    def save(self, directory: Path) -> None:
        """Write the name."""
        (directory / REFERENCE).write_text(json.dumps({"model": self.name}), encoding="utf-8")


def resolve(directory: Path) -> str:
    """Return what ``from_pretrained`` opens: the directory itself, or what the reference in it names."""
    name = reference_in(directory)
    return str(directory) if name is None else open_name(name)


def reference_in(directory: Path) -> str | None:
    """Return the name that :meth:`Reference.save` wrote there, if it did."""
    file = directory / REFERENCE
    return json.loads(file.read_text(encoding="utf-8"))["model"] if file.is_file() else None


def open_name(name: str) -> str:
    """Return what ``from_pretrained`` opens for a model's name in the parameters; dequantises packaged GGUF once."""
    if name not in PACKAGED:
        return name
    directory = packaged_weights(name)
    weights = PACKAGED[name]
    if not weights.file.endswith(".gguf"):
        return str(directory)
    target = cache_directory() / f"{name.removeprefix('package:')}-{weights.sha256[:12]}"
    if not target.is_dir():
        _dequantise(directory, weights.file, target)
    return str(target)


def _dequantise(directory: Path, file: str, target: Path) -> None:
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    logger.info("dequantising %s once, about half a minute; it is kept in %s", file, target)
    model: Any = AutoModelForCausalLM.from_pretrained(directory, gguf_file=file, dtype=torch.float32)
    tokenizer = AutoTokenizer.from_pretrained(directory, gguf_file=file)
    for holder in (model, model.config):
        for name in ("quantization_config", "hf_quantizer", "is_quantized", "quantization_method"):
            if name in vars(holder):
                delattr(holder, name)
    with written_whole(target, replace=False) as staging:
        LanguageModel(model, tokenizer).save(staging)


def load_language_model(name: str, device: Device) -> LanguageModel:
    """Open a causal model and its tokenizer by directory or hub name and put it on the device, in fp32."""
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer

    opened: Any = AutoModelForCausalLM.from_pretrained(name, dtype=torch.float32, output_loading_info=True)
    model, loading = opened
    if lacking := sorted(loading["missing_keys"]):  # they would be noise, silently
        raise ValueError(f"{name} lacks {len(lacking)} weights of a language model, {lacking[0]} among them")
    return LanguageModel(model.to(device.place), AutoTokenizer.from_pretrained(name))


def open_directory(directory: Path, device: Device, *, base: Path | None = None) -> LanguageModel:
    """Open a saved model, whole or as adapters, ready to be trained on.

    Args:
        directory: what :meth:`LanguageModel.save` or :meth:`Reference.save` wrote.
        device: where it goes.
        base: what adapters that name no reference are put on.
    """
    if not (directory / "adapter_config.json").is_file():
        return load_language_model(resolve(directory), device)
    from peft import PeftModel

    reference = reference_in(directory)
    under = load_language_model(resolve(directory if reference else base or directory), device)
    adapted = PeftModel.from_pretrained(under.model, directory, is_trainable=True)
    return LanguageModel(adapted, under.tokenizer, reference)


def new_language_model(
    texts: Sequence[str], scratch: ScratchConfig, *, max_tokens: int, device: Device
) -> LanguageModel:
    """Return a small GPT-2 that knows nothing yet, with its own tokenizer, learned from ``texts``."""
    from transformers import GPT2Config, GPT2LMHeadModel

    tokenizer = train_byte_level(texts, vocabulary=scratch.vocabulary)
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_positions=max(max_tokens, 64),
        n_embd=scratch.width,
        n_layer=scratch.layers,
        n_head=scratch.heads,
        bos_token_id=0,
        eos_token_id=0,
        pad_token_id=1,
    )
    model: Any = GPT2LMHeadModel(config)
    return LanguageModel(model.to(device.place), tokenizer)


def fit_language_model(
    language_model: LanguageModel,
    encoded: list[list[int]],
    validation: list[list[int]],
    *,
    training: TrainingConfig,
    name: str,
    device: Device,
    checkpoints: Work,
    seed: int,
) -> TrainingLog:
    """Train those parameters of the model that require a gradient on the encoded texts."""
    lengths = np.array([len(row) for row in encoded])
    plan = plan_batches(lengths, steps=training.steps_for(len(encoded)), batch_size=training.batch_size, seed=seed)
    run = partial(language_model.run, device=device)
    kept = KeptStates.of(language_model.model, run, encoded, plan, device, validation)

    def validation_loss() -> float:
        return language_model.mean_loss(validation, device=device, batch_size=VALIDATION_ROWS, kept=kept)

    task = Task(
        name=name,
        model=language_model.model,
        parameter_groups=[{"params": [value for value in language_model.model.parameters() if value.requires_grad]}],
        plan=plan,
        batch=lambda rows: kept.batch(language_model.batch([encoded[row] for row in rows])),
        loss=kept.loss(language_model.loss),
        validation_loss=validation_loss if validation else None,
        frozen=kept.modules,
        targets=lambda batch: int((batch["targets"] != IGNORED).sum()),
    )
    return train(task, training, device=device, checkpoints=checkpoints, seed=seed)
