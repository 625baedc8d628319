"""raw tables -> records, and texts without labels where there are some."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.ingestion.nodes import ingest_sources, read_unlabelled

NAMESPACE = "records"
"""Of all that is done before a model learns: one box of the flowchart."""


def create_pipeline(*, unlabelled: bool = False) -> Pipeline:
    """Return the ingestion stage; ``unlabelled``: with the texts without labels."""
    labelled = Pipeline(
        [
            node(
                ingest_sources,
                inputs=["raw_folder", "params:ingestion"],
                outputs=["records", "ingestion_report"],
                name="ingest_sources",
                namespace=NAMESPACE,
            )
        ],
        tags="ingestion",
    )
    return labelled + create_unlabelled_pipeline() if unlabelled else labelled


def create_unlabelled_pipeline() -> Pipeline:
    """Return the reading of texts without labels."""
    return Pipeline(
        [
            node(
                read_unlabelled,
                inputs=["raw_folder", "params:unlabelled"],
                outputs=["unlabelled_texts", "unlabelled_report"],
                name="read_unlabelled",
                namespace=NAMESPACE,
            )
        ],
        tags="ingestion",
    )
