"""Masked language models: opening one with a trained head, or training one on raw text.

The objective is BERT's (Devlin et al. 2019, arXiv 1810.04805), with the masks of ``DataCollatorForLanguageModeling``:
15 % of the tokens are to be predicted, of which 80 % are hidden by ``[MASK]``, 10 % replaced by another token and 10 %
left as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_kedro.config.augmentation import SCRATCH
from emotion_kedro.config.models import MaskedLanguageModelConfig, SmallEncoderConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.models.cards import masked_base_card
from emotion_kedro.models.device import Device
from emotion_kedro.models.language_models import Reference, open_name
from emotion_kedro.models.prompts import Prompt
from emotion_kedro.models.tokenizers import open_tokenizer, train_wordpiece
from emotion_kedro.models.training import Task, TrainingLog, by_length, plan_batches, train

if TYPE_CHECKING:
    from emotion_kedro.storage.cache import Work

IGNORED = -100  # a target that counts for nothing
POSITIONS = 512
INFERENCE_ROWS = 64
BERT_WIDTH, BERT_SPREAD = 768, 0.02  # BERT-base's width, and the spread that its weights are drawn with


@dataclass
class MaskedModel:
    """A masked language model with its tokenizer."""

    model: Any
    tokenizer: Any
    base: str
    log: TrainingLog | None = None

    def save(self, directory: Path) -> None:
        """Write weights, tokenizer and a card, as ``transformers`` opens them for ``fill-mask``."""
        self.model.save_pretrained(directory)
        self.tokenizer.save_pretrained(directory)
        log = {} if self.log is None else self.log.as_dict()
        (directory / "README.md").write_text(masked_base_card(self.base, log), encoding="utf-8")

    def encode(self, texts: Sequence[str], *, max_tokens: int) -> list[list[int]]:
        """Return each text's token ids between ``[CLS]`` and ``[SEP]``, at most ``max_tokens`` in all."""
        ids: list[list[int]] = self.tokenizer(list(texts), truncation=True, max_length=max_tokens)["input_ids"]
        return ids

    def loss(self, batch: dict[str, Any]) -> Any:
        """Return the mean cross-entropy per masked token, in nats."""
        return masked_loss(self.model, batch)

    def collator(self, share: float, *, seed: int | None = None) -> Any:
        """Return what makes rows of token ids into ``input_ids``, ``attention_mask`` and ``labels``, (rows, longest).

        Without a ``seed`` its masks come from torch's own random numbers, which the training loop seeds at every step.
        """
        from transformers import DataCollatorForLanguageModeling

        return DataCollatorForLanguageModeling(self.tokenizer, mlm_probability=share, seed=seed)


def masked_loss(model: Any, batch: dict[str, Any]) -> Any:
    """Return the mean cross-entropy, in nats, over the tokens with a target.

    Only those go through the head: its projection on to the vocabulary is the larger part of a small model's work.
    """
    import torch

    hidden = model.base_model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    chosen = batch["labels"] != IGNORED
    logits = head_of(model)(hidden[chosen])  # (chosen tokens, vocabulary)
    if not len(logits):
        # Nothing but unknown tokens in the whole batch: nothing to learn, but a gradient of zeros.
        return hidden.sum() * 0.0
    return torch.nn.functional.cross_entropy(logits.float(), batch["labels"][chosen])


def head_of(model: Any) -> Any:
    """Return what turns a masked model's hidden states, (..., width), into logits, (..., vocabulary).

    Raises:
        ValueError: if the architecture keeps it under a name that is not known here.
    """
    for name in ("cls", "lm_head"):
        if hasattr(model, name):
            return getattr(model, name)
    raise ValueError(f"{type(model).__name__} has no masked-LM head called cls or lm_head; take a BERT or RoBERTa")


def open_masked(name: str, device: Device, *, new_head: bool = False, max_tokens: int | None = None) -> tuple[Any, Any]:
    """Open a masked language model and its tokenizer by directory or hub name, in fp32.

    Args:
        name: what the parameters call it.
        device: where it goes.
        new_head: whether the head may be new; it is drawn at random then.
        max_tokens: what the tokenizer has to let pass, at least.

    Raises:
        ValueError: if weights of the body are missing, or those of the head while it may not be new.
    """
    import torch
    from transformers import AutoModelForMaskedLM

    path = open_name(name)
    model: Any
    model, loading = AutoModelForMaskedLM.from_pretrained(path, output_loading_info=True, dtype=torch.float32)
    missing = sorted(loading["missing_keys"])
    body = [key for key in missing if key.startswith(f"{model.base_model_prefix}.")]
    if body:
        raise ValueError(f"{name} lacks {len(body)} weights of its encoder, {body[0]} among them: it is no masked LM")
    if missing and not new_head:
        raise ValueError(
            f"{name} has no trained masked-LM head (its weights lack {missing[0]}): its answers at [MASK] would be "
            "noise. Take a checkpoint that has one (bert-base-uncased), or train one: an entry of the experiment's "
            "bases with a training (steps, batch_size, learning_rate), which a learner names as its base_model"
        )
    return model.to(device.place), open_tokenizer(path, max_tokens=max_tokens)


def prepare_masked_base(
    texts: Sequence[str],
    validation: Sequence[str],
    config: MaskedLanguageModelConfig,
    *,
    taxonomy: TaxonomyConfig,
    device: Device,
    checkpoints: Work,
) -> tuple[MaskedModel | Reference, TrainingLog]:
    """Make the masked language model that learners start from.

    Without ``training`` a checkpoint that has a trained head is only pointed to; with it, the model (a small new one
    for ``scratch``) is trained on the raw texts.

    The loss is watched on the validation texts, which may be empty. The tokenizer of a new model knows the taxonomy's
    prompt.

    Raises:
        ValueError: if the head of a checkpoint that is used as it is was not found.
    """
    if config.training is None:
        open_masked(config.base, device)
        return Reference(config.base), TrainingLog("masked_base")
    # New weights are drawn at random: the seed decides them.
    device.seed(config.seed)
    if config.base == SCRATCH:
        masked = _small_encoder(texts, config, Prompt.of(taxonomy).texts(), device)
    else:
        masked = MaskedModel(*open_masked(config.base, device, new_head=True), base=config.base)
    task = _task(masked, texts, validation, config, config.training, device)
    masked.log = train(task, config.training, device=device, checkpoints=checkpoints, seed=config.seed)
    return masked, masked.log


def _small_encoder(
    texts: Sequence[str], config: MaskedLanguageModelConfig, required: Sequence[str], device: Device
) -> MaskedModel:
    from transformers import BertForMaskedLM

    tokenizer = train_wordpiece(texts, vocabulary=config.scratch.vocabulary, required=required)
    model: Any = BertForMaskedLM(_bert_config(config.scratch, len(tokenizer), tokenizer.pad_token_id))
    return MaskedModel(model.to(device.place), tokenizer, base=SCRATCH)


def _bert_config(config: SmallEncoderConfig, vocabulary: int, padding: int) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=vocabulary,
        hidden_size=config.width,
        num_hidden_layers=config.layers,
        num_attention_heads=config.heads,
        intermediate_size=4 * config.width,
        max_position_embeddings=POSITIONS,
        pad_token_id=padding,
        # Keeps sums over the width as large as in BERT-base; with a smaller spread a small model learns slowly.
        initializer_range=BERT_SPREAD * math.sqrt(BERT_WIDTH / config.width),
    )


def _task(
    masked: MaskedModel,
    texts: Sequence[str],
    validation: Sequence[str],
    config: MaskedLanguageModelConfig,
    training: TrainingConfig,
    device: Device,
) -> Task:
    encoded = masked.encode(texts, max_tokens=config.max_tokens)
    steps, collate = training.steps_for(len(encoded)), masked.collator(config.masked_share)
    lengths = np.array([len(row) for row in encoded])
    return Task(
        name="masked_base",
        model=masked.model,
        parameter_groups=_groups(masked.model, 1.0 if config.base == SCRATCH else config.head_rate),
        plan=plan_batches(lengths, steps=steps, batch_size=training.batch_size, seed=config.seed),
        batch=lambda rows: dict(collate([{"input_ids": encoded[row]} for row in rows])),
        loss=masked.loss,
        validation_loss=_validation(masked, validation, config, device),
    )


def _groups(model: Any, head_rate: float) -> list[dict[str, Any]]:
    """Return body and head as parameter groups; the decoder is tied to the embeddings and goes with the body."""
    inside = {id(value) for value in model.base_model.parameters()}
    head = [value for value in model.parameters() if id(value) not in inside]
    return [{"params": list(model.base_model.parameters())}, {"params": head, "rate": head_rate}]


def _validation(
    masked: MaskedModel, texts: Sequence[str], config: MaskedLanguageModelConfig, device: Device
) -> Callable[[], float] | None:
    """Return what computes the loss on the validation texts, under the same masks every time; None without texts."""
    if not texts:
        return None
    import torch

    encoded = masked.encode(texts, max_tokens=config.max_tokens)
    collate = masked.collator(config.masked_share, seed=config.seed)
    batches = [
        dict(collate([{"input_ids": encoded[row]} for row in rows])) for rows in by_length(encoded, INFERENCE_ROWS)
    ]

    def loss() -> float:
        masked.model.eval()
        total, tokens = 0.0, 0
        with torch.inference_mode():
            for batch in batches:
                chosen = int((batch["labels"] != IGNORED).sum())
                with device.autocast():
                    total += float(masked.loss(device.put(batch))) * chosen
                tokens += chosen
        return total / max(1, tokens)

    return loss
