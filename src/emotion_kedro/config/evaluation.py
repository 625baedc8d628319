"""Intervals and tests."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator

from emotion_kedro.config.base import LEARNER, Config, Number, Positive, Seed, Whole
from emotion_kedro.config.models import FeatureConfig


class EvaluationConfig(Config):
    """How scores and differences are measured."""

    primary: tuple[str, str, str] | None = None
    """The comparison that was named beforehand: first arm, second arm, learner. Its p-values on the test rows of all
    sources, one for each size, are corrected by themselves; those of all others together, as a search."""
    bootstrap_samples: Annotated[Whole, Field(ge=100)] = 2000
    level: Annotated[Number, Field(gt=0.5, lt=1.0)] = 0.95
    calibration_bins: Positive = 15
    answered_accuracy: Annotated[Number, Field(gt=0.0, lt=1.0)] = 0.9
    """A model keeps its answer to itself below the probability from which on it is right so often."""
    examples: Positive = 5
    """Texts shown per label that an arm kept."""
    embeddings: FeatureConfig | None = None
    """By what the nearest train text of a candidate is found; None: it is not looked for, which saves much time where
    an experiment has many draws."""
    seed: Seed = 0

    @field_validator("primary")
    @classmethod
    def _compares_arms(cls, primary: tuple[str, str, str] | None) -> tuple[str, str, str] | None:
        if primary is not None and any(name.startswith(LEARNER) for name in primary[:2]):
            raise ValueError(f"{' - '.join(primary[:2])} are learners; give two arms, and a learner that runs on both")
        return primary

    @field_validator("embeddings")
    @classmethod
    def _need_no_fit(cls, value: FeatureConfig | None) -> FeatureConfig | None:
        if value is not None and value.kind == "tfidf":
            raise ValueError("tfidf is fitted on texts and cannot compare these; take `encoder` or `characters`")
        return value
