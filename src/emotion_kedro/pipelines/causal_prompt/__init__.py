"""A causal model that answers a question: before tuning, calibrated, and after tuning."""

from emotion_kedro.pipelines.causal_prompt.pipeline import OWN, create_pipeline

__all__ = ["OWN", "create_pipeline"]
