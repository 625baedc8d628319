"""What all kinds of classifiers do alike: which rows a step sees, which parameters learn, what is watched."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.learning.batches import plan_batches
from emotion_kedro.learning.classifiers import Classifier, Lesson
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.language_models import blocks_of
from emotion_kedro.options import ClassifierOptions, FeatureOptions


def open_tokenizer(name: str, options: ClassifierOptions | FeatureOptions) -> Any:
    """Return the tokenizer of a model, without what packaged ones may carry: fixed padding, a short limit."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(name)
    if tokenizer.is_fast:
        tokenizer.backend_tokenizer.no_padding()
        tokenizer.backend_tokenizer.no_truncation()
    tokenizer.model_max_length = max(tokenizer.model_max_length, options.max_tokens)
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    return tokenizer


def notes_of(lesson: Lesson, options: ClassifierOptions) -> dict[str, Any]:
    """Return what is written beside a fitted classifier."""
    return {
        "kind": options.kind,
        "base": options.called,
        "labels": list(lesson.labels),
        "max_tokens": options.max_tokens,
        "name": lesson.name,
        "seed": lesson.seed,
        "rows": lesson.mix["origin"].value_counts().to_dict(),
        "training": options.training.model_dump(),
    }


def trained_parameters(model: Any, options: ClassifierOptions) -> list[dict[str, Any]]:
    """Freeze what is frozen; return the encoder's and the head's parameters as two groups."""
    body = model.base_model
    if options.frozen_layers:
        blocks = blocks_of(body)
        if options.frozen_layers > len(blocks):
            raise ValueError(f"frozen_layers is {options.frozen_layers}, but {options.base} has {len(blocks)} layers")
        for embeddings in _embeddings_of(body):
            embeddings.requires_grad_(False)
        for layer in blocks[: options.frozen_layers]:
            layer.requires_grad_(False)
    inside = {id(value) for value in body.parameters()}
    encoder = [value for value in model.parameters() if value.requires_grad and id(value) in inside]
    head = [value for value in model.parameters() if value.requires_grad and id(value) not in inside]
    return [{"params": encoder}, {"params": head, "rate": options.head_rate}]


def _embeddings_of(body: Any) -> list[Any]:
    """Return the modules below the lowest block: of the tokens, of positions, or one for all.

    An output layer that is tied to the tokens' embeddings is frozen with them.
    """
    import torch

    if hasattr(body, "embeddings"):
        return [body.embeddings]
    return [module for module in body.children() if isinstance(module, torch.nn.Embedding)] or [
        body.get_input_embeddings()
    ]


def targets_of(records: pd.DataFrame, labels: Sequence[str]) -> np.ndarray:
    """Return the class index of each record, (rows,)."""
    return pd.Categorical(records["label"], categories=list(labels)).codes.astype(np.int64)


def plan_of(lesson: Lesson, options: ClassifierOptions, lengths: np.ndarray) -> tuple[list[np.ndarray], list[float]]:
    """Return the batches of all phases, as many steps in all whatever the arm, and the rate factor of each."""
    phase = lesson.mix["phase"].to_numpy()
    steps = options.training.steps_for(len(lesson.mix))
    later = round(lesson.augmentation.continue_share * steps) if (phase == 1).any() else 0
    plan: list[np.ndarray] = []
    rates: list[float] = []
    for number, (count, rate) in enumerate(((steps - later, 1.0), (later, lesson.augmentation.continue_rate))):
        if count:
            rows = np.flatnonzero(phase == number)
            batches = plan_batches(
                lengths[rows], steps=count, batch_size=options.training.batch_size, seed=lesson.seed + number
            )
            plan.extend(rows[batch] for batch in batches)
            rates.extend([rate] * count)
    return plan, rates


def validation_of(classifier: Classifier, lesson: Lesson, device: Device) -> Callable[[], float] | None:
    """Return what computes the mean negative log-likelihood of the validation rows; None if there are none."""
    if lesson.validation.empty:
        return None
    texts = lesson.validation["text"].tolist()
    targets = targets_of(lesson.validation, lesson.labels)

    def loss() -> float:
        given = classifier.probabilities(texts, device=device)[np.arange(len(targets)), targets]
        return float(-np.log(np.clip(given, 1e-12, None)).mean())

    return loss
