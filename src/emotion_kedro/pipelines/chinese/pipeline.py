"""unified records -> the report's rows; all rows -> a Chinese encoder -> arms on both -> report."""

from __future__ import annotations

from collections.abc import Sequence

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines import masked_base
from emotion_kedro.pipelines.chinese.nodes import (
    ALL,
    HEAD,
    REPORT,
    arm_names,
    choose_base_records,
    fit_head,
    head_for,
    measure_chinese,
    take_report_rows,
    write_report,
)
from emotion_kedro.pipelines.classification.nodes import fit_arm_on_base
from emotion_kedro.pipelines.classification.pipeline import compose, create_arm
from emotion_kedro.pipelines.masked_prompt.nodes import compose_as, fit_for

OWN = frozenset({"ingestion", "unification", "sampling", "masked_language_model", "classification", "report_rows"})
"""Parameters that the system has for itself."""


def create_pipeline(epochs: Sequence[int]) -> Pipeline:
    """Return the system for one Chinese set.

    Args:
        epochs: passes over the report's rows, an arm for each; the first is the report's.
    """
    own = Pipeline(
        [
            node(
                take_report_rows,
                inputs=["unified_records", "params:report_rows"],
                outputs=["report_records", "report_rows_taken"],
                name="take_report_rows",
            ),
            node(
                choose_base_records,
                inputs=["split_records", "report_records"],
                outputs="base_records",
                name="choose_base_records",
            ),
        ]
    )
    base = Pipeline(masked_base.create_pipeline(), inputs={"split_records": "base_records"})
    return Pipeline([own, base, *_arms(epochs), _measures(epochs)], tags="chinese")


def _arms(epochs: Sequence[int]) -> list[Pipeline]:
    on_report = {
        **{f"{REPORT}_{count}": fit_for(count) for count in epochs},
        f"{REPORT}_{HEAD}": head_for(epochs[0]),
    }
    on_all = {ALL: fit_arm_on_base, f"{ALL}_{HEAD}": fit_head}
    report_arms, all_arms = (
        [
            create_arm(arm, [compose(compose_as(arm), "split_records")], fit=fit, base="masked_base")
            for arm, fit in fits.items()
        ]
        for fits in (on_report, on_all)
    )
    # These see the report's rows, whatever they call them inside.
    return [Pipeline(Pipeline(report_arms), inputs={"split_records": "report_records"}), *all_arms]


def _measures(epochs: Sequence[int]) -> Pipeline:
    names = arm_names(epochs)
    parameters = {
        "masked_base_log": "masked_base_log",
        "masked_language_model": "params:masked_language_model",
        "classification": "params:classification",
        "unification": "params:unification",
    }
    records = {name: name for name in ("split_records", "report_records", "report_rows_taken")}
    tables = {"scores": "scores", "per_label": "label_scores", "confusion": "confusion", "changes": "comparison"}
    return Pipeline(
        [
            node(
                measure_chinese,
                inputs={
                    **{arm: f"{arm}_predictions" for arm in names},
                    **records,
                    **parameters,
                    "options": "params:evaluation",
                },
                outputs=["scores", "label_scores", "confusion", "reliability", "comparison", "findings"],
                name="measure_chinese",
            ),
            node(
                write_report,
                inputs={
                    "findings": "findings",
                    **tables,
                    **parameters,
                    "log": f"{ALL}_classifier_log",
                    "run_log": "run_log",
                    "rows": "params:report_rows",
                },
                outputs=["report_page", "results_page", "summary"],
                name="write_report",
            ),
        ]
    )
