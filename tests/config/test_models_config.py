from __future__ import annotations

import importlib
import os
import pkgutil
import re
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import TypeAdapter, ValidationError

import emotion_kedro.config
from emotion_kedro.config.augmentation import generator_config
from emotion_kedro.config.base import Config
from emotion_kedro.config.models import (
    LEARNERS,
    FeatureConfig,
    MaskedLanguageModelConfig,
    OnlyConfig,
    learner_config,
)

TRAINING = {"steps": 3, "learning_rate": 1e-3}


@pytest.mark.parametrize("kind", LEARNERS)
def test_every_kind_is_read_by_its_name_and_its_implementation_is_there(kind: str) -> None:
    tuned = {} if kind == "linear" else {"base": "gpt2", "training": TRAINING}
    learner = learner_config({"kind": kind, **tuned})
    assert type(learner) is LEARNERS[kind].config
    assert learner_config(learner) is learner
    assert learner.models() == (("package:minilm",) if kind == "linear" else ("gpt2",))
    implementation = LEARNERS[kind].load()
    assert all(hasattr(implementation, name) for name in ("fit", "load", "probabilities", "save"))


def test_a_base_of_the_experiment_is_no_pretrained_model() -> None:
    learner = learner_config({"kind": "masked_lm", "base_model": "adapted", "training": TRAINING})
    assert learner.models() == ()
    assert learner.description == "adapted"


@pytest.mark.parametrize("kind", ["learner", "features", "generator", "base"])
def test_a_base_in_a_directory_is_a_parameter_by_its_content(kind: str, tmp_path: Path) -> None:
    read = {
        "learner": lambda base: learner_config({"kind": "encoder", "base": base, "training": TRAINING}),
        "features": lambda base: FeatureConfig(base=base),
        "generator": lambda base: generator_config({"kind": "prompted", "base": base, "request": "{label}"}),
        "base": lambda base: MaskedLanguageModelConfig(base=base, training=None),
    }[kind]
    assert read("gpt2").base_contents == ""
    weights, base = tmp_path / "model.safetensors", str(tmp_path)
    weights.write_bytes(b"one")
    first = read(base)
    assert first == read(base)
    assert type(first).model_validate(first.model_dump()) == first
    (tmp_path / "README.md").write_text("a card")
    os.utime(weights, (1, 1))
    assert read(base) == first
    for name in ("config.json", "tokenizer/vocabulary.txt", "model.safetensors"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        before = read(base)
        (tmp_path / name).write_bytes(b"two")
        assert read(base) != before, name
    with pytest.raises(ValidationError, match="are others than those that this was made with"):
        type(first).model_validate(first.model_dump())


def test_only_takes_its_part_of_the_design() -> None:
    run = {"arm": "real", "size": 10, "data_seed": 0, "seed": 1}
    assert OnlyConfig().takes(**run)
    assert OnlyConfig(arms=("real",), seeds=(0, 1)).takes(**run)
    assert not OnlyConfig(sizes=(25,)).takes(**run)


def test_features_name_their_model_and_have_ngrams_of_their_kind() -> None:
    assert FeatureConfig().models() == ("package:minilm",)
    assert FeatureConfig(kind="characters").models() == ()
    assert FeatureConfig(kind="characters").ngram_range == (1, 3)
    assert FeatureConfig(kind="tfidf").ngram_range == (1, 2)


def configs(base: type[Config] = Config) -> set[type[Config]]:
    """All kinds of parameters that the project has; other tests may have defined some of their own."""
    for module in pkgutil.iter_modules(emotion_kedro.config.__path__, "emotion_kedro.config."):
        importlib.import_module(module.name)
    return {config for child in base.__subclasses__() for config in (child, *configs(child))}


def test_no_number_takes_a_word_that_yaml_reads_as_true() -> None:
    numbers = [
        (f"{config.__name__}.{name}", TypeAdapter(Annotated[field.annotation, *(field.metadata or [None])]))
        for config in configs()
        if config.__module__.startswith("emotion_kedro.")
        for name, field in config.model_fields.items()
        if re.search(r"\b(int|float)\b", str(field.annotation)) and not re.search("Config|dict", str(field.annotation))
    ]
    assert len(numbers) > 100
    for name, adapter in numbers:
        for value in (True, [True]):
            try:
                adapter.validate_python(value)
            except ValidationError:
                continue
            pytest.fail(f"{name} takes {value}")
