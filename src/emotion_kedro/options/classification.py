"""Classifiers, and the arms that they are fitted for."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from emotion_kedro.options.base import Options, Positive, Rate
from emotion_kedro.options.training import TrainingOptions


class PromptOptions(Options):
    """How a prompted classifier asks."""

    template: str | None = None
    """A name of :data:`emotion_kedro.text.prompts.PROMPTS`; None: the one for the labels at hand."""
    loss: Literal["answer", "full"] = "answer"
    """``causal_prompt``: learn the answer alone, or the whole text with its question (the report's way)."""
    calibrate: bool = False
    """Divide the answers' probabilities by those for an empty text (contextual calibration)."""


class LexiconOptions(Options):
    """Words that the tokenizer keeps whole."""

    words: Literal["labels", "mined", "listed"] = "labels"
    """The labels; words that log-odds finds typical of a label in the train texts; or those of ``listed``."""
    listed: tuple[str, ...] = ()
    per_label: Positive = 20
    """``mined``: words of each label."""
    least_count: Positive = 5
    """``mined``: train texts, at least, that a word has to stand in."""


class ClassifierOptions(Options):
    """A classifier and how it is fitted."""

    kind: Literal["encoder", "masked_prompt", "causal_prompt"] = "encoder"
    base: str
    """``package:minilm``, a model name on a hub (``bert-base-uncased``), or a directory."""
    base_name: str | None = None
    """What cards and reports call the base, where it is a directory that another node made."""
    prompt: PromptOptions | None = None
    """For the prompted kinds."""
    lexicon: LexiconOptions | None = None
    """For kinds with a WordPiece tokenizer."""
    frozen_layers: Annotated[int, Field(ge=0)] = 0
    """Lowest blocks, with the embeddings, that are not trained."""
    head_rate: Rate = 5.0
    """The head starts from nothing: its learning rate is so many times the encoder's."""
    max_tokens: Positive = 96
    """Tokens of a text, at most; the prompt around it comes on top."""
    training: TrainingOptions

    @model_validator(mode="after")
    def _fits_its_kind(self) -> ClassifierOptions:
        if self.prompt is not None and self.kind == "encoder":
            raise ValueError("prompt is given, but kind: encoder asks no question; take a prompted kind")
        if self.lexicon is not None and self.kind == "causal_prompt":
            raise ValueError("lexicon is for WordPiece tokenizers; kind: causal_prompt has none")
        return self

    @property
    def called(self) -> str:
        """The base as cards and reports name it."""
        return self.base_name or self.base


class AugmentationOptions(Options):
    """How synthetic records join the real ones."""

    how: Literal["mix", "continue"] = "mix"
    """``mix``: shuffled in. ``continue``: real records, then synthetic ones at a lower rate (the report's way)."""
    continue_share: Annotated[float, Field(gt=0.0, lt=1.0)] = 0.2
    """Share of the optimiser steps that ``continue`` gives to the synthetic records."""
    continue_rate: Rate = 0.1
    """Learning rate of those steps, as a share of the usual one."""


class ClassificationOptions(Options):
    """The arms: each is fitted once per seed, with the same number of optimiser steps."""

    classifier: ClassifierOptions
    augmentation: AugmentationOptions = AugmentationOptions()
    seeds: Annotated[tuple[int, ...], Field(min_length=1)] = (0,)
    filter_seed: int = 1000
    """Seed of the classifier that filters candidates; another one, so that no arm is judged by its own filter."""

    @model_validator(mode="after")
    def _filter_is_another(self) -> ClassificationOptions:
        if self.filter_seed in self.seeds:
            raise ValueError(f"filter_seed {self.filter_seed} is also a seed of the arms; take another")
        return self

    def models(self) -> tuple[str, ...]:
        """Return the pretrained models that have to be at hand."""
        return (self.classifier.base,)
