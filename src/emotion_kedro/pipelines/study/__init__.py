"""Whether added text helps, at which size of training set, and compared with what."""

from emotion_kedro.pipelines.study.pipeline import OWN, create_pipeline

__all__ = ["OWN", "create_pipeline"]
