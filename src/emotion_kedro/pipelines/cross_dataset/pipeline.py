"""split records -> a classifier for each source and for all together -> the matrix of trained and tested source."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial, update_wrapper

import pandas as pd
from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.classification.pipeline import compose, create_arm
from emotion_kedro.pipelines.cross_dataset.nodes import (
    ALL,
    collect_findings,
    compose_source,
    count_records,
    measure_matrix,
    write_report,
)

SOURCES = ("eit", "edft", "eabot")
"""Sources that a classifier is trained on; every source of the split is tested on."""
OWN = frozenset({"unification", "sampling", "classification"})
"""Parameters that the system has for itself."""


def create_pipeline() -> Pipeline:
    """Return the pipeline ``cross_dataset``, from the split records on."""
    arms = (*SOURCES, ALL)
    measures = [
        node(
            measure_matrix,
            inputs=[
                *("split_records", "params:unification", "params:evaluation"),
                *(f"{arm}_predictions" for arm in arms),
            ],
            outputs="matrix",
            name="measure_matrix",
        ),
        node(count_records, inputs=["records", "params:sampling"], outputs="counts", name="count_records"),
        node(
            collect_findings,
            inputs=["matrix", "counts", "split_records", "params:classification"],
            outputs="findings",
            name="collect_findings",
        ),
        node(
            write_report,
            inputs=["findings", "matrix", "counts", "run_log", "params:classification"],
            outputs=["report_page", "results_page", "summary"],
            name="write_report",
        ),
    ]
    return Pipeline(
        [*(create_arm(arm, [compose(_composer(arm), "split_records")]) for arm in arms), *measures],
        tags="cross_dataset",
    )


def _composer(source: str) -> Callable[..., pd.DataFrame]:
    return update_wrapper(partial(compose_source, source=source), compose_source)
