"""Labels of one source held against those of another that has the same texts."""

from emotion_kedro.pipelines.label_noise.pipeline import OWN, create_pipeline

__all__ = ["OWN", "create_pipeline"]
