"""records -> unified records."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.unification.nodes import unify_labels

NAMESPACE = "records"
"""Of all that is done before a model learns: one box of the flowchart."""


def create_pipeline() -> Pipeline:
    """Return the unification stage."""
    return Pipeline(
        [
            node(
                unify_labels,
                inputs=["records", "params:unification"],
                outputs=["unified_records", "taxonomy", "unification_report"],
                name="unify_labels",
                namespace=NAMESPACE,
            )
        ],
        tags="unification",
    )
