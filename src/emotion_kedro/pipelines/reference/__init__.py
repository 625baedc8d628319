"""What every system found, beside the reference report's figures."""

from emotion_kedro.pipelines.reference.pipeline import create_pipeline

__all__ = ["create_pipeline"]
