"""What all language models that write candidates share: drawing answers batch by batch, and turning them into texts."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

import numpy as np

from emotion_kedro.augmentation.generators import Unfinished
from emotion_kedro.config.training import DecodingConfig
from emotion_kedro.models.decoding import Request, sample_answers
from emotion_kedro.models.device import Device
from emotion_kedro.models.language_models import LanguageModel

logger = logging.getLogger(__name__)


def answers_to(
    language_model: LanguageModel,
    requests: Sequence[Request],
    decoding: DecodingConfig,
    *,
    device: Device,
    seed: tuple[int, ...],
    guidance: float = 1.0,
) -> list[str]:
    """Return one answer for each request, drawn batch by batch, as it was decoded.

    ``seed`` has the numbers that stand for the draw; the batch is one more.

    Returns:
        Texts, as :class:`Unfinished` where the model had not ended one after ``decoding.max_new_tokens``.
    """
    ends, texts = ends_of(language_model), list[str]()
    for batch, start in enumerate(range(0, len(requests), decoding.batch_size)):
        answers = sample_answers(
            language_model.model,
            requests[start : start + decoding.batch_size],
            decoding,
            guidance=guidance,
            ends=ends,
            device=device,
            seed=int(np.random.SeedSequence([*seed, batch]).generate_state(1)[0]),
        )
        texts += decoded(language_model.tokenizer, answers, decoding)
        logger.debug("%d of %d texts", len(texts), len(requests))
    return texts


def decoded(tokenizer: Any, answers: Sequence[Sequence[int]], decoding: DecodingConfig) -> list[str]:
    """Return the texts of answers, token ids without the one that ended them; unfinished where none did."""
    texts = tokenizer.batch_decode(answers, skip_special_tokens=True)
    return [
        Unfinished(text) if len(tokens) == decoding.max_new_tokens else text
        for text, tokens in zip(texts, answers, strict=True)
    ]


def collapsed(text: str) -> str:
    """Return a text with single spaces and none around it; unfinished if it was."""
    return like(text, " ".join(text.split()))


def like(text: str, changed: str) -> str:
    """Return the changed text, as unfinished as the text was."""
    return Unfinished(changed) if isinstance(text, Unfinished) else changed


def ends_of(language_model: LanguageModel) -> list[int]:
    """Return the tokens that end a text: the boundary, the tokenizer's own end, and whatever begins with a new line."""
    tokenizer = language_model.tokenizer
    # Byte-level BPE writes a new line as U+010A.
    lines = [index for token, index in tokenizer.get_vocab().items() if token.startswith(("\n", "\u010a", "<0x0A>"))]
    end = [] if tokenizer.eos_token_id is None else [int(tokenizer.eos_token_id)]
    return sorted({language_model.boundary, *end, *lines})
