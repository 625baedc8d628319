"""Whether a candidate is kept, and why not.

Candidates are measured once (:func:`score_candidates`); an arm then applies its filters in its own order
(:func:`apply_filters`), and the first that refuses a candidate gives the reason. Every candidate stays in the table,
with the figures behind the decision, so that thresholds can be judged afterwards.

A filter is a function ``(candidates, parameters, context) -> reasons``: one reason for each candidate, empty where it
passes. It is given the candidates that the filters before it have kept.
"""

from emotion_kedro.augmentation.filters.applying import apply_filters
from emotion_kedro.augmentation.filters.judgements import with_reviews
from emotion_kedro.augmentation.filters.measuring import score_candidates
from emotion_kedro.augmentation.filters.reasons import KEPT

__all__ = ["KEPT", "apply_filters", "score_candidates", "with_reviews"]
