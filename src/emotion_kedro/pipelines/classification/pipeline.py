"""records -> training mix of an arm -> classifier -> predictions, an arm in its namespace ``classifier.<arm>``."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from emotion_kedro.pipelines.classification.nodes import (
    compose_augmented,
    compose_real,
    compose_synthetic,
    fit_arm,
    fit_filter,
    judge_candidates,
)

PARAMETERS = {"params:classification", "params:unification", "params:device", "params:checkpoints"}
FIT_INPUTS = ["params:unification", "params:classification", "params:device", "params:checkpoints"]


def create_pipeline() -> Pipeline:
    """Return the classification stage: the arms ``real``, ``augmented`` and ``synthetic``."""
    judge = node(
        judge_candidates,
        inputs=["model", "candidates", "params:device"],
        outputs="candidate_predictions",
        name="judge_candidates",
    )
    return Pipeline(
        [
            _arm("real", [_compose(compose_real, "split_records"), judge]),
            _arm("augmented", [_compose(compose_augmented, "split_records", "synthetic_records")]),
            _arm("synthetic", [_compose(compose_synthetic, "synthetic_records")]),
        ],
        tags="classification",
    )


def create_filter_pipeline() -> Pipeline:
    """Return the fitting of the classifier that filters candidates."""
    template = Pipeline(
        [node(fit_filter, inputs=["split_records", *FIT_INPUTS], outputs=["model", "log"], name="fit_filter")]
    )
    return Pipeline(
        template,
        namespace="filter",
        inputs={"split_records"},
        outputs={"model": "filter_model", "log": "filter_classifier_log"},
        parameters=PARAMETERS,
    )


def _compose(function: Callable[..., Any], *records: str) -> Node:
    return node(function, inputs=[*records, "params:classification"], outputs="mix", name="compose_mix")


def _arm(name: str, own: list[Node]) -> Pipeline:
    fit = node(
        fit_arm,
        inputs=["mix", "split_records", *FIT_INPUTS],
        outputs=["model", "predictions", "log"],
        name="fit_arm",
    )
    template = Pipeline([*own, fit])
    return Pipeline(
        template,
        namespace=f"classifier.{name}",
        inputs={entry for entry in template.inputs() if not entry.startswith("params:")},
        outputs={
            "predictions": f"{name}_predictions",
            "log": f"{name}_classifier_log",
            **({"candidate_predictions": "candidate_predictions"} if name == "real" else {}),
        },
        parameters=PARAMETERS,
    )
