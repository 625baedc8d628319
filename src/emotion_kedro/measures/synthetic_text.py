"""What synthetic text is like, beside real text it should resemble.

No figure stands alone: text that a classifier agrees with may be ten sentences over and over, or train texts copied.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.measures.diversity import distinct_n, self_bleu
from emotion_kedro.measures.novelty import exact_copies, longest_shared_ngram, nearest_similarity

EVERYTHING = "all"
PASSED = ("kept", "beyond the quota")
"""Reasons of candidates that passed every check: those above the quota were not needed, not found wanting."""


def describe_synthetic_text(
    candidates: pd.DataFrame, judged: pd.DataFrame, train: pd.DataFrame, held_out: pd.DataFrame, *, seed: int
) -> pd.DataFrame:
    """Return a row per label, and one for all of them together.

    Args:
        candidates: schema :class:`emotion_kedro.schemas.Candidates`.
        judged: ``record_id`` and ``predicted`` label of every candidate, by a classifier that did not filter.
        train: real train records; novelty is measured against them.
        held_out: real test records; as many of them as there are kept candidates give the ``real_`` columns.
        seed: of the samples drawn.

    Returns:
        ``yield`` is the share of candidates that passed every check, needed or not; ``fidelity_*`` the share that is
        read as its label; ``real_*`` the same figure for real text; NaN where there is nothing to measure.
    """
    if set(judged["record_id"]) != set(candidates["candidate_id"]):
        raise ValueError("the predictions are not those of these candidates; run --pipeline=classification again")
    agreed = candidates["candidate_id"].map(judged.set_index("record_id")["predicted"]) == candidates["label"]
    candidates = candidates.assign(agreed=agreed)
    rows = []
    for label in [*sorted(candidates["label"].unique()), EVERYTHING]:
        parts = [table if label == EVERYTHING else table[table["label"] == label] for table in (candidates, held_out)]
        rows.append({"label": label, **_describe(parts[0], train["text"].tolist(), parts[1], seed)})
    return pd.DataFrame(rows)


def _describe(candidates: pd.DataFrame, train: Sequence[str], real: pd.DataFrame, seed: int) -> dict[str, Any]:
    kept = candidates[candidates["kept"]]
    texts = kept["text"].tolist()
    beside = _cut_like(real["text"].sample(frac=1, random_state=seed).tolist(), texts)
    size = min(len(texts), len(beside), 100)
    figures: dict[str, Any] = {
        "drawn": len(candidates),
        "kept": len(kept),
        "yield": candidates["reason"].isin(PASSED).mean(),
        "fidelity_all": candidates["agreed"].mean(),
        "fidelity_kept": kept["agreed"].mean(),
        "exact_copies": int(exact_copies(candidates["text"].tolist(), train).sum()),
        "near_copies": int(candidates["reason"].str.startswith("near-copy").sum()),
    }
    # Diversity depends on how much text there is: both sides give the same number of texts of the same lengths.
    for prefix, some in (("", texts), ("real_", beside)):
        figures |= {f"{prefix}{name}": value for name, value in _diversity(some[: len(beside)], size, seed).items()}
        figures |= {f"{prefix}{name}": value for name, value in _novelty(some, train).items()}
    return figures


def _cut_like(real: Sequence[str], synthetic: Sequence[str]) -> list[str]:
    """Cut real texts to the lengths, in words, of synthetic ones: longer texts share more with anything."""
    return [" ".join(text.split()[: len(like.split())]) for text, like in zip(real, synthetic, strict=False)]


def _diversity(texts: Sequence[str], size: int, seed: int) -> dict[str, float]:
    return {
        "distinct_1": distinct_n(texts, 1) if texts else float("nan"),
        "distinct_2": distinct_n(texts, 2) if texts else float("nan"),
        "self_bleu": self_bleu(texts, sample=size, seed=seed) if size > 1 else float("nan"),
    }


def _novelty(texts: Sequence[str], train: Sequence[str]) -> dict[str, float]:
    if not texts:
        return {"longest_shared_ngram": float("nan"), "nearest_similarity": float("nan")}
    return {
        "longest_shared_ngram": float(np.mean(longest_shared_ngram(texts, train))),
        "nearest_similarity": float(np.mean(nearest_similarity(texts, train))),
    }


def count_reasons(candidates: pd.DataFrame) -> pd.DataFrame:
    """Return ``label, reason, candidates``: the yield of every label by reason."""
    return candidates.groupby(["label", "reason"]).size().rename("candidates").reset_index()


def pick_examples(candidates: pd.DataFrame, *, per_label: int, seed: int) -> pd.DataFrame:
    """Return ``label, text, probability`` of some kept candidates of each label, drawn at random, not picked."""
    kept = candidates[candidates["kept"]].sample(frac=1, random_state=seed)
    chosen = kept.groupby("label").head(per_label).sort_values("label", kind="stable")
    return chosen[["label", "text", "probability"]].reset_index(drop=True)
