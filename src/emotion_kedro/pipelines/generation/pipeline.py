"""split records -> a model for each generator that is kept, in its namespace ``generator.<name>``."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial, update_wrapper
from typing import Any

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.generation.nodes import train_generator


def create_pipeline(generators: Mapping[str, Any], trained: Collection[str], *, unlabelled: bool = False) -> Pipeline:
    """Return the generation stage.

    Args:
        generators: the parameters of the generators, by name.
        trained: those whose model is kept; the others are fitted draw by draw as they are sampled.
        unlabelled: whether the experiment has texts without labels of its own.
    """
    nodes = [
        _train(name, unlabelled and config.reads_unlabelled)
        for name, config in generators.items()
        if config.needs_training and name in trained
    ]
    return Pipeline(nodes, tags="generation")


def _train(name: str, unlabelled: bool) -> Any:
    inputs = {
        "split_records": "split_records",
        "taxonomy": "taxonomy",
        "generator": f"params:generators.{name}",
        "design": "params:design",
        "device": "params:device",
        "cache": "params:cache",
    }
    if unlabelled:
        inputs["unlabelled_texts"] = "unlabelled_texts"
    return node(
        update_wrapper(partial(train_generator, name=name), train_generator),
        inputs=inputs,
        outputs=[f"generator.{name}.model", f"generator.{name}.log"],
        name=f"train_{name}",
        namespace=f"generator.{name}",
    )
