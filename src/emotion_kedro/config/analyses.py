"""Analyses: what is singular, and cannot be said as arms, learners and sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from emotion_kedro.config.base import Config, Kind, Number, Positive, Rate, Seed, Share, Whole, each_once
from emotion_kedro.config.data import NearDuplicateConfig
from emotion_kedro.config.training import TrainingConfig

Pieces = Literal["words", "letters"]
"""What a learned rule looks for: whole words, or runs of letters within a word."""
Strategy = Literal["plain", "grouped"]
ValidationMetric = Literal["log_loss", "accuracy"]
"""What decides on the validation rows. Log loss tells settings apart that few rows give the same accuracy."""
STANDARD_FILTERS = ("length", "complete", "repetition", "leftovers", "label_agreement", "novel")


class AnalysisConfig(Config):
    """What all analyses have."""

    @property
    def classifier_arms(self) -> tuple[str, ...]:
        """Arms whose saved classifiers it opens."""
        return ()

    @property
    def labels(self) -> tuple[str, ...]:
        """Labels that it names; they have to be the taxonomy's."""
        return ()

    @property
    def sources(self) -> tuple[str, ...]:
        """Sources that it names."""
        return ()

    @property
    def compare(self) -> tuple[tuple[str, str], ...]:
        """Pairs of the arms that it predicts with, to be compared as far as both were run."""
        return ()

    def check_filters(self, place: str, kinds: tuple[str, ...]) -> None:
        """Refuse kinds of filters that it cannot use."""


class AttributionsConfig(AnalysisConfig):
    """Attribution of test rows to their words, and the masking of these words."""

    arm: str = "real"
    """The arm whose classifier is looked into; its learner is of kind ``encoder``."""
    rows: Positive = 300
    """Test rows, at most, drawn at random."""
    steps: Annotated[Whole, Field(ge=2)] = 24
    """Points on the path of integrated gradients."""
    word_counts: Annotated[tuple[Positive, ...], Field(min_length=1)] = (1, 2, 3, 5)
    """So many words are masked, or kept alone."""
    draws: Positive = 5
    """Random choices of words, that the informed ones are compared with."""
    least_count: Positive = 5
    """Train texts, at least, that a word has to stand in to be ranked by log-odds."""
    rows_at_once: Positive = 32
    """Rows of a part; a killed run goes on after the last one."""
    examples: tuple[str, ...] = ()
    """Sentences of one's own whose words are weighed too."""
    seed: Seed = 0

    @property
    def classifier_arms(self) -> tuple[str, ...]:
        """The one that is looked into."""
        return (self.arm,)


class KeywordConfig(Config):
    """A rule that is written down: a text that contains one of a label's patterns may have that label."""

    patterns: Annotated[dict[str, tuple[str, ...]], Field(min_length=1)]
    """Label -> substrings, in small letters."""
    otherwise: str = "neutral"
    """The label of a text that contains no pattern."""
    shuffles: Annotated[Whole, Field(ge=100)] = 1000
    """Times that the labels are dealt out anew, to see what the rule would explain by chance."""

    @field_validator("patterns")
    @classmethod
    def _are_substrings(cls, patterns: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
        bare = sorted(label for label, pieces in patterns.items() if not pieces or not all(pieces))
        if bare:
            raise ValueError(f"no pattern, or an empty one, for {', '.join(bare)}: every text would contain it")
        capital = sorted(piece for pieces in patterns.values() for piece in pieces if piece != piece.lower())
        if capital:
            raise ValueError(f"patterns are looked for in lowered texts; write in small letters: {', '.join(capital)}")
        return patterns


class LearnedRuleConfig(Config):
    """A rule that is learned: a decision tree on which pieces a text contains, tested on folds of groups."""

    pieces: Annotated[tuple[Pieces, ...], Field(min_length=1)] = ("letters", "words")
    leaves: Annotated[tuple[Annotated[Whole, Field(ge=2)], ...], Field(min_length=1)] = (4, 8, 16, 32)
    """Sizes of the tree; a tree of n leaves asks for n - 1 pieces at most."""
    shown_leaves: Annotated[Whole, Field(ge=2)] = 16
    """The size whose pieces are listed."""
    least_count: Positive = 2
    """Train texts that a piece has to stand in."""
    folds: Annotated[Whole, Field(ge=2)] = 5
    seed: Seed = 0

    @model_validator(mode="after")
    def _shown_size_is_among_them(self) -> LearnedRuleConfig:
        if self.shown_leaves not in self.leaves:
            raise ValueError(f"shown_leaves is {self.shown_leaves}, which is not among leaves {self.leaves}")
        return self


class MergingConfig(Config):
    """Training on one source and on both, under either split, by a linear classifier on weighted words."""

    strategies: Annotated[tuple[Strategy, ...], Field(min_length=1)] = ("plain", "grouped")
    split_seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0, 1, 2, 3, 4)
    test: Annotated[Number, Field(gt=0.0, lt=1.0)] = 0.2
    longest_ngram: Positive = 2
    least_count: Positive = 2
    """Train texts that a word or n-gram has to stand in."""
    inverse_penalty: Rate = 10.0

    _are_different = field_validator("strategies", "split_seeds")(each_once)


class LabelNoiseConfig(AnalysisConfig):
    """Two sources that share texts, and how the labels of one of them came about."""

    trusted: str
    """Source whose labels the others are compared with; it is not taken for the truth."""
    doubted: str
    """Source whose labels are in question."""
    near_duplicates: NearDuplicateConfig = NearDuplicateConfig()
    keywords: KeywordConfig
    learned: LearnedRuleConfig = LearnedRuleConfig()
    merging: MergingConfig = MergingConfig()

    @property
    def labels(self) -> tuple[str, ...]:
        """Those of the written rule."""
        return (*self.keywords.patterns, self.keywords.otherwise)

    @property
    def sources(self) -> tuple[str, ...]:
        """Both."""
        return (self.trusted, self.doubted)

    @model_validator(mode="after")
    def _are_two_sources(self) -> LabelNoiseConfig:
        if self.trusted == self.doubted:
            raise ValueError(f"trusted and doubted are both {self.trusted!r}; two sources are compared")
        return self


class ClassesConfig(Config):
    """A set's own two classes, and which emotions speak against one of them."""

    positive: str
    """The class, as the set names it, that is to be recognised."""
    against: Annotated[tuple[str, ...], Field(min_length=1)]
    """Emotions that speak against it: a text's score is 1 minus their probabilities."""


class OutOfDomainConfig(AnalysisConfig):
    """What the classifiers of two arms read in texts that have no label of the taxonomy."""

    arms: tuple[str, str]
    """Changes are those from the first to the second."""
    expected: dict[str, Annotated[tuple[str, ...], Field(min_length=1)]] = Field(default_factory=dict)
    """Set -> labels that a reader would look for: the share of texts that are read as one of them is measured."""
    classes: dict[str, ClassesConfig] = Field(default_factory=dict)
    examples: Annotated[Whole, Field(ge=0)] = 3
    """Most and least certain texts of a set."""
    typical_words: Positive = 8
    """Words for each set and label."""
    least_count: Positive = 3
    """Texts of a set, at least, that such a word has to stand in."""

    @property
    def classifier_arms(self) -> tuple[str, ...]:
        """Both arms."""
        return self.arms

    @property
    def labels(self) -> tuple[str, ...]:
        """Those that are expected, or speak against a class."""
        expected = [label for labels in self.expected.values() for label in labels]
        return (*expected, *(label for classes in self.classes.values() for label in classes.against))

    @field_validator("arms")
    @classmethod
    def _are_two(cls, arms: tuple[str, str]) -> tuple[str, str]:
        if arms[0] == arms[1]:
            raise ValueError(f"arms names {arms[0]} twice; a change is that between two arms")
        return arms


class RoundsConfig(AnalysisConfig):
    """Uncertain texts back into the generators: how many rounds, what is fed back in each, and when they end."""

    learner: str | None = None
    """Of the experiment's learners; None: the first."""
    generator: str | None = None
    """Of the experiment's generators, of kind ``fine_tuned``; None: the first."""
    filters: tuple[str, ...] = STANDARD_FILTERS
    """Filters, by name, in this order."""
    rounds: Positive = 2
    """Rounds, at most, after round 0, which has real rows alone."""
    uncertain_share: Annotated[Number, Field(gt=0.0, le=1.0)] = 0.3
    """Share of each label's train texts that goes back to its generator: those with the least margin between the
    two likeliest labels."""
    folds: Annotated[Whole, Field(ge=2)] = 2
    """Parts of the train rows; each is read by a classifier fitted on the others: none is honest about its own."""
    reader_steps: Positive | None = None
    """Optimiser steps of those classifiers; None: as many as the learner's own."""
    feedback: TrainingConfig
    """Further tuning of a label's generator in each round."""
    metric: ValidationMetric = "accuracy"
    min_gain: Annotated[Number, Field(ge=0.0)] = 0.0
    """A round is better than the best so far if it gains more than this."""
    patience: Positive = 1
    """Rounds without a better one after which the loop ends."""

    @property
    def compare(self) -> tuple[tuple[str, str], ...]:
        """Each round with round 0."""
        return tuple((f"round_{number}", "round_0") for number in range(1, self.rounds + 1))

    def check_filters(self, place: str, kinds: tuple[str, ...]) -> None:
        """Refuse one that follows a person: the rounds write their candidates themselves."""
        if "reviewed" in kinds:
            raise ValueError(f"{place}.filters: nobody reviews what rounds write while they run; take reviewed out")


class SearchConfig(AnalysisConfig):
    """What is searched, with how many trials, and what decides. Test rows have no part in it."""

    learner: str | None = None
    """Of the experiment's learners; None: the first. Its parameters are the settings before tuning."""
    filters: tuple[str, ...] = STANDARD_FILTERS
    """Filters, by name, in this order, of both arms."""
    trials: Positive = 8
    startup_trials: Positive = 4
    """Trials drawn at random before the sampler (TPE, Bergstra et al. 2011) draws on what it has seen."""
    learning_rate: tuple[Rate, Rate]
    """Lowest and highest; searched on a logarithmic scale."""
    max_epochs: Annotated[Whole, Field(ge=1, le=5)] = 5
    synthetic_shares: Annotated[tuple[Annotated[Number, Field(ge=0.0)], ...], Field(min_length=1)] = (0.0, 0.25, 0.5)
    """Added rows per real one of the same label, as far as there are so many."""
    taus: Annotated[tuple[Share, ...], Field(min_length=1)] = (0.0, 0.5, 0.8)
    """Least probabilities of the label that the filter's classifier must give; 0 leaves that filter out."""
    metric: ValidationMetric = "log_loss"
    train_rows: Positive | None = None
    """Real train rows of a trial, at most, an equal share of each label; the best settings are fitted on all."""
    trial_seeds: Annotated[tuple[Seed, ...], Field(min_length=1)] = (0,)
    """Seeds of each trial's classifiers; the trial's score is the mean."""
    seed: Seed = 0
    """Of the sampler, and of the choice of rows."""

    _seeds_once = field_validator("trial_seeds")(each_once)

    @property
    def compare(self) -> tuple[tuple[str, str], ...]:
        """The tuned settings with those before."""
        return (("tuned", "default"),)

    def check_filters(self, place: str, kinds: tuple[str, ...]) -> None:
        """Refuse one that chooses as many as the design says, and a tau without a filter that it is for."""
        if "diverse" in kinds:
            raise ValueError(f"{place}.filters: diverse does nothing where synthetic_shares say how many; take it out")
        if "label_agreement" not in kinds and any(self.taus):
            raise ValueError(
                f"{place}.taus is {', '.join(map(str, self.taus))}, and none of {place}.filters is of kind "
                "label_agreement; name one, or write taus: [0.0]"
            )

    @model_validator(mode="after")
    def _order(self) -> SearchConfig:
        low, high = self.learning_rate
        if low > high:
            raise ValueError(f"learning_rate goes from {low:g} to {high:g}; give the lowest first")
        return self


@dataclass(frozen=True)
class AnalysisKind(Kind):
    """An entry of :data:`ANALYSES`."""

    inputs: tuple[str, ...] = ()
    """Data sets and parameters of the experiment; ``classifier.{arm}.model`` stands for each arm of the parameters."""
    predictions: bool = False
    """Whether it leaves predictions of arms of its own, and runs, which are scored and compared like any others."""


_RUNS = ("params:name", "params:design", "params:learners", "params:filters", "params:cache")

ANALYSES: dict[str, AnalysisKind] = {
    "attributions": AnalysisKind(
        AttributionsConfig,
        "emotion_kedro.analyses.attributions:analyse",
        ("split_records", "classifier.{arm}.model", "params:evaluation", "params:cache"),
    ),
    "label_noise": AnalysisKind(
        LabelNoiseConfig, "emotion_kedro.analyses.label_noise:analyse", ("unified_records", "params:evaluation")
    ),
    "out_of_domain": AnalysisKind(
        OutOfDomainConfig,
        "emotion_kedro.analyses.out_of_domain:analyse",
        ("split_records", "unlabelled_texts", "classifier.{arm}.model", "params:evaluation"),
    ),
    "rounds": AnalysisKind(
        RoundsConfig, "emotion_kedro.experiments.rounds:analyse", ("split_records", "params:generators", *_RUNS), True
    ),
    "search": AnalysisKind(
        SearchConfig, "emotion_kedro.experiments.search:analyse", ("split_records", "candidates", *_RUNS), True
    ),
}
"""A new analysis: a module with ``analyse(config, *, taxonomy, device, <inputs>)``, its entry here, and its test."""


def analysis_config(name: str, raw: Mapping[str, Any] | Config) -> Any:
    """Return the parameters of an analysis.

    Raises:
        ValueError: if there is no such analysis, or the parameters do not fit it (a pydantic ``ValidationError``).
    """
    if name not in ANALYSES:
        raise ValueError(f"there is no analysis {name!r}; there are: {', '.join(ANALYSES)}")
    return raw if isinstance(raw, Config) else ANALYSES[name].config.model_validate(raw)
