"""The study: which arms are compared, at which sizes, and how each makes the text that it adds."""

from __future__ import annotations

from collections.abc import Collection
from typing import Annotated, Literal

from pydantic import Field, model_validator

from emotion_kedro.options.base import Options, Positive, Rate, Share
from emotion_kedro.options.classification import ClassifierOptions
from emotion_kedro.options.features import FeatureOptions
from emotion_kedro.options.generation import DecodingOptions, FilterOptions, GenerationOptions
from emotion_kedro.options.heads import HeadOptions
from emotion_kedro.options.training import TrainingOptions

BUILT_IN = ("repeats", "eda", "template", "more_real", "unlabelled")
"""Sources of added rows that need no writer."""
SCRATCH = "scratch"
"""The base that is no pretrained model."""
Sizes = Annotated[tuple[Positive, ...], Field(min_length=1)]
Seeds = Annotated[tuple[int, ...], Field(min_length=1)]


class AskingOptions(Options):
    """How a model that is not tuned is asked for a text of a label."""

    request: str
    """With ``{label}``, and ``{examples}`` where ``examples`` is above 0."""
    neutral: str | None = None
    """The request without the label; what it says of the next token is held against what ``request`` says."""
    guidance: Annotated[float, Field(ge=1.0)] = 1.0
    """How far logits move from those under ``neutral`` to those under ``request``, and beyond; 1: no guidance."""
    chat: bool = True
    """Put the request into the chat template of the tokenizer, if it has one."""
    examples: Annotated[int, Field(ge=0)] = 0
    """Train texts of the label shown in a request."""
    prefix_words: Annotated[int, Field(ge=0)] = 0
    """First words of a train text of the label with which the answer has to begin."""
    requests: Positive = 8
    """Different requests per label: each has its own examples and prefix."""

    @model_validator(mode="after")
    def _consistent(self) -> AskingOptions:
        if "{label}" not in self.request:
            raise ValueError("request does not say {label}, so that it asks for the same text whatever the label")
        if ("{examples}" in self.request) != (self.examples > 0):
            raise ValueError("request says {examples} if, and only if, examples is above 0")
        if self.guidance > 1 and self.neutral is None:
            raise ValueError("guidance above 1 needs neutral, the request without the label")
        if self.neutral is not None and "{label}" in self.neutral:
            raise ValueError("neutral says {label}; it is the request without the label")
        return self


class WriterOptions(Options):
    """A generator, and what it draws on. It sees the cell's train rows, never another row that has a label."""

    kind: Literal["per_label", "conditioned", "asked"]
    """``per_label``: one tuned generator for each label. ``conditioned``: one for all, its texts headed by their label.
    ``asked``: a pretrained model that is not tuned."""
    texts: Positive = 64
    """Texts drawn per label."""
    rows: Positive | None = None
    """Train rows per label that it draws on, at most: larger sizes share what was written for this one."""
    unlabelled: TrainingOptions | None = None
    """Tuning of the base on the unlabelled texts of the train side, before anything else."""
    tuning: GenerationOptions | None = None
    """The base and how it is tuned; of ``per_label`` and ``conditioned``."""
    asking: AskingOptions | None = None
    """Of ``asked``."""
    base: str | None = None
    """Of ``asked``."""
    decoding: DecodingOptions = DecodingOptions()
    seed: int = 0
    """Added to the data seed."""

    @model_validator(mode="after")
    def _fits_its_kind(self) -> WriterOptions:
        asked = self.kind == "asked"
        if asked != (self.asking is not None) or asked != (self.base is not None) or asked == (self.tuning is not None):
            raise ValueError(f"kind: {self.kind} takes {'asking and base' if asked else 'tuning'}, and nothing else")
        if self.unlabelled is not None and self.kind != "per_label":
            raise ValueError("unlabelled is for kind: per_label")
        if self.tuning is not None and self.tuning.base == SCRATCH and self.unlabelled is None:
            raise ValueError("a model from scratch learns to write from the unlabelled texts: give unlabelled")
        return self

    @property
    def model(self) -> str:
        """The pretrained model that it starts from."""
        return self.base if self.tuning is None else self.tuning.base  # type: ignore[return-value]


class ArmOptions(Options):
    """An arm: what is added to the real rows, which of it is kept, and what it counts."""

    says: str
    """What the arm does, for readers."""
    add: tuple[str, ...] = ()
    """Sources: a writer's name, or one of :data:`BUILT_IN`. None: real rows alone."""
    keep: tuple[Literal["agreed", "novel"], ...] = ()
    """``agreed``: the filter reads the text as its label, at ``filter.tau`` or surer. ``novel``: no copy, near-copy or
    duplicate, not too short, no loop."""
    weigh: Literal["agreement"] | None = None
    """``agreement``: a row counts as much as the filter's probability of its label."""
    worth: Rate | None = None
    """Instead of the study's ``worth``."""
    full: bool = False
    """Every added row counts as much as a real one, whatever ``worth`` says."""
    sizes: Sizes | None = None
    """Sizes at which it is run, as far as the study has them; None: all of the study."""

    @property
    def generated(self) -> bool:
        """Whether a language model wrote what it adds."""
        return any(name not in BUILT_IN for name in self.add)


class TemplateOptions(Options):
    """The sentence that says the label."""

    sentence: str = "This text expresses {label}"
    words: dict[str, str] = Field(default_factory=dict)
    """Label -> the word that stands for it, where that is not the label itself."""


class ConfirmOptions(Options):
    """Cells that are run again with the encoder trained, since frozen features are a shortcut.

    Of the arms, sizes and data seeds named here, those that the study runs are taken.
    """

    arms: Annotated[tuple[str, ...], Field(min_length=2)]
    sizes: Sizes
    data_seeds: Seeds
    seeds: Seeds = (0,)
    classifier: ClassifierOptions

    @model_validator(mode="after")
    def _equal_steps(self) -> ConfirmOptions:
        if self.classifier.training.steps is None:
            raise ValueError("confirm.classifier.training counts epochs; give steps, so that every arm gets as many")
        return self


class StudyOptions(Options):
    """The grid: arms at sizes, each with data seeds times initialisation seeds."""

    name: str = "study"
    """Begins the names of the pictures."""
    note: str = ""
    """What a reader of the page has to know of this set."""
    sizes: Sizes = (10, 25, 50, 100, 200, 400, 800)
    """Real train rows per label; sizes of which no label has so many rows are left out."""
    data_seeds: Seeds = (0, 1, 2, 3, 4)
    """Each draws its own train rows; the rows of a size are among those of the next."""
    seeds: Seeds = (0, 1)
    """Initial values and batches of the heads."""
    filter_seed: int = 1000
    arms: dict[str, ArmOptions]
    without: tuple[str, ...] = ()
    """Arms that are not run here."""
    writers: dict[str, WriterOptions] = Field(default_factory=dict)
    added_rows: Positive = 64
    """Rows per label that an arm adds, at most."""
    worth: Rate = 20.0
    """The added rows of a label count as much as so many real rows, in every arm alike."""
    test_rows: Positive | None = None
    """Test rows, drawn within each label; None: all."""
    validation_rows: Positive = 50
    """Validation rows per label, at most, and never more than the cell has train rows: they choose the penalty."""
    unlabelled_rows: Positive = 2000
    """Texts of the train side, without their labels, for the arms that take unlabelled text."""
    features: FeatureOptions = FeatureOptions()
    heads: HeadOptions
    filter: FilterOptions = FilterOptions()
    template: TemplateOptions = TemplateOptions()
    eda_strength: Share = 0.1
    confirm: ConfirmOptions | None = None
    storage: str
    """Folder of what is kept between runs: features, written texts, cells."""
    seed: int = 0
    """Of the choice of test and unlabelled rows."""

    @model_validator(mode="after")
    def _arms_known(self) -> StudyOptions:
        known = (*BUILT_IN, *self.writers)
        for name, arm in self.arms.items():
            _check_names(f"arms.{name}.add", arm.add, known)
        _check_names("without", self.without, self.arms)
        _check_names("confirm.arms", () if self.confirm is None else self.confirm.arms, self.arms)
        missing = [name for name in ("real", "template") if name not in self.run_arms]
        if missing:
            raise ValueError(f"arms lacks {missing[0]!r}, or without leaves it out; the others are compared with it")
        if self.arms["real"].add:
            raise ValueError("arms.real adds something; it is what the others are compared with")
        return self

    @model_validator(mode="after")
    def _nothing_twice(self) -> StudyOptions:
        clash = sorted(set(BUILT_IN) & set(self.writers))
        if clash:
            raise ValueError(f"writers.{clash[0]} has the name of a built-in source; give it another")
        if self.filter_seed in self.seeds:
            raise ValueError(f"filter_seed {self.filter_seed} is also a seed of the arms; take another")
        return self

    @model_validator(mode="after")
    def _each_once(self) -> StudyOptions:
        drawn = {"sizes": self.sizes, "data_seeds": self.data_seeds, "seeds": self.seeds}
        twice = [name for name, values in drawn.items() if len(set(values)) < len(values)]
        if twice:
            raise ValueError(f"{twice[0]} names one of them twice; its cells would count double")
        return self

    def models(self) -> tuple[str, ...]:
        """Return the pretrained models that have to be at hand."""
        used = sorted({name for arm in self.run_arms.values() for name in arm.add} & set(self.writers))
        written = (self.writers[name].model for name in used)
        own = () if self.confirm is None else (self.confirm.classifier.base,)
        return (*self.features.models(), *(model for model in written if model != SCRATCH), *own)

    @property
    def run_arms(self) -> dict[str, ArmOptions]:
        """The arms that are run here, at one size at least, by name."""
        return {name: arm for name, arm in self.arms.items() if name not in self.without and self.sizes_of(name)}

    def sizes_of(self, arm: str) -> tuple[int, ...]:
        """Return the sizes of the study at which an arm is run: none, where it names only others."""
        wanted = self.arms[arm].sizes
        return self.sizes if wanted is None else tuple(size for size in self.sizes if size in wanted)


def _check_names(place: str, names: Collection[object], known: Collection[object]) -> None:
    unknown = [str(name) for name in names if name not in known]
    if unknown:
        raise ValueError(f"{place} has {', '.join(unknown)}; there are: {', '.join(map(str, known))}")
