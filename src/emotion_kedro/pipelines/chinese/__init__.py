"""Chinese sets: the report's rows and all rows, a masked prompt and a head."""

from emotion_kedro.pipelines.chinese.pipeline import OWN, create_pipeline

__all__ = ["OWN", "create_pipeline"]
