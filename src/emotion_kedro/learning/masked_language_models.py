"""Masked language models: opening one with a trained head, or training one on raw text.

The objective is BERT's (Devlin et al. 2019, arXiv 1810.04805): of each text 15 % of the tokens are to be predicted,
of which 80 % are hidden by ``[MASK]``, 10 % replaced by another token and 10 % left as they are.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from emotion_kedro.learning.batches import by_length, pad, plan_batches
from emotion_kedro.learning.checkpoints import Checkpoints
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.generators import Texts
from emotion_kedro.learning.language_models import Reference, open_name
from emotion_kedro.learning.masked_cards import masked_base_card
from emotion_kedro.learning.training import Task, TrainingLog, train
from emotion_kedro.learning.vocabularies import train_wordpiece
from emotion_kedro.learning.weights import SCRATCH
from emotion_kedro.options import MaskedLanguageModelOptions, SmallEncoderOptions, TrainingOptions

if TYPE_CHECKING:
    import torch

IGNORED = -100  # a target that counts for nothing
HIDDEN_SHARE, REPLACED_SHARE = 0.8, 0.1
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

    def masked_batch(
        self, rows: Sequence[Sequence[int]], share: float, generator: torch.Generator | None = None
    ) -> dict[str, Any]:
        """Return token ids with masks, attention mask and targets, each (rows, longest)."""
        import torch

        ids, attention = pad(rows, padding=self.tokenizer.pad_token_id)
        open_to_masks = ~torch.isin(ids, torch.tensor(self.tokenizer.all_special_ids))
        ids, targets = mask_tokens(
            ids,
            open_to_masks,
            share=share,
            mask=self.tokenizer.mask_token_id,
            vocabulary=len(self.tokenizer),
            generator=generator,
        )
        return {"input_ids": ids, "attention_mask": attention, "targets": targets}

    def loss(self, batch: dict[str, Any]) -> Any:
        """Return the mean cross-entropy per masked token, in nats."""
        return masked_loss(self.model, batch)


def mask_tokens(
    ids: torch.Tensor,
    open_to_masks: torch.Tensor,
    *,
    share: float,
    mask: int,
    vocabulary: int,
    generator: torch.Generator | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    """Choose tokens of each row and hide them, after BERT.

    Args:
        ids: token ids, (rows, longest).
        open_to_masks: which of them may be chosen, (rows, longest): no special tokens, no padding.
        share: of a row's open tokens that is chosen, rounded, but at least one.
        mask: id of ``[MASK]``.
        vocabulary: number of ids that a replaced token is drawn from.
        generator: random numbers; None: torch's own, which the training loop seeds at every step.

    Returns:
        The ids as the model sees them, and the targets: the true id where a token was chosen, -100 elsewhere.
    """
    import torch

    draw = torch.rand(ids.shape, generator=generator).masked_fill(~open_to_masks, 2.0)
    rank = draw.argsort(dim=1).argsort(dim=1)
    wanted = (open_to_masks.sum(dim=1, keepdim=True) * share).round().clamp(min=1)
    chosen = (rank < wanted) & open_to_masks
    fate = torch.rand(ids.shape, generator=generator)
    others = torch.randint(vocabulary, ids.shape, generator=generator)
    seen = torch.where(chosen & (fate < HIDDEN_SHARE), mask, ids)
    seen = torch.where(chosen & (fate >= 1 - REPLACED_SHARE), others, seen)
    return seen, ids.masked_fill(~chosen, IGNORED)


def masked_loss(model: Any, batch: dict[str, Any]) -> Any:
    """Return the mean cross-entropy, in nats, over the tokens with a target.

    Only those go through the head: its projection on to the vocabulary is the larger part of a small model's work.
    """
    import torch

    hidden = model.base_model(input_ids=batch["input_ids"], attention_mask=batch["attention_mask"]).last_hidden_state
    chosen = batch["targets"] != IGNORED
    logits = head_of(model)(hidden[chosen])  # (chosen tokens, vocabulary)
    if not len(logits):
        # Nothing but unknown tokens in the whole batch: no lesson, but a gradient of zeros.
        return hidden.sum() * 0.0
    return torch.nn.functional.cross_entropy(logits.float(), batch["targets"][chosen])


def head_of(model: Any) -> Any:
    """Return what turns a masked model's hidden states, (..., width), into logits, (..., vocabulary).

    Raises:
        ValueError: if the architecture keeps it under a name that is not known here.
    """
    for name in ("cls", "lm_head"):
        if hasattr(model, name):
            return getattr(model, name)
    raise ValueError(f"{type(model).__name__} has no masked-LM head called cls or lm_head; take a BERT or RoBERTa")


def open_masked(name: str, device: Device, *, new_head: bool = False) -> tuple[Any, Any]:
    """Open a masked language model and its tokenizer by directory or hub name, in fp32.

    Args:
        name: what the parameters call it.
        device: where it goes.
        new_head: whether the head may be new; it is drawn at random then.

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
            "noise. Take a checkpoint that has one (bert-base-uncased), or train one: the node prepare_masked_base "
            "does, with masked_language_model.training (steps, batch_size, learning_rate) instead of null, and a "
            "classifier of kind masked_prompt starts from its masked_base"
        )
    return model.to(device.place), plain_tokenizer(path)


def plain_tokenizer(path: str) -> Any:
    """Return the tokenizer of a model, without what packaged ones may carry: fixed padding, a short limit."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(path)
    if tokenizer.is_fast:
        tokenizer.backend_tokenizer.no_padding()
        tokenizer.backend_tokenizer.no_truncation()
    return tokenizer


def prepare_masked_base(
    texts: Texts, options: MaskedLanguageModelOptions, *, device: Device, checkpoints: Checkpoints
) -> tuple[MaskedModel | Reference, TrainingLog]:
    """Make the masked language model that prompted encoders start from.

    Without ``training`` a checkpoint that has a trained head is only pointed to; with it, the model (a small new one
    for ``scratch``) is trained on the raw texts.

    Raises:
        ValueError: if there is nothing to train with, or the head of a checkpoint that is used as it is was not found.
    """
    if options.training is None:
        if options.base == SCRATCH:
            raise ValueError("masked_language_model.base is scratch, which knows nothing yet: give it a training")
        open_masked(options.base, device)
        return Reference(options.base), TrainingLog("masked_base")
    # New weights are drawn at random: the seed decides them.
    device.seed(options.seed)
    if options.base == SCRATCH:
        masked = _small_encoder(texts.train, options, device)
    else:
        masked = MaskedModel(*open_masked(options.base, device, new_head=True), base=options.base)
    masked.log = _train(masked, texts, options, options.training, device=device, checkpoints=checkpoints)
    return masked, masked.log


def _small_encoder(texts: Sequence[str], options: MaskedLanguageModelOptions, device: Device) -> MaskedModel:
    from transformers import BertForMaskedLM

    tokenizer = train_wordpiece(texts, vocabulary=options.scratch.vocabulary)
    model: Any = BertForMaskedLM(_bert_config(options.scratch, len(tokenizer), tokenizer.pad_token_id))
    return MaskedModel(model.to(device.place), tokenizer, base=SCRATCH)


def _bert_config(options: SmallEncoderOptions, vocabulary: int, padding: int) -> Any:
    from transformers import BertConfig

    return BertConfig(
        vocab_size=vocabulary,
        hidden_size=options.width,
        num_hidden_layers=options.layers,
        num_attention_heads=options.heads,
        intermediate_size=4 * options.width,
        max_position_embeddings=POSITIONS,
        pad_token_id=padding,
        # As wide a spread as leaves sums over the width what they are in BERT-base: narrower, a small model dawdles.
        initializer_range=BERT_SPREAD * math.sqrt(BERT_WIDTH / options.width),
    )


def _train(
    masked: MaskedModel,
    texts: Texts,
    options: MaskedLanguageModelOptions,
    training: TrainingOptions,
    *,
    device: Device,
    checkpoints: Checkpoints,
) -> TrainingLog:
    encoded = masked.encode(texts.train, max_tokens=options.max_tokens)
    lengths = np.array([len(row) for row in encoded])
    task = Task(
        name="masked_base",
        model=masked.model,
        parameter_groups=_groups(masked.model, 1.0 if options.base == SCRATCH else options.head_rate),
        plan=plan_batches(
            lengths, steps=training.steps_for(len(encoded)), batch_size=training.batch_size, seed=options.seed
        ),
        batch=lambda rows: masked.masked_batch([encoded[row] for row in rows], options.masked_share),
        loss=masked.loss,
        validation_loss=_validation(masked, texts.validation, options, device),
    )
    return train(task, training, device=device, checkpoints=checkpoints, seed=options.seed)


def _groups(model: Any, head_rate: float) -> list[dict[str, Any]]:
    """Return body and head as parameter groups; the decoder is tied to the embeddings and goes with the body."""
    inside = {id(value) for value in model.base_model.parameters()}
    head = [value for value in model.parameters() if id(value) not in inside]
    return [{"params": list(model.base_model.parameters())}, {"params": head, "rate": head_rate}]


def _validation(
    masked: MaskedModel, texts: Sequence[str], options: MaskedLanguageModelOptions, device: Device
) -> Callable[[], float] | None:
    """Return what computes the loss on the validation texts, under the same masks every time; None without texts."""
    if not texts:
        return None
    import torch

    encoded = masked.encode(texts, max_tokens=options.max_tokens)
    generator = torch.Generator().manual_seed(options.seed)
    batches = [
        masked.masked_batch([encoded[row] for row in rows], options.masked_share, generator)
        for rows in by_length(np.array([len(row) for row in encoded]), INFERENCE_ROWS)
    ]

    def loss() -> float:
        masked.model.eval()
        total, tokens = 0.0, 0
        with torch.inference_mode():
            for batch in batches:
                chosen = int((batch["targets"] != IGNORED).sum())
                with device.autocast():
                    total += float(masked.loss(device.put(batch))) * chosen
                tokens += chosen
        return total / max(1, tokens)

    return loss
