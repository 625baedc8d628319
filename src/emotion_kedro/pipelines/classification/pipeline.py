"""records -> training mix of an arm -> classifier -> predictions, an arm in its namespace ``classifier.<arm>``."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
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
            create_arm(
                "real", [compose(compose_real, "split_records"), judge], shared_outputs=["candidate_predictions"]
            ),
            create_arm("augmented", [compose(compose_augmented, "split_records", "synthetic_records")]),
            create_arm("synthetic", [compose(compose_synthetic, "synthetic_records")]),
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


def compose(function: Callable[..., Any], *records: str) -> Node:
    """Return the node that composes an arm's training rows from these tables."""
    return node(function, inputs=[*records, "params:classification"], outputs="mix", name="compose_mix")


def create_arm(
    name: str,
    own: Sequence[Node],
    *,
    fit: Callable[..., Any] = fit_arm,
    base: str | None = None,
    shared_outputs: Collection[str] = (),
) -> Pipeline:
    """Return an arm in its namespace ``classifier.<name>``: nodes of its own that end in ``mix``, and its fitting.

    Args:
        name: the arm.
        own: nodes before the fitting, or beside it.
        fit: the fitting function; its outputs are model, predictions, log.
        base: data set that ``fit`` takes before all others, such as the model that the classifier starts from; None:
            there is none.
        shared_outputs: outputs of ``own`` that lie outside of the namespace.
    """
    before = [] if base is None else [base]
    fitting = node(
        fit,
        inputs=[*before, "mix", "split_records", *FIT_INPUTS],
        outputs=["model", "predictions", "log"],
        name="fit_arm",
    )
    template = Pipeline([*own, fitting])
    return Pipeline(
        template,
        namespace=f"classifier.{name}",
        inputs={entry for entry in template.inputs() if not entry.startswith("params:")},
        outputs={
            "predictions": f"{name}_predictions",
            "log": f"{name}_classifier_log",
            **{output: output for output in shared_outputs},
        },
        parameters={entry for entry in template.inputs() if entry.startswith("params:")},
    )
