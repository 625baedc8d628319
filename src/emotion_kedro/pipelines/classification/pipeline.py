"""split records + candidates -> training rows of an arm -> classifier -> predictions, in ``classifier.<arm>``.

Kedro reads the types of parameters by position: inputs are named in the order of the function's arguments.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from functools import partial, update_wrapper
from typing import Any

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from emotion_kedro.config.experiment import ArmConfig
from emotion_kedro.pipelines.classification.nodes import (
    adapt_base,
    collect_runs,
    compose_added,
    compose_real,
    fit_arm,
    fit_baselines,
    read_candidates,
)

ARMS = "classifier"
"""The namespace of all arms: each has its own below it."""
MACHINE = {"device": "params:device", "cache": "params:cache"}


def create_pipeline(
    arms: Mapping[str, ArmConfig], *, bases: Collection[str], evaluator: str | None, unlabelled: bool = False
) -> Pipeline:
    """Return the classification stage.

    Args:
        arms: every arm by name.
        bases: names of the models that learners start from and that are made here.
        evaluator: the arm whose classifier reads the candidates; None: there are no candidates.
        unlabelled: whether the experiment has texts without labels, which bases learn from too.
    """
    nodes = [*(_base(name, unlabelled) for name in bases), *(_arm(name, arm, bases) for name, arm in arms.items())]
    if arms:
        nodes.append(Pipeline([_baselines(), _collecting(arms)]))
    if evaluator is not None:
        nodes.append(Pipeline([_reading(evaluator)]))
    return Pipeline(nodes, tags="classification")


def _base(name: str, unlabelled: bool) -> Pipeline:
    texts = {"unlabelled_texts": "unlabelled_texts"} if unlabelled else {}
    adapting = node(
        adapt_base,
        inputs={
            **{"split_records": "split_records", "taxonomy": "taxonomy", "config": f"params:bases.{name}"},
            **MACHINE,
            **texts,
        },
        outputs=[f"base.{name}.model", f"base.{name}.log"],
        name="adapt_base",
        namespace=f"base.{name}",
    )
    return Pipeline([adapting])


def _arm(name: str, arm: ArmConfig, bases: Collection[str]) -> Pipeline:
    prefix = f"{ARMS}.{name}"
    fitting = node(
        _named(fit_arm, name=name),
        inputs={
            **{"rows": f"{prefix}.rows", "split_records": "split_records", "taxonomy": "taxonomy"},
            **{"experiment": "params:name", "arm": f"params:arms.{name}"},
            **{"learners": "params:learners", "design": "params:design", "cleaning": "params:cleaning"},
            **MACHINE,
            **{base: f"base.{base}.model" for base in bases},
        },
        outputs=[f"{prefix}.{kind}" for kind in ("model", "predictions", "validation_predictions", "runs")],
        name="fit_arm",
        namespace=prefix,
    )
    return Pipeline([_composing(name, arm, prefix), fitting])


def _composing(name: str, arm: ArmConfig, prefix: str) -> Node:
    parameters = {"arm": f"params:arms.{name}", "design": "params:design"}
    if not arm.add:
        return node(
            _named(compose_real, name=name),
            inputs={"split_records": "split_records", **parameters},
            outputs=f"{prefix}.rows",
            name="compose_rows",
            namespace=prefix,
        )
    return node(
        _named(compose_added, name=name),
        inputs={
            **{"split_records": "split_records", "candidates": "candidates"},
            **parameters,
            "filters": "params:filters",
        },
        outputs=[f"{prefix}.rows", f"{prefix}.decisions"],
        name="compose_rows",
        namespace=prefix,
    )


def _baselines() -> Node:
    return node(
        fit_baselines,
        inputs={
            **{"split_records": "split_records", "taxonomy": "taxonomy", "experiment": "params:name"},
            **{"design": "params:design", **MACHINE},
        },
        outputs="baseline_predictions",
        name="fit_baselines",
        namespace=ARMS,
    )


def _collecting(arms: Mapping[str, ArmConfig]) -> Node:
    adding = [name for name, arm in arms.items() if arm.add]
    tables = {
        "predictions": [*(f"{ARMS}.{name}.predictions" for name in arms), "baseline_predictions"],
        "validation_predictions": [f"{ARMS}.{name}.validation_predictions" for name in arms],
        "runs": [f"{ARMS}.{name}.runs" for name in arms],
        "decisions": [f"{ARMS}.{name}.decisions" for name in adding],
    }
    return node(
        collect_runs,
        inputs={f"{kind}_{number}": name for kind, names in tables.items() for number, name in enumerate(names)},
        outputs=[kind for kind, names in tables.items() if names],
        name="collect_runs",
        namespace=ARMS,
    )


def _reading(evaluator: str) -> Node:
    return node(
        read_candidates,
        inputs={"model": f"{ARMS}.{evaluator}.model", "candidates": "candidates", "device": "params:device"},
        outputs="candidate_predictions",
        name="read_candidates",
        namespace=ARMS,
    )


def _named(function: Callable[..., Any], **names: str) -> Callable[..., Any]:
    """Return the function with names of the wiring filled in, under its own name."""
    return update_wrapper(partial(function, **names), function)
