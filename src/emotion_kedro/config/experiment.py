"""An experiment: records, what is added to which training rows, what learns from them, and what is compared.

:class:`ExperimentFile` is what a file of ``conf/*/experiments`` holds; :mod:`emotion_kedro.config.resolution` writes
out its defaults, its sources and its taxonomy, so that every node finds its own part of it (:class:`Experiment`) among
the parameters.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from emotion_kedro.config.augmentation import generator_config
from emotion_kedro.config.base import (
    ALL,
    ALL_ROWS,
    OTHER_THAN_ARMS,
    Config,
    Positive,
    Rate,
    Seed,
    Share,
    Whole,
    each_once,
    repeated,
)
from emotion_kedro.config.data import (
    MAX_LOST,
    CleaningStep,
    IngestionConfig,
    SamplingConfig,
    SourceConfig,
    UnificationConfig,
    UnlabelledConfig,
)
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.config.models import MaskedLanguageModelConfig, learner_config
from emotion_kedro.config.taxonomy import TaxonomyConfig

Size = Annotated[Whole, Field(ge=ALL_ROWS)]
Sizes = Annotated[tuple[Size, ...], Field(min_length=1)]
Seeds = Annotated[tuple[Seed, ...], Field(min_length=1)]


class RowsOfSource(Config):
    """The real rows of one source alone, of all that there are. Validation rows, if any, are of all sources."""

    source: str


class ArmConfig(Config):
    """An arm: its real rows, what is added to them, which of that is kept, and how much it counts."""

    description: str = ""
    rows: Literal["all", "none"] | RowsOfSource = "all"
    add: tuple[str, ...] = ()
    """Generators, by name; none: real rows alone."""
    filters: tuple[str, ...] = ()
    """Filters, by name, in this order: the first that refuses a candidate gives the reason."""
    weights: Literal["agreement"] | None = None
    """``agreement``: a candidate counts as much as the filter's probability of its label."""
    augmentation_weight: Rate | None = None
    """The added rows of a label count together as so many real ones; None: each counts as one."""
    order: Literal["mix", "begin", "continue"] = "mix"
    """``mix``: shuffled in. ``begin``: the added rows first, for half of the steps, then the real ones. ``continue``:
    real rows first, then the added ones, in the last fifth of the steps and at a tenth of the rate (the report's)."""
    sizes: Sizes | None = None
    """Sizes of the design at which the arm is run; None: all."""

    @model_validator(mode="after")
    def _has_rows(self) -> ArmConfig:
        if self.rows == "none" and not self.add:
            raise ValueError("rows: none and nothing under `add` leaves no row to learn from")
        of_added = [key for key in ("filters", "weights", "augmentation_weight") if getattr(self, key)]
        of_added += ["order"] if self.order != "mix" else []
        if of_added and not self.add:
            raise ValueError(f"{of_added[0]} is about added rows, and nothing is added")
        if self.augmentation_weight is not None and self.order != "mix":
            # In steps of their own the added rows have no real ones beside them to weigh against.
            raise ValueError(f"augmentation_weight has no effect with order: {self.order}; leave one of them out")
        return self

    _named_once = field_validator("add", "filters")(each_once)


class DesignConfig(Config):
    """How often each arm is run: at which sizes, with which rows, with which initial values."""

    sizes: Sizes = (ALL_ROWS,)
    """Real train rows per label; 0: all. Sizes that no label has so many rows for are left out."""
    data_seeds: Seeds = (0,)
    """Each draws its own train rows; the rows of a size are among those of the next. With size 0, which leaves nothing
    to draw, one."""
    seeds: Seeds = (0,)
    """Initial values and batches of the classifiers."""
    added_rows: Positive | None = None
    """Candidates of each generator and label that an arm keeps, at most; None: all that pass."""
    test_rows: Positive | None = None
    """Test rows, drawn within each label; None: all."""
    validation_rows: Positive | None = None
    """Validation rows per label, at most, and never more than the size; None: as many as the size, or all."""
    unlabelled_rows: Positive = 2000
    """Train texts that count as unlabelled, for what learns from such text."""
    seed: Seed = 0
    """Of the choice of test, validation and unlabelled rows."""

    _named_once = field_validator("sizes", "data_seeds", "seeds")(each_once)


class EvaluatorConfig(Config):
    """The classifier that reads what the generators wrote: an arm's own, which took no part in filtering."""

    arm: str = "real"


class UnlabelledSpec(Config):
    """Texts without labels of the taxonomy."""

    sources: Annotated[tuple[str, ...] | dict[str, SourceConfig], Field(min_length=1)]
    """Names of ``ingestion.sources``, or sources written out here, which need no ``label_column``."""
    cap: Positive | None = 300
    train_share: Share = 0.5
    """Of the texts that models may learn from; an analysis that reads texts needs others."""
    seed: Seed = 0


class RecordsSpec(SamplingConfig):
    """Which rows the experiment is made on: where they come from, and how they are sampled."""

    from_experiment: str | None = None
    """Take the split records and the candidates that this experiment left, instead of reading any source."""
    sources: tuple[str, ...] | dict[str, SourceConfig] = ()
    """Names of ``ingestion.sources``, or sources written out here."""
    taxonomy: str | TaxonomyConfig = "six"
    """A name of ``taxonomies.yml``, ``from_data`` (the labels that the sources have), or labels written out here."""
    outside_taxonomy: Literal["drop", "error"] = "drop"
    label_map: dict[str, str] = Field(default_factory=dict)
    """A label, as the sources' own maps leave it -> a label of the taxonomy."""
    max_lost: Share = MAX_LOST
    """Largest share of a source's rows, and of all rows, that may be dropped for their labels."""
    unlabelled: UnlabelledSpec | None = None

    @field_validator("sources")
    @classmethod
    def _have_names(cls, sources: Any) -> Any:
        each_once(sources)
        bad = [name for name in sources if not re.fullmatch(r"\w[\w.-]*", name)]
        if bad:
            raise ValueError(f"the source {bad[0]!r} has another name than of letters, digits, _, - and points")
        if ALL in sources:
            raise ValueError(f"a source may not be called {ALL}: figures of all sources are")
        return sources

    @model_validator(mode="after")
    def _come_from_somewhere(self) -> RecordsSpec:
        if (self.from_experiment is None) == (not self.sources):
            raise ValueError("give either `sources`, or `from_experiment` with the name of another experiment")
        return self


_TAKEN_AWAY = ("bases", "generators", "filters", "learners", "arms", "analyses")
"""Parts of an experiment whose entries null takes away."""


class ExperimentFile(Config):
    """One experiment, as it is written down."""

    question: Annotated[str, Field(min_length=1)]
    note: str = ""
    """What a reader of the page has to know."""
    reference: tuple[str, ...] = ()
    """Systems of the reference report that it stands for: S1 to S20."""
    records: RecordsSpec
    bases: dict[str, MaskedLanguageModelConfig] = Field(default_factory=dict)
    """Models that learners start from and that are made here."""
    generators: dict[str, dict[str, Any]] = Field(default_factory=dict)
    filters: dict[str, dict[str, Any]] = Field(default_factory=dict)
    """Settings that differ from the defaults, by the name of a filter."""
    learners: dict[str, dict[str, Any]] = Field(default_factory=dict)
    arms: dict[str, ArmConfig] = Field(default_factory=dict)
    design: DesignConfig = DesignConfig()
    recommend: tuple[str, ...] = ()
    """Arms among which the validation rows choose the model for users; none: nothing is recommended."""
    compare: tuple[tuple[str, str], ...] = ()
    """Pairs of arms, or of learners written ``learner:NAME``: the first minus the second."""
    score_by: tuple[Literal["source"], ...] = ()
    evaluator: EvaluatorConfig = EvaluatorConfig()
    analyses: dict[str, dict[str, Any]] = Field(default_factory=dict)
    evaluation: EvaluationConfig = EvaluationConfig()

    _chosen_once = field_validator("recommend")(each_once)

    @field_validator("compare")
    @classmethod
    def _differ(cls, pairs: tuple[tuple[str, str], ...]) -> tuple[tuple[str, str], ...]:
        same = [first for first, second in pairs if first == second]
        if same:
            raise ValueError(f"{same[0]} is compared with itself")
        if twice := repeated([tuple(sorted(pair)) for pair in pairs]):
            raise ValueError(f"{' and '.join(twice[0])} are compared twice; Holm's correction would count them twice")
        return pairs

    @field_validator("bases", "generators", "learners", "arms")
    @classmethod
    def _have_plain_names(cls, parts: dict[str, Any]) -> dict[str, Any]:
        """They become names of files and of nodes."""
        bad = [name for name in parts if not re.fullmatch(r"\w[\w-]*", name)]
        if bad:
            raise ValueError(f"the name {bad[0]!r} has to be of letters, digits, _ and -")
        return parts

    @field_validator("arms")
    @classmethod
    def _not_called_like_others(cls, arms: dict[str, ArmConfig]) -> dict[str, ArmConfig]:
        if taken := sorted(arms.keys() & OTHER_THAN_ARMS):
            raise ValueError(f"an arm may not be called {taken[0]}: something else beside the arms is")
        return arms

    @model_validator(mode="before")
    @classmethod
    def _without_nulls(cls, raw: Any) -> Any:
        """Leave out arms, learners and the like that an environment sets to null: that is how it takes one away.

        Elsewhere null is a value (``records.cap``: all rows).
        """
        if not isinstance(raw, dict):
            return raw
        named = {key: part for key, part in raw.items() if key in _TAKEN_AWAY and isinstance(part, dict)}
        return raw | {
            key: {name: value for name, value in part.items() if value is not None} for key, part in named.items()
        }


class Experiment(Config):
    """An experiment with everything written out; each field is a parameter of its own (``params:<name>.arms``)."""

    name: str
    question: str
    note: str
    reference: tuple[str, ...]
    from_experiment: str | None
    ingestion: IngestionConfig | None
    cleaning: tuple[CleaningStep, ...]
    """Steps that were done to the texts of all sources, and that a model so does to what it is to read."""
    unification: UnificationConfig | None
    sampling: SamplingConfig | None
    unlabelled: UnlabelledConfig | None
    bases: dict[str, MaskedLanguageModelConfig]
    generators: dict[str, dict[str, Any]]
    filters: dict[str, dict[str, Any]]
    learners: dict[str, dict[str, Any]]
    arms: dict[str, ArmConfig]
    drawn_sizes: dict[str, tuple[tuple[int, ...] | None, ...]]
    """Of each generator, the sizes of the arms that add its texts; None: all. What else an arm says draws nothing."""
    design: DesignConfig
    recommend: tuple[str, ...]
    compare: tuple[tuple[str, str], ...]
    score_by: tuple[str, ...]
    evaluator: EvaluatorConfig
    analyses: dict[str, dict[str, Any]]
    evaluation: EvaluationConfig

    def models(self) -> tuple[str, ...]:
        """Return the pretrained models that its nodes open."""
        parts = [
            *(learner_config(raw) for raw in self.learners.values()),
            *(generator_config(raw) for raw in self.generators.values()),
            *self.bases.values(),
            *filter(None, [self.evaluation.embeddings]),
        ]
        return tuple(dict.fromkeys(name for part in parts for name in part.models()))


def common_cleaning(ingestion: IngestionConfig | None, shared: tuple[CleaningStep, ...]) -> tuple[CleaningStep, ...]:
    """Return the cleaning steps that the texts of all sources have in common; ``shared`` are those of most."""
    sources = () if ingestion is None else ingestion.sources.values()
    lists = [source.cleaning for source in sources if source.cleaning is not None]
    if len(lists) < len(sources) or not lists:
        lists.append(shared)
    return tuple(step for step in lists[-1] if all(step in steps for steps in lists))
