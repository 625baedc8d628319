"""split records -> masked base -> the base as it is, and tuned for 1, 3 and 5 epochs -> report."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node
from kedro.pipeline.node import Node

from emotion_kedro.pipelines import masked_base
from emotion_kedro.pipelines.classification.pipeline import compose, create_arm
from emotion_kedro.pipelines.masked_prompt.nodes import (
    ARMS,
    ASKED_FREELY,
    EPOCHS,
    FREE,
    UNTUNED,
    ask_freely,
    compose_as,
    fit_for,
    fit_untuned,
    measure_masked_prompt,
    write_report,
)

OWN = frozenset({"classification", "masked_language_model", "sampling"})
"""Parameters that the system has for itself."""


def create_pipeline() -> Pipeline:
    """Return the system; its taxonomy is that of ``params:unification``."""
    fits = {UNTUNED: fit_untuned, **{f"tuned_{epochs}": fit_for(epochs) for epochs in EPOCHS}}
    arms = [
        create_arm(
            arm,
            [compose(compose_as(arm), "split_records"), *_asking(arm)],
            fit=fit,
            base="masked_base",
            shared_outputs=[f"{arm}_answers"] if arm in FREE else [],
        )
        for arm, fit in fits.items()
    ]
    return Pipeline([masked_base.create_pipeline(), *arms, _measures()], tags="masked_prompt")


def _asking(arm: str) -> list[Node]:
    if arm not in FREE:
        return []
    inputs = ["model", "mix", "split_records", "params:device"]
    return [node(ask_freely, inputs=inputs, outputs=f"{arm}_answers", name="ask_freely")]


def _measures() -> Pipeline:
    answers = {"untuned_answers": f"{UNTUNED}_answers", "tuned_answers": f"{ASKED_FREELY}_answers"}
    parameters = {
        "masked_base_log": "masked_base_log",
        "masked_language_model": "params:masked_language_model",
        "classification": "params:classification",
        "unification": "params:unification",
        "options": "params:evaluation",
    }
    tables = {"scores": "scores", "per_label": "label_scores", "confusion": "confusion", "changes": "comparison"}
    return Pipeline(
        [
            node(
                measure_masked_prompt,
                inputs={
                    **{arm: f"{arm}_predictions" for arm in ARMS},
                    "split_records": "split_records",
                    **answers,
                    **parameters,
                },
                outputs=["scores", "label_scores", "confusion", "reliability", "comparison", "findings"],
                name="measure_masked_prompt",
            ),
            node(
                write_report,
                inputs={
                    "findings": "findings",
                    **tables,
                    **answers,
                    **parameters,
                    "log": f"{ASKED_FREELY}_classifier_log",
                    "run_log": "run_log",
                },
                outputs=["report_page", "results_page", "summary"],
                name="write_report",
            ),
        ]
    )
