"""split records -> the model as it comes, calibrated, and tuned -> label words and free answers -> report."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from emotion_kedro.pipelines.causal_prompt.nodes import (
    ARMS,
    FREE,
    ask_freely,
    choose_asked_rows,
    compose_calibrated,
    compose_tuned,
    compose_untuned,
    fit_calibrated,
    fit_untuned,
    measure_answers,
    write_report,
)
from emotion_kedro.pipelines.classification.nodes import fit_arm
from emotion_kedro.pipelines.classification.pipeline import compose, create_arm

OWN = frozenset({"classification", "asking"})
"""Parameters that the system has for itself."""


def create_pipeline() -> Pipeline:
    """Return the system; its taxonomy is that of ``params:unification``."""
    choose = node(
        choose_asked_rows, inputs=["split_records", "params:asking"], outputs="asked_records", name="choose_asked_rows"
    )
    return Pipeline([choose, _arms(), _measures()], tags="causal_prompt")


def _arms() -> Pipeline:
    steps = {
        "untuned": (compose_untuned, fit_untuned),
        "calibrated": (compose_calibrated, fit_calibrated),
        "tuned": (compose_tuned, fit_arm),
    }
    arms = [
        create_arm(arm, [compose(composing, "split_records"), *_asking(arm)], fit=fit, shared_outputs=_answers(arm))
        for arm, (composing, fit) in steps.items()
    ]
    # All arms see the rows that were chosen, whatever they call them inside.
    return Pipeline(Pipeline(arms), inputs={"split_records": "asked_records"})


def _answers(arm: str) -> list[str]:
    return [f"{arm}_answers"] if arm in FREE else []


def _asking(arm: str) -> list[Node]:
    inputs = ["model", "mix", "split_records", "params:device"]
    return [node(ask_freely, inputs=inputs, outputs=table, name="ask_freely") for table in _answers(arm)]


def _measures() -> Pipeline:
    return Pipeline(
        [
            node(
                measure_answers,
                inputs=[
                    *(f"{arm}_predictions" for arm in ARMS),
                    *(f"{arm}_answers" for arm in FREE),
                    "asked_records",
                    *("params:classification", "params:unification", "params:evaluation"),
                ],
                outputs=["scores", "label_scores", "confusion", "reliability", "comparison", "findings"],
                name="measure_answers",
            ),
            node(
                write_report,
                inputs=[
                    *("findings", "scores", "label_scores", "confusion", "comparison"),
                    *(f"{arm}_answers" for arm in FREE),
                    *("tuned_classifier_log", "run_log"),
                    *("params:unification", "params:classification", "params:asking"),
                ],
                outputs=["report_page", "results_page", "summary"],
                name="write_report",
            ),
        ]
    )
