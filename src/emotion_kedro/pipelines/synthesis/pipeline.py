"""generators -> candidates of each -> scored candidates of all."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from functools import partial, update_wrapper
from typing import Any

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.synthesis.nodes import draw_candidates, score_candidates


def create_pipeline(
    generators: Mapping[str, Any],
    trained: Collection[str] = (),
    *,
    unlabelled: bool = False,
    reviewed: bool = False,
) -> Pipeline:
    """Return the synthesis stage; without generators it has no node.

    Args:
        generators: the parameters of the generators, by name.
        trained: those whose model the generation stage keeps.
        unlabelled: whether the experiment has texts without labels of its own.
        reviewed: whether a filter asks for what a person decided about the candidates.
    """
    if not generators:
        return Pipeline([])
    nodes = [
        _draw(name, config.needs_training and name in trained, unlabelled and config.reads_unlabelled)
        for name, config in generators.items()
    ]
    return Pipeline([*nodes, _score(generators, reviewed)], tags="synthesis")


def _draw(name: str, trained: bool, unlabelled: bool) -> Any:
    inputs = {
        "split_records": "split_records",
        "taxonomy": "taxonomy",
        "generator": f"params:generators.{name}",
        "sizes": f"params:drawn_sizes.{name}",
        "design": "params:design",
        "device": "params:device",
        "cache": "params:cache",
    }
    if trained:
        inputs["model"] = f"generator.{name}.model"
    if unlabelled:
        inputs["unlabelled_texts"] = "unlabelled_texts"
    return node(
        update_wrapper(partial(draw_candidates, name=name), draw_candidates),
        inputs=inputs,
        outputs=f"generator.{name}.candidates",
        name=f"draw_{name}",
        namespace=f"generator.{name}",
    )


def _score(generators: Mapping[str, Any], reviewed: bool) -> Any:
    parameters = ["generators", "arms", "filters", "learners", "design", "device", "cache"]
    return node(
        update_wrapper(partial(score_candidates, reviewed=True), score_candidates) if reviewed else score_candidates,
        inputs=[
            "split_records",
            "taxonomy",
            *(f"params:{name}" for name in parameters),
            *(["reviews"] if reviewed else []),
            *(f"generator.{name}.candidates" for name in generators),
        ],
        outputs="candidates",
        name="score_candidates",
        namespace="generator",
    )
