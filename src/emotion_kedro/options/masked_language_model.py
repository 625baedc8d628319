"""Masked language models: what the prompted encoders and the Chinese ones start from."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from emotion_kedro.options.base import Options, Positive, Rate, Share
from emotion_kedro.options.training import TrainingOptions


class SmallEncoderOptions(Options):
    """A small BERT with its own vocabulary of characters and pieces, for text that no packaged encoder reads."""

    layers: Positive = 4
    width: Positive = 256
    heads: Positive = 4
    vocabulary: Annotated[int, Field(ge=100)] = 6000


class MaskedLanguageModelOptions(Options):
    """A masked language model, trained on raw train texts without their labels."""

    base: str
    """``package:minilm`` (its masked-LM head is new), a name on a hub, a directory, or ``scratch``."""
    scratch: SmallEncoderOptions = SmallEncoderOptions()
    masked_share: Share = 0.15
    head_rate: Rate = 5.0
    """A new head's learning rate is so many times the encoder's."""
    max_tokens: Positive = 64
    validation_texts: Positive = 256
    training: TrainingOptions | None
    """None: the base has a trained head already (``bert-base-uncased``) and is used as it is."""
    seed: int = 0

    def models(self) -> tuple[str, ...]:
        """Return the pretrained models that have to be at hand."""
        return (self.base,)
