"""Whether a candidate becomes a synthetic record, and why not.

Checks run in a fixed order and the first that fails gives the reason; every candidate stays in the table. The measured
figures behind the checks stay beside it, so that thresholds can be judged afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emotion_kedro.measures.diversity import repetition, words
from emotion_kedro.measures.novelty import exact_copies
from emotion_kedro.options import FilterOptions
from emotion_kedro.text.near_duplicates import NearIndex, shingles

KEPT = "kept"
TOO_SHORT = "too short"
REPETITION = "repetition"
LEFTOVER = "left-over prompt"
COPY = "copy of a train text"
NEAR_COPY = "near-copy of a train text"
DUPLICATE = "duplicate of another candidate"
DISAGREES = "classifier disagrees"
UNSURE = "classifier unsure"
SURPLUS = "beyond the quota"

REASONS = (KEPT, TOO_SHORT, REPETITION, LEFTOVER, COPY, NEAR_COPY, DUPLICATE, DISAGREES, UNSURE, SURPLUS)


@dataclass(frozen=True)
class TextFilter:
    """The checks that look at text alone; built once per label from all real train texts."""

    train: Sequence[str]
    index: NearIndex
    options: FilterOptions

    @classmethod
    def build(cls, train: Sequence[str], options: FilterOptions) -> TextFilter:
        """Index the train texts; ``train`` must hold nothing that is validated or tested on."""
        return cls(train, NearIndex(pd.Series(list(train), dtype="str"), shingle=options.shingle), options)

    def measure(self, texts: Sequence[str]) -> pd.DataFrame:
        """Return ``text, words, repetition, train_similarity`` and the first ``reason`` that text alone gives.

        ``reason`` is ``kept`` where nothing is wrong so far.
        """
        table = pd.DataFrame({"text": pd.Series(list(texts), dtype="str")})
        table["words"] = [len(words(text)) for text in texts]
        table["repetition"] = [repetition(text) for text in texts]
        table["train_similarity"] = self._similarity(table["text"])
        table["reason"] = self._reasons(table)
        return table

    def _similarity(self, texts: pd.Series) -> np.ndarray:
        if texts.empty:
            return np.empty(0)
        # A candidate is short: a piece of a longer train text is a copy too, though the two share little in all.
        return np.maximum(self.index.similarity(texts), self.index.containment(texts))

    def _reasons(self, table: pd.DataFrame) -> np.ndarray:
        options = self.options
        texts = table["text"]
        leftover = np.zeros(len(table), dtype=bool)
        for piece in options.leftovers:
            leftover |= texts.str.contains(piece, case=False, regex=False).to_numpy()
        return np.select(
            [
                table["words"] < options.min_words,
                table["repetition"] > options.max_repetition,
                leftover,
                exact_copies(texts.tolist(), self.train),
                table["train_similarity"] >= options.near_copy,
            ],
            [TOO_SHORT, REPETITION, LEFTOVER, COPY, NEAR_COPY],
            default=KEPT,
        )


def mark_duplicates(table: pd.DataFrame, earlier: Sequence[str], options: FilterOptions) -> pd.DataFrame:
    """Mark candidates that repeat, or nearly repeat, an earlier kept one or one above them in the table.

    Args:
        table: needs ``text`` and ``reason``; only rows that are still kept are looked at.
        earlier: texts of candidates kept before.
        options: ``near_duplicate`` and ``shingle``.
    """
    reasons = table["reason"].tolist()
    seen = [shingles(text, options.shingle) for text in earlier]
    for index, text in enumerate(table["text"]):
        if reasons[index] != KEPT:
            continue
        mine = shingles(text, options.shingle)
        if any(_jaccard(mine, other) >= options.near_duplicate for other in seen):
            reasons[index] = DUPLICATE
        else:
            seen.append(mine)
    return table.assign(reason=reasons)


def _jaccard(first: set[str], second: set[str]) -> float:
    union = len(first | second)
    return len(first & second) / union if union else 1.0


def mark_disagreement(
    table: pd.DataFrame, probabilities: np.ndarray, label_index: int, options: FilterOptions
) -> pd.DataFrame:
    """Add the classifier's ``probability`` of the label, and mark what it reads as another label or not surely.

    Keeping what a classifier agrees with follows LAMBADA (Anaby-Tavor et al. 2020, arXiv 1911.03118).

    Args:
        table: needs ``reason``; only rows that are still kept are marked.
        probabilities: shape (rows, labels), from a classifier trained on real train rows alone.
        label_index: column of the label that the candidates were written for.
        options: ``tau``; 0 adds the probability but marks nothing.
    """
    table = table.assign(probability=probabilities[:, label_index])
    if options.tau == 0:
        return table
    reasons = np.select(
        [
            table["reason"] != KEPT,
            probabilities.argmax(axis=1) != label_index,
            table["probability"] < options.tau,
        ],
        [table["reason"], DISAGREES, UNSURE],
        default=KEPT,
    )
    return table.assign(reason=reasons)


def mark_surplus(table: pd.DataFrame, wanted: int) -> pd.DataFrame:
    """Keep the first ``wanted`` of the kept rows; the others are ``beyond the quota``."""
    kept = (table["reason"] == KEPT).to_numpy()
    surplus = kept & (kept.cumsum() > wanted)
    return table.assign(reason=table["reason"].mask(pd.Series(surplus, index=table.index), SURPLUS))


def mark_pooled_duplicates(candidates: pd.DataFrame) -> pd.DataFrame:
    """Turn away texts that were kept under several labels, and keep surplus ones of those labels instead.

    Such a text is evidence for no label, whichever generator wrote it first.
    """
    passed = candidates["reason"].isin([KEPT, SURPLUS])
    text = candidates["text"].str.lower()
    several = passed & (text.where(passed).map(candidates[passed].groupby(text[passed])["label"].nunique()) > 1)
    reason = candidates["reason"].mask(several, DUPLICATE)
    for label, lost in candidates.loc[several & candidates["kept"], "label"].value_counts().items():
        spare = reason.index[(candidates["label"] == label) & (reason == SURPLUS)]
        reason[spare[:lost]] = KEPT
    return candidates.assign(kept=reason == KEPT, reason=reason)
