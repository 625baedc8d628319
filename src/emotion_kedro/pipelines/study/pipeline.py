"""split records -> texts of the writers -> cells -> figures -> pages."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.study.nodes import (
    confirm_cells,
    estimate_cost,
    measure_study,
    run_cells,
    write_report,
    write_texts,
)

OWN = frozenset({"ingestion", "unification", "sampling", "plan"})
SHARED = ["params:plan", "params:unification", "params:device", "params:checkpoints"]


def create_pipeline() -> Pipeline:
    """Return the study of one set of records."""
    return Pipeline(
        [
            node(estimate_cost, inputs=["split_records", *SHARED], outputs="cost", name="estimate_cost"),
            node(write_texts, inputs=["split_records", "cost", *SHARED], outputs="written_texts", name="write_texts"),
            node(
                run_cells,
                inputs=["split_records", "written_texts", *SHARED],
                outputs=["cell_predictions", "cells", "added_texts", "judge"],
                name="run_cells",
            ),
            node(
                confirm_cells,
                inputs=["split_records", "written_texts", *SHARED],
                outputs=["confirmed_cell_predictions", "confirmed_cells"],
                name="confirm_cells",
            ),
            node(
                measure_study,
                inputs=[
                    *("cell_predictions", "cells", "confirmed_cell_predictions", "confirmed_cells", "added_texts"),
                    *("judge", "split_records", "params:plan", "params:unification", "params:evaluation"),
                    *("params:device", "params:checkpoints"),
                ],
                outputs="figures",
                name="measure_study",
            ),
            node(
                write_report,
                inputs=["figures", "cost", "split_records", "run_log", "params:plan"],
                outputs=["report_page", "results_page", "summary", "pictures"],
                name="write_report",
            ),
        ],
        tags="study",
    )
