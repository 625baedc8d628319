"""Whether a candidate is kept, and why not.

Candidates are measured once (:func:`score_candidates`); an arm then applies its filters in its own order
(:func:`apply_filters`), and the first that refuses a candidate gives the reason. Every candidate stays in the table,
with the figures behind the decision, so that thresholds can be judged afterwards.

A filter is a function ``(candidates, parameters, context) -> reasons``: one reason for each candidate, empty where it
passes. It is given the candidates that the filters before it have kept.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion_kedro.config.filters import (
    FILTERS,
    CompleteFilter,
    DiverseFilter,
    LabelAgreementFilter,
    LeftoversFilter,
    LengthFilter,
    NovelFilter,
    RepetitionFilter,
    ReviewedFilter,
)
from emotion_kedro.data.lexicon import cue_words, has_cue_word
from emotion_kedro.data.near_duplicates import NearIndex, shingles
from emotion_kedro.metrics.diversity import is_cut_off, repetition, words
from emotion_kedro.metrics.novelty import exact_copies
from emotion_kedro.schemas import Reviews

KEPT = "kept"
TOO_SHORT = "too short"
REPETITION = "repetition"
LEFTOVER = "left-over prompt"
CUT_OFF = "cut off"
COPY = "copy of a train text"
NEAR_COPY = "near-copy of a train text"
DUPLICATE = "duplicate of another candidate"
DISAGREES = "classifier disagrees"
UNSURE = "classifier unsure"
RESEMBLES = "resembles others"
TYPICAL = "one more with a typical word"
SURPLUS = "beyond the quota"
REVIEWED = "reviewed"
PASSED = ""

FIGURES = ("words", "repetition", "train_similarity", "predicted", "probability")


@dataclass(frozen=True)
class FilterContext:
    """What a filter may look at beside the candidates."""

    train_rows: pd.DataFrame
    """``text, label`` of all train rows of the draw; nothing that is validated or tested on."""
    quota: int | None = None
    """Candidates of a generator and label that are kept, at most; None: all."""

    @property
    def train_texts(self) -> list[str]:
        """The texts of the train rows."""
        return self.train_rows["text"].tolist()


def score_candidates(
    candidates: pd.DataFrame,
    train_texts: Sequence[str],
    *,
    shingle: int = NovelFilter().shingle,
    labels: Sequence[str] = (),
    read: Callable[[list[str]], np.ndarray] | None = None,
    unfiltered: Sequence[str] = (),
) -> pd.DataFrame:
    """Return the candidates of one draw with what the filters measure in them (schema ``ScoredCandidates``).

    Args:
        candidates: with ``text``, ``label`` and ``generator``.
        train_texts: all train texts of the draw.
        shingle: characters of an n-gram, for the similarity with train texts.
        labels: of the taxonomy, in the order of the classifier's columns.
        read: texts -> probabilities (texts, labels), from a classifier trained on real train rows alone; None where no
            arm asks for it.
        unfiltered: generators whose texts are right by their making. They have no similarity and no probability, and
            no filter looks at them.
    """
    texts = candidates["text"].astype("str").reset_index(drop=True)
    measured = ~candidates["generator"].isin(list(unfiltered)).to_numpy()
    similarity = np.full(len(texts), np.nan)
    similarity[measured] = _similarity(texts[measured], train_texts, shingle)
    predicted = np.full(len(texts), "", dtype=object)
    probability = np.full(len(texts), np.nan)
    if read is not None and measured.any():
        probabilities = read(texts[measured].tolist())
        columns = pd.Categorical(candidates["label"][measured], categories=list(labels)).codes
        predicted[measured] = np.array(labels, dtype=object)[probabilities.argmax(axis=1)]
        probability[measured] = probabilities[np.arange(len(columns)), columns]
    return candidates.assign(
        words=np.array([len(words(text)) for text in texts], dtype=np.int64),
        repetition=np.array([repetition(text) for text in texts], dtype=np.float64),
        train_similarity=similarity,
        predicted=pd.Series(predicted, index=candidates.index, dtype="str"),
        probability=probability,
    )


def _similarity(texts: pd.Series, train_texts: Sequence[str], shingle: int) -> np.ndarray:
    if texts.empty or not len(train_texts):
        return np.zeros(len(texts))
    index = NearIndex(pd.Series(list(train_texts), dtype="str"), shingle=shingle)
    texts = texts.reset_index(drop=True)
    # A candidate is short: a piece of a longer train text is a copy too, though the two share little in all.
    return np.asarray(np.maximum(index.similarity(texts), index.containment(texts)), dtype=np.float64)


def apply_filters(
    scored: pd.DataFrame,
    names: Sequence[str],
    configs: Mapping[str, Any],
    train_rows: pd.DataFrame,
    *,
    quota: int | None = None,
) -> pd.DataFrame:
    """Return ``kept`` and ``reason`` of every candidate that an arm could add, in the order of the candidates.

    After the filters, where one of them is of kind ``novel``, a text that is left under several labels is refused for
    all of them: it is evidence for none. Then the first ``quota`` of each generator and label are kept.

    Args:
        scored: the candidates of one draw, as :func:`score_candidates` returns them.
        names: filters, in the order in which they are applied.
        configs: the parameters of each filter by its name.
        train_rows: ``text, label`` of all train rows of the draw.
        quota: candidates of a generator and label that are kept, at most; None: all.
    """
    reasons = pd.Series(KEPT, index=scored.index, dtype="str")
    filtered = scored["train_similarity"].notna()
    context = FilterContext(train_rows, quota)
    for name in names:
        candidates = scored[filtered & (reasons == KEPT)]
        if candidates.empty:
            continue
        refused = FILTERS[configs[name].kind].load()(candidates, configs[name], context)
        reasons = reasons.mask(reasons.index.isin(refused.index[refused != PASSED]), refused.reindex(reasons.index))
    if any(configs[name].kind == "novel" for name in names):
        reasons = reasons.mask(_of_several_labels(scored, filtered & (reasons == KEPT)), DUPLICATE)
    if quota is not None:
        is_kept = reasons == KEPT
        place = is_kept.groupby([scored["generator"], scored["label"]]).cumsum()
        reasons = reasons.mask(is_kept & (place > quota), SURPLUS)
    return pd.DataFrame({"kept": reasons == KEPT, "reason": reasons})


def _of_several_labels(candidates: pd.DataFrame, passed: pd.Series) -> pd.Series:
    texts = candidates["text"].str.lower()
    labels = candidates[passed].groupby(texts[passed])["label"].nunique()
    return passed & (texts.map(labels).fillna(0) > 1)


# --- one function a kind ------------------------------------------------------------------------------------------


def length(candidates: pd.DataFrame, config: LengthFilter, context: FilterContext) -> pd.Series:
    """Refuse what has too few words."""
    return _where(candidates["words"] < config.min_words, TOO_SHORT)


def loops(candidates: pd.DataFrame, config: RepetitionFilter, context: FilterContext) -> pd.Series:
    """Refuse texts of which too large a share stands in repeated bigrams."""
    return _where(candidates["repetition"] > config.max_share, REPETITION)


def leftovers(candidates: pd.DataFrame, config: LeftoversFilter, context: FilterContext) -> pd.Series:
    """Refuse texts that hold a piece of a prompt."""
    failed = pd.Series(False, index=candidates.index)
    for piece in config.pieces:
        failed |= candidates["text"].str.contains(piece, case=False, regex=False)
    return _where(failed, LEFTOVER)


def complete(candidates: pd.DataFrame, config: CompleteFilter, context: FilterContext) -> pd.Series:
    """Refuse texts that were stopped before their end, or that end no sentence and have a function word last."""
    function_words = {word.lower() for word in config.function_words}
    breaks_off = candidates["text"].map(lambda text: is_cut_off(text, function_words)).astype(bool)
    return _where(breaks_off | ~candidates["ended"], CUT_OFF)


def novel(candidates: pd.DataFrame, config: NovelFilter, context: FilterContext) -> pd.Series:
    """Refuse copies and near-copies of train texts, and what (nearly) repeats an earlier candidate of its label.

    Duplicates are looked for among those of one generator and label: which of two labels were right, nobody could say.
    """
    copies = exact_copies(candidates["text"].tolist(), context.train_texts)
    near = (candidates["train_similarity"] >= config.near_copy).to_numpy()
    reasons = pd.Series(np.select([copies, near], [COPY, NEAR_COPY], PASSED), index=candidates.index, dtype="str")
    left = candidates[reasons == PASSED]
    for _, group in left.groupby(["generator", "label"], sort=False):
        reasons[group.index[_repeats(group["text"], config)]] = DUPLICATE
    return reasons


def _repeats(texts: pd.Series, config: NovelFilter) -> np.ndarray:
    """Return which texts (nearly) repeat one above them that is no repeat itself: (texts,) of bool."""
    seen: list[set[str]] = []
    repeats = np.zeros(len(texts), dtype=bool)
    for place, text in enumerate(texts):
        pieces = shingles(text, config.shingle)
        repeats[place] = any(_jaccard(pieces, other) >= config.near_duplicate for other in seen)
        if not repeats[place]:
            seen.append(pieces)
    return repeats


def _jaccard(first: set[str], second: set[str]) -> float:
    union = len(first | second)
    return len(first & second) / union if union else 1.0


def label_agreement(candidates: pd.DataFrame, config: LabelAgreementFilter, context: FilterContext) -> pd.Series:
    """Refuse what the classifier reads as another label, or gives less than ``tau`` to its own."""
    disagrees = candidates["predicted"] != candidates["label"]
    unsure = ~(candidates["probability"] >= config.tau)
    return pd.Series(np.select([disagrees, unsure], [DISAGREES, UNSURE], PASSED), index=candidates.index, dtype="str")


def diverse(candidates: pd.DataFrame, config: DiverseFilter, context: FilterContext) -> pd.Series:
    """Refuse, of each generator and label, what resembles the others most, until no more are left than the quota.

    Texts are taken one after the other, each time the one that is least like all that were taken: the farthest-first
    traversal (Gonzalez 1985, Clustering to minimize the maximum intercluster distance). Two texts are alike by the
    cosine of their TF-IDF weights, in which words, pairs of words and the opening as a whole count alike. Texts with a
    cue word of their label are passed over once they make up the share that they have among its train texts.
    """
    reasons = pd.Series(PASSED, index=candidates.index, dtype="str")
    if context.quota is None:
        return reasons
    rows = context.train_rows
    cues = cue_words(rows["text"].tolist(), rows["label"].tolist(), per_label=config.cue_words) if len(rows) else {}
    for (_, key), group in candidates.groupby(["generator", "label"], sort=False):
        label = str(key)
        texts, train = group["text"].tolist(), rows.loc[rows["label"] == label, "text"].tolist()
        typical: NDArray[np.bool_] = np.array(has_cue_word(texts, [label] * len(texts), cues))
        # With no train text of the label there is no share that they could have.
        share = np.mean(has_cue_word(train, [label] * len(train), cues)) if train else 1.0
        most = round(share * context.quota)
        taken = farthest_first(texts, context.quota, opening=config.opening, seldom=typical, most=most)
        left = np.ones(len(group), dtype=bool)
        left[taken] = False
        passed_over = left & typical & (typical[taken].sum() >= most)
        reasons[group.index[left]] = np.where(passed_over[left], TYPICAL, RESEMBLES)
    return reasons


def farthest_first(
    texts: Sequence[str], count: int, *, opening: int, seldom: np.ndarray | None = None, most: int = 0
) -> list[int]:
    """Return the places of ``count`` texts at most, each the least like those before it; the first text is the first.

    Args:
        texts: to choose from.
        count: texts wanted.
        opening: first words that count as one piece more.
        seldom: (texts,) of bool: those of which no more than ``most`` are taken; None: there are none.
        most: see there.
    """
    from sklearn.feature_extraction.text import TfidfVectorizer

    seldom = np.zeros(len(texts), dtype=bool) if seldom is None else seldom
    if len(texts) <= count and seldom.sum() <= most:
        return list(range(len(texts)))
    rows = TfidfVectorizer(analyzer=partial(_pieces, opening=opening), sublinear_tf=True).fit_transform(texts)
    taken: list[int] = []
    likeness = np.full(len(texts), -np.inf)
    while len(taken) < count:
        if seldom[taken].sum() >= most:
            likeness[seldom] = np.inf
        nearest = int(np.argmin(likeness))
        if likeness[nearest] == np.inf:
            break
        likeness = np.maximum(likeness, (rows @ rows[nearest].T).toarray()[:, 0])
        taken.append(nearest)
        likeness[taken] = np.inf
    return taken


def _pieces(text: str, *, opening: int) -> list[str]:
    """Return the words of a text, its pairs of words, and its opening."""
    told = words(text)
    pairs = [f"{first} {second}" for first, second in pairwise(told)]
    return [*told, *pairs, "^ " + " ".join(told[:opening])]


def reviewed(candidates: pd.DataFrame, config: ReviewedFilter, context: FilterContext) -> pd.Series:
    """Refuse what a person rejected."""
    if "review" not in candidates:
        raise ValueError(
            "these candidates know no reviews: the filter reviewed works in the experiment that writes them, "
            "not where they are taken from another"
        )
    return _where(candidates["review"] == "reject", REVIEWED)


def with_reviews(candidates: pd.DataFrame, reviews: pd.DataFrame | None) -> pd.DataFrame:
    """Return the candidates with the decision on each as ``review``; what was edited has its new text.

    Args:
        candidates: with ``text`` and ``label``.
        reviews: schema :class:`emotion_kedro.schemas.Reviews`; None: nobody has decided anything.
    """
    if reviews is None:
        return candidates.assign(review=pd.Series("", index=candidates.index, dtype="str"))
    decided = (
        candidates[["text", "label"]].merge(Reviews.validate(reviews), on=["text", "label"], how="left").fillna("")
    )
    edited = (decided["decision"] == "edit").to_numpy()
    text = candidates["text"].mask(edited, decided["edited_text"].set_axis(candidates.index))
    return candidates.assign(text=text, review=decided["decision"].astype("str").set_axis(candidates.index))


def _where(failed: pd.Series, reason: str) -> pd.Series:
    return pd.Series(np.where(failed, reason, PASSED), index=failed.index, dtype="str")
