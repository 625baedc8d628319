"""records -> shared texts -> agreement, keyword rules; records -> splits -> what merging does; then the page."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.label_noise.nodes import (
    collect_findings,
    explain_labels,
    fit_and_test,
    measure_agreement,
    measure_merging,
    pair_texts,
    select_texts,
    write_report,
)

OWN = frozenset({"noise"})
"""Parameters that the system has for itself."""


def create_pipeline() -> Pipeline:
    """Return the pipeline ``label_noise``, from the records on: nothing is settled or capped before it looks."""
    prepare = [
        node(select_texts, inputs=["records", "params:noise"], outputs="texts", name="select_texts"),
        node(
            pair_texts, inputs=["texts", "params:noise"], outputs=["shared_texts", "shared_counts"], name="pair_texts"
        ),
        node(fit_and_test, inputs=["texts", "params:noise"], outputs="tested_rows", name="fit_and_test"),
    ]
    measure = [
        node(
            measure_agreement,
            inputs=["shared_texts", "shared_counts", "params:evaluation"],
            outputs=["agreement", "confusion"],
            name="measure_agreement",
        ),
        node(
            explain_labels,
            inputs=["texts", "shared_texts", "params:noise", "params:evaluation"],
            outputs=["keyword_rules", "explained_labels"],
            name="explain_labels",
        ),
        node(
            measure_merging,
            inputs=["tested_rows", "params:noise", "params:evaluation"],
            outputs=["merging", "merging_leakage"],
            name="measure_merging",
        ),
    ]
    figures = ["agreement", "keyword_rules", "merging"]
    last = [
        node(collect_findings, inputs=[*figures, "params:noise"], outputs="findings", name="collect_findings"),
        node(
            write_report,
            inputs=[
                *("findings", "confusion", "explained_labels", "merging_leakage", "run_log", "params:noise"),
                *figures,
            ],
            outputs=["report_page", "results_page", "summary"],
            name="write_report",
        ),
    ]
    return Pipeline([*prepare, *measure, *last], tags="label_noise")
