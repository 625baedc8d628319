"""Answers that a model gave freely, as the most probable next token of its whole vocabulary.

The reference report scored its causal model so. A wrong label and an answer that is no label at all then count alike;
here they are told apart.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.measures.intervals import bootstrap_score

NONE = ""
"""Stands where an answer names no label."""


def read_answers(answers: Sequence[Hashable], words: Mapping[str, Hashable]) -> pd.DataFrame:
    """Return which label each answer names (``named``), and whether it is in the label set at all (``inside``).

    Args:
        answers: the answers, as words or as token ids.
        words: label -> the answer that names it. An answer that several labels' words begin with is in the label set
            and names none of them.
    """
    shared = Counter(words.values())
    labels = {word: label if shared[word] == 1 else NONE for label, word in words.items()}
    named = pd.Series([labels.get(answer, NONE) for answer in answers], dtype="str")
    return pd.DataFrame({"named": named, "inside": [answer in labels for answer in answers]})


def score_answers(
    answers: pd.DataFrame, labels: Sequence[str], *, groups: pd.Series | None = None, **bootstrap: Any
) -> dict[str, Any]:
    """Return the accuracy of free answers and the share of them outside the label set, both with intervals.

    Args:
        answers: ``record_id``, ``label`` (the true one), ``named`` and ``inside``, a row for each record.
        labels: the taxonomy.
        groups: near-duplicate group of each ``record_id``; whole groups are resampled. None: rows are.
        bootstrap: options of :func:`emotion_kedro.measures.intervals.bootstrap_score`.

    Returns:
        ``rows``, ``accuracy`` and ``outside`` (intervals as dictionaries), and ``accuracy_inside``: the share that is
        right among the answers in the label set, None if there are none.
    """
    ordered = answers.sort_values("record_id")
    if groups is not None:
        bootstrap = {**bootstrap, "groups": groups.loc[ordered["record_id"]].to_numpy()}
    # What names no label is a class of its own, which is never true.
    classes = [*labels, NONE]
    truth = np.asarray(pd.Categorical(ordered["label"], categories=classes).codes)
    named = np.asarray(pd.Categorical(ordered["named"], categories=classes).codes)
    outside = (~ordered["inside"].to_numpy(dtype=bool)).astype(np.int64)
    inside = outside == 0
    # The share of 1 among zeros and ones is the accuracy against a truth of 1 throughout.
    share = bootstrap_score(np.ones_like(outside), outside[np.newaxis], 2, "accuracy", **bootstrap)
    return {
        "rows": len(ordered),
        "accuracy": bootstrap_score(truth, named[np.newaxis], len(classes), "accuracy", **bootstrap).as_dict(),
        "outside": share.as_dict(),
        "accuracy_inside": float((truth == named)[inside].mean()) if inside.any() else None,
    }


def count_answers(answers: pd.DataFrame, most: int) -> pd.DataFrame:
    """Return the ``most`` frequent answers of each arm: ``arm``, ``answer``, ``rows``, ``share``, ``inside``."""
    counted = answers.groupby(["arm", "answer", "inside"], sort=False).size().rename("rows").reset_index()
    counted["share"] = counted["rows"] / counted["arm"].map(answers["arm"].value_counts())
    counted = counted.sort_values(["rows", "answer"], ascending=[False, True], kind="stable")
    frequent = counted.groupby("arm", sort=False).head(most).sort_values("arm", ascending=False, kind="stable")
    return frequent.reset_index(drop=True)[["arm", "answer", "rows", "share", "inside"]]
