"""Identities: what a result depends on makes another one, and nothing else does."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import pandas as pd
import pytest

from emotion_kedro.augmentation.draws import DrawContexts, Scoring, score_draws
from emotion_kedro.augmentation.generators import draw_candidates
from emotion_kedro.augmentation.generators.tuning import prepare_base
from emotion_kedro.config.augmentation import generator_config
from emotion_kedro.config.experiment import ArmConfig, DesignConfig
from emotion_kedro.config.filters import filter_configs
from emotion_kedro.config.models import FeatureConfig, learner_config
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.subsamples import DesignSplits, Draw
from emotion_kedro.datasets import ModelDirectory
from emotion_kedro.experiments.run import RunContext, fit_arm
from emotion_kedro.models.classifiers import TrainingSet
from emotion_kedro.models.classifiers.fitting import work_of
from emotion_kedro.models.device import Device
from emotion_kedro.models.features import EncoderFeatures
from emotion_kedro.runners.incremental.fingerprints import content_of
from emotion_kedro.storage.cache import Cache

TRAINING = {"steps": 2, "learning_rate": 1e-3}
ARM = {"add": ["again"], "filters": ["novel", "label_agreement"], "order": "continue"}
Change = Callable[["World"], Any]


@dataclass
class World:
    """What long work is made from; a change alters one thing in it."""

    folder: Path
    records: pd.DataFrame
    taxonomy: TaxonomyConfig
    device: Device = field(default_factory=lambda: Device("cpu", "test", half=False))
    experiment: str = "first"
    seed: int = 0
    learner: dict[str, Any] = field(default_factory=dict)
    generator: dict[str, Any] = field(default_factory=dict)
    arm: dict[str, Any] = field(default_factory=lambda: dict(ARM))
    filters: dict[str, Any] = field(default_factory=dict)
    unfiltered: tuple[str, ...] = ()
    added: str = "a text that was written"
    max_tokens: int = 16

    def __post_init__(self) -> None:
        files = ("model.safetensors", "config.json", "inner/weights", "README.md")
        for name in files:
            self.write(name, "first")
        self.write("classifier.json", json.dumps({"seed": 0, "log": {"seconds": 1.5}}))
        self.learner |= {"kind": "encoder", "base": str(self.folder), "training": TRAINING}
        self.generator |= {"kind": "conditional", "base": str(self.folder), "training": TRAINING, "warm_up": TRAINING}

    def write(self, name: str, content: str) -> None:
        (self.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (self.folder / name).write_text(content)

    @property
    def design(self) -> DesignConfig:
        return DesignConfig(seeds=(self.seed,), data_seeds=(self.seed,))

    @property
    def training_rows(self) -> pd.DataFrame:
        train = self.records[self.records["split"] == "train"]
        return train.assign(origin="real", size=0, data_seed=self.seed).reset_index(drop=True)

    def contexts(self, cache: Cache) -> DrawContexts:
        return DrawContexts(self.records, self.design, self.taxonomy, self.device, cache)


class AskedError(Exception):
    """Carries the identity of the first entry that is asked for."""


class Asking(Cache):
    """Ends the work where it asks for its first entry."""

    def _asked(self, kind: str, identity: str) -> NoReturn:
        raise AskedError(identity)

    table = directory = vectors = work = _asked


def asked(work: Callable[[Cache], object]) -> str:
    with pytest.raises(AskedError) as error:
        work(Asking("unused"))
    return str(error.value)


def run(world: World) -> str:
    splits, arm = DesignSplits(world.records, world.design), ArmConfig.model_validate(world.arm)
    learners = {"learner": learner_config(world.learner)}

    def work(cache: Cache) -> object:
        context = RunContext(world.experiment, world.taxonomy, splits, world.device, cache)
        return fit_arm(world.experiment, arm, world.training_rows, learners, context)

    return asked(work)


def scores(world: World) -> str:
    arms, learners = {world.experiment: ArmConfig.model_validate(world.arm)}, {"l": learner_config(world.learner)}
    scoring = Scoring(arms, filter_configs(world.filters), learners, world.unfiltered)
    row = {"candidate_id": "a", "text": world.added, "label": "joy", "generator": "again", "size": 0, "data_seed": 0}
    return asked(lambda cache: score_draws(pd.DataFrame([row]), world.contexts(cache), scoring))


def candidates(world: World) -> str:
    config = generator_config(world.generator)
    draw = Draw(0, world.seed)
    return asked(
        lambda cache: draw_candidates(config, world.contexts(cache).context(draw, config), name=world.experiment)
    )


def base(world: World) -> str:
    config: Any = generator_config(world.generator)
    draw = Draw(0, world.seed)
    return asked(lambda cache: prepare_base(config, world.contexts(cache).context(draw, config)))


def checkpoints(world: World) -> str:
    validation = world.records[world.records["split"] == "validation"]
    rows = TrainingSet(world.training_rows, validation, world.taxonomy, world.experiment, world.seed)
    learner: Any = learner_config(world.learner)
    return asked(lambda cache: work_of(rows, learner, world.device, cache))


def features(world: World) -> str:
    config = FeatureConfig(kind="encoder", base=str(world.folder), max_tokens=world.max_tokens)
    return asked(lambda cache: EncoderFeatures(config, cache=cache, device=world.device))


def model_directory(world: World) -> str:
    return content_of(ModelDirectory(filepath=str(world.folder)), "model", {})


# --- changes ------------------------------------------------------------------------------------------------------


def setting(**values: Any) -> Change:
    return lambda world: [setattr(world, name, value) for name, value in values.items()]


def within(part: str, **values: Any) -> Change:
    return lambda world: getattr(world, part).update(values)


def file(name: str, content: str = "other") -> Change:
    return lambda world: world.write(name, content)


def row(split: str, column: str, value: Any) -> Change:
    """Alter one row of a split."""

    def change(world: World) -> None:
        first = world.records.index[world.records["split"] == split][0]
        world.records.loc[first, column] = value

    return change


CUDA = Device("cuda", "test", half=False)
TEXT, LABEL = partial(row, column="text", value="another text"), partial(row, column="label", value="fear")
WEIGHTS, CARD = file("model.safetensors"), file("README.md")
OTHER_RATE = {"training": {**TRAINING, "learning_rate": 2e-3}}
TAXONOMY = setting(taxonomy=TaxonomyConfig.from_labels(["joy", "fear", "anger", "sadness"]))
COMMON = {"device": setting(device=CUDA), "half": setting(device=replace(CUDA, half=True)), "weights": WEIGHTS}
ROWS = {f"{part} of a {split} row": change(split) for split in ("train", "validation")
        for part, change in {"text": TEXT, "label": LABEL}.items()}  # fmt: skip
FIT = {
    **COMMON,
    **ROWS,
    "weight": row("train", "weight", 0.5),
    "phase": row("train", "phase", 1),
    "taxonomy": TAXONOMY,
    "seed": setting(seed=1),
    "learner": within("learner", **OTHER_RATE),
}
NOTES = {"card": CARD, "notes": file("classifier.json"), "experiment": setting(experiment="second")}

MATTERS: dict[Callable[[World], str], dict[str, Change]] = {
    run: {**FIT, "test text": TEXT("test"), "id of a test row": row("test", "record_id", "other")},
    scores: {
        **COMMON,
        **ROWS,
        "taxonomy": TAXONOMY,
        "learner": within("learner", **OTHER_RATE),
        "candidate": setting(added="another text"),
        "unfiltered": setting(unfiltered=("again",)),
        "shingle": setting(filters={"novel": {"shingle": 4}}),
        "filter": setting(filters={"label_agreement": {"seed": 7}}),
    },
    candidates: {
        **COMMON,
        **ROWS,
        "taxonomy": TAXONOMY,
        "seed": setting(seed=1),
        "generator": within("generator", **OTHER_RATE),
    },
    base: {
        **COMMON,
        "text of a train row": TEXT("train"),
        "text of a validation row": TEXT("validation"),
        "seed": setting(seed=1),
        "warm-up": within("generator", warm_up=OTHER_RATE["training"]),
        "tokens": within("generator", max_tokens=16),
    },
    checkpoints: FIT,
    features: {"weights": WEIGHTS, "tokens": setting(max_tokens=8), "half": setting(device=replace(CUDA, half=True))},
    model_directory: {
        "weights": WEIGHTS,
        "weights further down": file("inner/weights"),
        "notes": file("classifier.json", '{"seed": 1, "log": {"seconds": 1.5}}'),
        "one more": file("adapter"),
    },
}
MATTERS_NOT: dict[Callable[[World], str], dict[str, Change]] = {
    run: {
        **NOTES,
        "label of a test row": LABEL("test"),
        "where a learner is run": within("learner", only={"arms": ["first", "second"]}),
        "what an arm is called": within("arm", description="other"),
    },
    scores: {**NOTES, "test row": TEXT("test"), "what an arm is called": within("arm", description="other")},
    candidates: {**NOTES, "test row": TEXT("test"), "arm": within("arm", order="continue")},
    base: {
        **NOTES,
        "length of what is written, by a pretrained one": within("generator", decoding={"max_new_tokens": 90}),
        "rate of the labels": within("generator", **OTHER_RATE),
        "label": LABEL("train"),
    },
    checkpoints: {"card": CARD, "test row": TEXT("test"), "only": within("learner", only={"arms": ["second"]})},
    features: {**NOTES, "text": TEXT("train"), "device": setting(device=CUDA)},
    model_directory: {"card": CARD, "time": file("classifier.json", '{"seed": 0, "log": {"seconds": 2.5}}')},
}


@pytest.mark.parametrize(
    ("identity", "change", "matters"),
    [
        pytest.param(identity, change, matters, id=f"{identity.__name__}: {name}{'' if matters else ' (not)'}")
        for table, matters in ((MATTERS, True), (MATTERS_NOT, False))
        for identity, changes in table.items()
        for name, change in changes.items()
    ],
)
def test_what_a_result_depends_on_makes_another_identity_and_nothing_else_does(
    identity: Callable[[World], str],
    change: Change,
    matters: bool,
    tmp_path: Path,
    records: pd.DataFrame,
    taxonomy: TaxonomyConfig,
) -> None:
    few = records.groupby("label").head(4)
    splits = ["train", "train", "validation", "test"]
    turn = few.groupby("label").cumcount()
    split = few.assign(group=range(len(few)), split=[splits[place] for place in turn], weight=1.0, phase=0)
    world = World(tmp_path / "world", split.reset_index(drop=True), taxonomy)
    before = identity(world)
    assert identity(world) == before
    change(world)
    assert (identity(world) != before) == matters


def test_a_base_from_scratch_has_room_for_what_it_is_to_write(
    tmp_path: Path, records: pd.DataFrame, taxonomy: TaxonomyConfig
) -> None:
    world = World(tmp_path / "world", records.assign(group=range(len(records)), split="train"), taxonomy)
    world.generator |= {"base": "scratch", "warm_up": None}
    short = base(world)
    world.generator |= {"decoding": {"max_new_tokens": 90}}
    assert base(world) != short
