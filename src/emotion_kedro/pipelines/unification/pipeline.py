"""records -> unified records."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.unification.nodes import unify_labels


def create_pipeline() -> Pipeline:
    """Return the unification stage."""
    return Pipeline(
        [
            node(
                unify_labels,
                inputs=["records", "params:unification"],
                outputs=["unified_records", "taxonomy", "unification_report"],
                name="unify_labels",
            )
        ],
        tags="unification",
    )
