"""split records + synthetic records -> four arms for each kind of classifier, in the namespace ``usability.<kind>``."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines import masked_base
from emotion_kedro.pipelines.classification.nodes import (
    compose_real,
    compose_synthetic,
    fit_arm,
    fit_arm_on_base,
    judge_candidates,
)
from emotion_kedro.pipelines.classification.pipeline import compose, create_arm
from emotion_kedro.pipelines.usability.nodes import (
    TABLES,
    choose_candidates,
    choose_records,
    collect_findings,
    compose_continued,
    compose_mixed,
    measure_kind,
    write_report,
)

KINDS = ("encoder", "masked_prompt", "causal_prompt")
SHARED_PARAMETERS = {"params:unification", "params:evaluation", "params:device", "params:checkpoints"}


def create_pipeline() -> Pipeline:
    """Return the pipeline ``usability``; it goes on from the tables that ``augment`` left."""
    return Pipeline([*(_kind(kind) for kind in KINDS), _pages()], tags="usability")


def _pages() -> Pipeline:
    figures = [f"{kind}_figures" for kind in KINDS]
    template = Pipeline(
        [
            node(
                collect_findings,
                inputs=[
                    *("candidates", "judged", "split_records", "params:generation", "params:evaluation"),
                    *figures,
                ],
                outputs=["findings", "text_figures"],
                name="collect_findings",
            ),
            node(
                write_report,
                inputs=["findings", "text_figures", "run_log", "params:generation", *figures],
                outputs=["report_page", "results_page", "summary"],
                name="write_report",
            ),
        ]
    )
    of_kinds = {f"{kind}_figures": f"usability.{kind}.figures" for kind in KINDS}
    return Pipeline(
        template,
        namespace="usability",
        inputs={
            **of_kinds,
            "judged": "usability.encoder.candidate_predictions",
            "candidates": "candidates",
            "split_records": "split_records",
        },
        parameters={"params:generation", "params:evaluation"},
    )


def _kind(kind: str) -> Pipeline:
    base = "masked_base" if kind == "masked_prompt" else None
    fit = fit_arm if base is None else fit_arm_on_base
    judge = node(
        judge_candidates,
        inputs=["model", "candidates", "params:device"],
        outputs="candidate_predictions",
        name="judge_candidates",
    )
    mixes = {
        "real": [compose(compose_real, "split_records"), judge],
        "mixed": [compose(compose_mixed, "split_records", "synthetic_records")],
        "continued": [compose(compose_continued, "split_records", "synthetic_records")],
        "synthetic": [compose(compose_synthetic, "synthetic_records")],
    }
    arms = [
        create_arm(arm, own, fit=fit, base=base, shared_outputs=["candidate_predictions"] if arm == "real" else [])
        for arm, own in mixes.items()
    ]
    measure = node(
        measure_kind,
        inputs=[*TABLES, "params:classification", "params:unification", "params:evaluation"],
        outputs="figures",
        name="measure_kind",
    )
    rows = [
        node(choose_records, inputs=["augment_records", "params:rows"], outputs="split_records", name="choose_records"),
        node(
            choose_candidates,
            inputs=["augment_candidates", "params:rows"],
            outputs="candidates",
            name="choose_candidates",
        ),
    ]
    own_base = [] if base is None else [masked_base.create_pipeline()]
    return Pipeline(
        Pipeline([*rows, *own_base, *arms, measure]),
        namespace=f"usability.{kind}",
        inputs={
            "augment_records": "split_records",
            "augment_candidates": "candidates",
            "synthetic_records": "synthetic_records",
        },
        parameters=SHARED_PARAMETERS,
    )
