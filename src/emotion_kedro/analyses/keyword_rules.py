"""Rules that read a label off the words of a text: one that is written down, and one that is learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion_kedro.config.analyses import Pieces

if TYPE_CHECKING:
    from sklearn.pipeline import Pipeline

SHORTEST, LONGEST = 3, 6  # letters of a piece


def named_labels(texts: pd.Series, patterns: Mapping[str, Sequence[str]]) -> pd.DataFrame:
    """Say which labels' patterns each text contains, as substrings of the lowered text.

    Args:
        texts: n strings.
        patterns: label -> substrings in small letters; ``happy`` is found in ``unhappy`` too.

    Returns:
        Booleans, (n, labels), a column for each label of ``patterns``, with the index of ``texts``.
    """
    lowered = [text.lower() for text in texts.tolist()]
    columns = {
        label: np.array([any(piece in text for piece in pieces) for text in lowered], dtype=np.bool_)
        for label, pieces in patterns.items()
    }
    return pd.DataFrame(columns, index=texts.index)


def explained(labels: pd.Series, named: pd.DataFrame, otherwise: str) -> NDArray[np.bool_]:
    """Say of which rows the rule explains the label, (n,).

    A label is explained if the text contains one of its patterns, whatever else it contains; ``otherwise`` is, if the
    text contains no pattern at all. A label that has no pattern never is.
    """
    allowed, codes = _allowed(labels, named, otherwise)
    return np.asarray(allowed[np.arange(len(codes)), codes])


def explained_by_chance(
    labels: pd.Series, named: pd.DataFrame, otherwise: str, *, shuffles: int, seed: int
) -> NDArray[np.float64]:
    """Return the share of labels that the rule explains after dealing the same labels out anew, (shuffles,)."""
    allowed, codes = _allowed(labels, named, otherwise)
    random, rows = np.random.default_rng(seed), np.arange(len(codes))
    return np.array([allowed[rows, random.permutation(codes)].mean() for _ in range(shuffles)], dtype=np.float64)


def _allowed(labels: pd.Series, named: pd.DataFrame, otherwise: str) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Return which labels the rule allows each text, (n, L), and the number of the label that it has, (n,)."""
    codes, names = pd.factorize(labels)
    nothing = np.zeros(len(labels), dtype=np.bool_)
    columns = [named[name].to_numpy() if name in named else nothing for name in names]
    for place, name in enumerate(names):
        if name == otherwise:
            columns[place] = columns[place] | ~named.any(axis=1).to_numpy()
    return np.stack(columns, axis=1), codes


def learned_rule(how: Pieces, *, leaves: int, least_count: int, seed: int) -> Pipeline:
    """Return a decision tree on whether a text contains words, or runs of 3 to 6 letters in one; not yet fitted."""
    from sklearn.feature_extraction.text import CountVectorizer
    from sklearn.pipeline import make_pipeline
    from sklearn.tree import DecisionTreeClassifier

    kind: dict[str, Any] = (
        {"token_pattern": r"\S+"} if how == "words" else {"analyzer": "char_wb", "ngram_range": (SHORTEST, LONGEST)}
    )
    vectors = CountVectorizer(binary=True, min_df=least_count, **kind)
    return make_pipeline(vectors, DecisionTreeClassifier(max_leaf_nodes=leaves, random_state=seed))


def pieces_of(texts: list[str], labels: list[str], rule: Pipeline) -> list[str]:
    """Return the pieces that the rule looks for after learning from all texts, those that settle most first.

    A space stands where the piece has to begin or end a word.
    """
    rule.fit(texts, labels)
    vectors, tree = rule[0], rule[1]
    names = vectors.get_feature_names_out()
    weights = tree.feature_importances_
    return [str(names[place]) for place in np.argsort(-weights, kind="stable") if weights[place] > 0]
