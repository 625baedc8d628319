"""The parameters of every stage, as types.

Kedro builds these from ``conf/*/parameters`` before any node runs: a misspelt key or a value out of range stops the
run at once, with the name of the parameter.
"""

from emotion_kedro.options.attributions import AttributionOptions
from emotion_kedro.options.base import Options
from emotion_kedro.options.classification import (
    AugmentationOptions,
    ClassificationOptions,
    ClassifierOptions,
    LexiconOptions,
    PromptOptions,
)
from emotion_kedro.options.evaluation import EvaluationOptions
from emotion_kedro.options.features import FeatureOptions
from emotion_kedro.options.generation import (
    DecodingOptions,
    FilterOptions,
    GenerationOptions,
    LoraOptions,
    ScratchOptions,
    SynthesisOptions,
)
from emotion_kedro.options.heads import HeadOptions
from emotion_kedro.options.lexicon import LexiconArmsOptions
from emotion_kedro.options.masked_language_model import MaskedLanguageModelOptions, SmallEncoderOptions
from emotion_kedro.options.records import (
    CleaningStep,
    IngestionOptions,
    NearDuplicateOptions,
    SamplingOptions,
    SourceOptions,
    SplitOptions,
    UnificationOptions,
)
from emotion_kedro.options.training import TrainingOptions

__all__ = [
    "AttributionOptions",
    "AugmentationOptions",
    "ClassificationOptions",
    "ClassifierOptions",
    "CleaningStep",
    "DecodingOptions",
    "EvaluationOptions",
    "FeatureOptions",
    "FilterOptions",
    "GenerationOptions",
    "HeadOptions",
    "IngestionOptions",
    "LexiconArmsOptions",
    "LexiconOptions",
    "LoraOptions",
    "MaskedLanguageModelOptions",
    "NearDuplicateOptions",
    "Options",
    "PromptOptions",
    "SamplingOptions",
    "ScratchOptions",
    "SmallEncoderOptions",
    "SourceOptions",
    "SplitOptions",
    "SynthesisOptions",
    "TrainingOptions",
    "UnificationOptions",
]
