"""Learners (classifiers and how they are fitted), the features and base models that they start from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, model_validator

from emotion_kedro.config.base import (
    Config,
    Kind,
    Number,
    Positive,
    Pretrained,
    Rate,
    Seed,
    Share,
    SmallTransformerConfig,
    Whole,
    config_of,
)
from emotion_kedro.config.training import TrainingConfig

Penalty = Annotated[Number, Field(gt=0.0)]
Penalties = Annotated[tuple[Penalty, ...], Field(min_length=1)]


class OnlyConfig(Config):
    """The part of the design that a costly learner is run on; None: all of it."""

    arms: tuple[str, ...] | None = None
    sizes: tuple[Whole, ...] | None = None
    data_seeds: tuple[Whole, ...] | None = None
    seeds: tuple[Whole, ...] | None = None

    def takes(self, *, arm: str, size: int, data_seed: int, seed: int) -> bool:
        """Whether a run belongs to that part."""
        limits = ((self.arms, arm), (self.sizes, size), (self.data_seeds, data_seed), (self.seeds, seed))
        return all(values is None or value in values for values, value in limits)


class LexiconConfig(Config):
    """Words that the tokenizer keeps whole."""

    words: Literal["labels", "mined", "listed"] = "labels"
    """The labels; words that log-odds finds typical of a label in the train texts; or those of ``listed``."""
    listed: tuple[str, ...] = ()
    per_label: Positive = 20
    """``mined``: words of each label."""
    least_count: Positive = 5
    """``mined``: train texts, at least, that a word has to stand in."""


class FeatureConfig(Pretrained):
    """How a text becomes numbers that no training changes."""

    kind: Literal["encoder", "characters", "tfidf"] = "encoder"
    """An encoder's mean vector; hashed counts of the characters' n-grams; weighted counts of words and word n-grams."""
    base: str = "package:minilm"
    """``encoder``: ``package:minilm``, a model name on a hub, or a directory."""
    max_tokens: Positive = 64
    """``encoder``: tokens of a text, at most, with the special ones."""
    width: Positive = 4096
    """``characters``: numbers that stand for a text."""
    ngrams: tuple[Positive, Positive] | None = None
    """Shortest and longest n-grams; None: 1 to 3 ``characters``, 1 to 2 words for ``tfidf``."""
    least_count: Positive = 1
    """``tfidf``: train texts, at least, that a word or n-gram has to stand in."""

    @model_validator(mode="after")
    def _shortest_first(self) -> FeatureConfig:
        if self.ngrams is not None and self.ngrams[0] > self.ngrams[1]:
            raise ValueError(f"ngrams goes from {self.ngrams[0]} to {self.ngrams[1]}; give the shortest first")
        return self

    @property
    def ngram_range(self) -> tuple[int, int]:
        """Shortest and longest n-grams, the kind's own where none are given."""
        return self.ngrams or ((1, 2) if self.kind == "tfidf" else (1, 3))

    def models(self) -> tuple[str, ...]:
        """Return the pretrained models that have to be at hand."""
        return (self.base,) if self.kind == "encoder" else ()


class LearnerConfig(Config):
    """What all learners have."""

    deterministic: ClassVar[bool] = False
    """Whether training seeds make no difference: one is enough."""

    kind: str
    only: OnlyConfig = OnlyConfig()

    def models(self) -> tuple[str, ...]:
        """Return the pretrained models that have to be at hand."""
        return ()

    @property
    def description(self) -> str:
        """What the learner is made of, in a few words, for cards and reports."""
        return self.kind


class LinearConfig(LearnerConfig):
    """A logistic regression on frozen features. It is deterministic: training seeds make no difference."""

    deterministic: ClassVar[bool] = True

    kind: Literal["linear"] = "linear"
    features: FeatureConfig = FeatureConfig()
    temperature: bool = False
    """Scale the probabilities by a temperature that the validation rows choose (see ``EncoderConfig``)."""
    penalties: Penalties = (1e-4, 3e-4, 1e-3, 3e-3)
    """Weights of half the squared coefficients against the mean loss of a row (scikit-learn's C is 1 / (penalty x sum
    of the rows' weights)); the validation rows choose one."""
    label_embeddings: bool = False
    """Blend what an encoder makes of the labels' words into the labels' weights (LP++)."""

    @model_validator(mode="after")
    def _can_embed_labels(self) -> LinearConfig:
        if self.label_embeddings and self.features.kind != "encoder":
            raise ValueError(f"label_embeddings needs features of kind encoder, not {self.features.kind}")
        return self

    def models(self) -> tuple[str, ...]:
        """Return the pretrained models that have to be at hand."""
        return self.features.models()

    @property
    def description(self) -> str:
        """What the learner is made of, in a few words, for cards and reports."""
        return self.features.base if self.features.kind == "encoder" else self.features.kind


class TunedConfig(LearnerConfig, Pretrained):
    """What learners have that train a pretrained model."""

    base: str = ""
    """``package:minilm``, a model name on a hub (``bert-base-uncased``), or a directory."""
    base_model: str | None = None
    """Name of one of the experiment's ``bases``, whose directory takes the place of ``base``."""
    frozen_layers: Annotated[Whole, Field(ge=0)] = 0
    """Lowest blocks, with the embeddings, that are not trained."""
    head_rate: Rate = 5.0
    """The head starts from nothing: its learning rate is so many times the body's."""
    max_tokens: Positive = 96
    """Tokens of a text, at most; the prompt around it comes on top."""
    training: TrainingConfig

    @model_validator(mode="after")
    def _starts_from_something(self) -> TunedConfig:
        if not self.base and self.base_model is None:
            raise ValueError(f"a learner of kind {self.kind} starts from a model; give base or base_model")
        if self.base == "scratch" and self.base_model is None:
            raise ValueError("base is scratch: a learner starts from a pretrained model, or names one of `bases`")
        if self.kind != "encoder":
            self.training.assert_one_process(f"a learner of kind {self.kind}")
        return self

    def models(self) -> tuple[str, ...]:
        """Return the pretrained models that have to be at hand."""
        return (self.base,) if self.base_model is None else ()

    @property
    def description(self) -> str:
        """What the learner is made of, in a few words, for cards and reports."""
        return self.base_model or self.base


class EncoderConfig(TunedConfig):
    """A head on an encoder."""

    kind: Literal["encoder"] = "encoder"
    temperature: bool = False
    """Divide the logits by a temperature that the validation rows choose (Guo et al. 2017, arXiv 1706.04599). It goes
    into the head's last layer, so that whoever opens the model gets calibrated probabilities."""
    label_smoothing: Annotated[Number, Field(ge=0.0, lt=1.0)] = 0.0
    """Share of each training target that is spread evenly over all labels (Szegedy et al. 2016, arXiv 1512.00567)."""
    lexicon: LexiconConfig | None = None
    """Words that the WordPiece tokenizer keeps whole."""


class ContrastiveConfig(TunedConfig):
    """A logistic regression on an encoder that was tuned to bring texts of a label together (SetFit's way).

    The head is fitted to the end after the tuning: ``head_rate`` has no part in it.
    """

    kind: Literal["contrastive"] = "contrastive"
    penalties: Penalties = (1e-4, 3e-4, 1e-3, 3e-3)
    """Those of the head, as in ``linear``."""

    @model_validator(mode="after")
    def _never_stops_early(self) -> ContrastiveConfig:
        if self.training.patience is not None:
            raise ValueError("training.patience: no validation loss is watched before there is a head; leave it out")
        return self


class MaskedLMConfig(TunedConfig):
    """A masked language model that fills in the answer to the taxonomy's question."""

    kind: Literal["masked_lm"] = "masked_lm"
    lexicon: LexiconConfig | None = None
    """Words that the WordPiece tokenizer keeps whole."""
    calibrate: bool = False
    """Divide the answers' probabilities by those for an empty text (contextual calibration)."""
    free_answers: bool = False
    """Read the likeliest token of the whole vocabulary instead of the likeliest label word."""


class CausalLMConfig(TunedConfig):
    """A causal language model that answers the taxonomy's question."""

    kind: Literal["causal_lm"] = "causal_lm"
    prompt_loss: Literal["answer", "full"] = "answer"
    """Learn the answer alone, or the whole text with its question."""
    calibrate: bool = False
    """Divide the answers' probabilities by those for an empty text (contextual calibration)."""
    free_answers: bool = False
    """Read the likeliest token of the whole vocabulary instead of the likeliest label word."""


LEARNERS: dict[str, Kind] = {
    "linear": Kind(LinearConfig, "emotion_kedro.models.classifiers.linear:LinearClassifier"),
    "encoder": Kind(EncoderConfig, "emotion_kedro.models.classifiers.encoder:EncoderClassifier"),
    "contrastive": Kind(ContrastiveConfig, "emotion_kedro.models.classifiers.contrastive:ContrastiveClassifier"),
    "masked_lm": Kind(MaskedLMConfig, "emotion_kedro.models.classifiers.masked_lm:MaskedLMClassifier"),
    "causal_lm": Kind(CausalLMConfig, "emotion_kedro.models.classifiers.causal_lm:CausalLMClassifier"),
}
"""The kinds of classifiers. An implementation has the class methods ``fit`` and ``load``."""


def learner_config(raw: Mapping[str, Any] | LearnerConfig) -> LearnerConfig:
    """Return the parameters of a learner, of the class that its ``kind`` asks for.

    Raises:
        ValueError: if there is no such kind, or the parameters do not fit it (a pydantic ``ValidationError``).
    """
    config = config_of(raw, LEARNERS, "learner")
    assert isinstance(config, LearnerConfig)
    return config


class SmallEncoderConfig(SmallTransformerConfig):
    """A small BERT with its own vocabulary of characters and pieces, for text that no packaged encoder reads."""

    layers: Positive = 4
    width: Positive = 256
    heads: Positive = 4
    vocabulary: Annotated[Whole, Field(ge=100)] = 6000


class MaskedLanguageModelConfig(Pretrained):
    """A masked language model, trained on raw train texts without their labels: a base for learners."""

    base: str
    """``package:minilm`` (its masked-LM head is new), a name on a hub, a directory, or ``scratch``."""
    scratch: SmallEncoderConfig = SmallEncoderConfig()
    masked_share: Share = 0.15
    head_rate: Rate = 5.0
    """A new head's learning rate is so many times the encoder's."""
    max_tokens: Positive = 64
    validation_texts: Positive = 256
    training: TrainingConfig | None
    """None: the base has a trained head already (``bert-base-uncased``) and is used as it is."""
    seed: Seed = 0

    @model_validator(mode="after")
    def _learns_if_it_is_new(self) -> MaskedLanguageModelConfig:
        if self.base == "scratch" and self.training is None:
            raise ValueError("base is scratch, which knows nothing yet; give it a training")
        if self.training is not None:
            self.training.assert_one_process("a masked language model")
        return self

    def models(self) -> tuple[str, ...]:
        """Return the pretrained models that have to be at hand."""
        return (self.base,)
