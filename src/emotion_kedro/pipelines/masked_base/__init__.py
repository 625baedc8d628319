"""The masked language model that prompted encoders start from."""

from emotion_kedro.pipelines.masked_base.pipeline import create_pipeline

__all__ = ["create_pipeline"]
