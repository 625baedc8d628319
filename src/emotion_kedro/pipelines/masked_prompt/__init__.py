"""A masked language model that fills in the answer: before tuning, and after one, three and five epochs."""

from emotion_kedro.pipelines.masked_prompt.pipeline import OWN, create_pipeline

__all__ = ["OWN", "create_pipeline"]
