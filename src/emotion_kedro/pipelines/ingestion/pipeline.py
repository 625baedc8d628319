"""raw tables -> records."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.ingestion.nodes import ingest_sources


def create_pipeline() -> Pipeline:
    """Return the ingestion stage."""
    return Pipeline(
        [
            node(
                ingest_sources,
                inputs=["raw_folder", "params:ingestion"],
                outputs=["records", "ingestion_report"],
                name="ingest_sources",
            )
        ],
        tags="ingestion",
    )
