"""The parameters of every stage, as types.

Kedro builds these from ``conf/*/parameters`` before any node runs: a misspelt key or a value out of range stops the
run at once, with the name of the parameter.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from emotion_kedro.taxonomy import LABELS, TAXONOMIES

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0.0)]

CleaningStep = Literal[
    "unescape_html",
    "drop_broken_characters",
    "drop_links",
    "drop_mentions",
    "mask_mentions",
    "lower",
    "collapse_space",
]


class Options(BaseModel):
    """Base of all options: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


# --- ingestion and unification ----------------------------------------------------------------------------------


class SourceOptions(Options):
    """One table of texts with labels, as it lies on disk. A new source is a new entry of this kind."""

    file: str | tuple[str, ...]
    """Path below ``raw_root``; several paths are read one after the other."""
    separator: str = ","
    quoting: bool = True
    """False: a quotation mark is a character like any other (most tab-separated files)."""
    encoding: str = "utf-8"
    column_names: tuple[str, ...] | None = None
    """Names for the columns of a file without a header row."""
    text_column: str
    label_column: str
    label_map: dict[str, str] = {}
    """The source's label -> a label of :mod:`emotion_kedro.taxonomy`; labels that have the same name need no entry."""
    unknown_labels: Literal["error", "drop"] = "error"
    cleaning: tuple[CleaningStep, ...] | None = None
    """Steps for this source alone, instead of the shared ones."""

    @property
    def files(self) -> tuple[str, ...]:
        """The source's files, one or several."""
        return (self.file,) if isinstance(self.file, str) else self.file

    @field_validator("label_map")
    @classmethod
    def _targets_exist(cls, label_map: dict[str, str]) -> dict[str, str]:
        wrong = sorted(set(label_map.values()) - LABELS)
        if wrong:
            raise ValueError(f"maps to labels of no taxonomy: {', '.join(wrong)}; known: {', '.join(sorted(LABELS))}")
        return label_map


class IngestionOptions(Options):
    """Which sources are read, and what is done to their text."""

    use: Annotated[tuple[str, ...], Field(min_length=1)]
    cleaning: tuple[CleaningStep, ...]
    sources: dict[str, SourceOptions]

    @model_validator(mode="after")
    def _used_sources_exist(self) -> IngestionOptions:
        missing = [name for name in self.use if name not in self.sources]
        if missing:
            raise ValueError(f"use names {', '.join(missing)}, but sources has only {', '.join(self.sources)}")
        return self


class UnificationOptions(Options):
    """How the sources' labels become one taxonomy."""

    taxonomy: str
    sources: tuple[str, ...] | None = None
    """Take the records of these sources alone; None: of all that were read."""
    outside_taxonomy: Literal["drop", "error"] = "drop"
    """What happens to a row whose label is known but not in this taxonomy (``relief`` in ``six``)."""

    @field_validator("taxonomy")
    @classmethod
    def _exists(cls, taxonomy: str) -> str:
        if taxonomy not in TAXONOMIES:
            raise ValueError(f"there is no taxonomy {taxonomy!r}; there are: {', '.join(TAXONOMIES)}")
        return taxonomy


# --- sampling and split -----------------------------------------------------------------------------------------


class NearDuplicateOptions(Options):
    """When two texts count as nearly the same: Jaccard similarity of their character n-grams, found by MinHash."""

    threshold: Annotated[float, Field(gt=0.0, le=1.0)] = 0.7
    shingle: Positive = 5
    permutations: Positive = 64


class SplitOptions(Options):
    """Shares of the split. ``grouped`` keeps near-duplicates on one side; ``plain`` shuffles rows."""

    strategy: Literal["grouped", "plain"] = "grouped"
    validation: Share = 0.1
    test: Share = 0.2

    @model_validator(mode="after")
    def _leaves_train(self) -> SplitOptions:
        if self.validation + self.test >= 1.0:
            raise ValueError("validation and test together must leave something to train on")
        return self


class SamplingOptions(Options):
    """How many rows of each label are taken, and how they are divided."""

    cap: Positive | None = 800
    """At most so many rows per label and source; None takes all."""
    repeats: Literal["keep_one", "keep"] = "keep_one"
    conflicts: Literal["drop", "majority", "first", "keep"] = "drop"
    """A text that stands under several labels: drop all its rows, keep the label most rows give, keep the first."""
    near_duplicates: NearDuplicateOptions = NearDuplicateOptions()
    split: SplitOptions = SplitOptions()
    seed: int = 0


# --- training ---------------------------------------------------------------------------------------------------


class TrainingOptions(Options):
    """One training run. Lengths are counted in optimiser steps, so that two arms can be given the same number."""

    steps: Positive
    batch_size: Positive = 16
    learning_rate: Rate
    warmup_share: Share = 0.1
    """Share of the steps over which the rate rises from 0; after that it falls linearly to 0."""
    weight_decay: Annotated[float, Field(ge=0.0)] = 0.01
    max_gradient_norm: Rate = 1.0
    evaluate_every: Positive = 50
    patience: Positive | None = None
    """Stop after so many evaluations without a better validation loss, and keep the best state; None: no early stop."""
    checkpoint_every: Positive = 50


# --- generation -------------------------------------------------------------------------------------------------


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


# --- synthesis --------------------------------------------------------------------------------------------------


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


# --- classification ---------------------------------------------------------------------------------------------


class ClassifierOptions(Options):
    """A classifier and how it is fitted."""

    kind: Literal["encoder"] = "encoder"
    base: str
    """``package:minilm``, a model name on a hub (``bert-base-uncased``), or a directory."""
    frozen_layers: Annotated[int, Field(ge=0)] = 0
    """Lowest blocks, with the embeddings, that are not trained."""
    head_rate: Rate = 5.0
    """The head starts from nothing: its learning rate is so many times the encoder's."""
    max_tokens: Positive = 96
    training: TrainingOptions


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


# --- evaluation -------------------------------------------------------------------------------------------------


class EvaluationOptions(Options):
    """Intervals and tests, and what the report is called."""

    title: str = "Does synthetic text help?"
    bootstrap_samples: Annotated[int, Field(ge=100)] = 2000
    level: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.95
    calibration_bins: Positive = 15
    examples: Positive = 5
    """Synthetic records shown per label."""
    seed: int = 0
