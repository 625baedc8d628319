"""Raw tables to records."""

from emotion_kedro.pipelines.ingestion.pipeline import create_pipeline, create_unlabelled_pipeline

__all__ = ["create_pipeline", "create_unlabelled_pipeline"]
