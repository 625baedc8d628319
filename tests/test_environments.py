"""Every environment: its parameters fit their types, and it names what it needs before any work."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.pipeline.node import Node

from emotion_kedro.hooks import weights_of
from emotion_kedro.learning.weights import MissingWeightsError, require
from emotion_kedro.options import Options
from emotion_kedro.pipeline_registry import register_pipelines

ROOT = Path(__file__).parents[1]
HUB_MODELS = {"gpt2", "bert-base-uncased", "bert-base-chinese"}
WITHOUT_MODELS = {"ingestion", "unification", "sampling", "evaluation", "report", "label_noise", "studies"}
WITHOUT_MODELS_OFFLINE = {"study_chnsenticorp"}  # characters are counted, and the generator begins from nothing
OF_THE_REPORT = {
    "causal_prompt": {"gpt2"},
    "causal_prompt_thirteen": {"gpt2"},
    "masked_prompt": {"bert-base-uncased"},
    "masked_prompt_thirteen": {"bert-base-uncased"},
    "cross_dataset": {"gpt2"},
    "lexicon": {"bert-base-uncased"},
    "chnsenticorp": {"bert-base-chinese"},
    "ocemotion": {"bert-base-chinese"},
    "iteration": {"gpt2", "bert-base-uncased"},
    "special_sets": {"gpt2", "bert-base-uncased"},
}


def options_of(node: Node) -> Iterator[tuple[str, type[Options]]]:
    """Yield the parameters of a node that are typed options, by the data set they come from."""
    function = inspect.unwrap(node.func)
    hints = get_type_hints(function)
    names = node._inputs
    if isinstance(names, dict):
        bound = dict(names)
    else:
        listed = [names] if isinstance(names, str) else list(names or [])
        positions = [
            name for name, one in inspect.signature(function).parameters.items() if one.kind != one.VAR_POSITIONAL
        ]
        bound = dict(zip(positions, listed, strict=False))
    for argument, data_set in bound.items():
        hint = hints.get(argument)
        if data_set.startswith("params:") and inspect.isclass(hint) and issubclass(hint, Options):
            yield data_set, hint


@pytest.fixture(scope="module", params=["base", "real", "report"])
def environment(request: pytest.FixtureRequest) -> Iterator[tuple[str, Any]]:
    bootstrap_project(ROOT)
    name = request.param
    with KedroSession.create(ROOT, env=None if name == "base" else name) as session:
        yield name, session.load_context().catalog


def test_all_parameters_fit_their_types(environment: tuple[str, Any]) -> None:
    _, catalog = environment
    checked = set()
    for pipeline in register_pipelines().values():
        for node in pipeline.nodes:
            for data_set, options in options_of(node):
                value = catalog.load(data_set)
                assert isinstance(options.model_validate(value if isinstance(value, dict) else dict(value)), options)
                checked.add(data_set)
    assert {"params:tune.search", "params:lexicon.classification", "params:usability.encoder.rows"} <= checked


def test_models_are_offline_ones_but_for_the_reports_environment(environment: tuple[str, Any]) -> None:
    name, catalog = environment
    for pipeline_name, pipeline in register_pipelines().items():
        needed = set(weights_of(pipeline, catalog))
        without = WITHOUT_MODELS if name == "report" else WITHOUT_MODELS | WITHOUT_MODELS_OFFLINE
        assert bool(needed) == (pipeline_name not in without), pipeline_name
        if name == "report":
            assert needed <= HUB_MODELS, pipeline_name
            assert OF_THE_REPORT.get(pipeline_name, needed) <= needed, pipeline_name
        else:
            assert not needed & HUB_MODELS, pipeline_name


def test_without_a_hub_the_models_that_are_missing_are_named_with_what_to_do() -> None:
    with pytest.raises(MissingWeightsError) as caught:
        require(sorted(HUB_MODELS))
    for model in HUB_MODELS:
        assert f"hf download {model}" in caught.value.message
