"""One page over all studies that have run."""

from emotion_kedro.pipelines.studies.pipeline import create_pipeline

__all__ = ["create_pipeline"]
