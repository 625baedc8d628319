"""What the text that the arms of a study add is like, beside real text, and whether that goes with what it gains."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emotion_kedro.measures.diversity import distinct_n, first_words, self_bleu, vendi_score, words
from emotion_kedro.measures.novelty import exact_copies, longest_shared_ngram, nearest_similarity

SAMPLE = 200  # texts of a cell that are looked at; the figures of larger samples differ little
SMALL = 50  # real rows per label up to which a gain is expected to hang on the text at all
FEWEST_POINTS = 5
DIVERSITY = ("distinct_2", "self_bleu", "vendi")
NOVELTY = ("longest_shared_ngram", "nearest_similarity")
MEASURES = ("fidelity", *DIVERSITY, *NOVELTY, "copies")
Vectors = Callable[[Sequence[str]], ArrayLike]
CellOfSeed = tuple[str, int, int]


@dataclass(frozen=True)
class _Sides:
    """The texts of one cell and data seed that are looked at."""

    added: list[str]
    real: list[str]
    fidelity: float
    copies: float
    rows: int


def describe_added(
    added: pd.DataFrame,
    vectors: Vectors,
    train_texts: Mapping[tuple[int, int], Sequence[str]],
    held_out: Sequence[str],
    *,
    sample: int = SAMPLE,
    seed: int = 0,
) -> list[dict[str, Any]]:
    """Return a row for each (arm, n) that added text, every figure the mean over its data seeds.

    Args:
        added: ``arm, n, data_seed, text, label, read_as``; ``read_as`` is the label that a judge gives who took no part
            in filtering.
        vectors: from texts to unit vectors (texts, width), alike for texts that mean alike; asked once for each text.
        train_texts: the real train texts of each (n, data seed); novelty is measured against them.
        held_out: real texts that nothing learnt from; as many of them as there are added ones, cut to the same lengths
            in words, give the ``real_`` columns.
        sample: texts drawn from each cell and data seed at most, for all but fidelity and copies; texts without words
            (of emoji alone, say) are not drawn, as there is nothing in them to compare.
        seed: of the samples.

    Returns:
        ``arm, n, rows`` (added, over all labels), ``fidelity`` (share that the judge reads as its label),
        ``distinct_2, self_bleu, vendi`` and ``real_`` of each (on equally many texts of both), mean
        ``longest_shared_ngram`` and ``nearest_similarity`` with the train texts and ``real_`` of each, ``copies``
        (share of the added rows that are a train text); None where there is nothing to measure.

    Raises:
        ValueError: if the train texts of an (n, data seed) are lacking.
    """
    lacking = sorted(set(added[["n", "data_seed"]].itertuples(index=False, name=None)) - set(train_texts))
    if lacking:
        raise ValueError(f"there are no train texts of (n, data seed) {lacking}; novelty is measured against them")
    added = added.reset_index(drop=True)
    cells = added.assign(copy=_copies(added, train_texts)).groupby(["arm", "n", "data_seed"], sort=False, observed=True)
    pool = _Pool(held_out, seed)
    sides = {cast(CellOfSeed, key): _sides(table, pool, sample=sample, seed=seed) for key, table in cells}
    known = _once(vectors)
    novelty = _novelty(sides, train_texts)
    figures = [{"arm": key[0], "n": key[1], **_figures(side, known, novelty[key], seed)} for key, side in sides.items()]
    if not figures:
        return []
    means = pd.DataFrame(figures).groupby(["arm", "n"], sort=False).mean().reset_index()
    return [
        {str(name): None if isinstance(value, float) and np.isnan(value) else value for name, value in row.items()}
        for row in means.to_dict("records")
    ]


def relate(
    quality: Iterable[Mapping[str, Any]],
    differences: Iterable[Mapping[str, Any]],
    *,
    largest: int = SMALL,
    against: str = "real",
) -> list[dict[str, Any]]:
    """Return, for each measure of quality, how its order goes with that of the gain in accuracy (Spearman's rank).

    The points are the (arm, n) with n up to ``largest``. They share test rows, train rows and arms, so that they are
    not independent: the figure is a description, and has no p-value. None where there are fewer than 5 points, or all
    values are equal.
    """
    gains = {
        (row["arm"], row["n"]): row["accuracy"]["estimate"]
        for row in differences
        if row["against"] == against and row["n"] <= largest
    }
    rows = [(row, gains[row["arm"], row["n"]]) for row in quality if (row["arm"], row["n"]) in gains]
    relations = []
    for measure in MEASURES:
        points = [(row[measure], gain) for row, gain in rows if row[measure] is not None]
        relations.append({"measure": measure, "spearman": _spearman(points), "points": len(points)})
    return relations


def _spearman(points: Sequence[tuple[float, float]]) -> float | None:
    from scipy.stats import spearmanr

    if len(points) < FEWEST_POINTS or any(len(set(side)) < 2 for side in zip(*points, strict=True)):
        return None
    first, second = zip(*points, strict=True)
    return float(spearmanr(first, second).statistic)


class _Pool:
    """Held-out texts, given out by length: most can stay whole, so that few of them have to be read anew."""

    def __init__(self, texts: Sequence[str], seed: int) -> None:
        self._texts, self._seed = [text for text in texts if words(text)], seed
        self._lengths = [len(words(text)) for text in self._texts]

    def like(self, texts: Sequence[str], data_seed: int) -> list[str]:
        """Return a held-out text for each text while there are some, cut to its number of words.

        The shortest that is long enough is taken, or else the longest left; each at most once.
        """
        order = np.random.default_rng([self._seed, data_seed]).permutation(len(self._texts))
        left = sorted(((self._lengths[place], turn, place) for turn, place in enumerate(order)))
        found = []
        for text in texts[: len(left)]:
            wanted = len(words(text))
            _, _, place = left.pop(min(bisect_left(left, (wanted, -1, -1)), len(left) - 1))
            found.append(first_words(self._texts[place], wanted))
        return found


def _copies(added: pd.DataFrame, train_texts: Mapping[tuple[int, int], Sequence[str]]) -> NDArray[np.bool_]:
    """Return which added texts are among the train texts of their cell, (rows,); all arms looked up at once."""
    copies = np.zeros(len(added), dtype=np.bool_)
    for place, table in added.groupby(["n", "data_seed"]):
        copies[table.index] = exact_copies(table["text"].tolist(), train_texts[cast(tuple[int, int], place)])
    return copies


def _sides(table: pd.DataFrame, pool: _Pool, *, sample: int, seed: int) -> _Sides:
    readable = table.loc[[bool(words(text)) for text in table["text"]], "text"]
    drawn = readable.sample(n=min(sample, len(readable)), random_state=seed).tolist()
    return _Sides(
        added=drawn,
        real=pool.like(drawn, int(table["data_seed"].iloc[0])),
        fidelity=float((table["read_as"] == table["label"]).mean()),
        copies=float(table["copy"].mean()),
        rows=len(table),
    )


def _once(vectors: Vectors) -> Callable[[Sequence[str]], NDArray[np.float64]]:
    """Return a function that asks for the vectors of a text the first time only."""
    known: dict[str, NDArray[np.float64]] = {}

    def look_up(texts: Sequence[str]) -> NDArray[np.float64]:
        new = sorted(set(texts) - set(known))
        if new:
            known.update(zip(new, np.asarray(vectors(new), dtype=np.float64), strict=True))
        return np.stack([known[text] for text in texts])

    return look_up


def _novelty(
    sides: Mapping[CellOfSeed, _Sides], train_texts: Mapping[tuple[int, int], Sequence[str]]
) -> dict[CellOfSeed, dict[str, float]]:
    """Return the means of the measures of novelty for both sides of each cell.

    All arms' texts are looked up at once: the train texts, which are many, are taken apart once for all of them.
    """
    found: dict[CellOfSeed, dict[str, float]] = {}
    for place in dict.fromkeys((n, data_seed) for _, n, data_seed in sides):
        there = {key: side for key, side in sides.items() if key[1:] == place}
        texts = sorted({text for side in there.values() for text in (*side.added, *side.real)})
        number = {text: row for row, text in enumerate(texts)}
        train = list(train_texts[place])
        measured = (longest_shared_ngram(texts, train), nearest_similarity(texts, train))
        for key, side in there.items():
            found[key] = {
                prefix + name: float(values[[number[text] for text in some]].mean()) if some else np.nan
                for prefix, some in (("", side.added), ("real_", side.real))
                for name, values in zip(NOVELTY, measured, strict=True)
            }
    return found


def _figures(
    side: _Sides, vectors: Callable[[Sequence[str]], NDArray[np.float64]], novelty: Mapping[str, float], seed: int
) -> dict[str, float]:
    # Diversity depends on how much text there is: equally many of both sides.
    size = min(len(side.added), len(side.real))
    diversity = {
        prefix + name: value
        for prefix, some in (("", side.added[:size]), ("real_", side.real[:size]))
        for name, value in _diversity(some, vectors, seed).items()
    }
    return {"rows": side.rows, "fidelity": side.fidelity, **diversity, **novelty, "copies": side.copies}


def _diversity(
    texts: Sequence[str], vectors: Callable[[Sequence[str]], NDArray[np.float64]], seed: int
) -> dict[str, float]:
    if not texts:
        return dict.fromkeys(DIVERSITY, np.nan)
    return {
        "distinct_2": distinct_n(texts, 2),
        "self_bleu": self_bleu(texts, sample=max(2, len(texts)), seed=seed),
        "vendi": vendi_score(vectors(texts), sample=len(texts), seed=seed),
    }
