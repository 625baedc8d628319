"""Generators, and the text that is drawn from them."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from emotion_kedro.options.base import Options, Positive, Rate, Share
from emotion_kedro.options.training import TrainingOptions


class ScratchOptions(Options):
    """A small GPT-2 with its own byte-level BPE, trained on the train texts of all labels."""

    layers: Positive = 3
    width: Positive = 192
    heads: Positive = 6
    vocabulary: Annotated[int, Field(ge=300)] = 4096
    training: TrainingOptions = TrainingOptions(steps=600, learning_rate=2e-3)


class LoraOptions(Options):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685) on all linear layers of the blocks that are trained."""

    rank: Positive = 16
    alpha: Positive = 32
    dropout: Share = 0.0


class GenerationOptions(Options):
    """One generator per label: a causal language model tuned on the bare train texts of that label."""

    base: str
    """``package:smollm2``, ``scratch``, a model name on a hub (``gpt2``), or a directory."""
    scratch: ScratchOptions = ScratchOptions()
    tuning: Literal["full", "last_layers", "lora"] = "lora"
    last_layers: Positive | None = 4
    """Blocks, from the top, that are trained by ``last_layers`` and ``lora``; None with ``lora``: all."""
    lora: LoraOptions = LoraOptions()
    warm_up: TrainingOptions | None = None
    """Tuning of a pretrained base on the train texts of all labels, before each label tunes its own copy."""
    max_tokens: Annotated[int, Field(ge=3)] = 48
    """Tokens of a training text, at most, its frame included."""
    validation_texts: Positive = 64
    """Validation texts, at most, on which the loss is watched."""
    training: TrainingOptions
    seed: int = 0

    @model_validator(mode="after")
    def _layers_named(self) -> GenerationOptions:
        if self.tuning == "last_layers" and self.last_layers is None:
            raise ValueError("tuning: last_layers needs the number of layers in last_layers")
        return self

    def models(self) -> tuple[str, ...]:
        """Return the pretrained models that have to be at hand."""
        return (self.base,)


class DecodingOptions(Options):
    """How a generator is sampled."""

    min_new_tokens: Annotated[int, Field(ge=0)] = 10
    max_new_tokens: Positive = 15
    temperature: Rate = 1.0
    top_k: Positive = 50
    top_p: Annotated[float, Field(gt=0.0, le=1.0)] = 0.95
    batch_size: Positive = 64

    @model_validator(mode="after")
    def _order(self) -> DecodingOptions:
        if self.min_new_tokens > self.max_new_tokens:
            raise ValueError("min_new_tokens is larger than max_new_tokens")
        return self


class FilterOptions(Options):
    """When a candidate is kept. Every check has its own reason in the candidates table."""

    min_words: Positive = 4
    max_repetition: Share = 0.3
    """Largest share of a text's words that may stand in a repeated bigram."""
    leftovers: tuple[str, ...] = ()
    """Pieces of prompts that must not appear in a candidate."""
    near_copy: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    """Jaccard similarity (character n-grams) from which a candidate counts as a copy of a train text."""
    near_duplicate: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    """The same, between two candidates."""
    shingle: Positive = 5
    tau: Share = 0.5
    """Least probability that the filter classifier must give to the label; 0 turns the classifier off."""


class SynthesisOptions(Options):
    """How many synthetic records of each label are wanted, and how they are drawn and filtered."""

    quota: Positive
    """Kept candidates wanted per label."""
    max_draws: Positive = 10
    """Batches after which a label gives up, so that a bad generator cannot run for ever."""
    decoding: DecodingOptions = DecodingOptions()
    filter: FilterOptions = FilterOptions()
    seed: int = 0
