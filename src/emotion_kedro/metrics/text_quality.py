"""What added text is like, beside held-out real text that it should resemble.

No figure stands alone: text that a classifier agrees with may be ten sentences over and over, or train texts copied.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion_kedro.config.base import ALL
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.data.lexicon import cue_words, has_cue_word
from emotion_kedro.metrics.diversity import (
    common_openings,
    distinct_n,
    is_cut_off,
    self_bleu,
    vendi_score,
    words,
)
from emotion_kedro.metrics.novelty import copied, nearest
from emotion_kedro.metrics.runs import table_of
from emotion_kedro.metrics.two_sample import two_sample_auc
from emotion_kedro.schemas.figures import TextQuality

SAMPLE = 200
"""Texts, at most, of a figure that depends on how many there are."""
MOST_SAMPLES = 5
"""Samples that such a figure is the mean of, where there are so many texts or draws: that of one is off by points."""
DRAW = ("size", "data_seed")
NEIGHBOURS = 4000
"""Train texts, at most, in which the nearest one is looked for; drawn at random where there are more."""
LEAST_TEXTS = 10
"""Texts of both sides, at least, for a figure of how varied a set is; with fewer it says nothing."""

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""Texts to rows of length 1, (texts, width), such as :class:`emotion_kedro.models.features.Features`."""
Measured = dict[str, tuple[float, float]]
"""Metric -> figure of added text, and of real text."""


@dataclass(frozen=True)
class Target:
    """What a figure should reach, by itself or beside that of real text."""

    rule: Literal["at least", "at most", "at most above real", "at least of real"]
    bound: float

    def met(self, value: float, real: float) -> bool | None:
        """Whether it is reached; None where a figure that it needs is missing."""
        limit = {"at most above real": real + self.bound, "at least of real": real * self.bound}.get(
            self.rule, self.bound
        )
        if math.isnan(value) or math.isnan(limit):
            return None
        # A share of 0.05 more is within 0.05, whatever the last binary digit says.
        return value >= limit - ROUNDING if self.rule.startswith("at least") else value <= limit + ROUNDING

    def __str__(self) -> str:
        if self.rule == "at most above real":
            return f"at most real + {self.bound:.2f}" if self.bound else "at most real"
        return (
            f"at least {self.bound:.2f} of real" if self.rule == "at least of real" else f"{self.rule} {self.bound:.2f}"
        )


ROUNDING = 1e-9
TARGETS: Mapping[str, Target] = {
    "fidelity": Target("at least", 0.85),
    "cut_off": Target("at most above real", 0.05),
    "cue_word": Target("at most above real", 0.15),
    "common_openings": Target("at most above real", 0.10),
    "distinct_2": Target("at least", 0.60),
    "vendi": Target("at least of real", 0.80),
    "auc_words": Target("at most", 0.75),
    "auc_characters": Target("at most", 0.75),
    "copied": Target("at most above real", 0.0),
}


@dataclass(frozen=True)
class _References:
    """What the texts are measured against."""

    train: pd.DataFrame
    test: pd.DataFrame
    cues: Mapping[str, frozenset[str]]
    predicted: Mapping[str, str]
    seed: int
    embed: Embed | None
    embedded: NDArray[np.float32] | None
    """Rows of the train texts."""
    known: dict[tuple[str, ...], Measured] = field(default_factory=dict)
    """Figures by the texts: arms often add the same."""
    aucs: dict[tuple[tuple[str, ...], ...], dict[str, float]] = field(default_factory=dict)
    """How well two sets are told apart: the real sides of arms are often the same."""


def text_quality(
    experiment: str,
    texts_by_arm: pd.DataFrame,
    real_train: pd.DataFrame,
    real_test: pd.DataFrame,
    predicted: pd.DataFrame | None,
    evaluation: EvaluationConfig,
    embed: Embed | None = None,
) -> pd.DataFrame:
    """Return figures of the text that each arm adds, per label and for ``all``, beside those of real test text.

    Both sides are whole texts. Figures that depend on how many there are take equally many of each label on both
    sides, and are NaN with fewer than :data:`LEAST_TEXTS` (``auc_*``: 20).

    Args:
        experiment: name of the experiment.
        texts_by_arm: ``arm, label, text`` of what was added; with ``size, data_seed`` figures of a set are those of
            draws.
        real_train: ``text, label`` of the train rows: cue words are mined in them, copies are looked up in them.
        real_test: ``text, label`` of the test rows.
        predicted: ``text, predicted`` of the evaluator, who took no part in filtering; of real texts as well if the
            real side of ``fidelity`` is wanted. None: no fidelity.
        evaluation: seed of the samples.
        embed: for ``nearest_train``; None: without it.

    Returns:
        Schema ``TextQuality``; ``texts`` is their number. Shares of texts are of all of
        them; figures of a set are means over samples of :data:`SAMPLE`. Metrics, shares in 0..1 unless said:
        ``fidelity`` (read as its label), ``cut_off``, ``cue_word`` (has a word typical of its label by log-odds in
        train), ``common_openings`` (begins with one of the three commonest three first words), ``distinct_2``,
        ``self_bleu``, ``vendi`` (a number of texts), ``auc_words`` and ``auc_characters`` (told from real test text;
        real: test from train), ``copied`` (equals a train text or shares 8 words in a row with one),
        ``nearest_train`` (mean cosine similarity to the nearest train text).
    """
    references = _references(real_train, real_test, predicted, evaluation, embed)
    rows = [
        {"experiment": experiment, "arm": str(arm), "label": label, "texts": len(part), **figure}
        for arm, added in texts_by_arm.groupby("arm", sort=False)
        for label, part in _by_label(added)
        for figure in _figures(part, references)
    ]
    return table_of(rows, TextQuality)


def _references(
    train: pd.DataFrame,
    test: pd.DataFrame,
    predicted: pd.DataFrame | None,
    evaluation: EvaluationConfig,
    embed: Embed | None,
) -> _References:
    cues = cue_words(train["text"].tolist(), train["label"].tolist())
    read = {} if predicted is None else dict(zip(predicted["text"], predicted["predicted"], strict=True))
    embedded = embed(neighbours_of(train, evaluation)["text"].tolist()) if embed and len(train) else None
    return _References(_readable(train), _readable(test), cues, read, evaluation.seed, embed, embedded)


def neighbours_of(train: pd.DataFrame, evaluation: EvaluationConfig) -> pd.DataFrame:
    """Return the train rows in which the nearest text is looked for: all, or a sample where there are very many."""
    return train.sample(n=min(NEIGHBOURS, len(train)), random_state=evaluation.seed)


def _by_label(added: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame]]:
    for label in sorted(added["label"].unique()):
        yield str(label), added[added["label"] == label]
    yield ALL, added


def _figures(added: pd.DataFrame, references: _References) -> Iterable[dict[str, object]]:
    parts = [added[name].astype(str) for name in ("label", *(name for name in DRAW if name in added), "text")]
    key = tuple(map("\t".join, zip(*parts, strict=True)))
    if key not in references.known:
        references.known[key] = _measure(added, references)
    for metric, (value, real) in references.known[key].items():
        target = TARGETS.get(metric)
        met = None if target is None else target.met(value, real)
        marks = {"target": "" if target is None else str(target), "met": {None: "", True: "yes", False: "no"}[met]}
        yield {"metric": metric, "value": value, "real": real, **marks}


def _measure(added: pd.DataFrame, references: _References) -> Measured:
    readable = _readable(added)
    # Shares of all texts: those of a sample would be off by points.
    by_text = [_figures_of_texts(readable, references), _figures_of_real_texts(readable, references)]
    by_set = [
        _of_a_sample(part, references, references.seed + number) for number, part in enumerate(_samples_of(readable))
    ]
    sides = [{**texts, **_means([pair[side] for pair in by_set])} for side, texts in enumerate(by_text)]
    return {metric: (sides[0][metric], sides[1][metric]) for metric in sides[0]}


def _samples_of(added: pd.DataFrame) -> list[pd.DataFrame]:
    """Return what samples are drawn of: draws of a design, of which a larger one has texts of a smaller one again."""
    draws = [part for _, part in added.groupby(list(DRAW))] if set(DRAW) <= set(added) else [added]
    if len(draws) > 1:
        return [draws[place] for place in np.linspace(0, len(draws) - 1, min(MOST_SAMPLES, len(draws))).astype(int)]
    return [added] * max(1, min(MOST_SAMPLES, len(added) // SAMPLE))


def _of_a_sample(added: pd.DataFrame, references: _References, seed: int) -> list[dict[str, float]]:
    """Return the figures of a sample of what was added, and of as much real text."""
    shown = _sample(added, seed)
    real = _of_same_labels(references.test, shown, seed)
    # As many of each label on both sides, since these figures depend on the number, and on the labels.
    alike = _of_same_labels(shown, real, seed)
    train = _of_same_labels(references.train, real, seed)
    by_set = [_figures_of_set(side["text"].tolist()) for side in (alike, real)]
    aucs = [_told_apart(first, second, references) for first, second in ((alike, real), (train, real))]
    return [{**figures, **auc} for figures, auc in zip(by_set, aucs, strict=True)]


def _means(figures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {metric: float(np.mean([each[metric] for each in figures])) for metric in figures[0]}


def _readable(table: pd.DataFrame) -> pd.DataFrame:
    return table[[bool(words(text)) for text in table["text"]]]


def _sample(table: pd.DataFrame, seed: int, size: int = SAMPLE) -> pd.DataFrame:
    return table.sample(n=min(size, len(table)), random_state=seed)


def _of_same_labels(table: pd.DataFrame, model: pd.DataFrame, seed: int) -> pd.DataFrame:
    """Draw as many rows of each label as ``model`` has, as far as there are."""
    parts = [
        _sample(table[table["label"] == label], seed, count) for label, count in model["label"].value_counts().items()
    ]
    return pd.concat(parts) if parts else table.iloc[:0]


def _figures_of_texts(table: pd.DataFrame, references: _References) -> dict[str, float]:
    """Means over texts: they do not depend on how many there are."""
    texts = table["text"].tolist()
    figures = {"fidelity": _fidelity(table, references)} if references.predicted else {}
    figures |= {
        "cut_off": _mean([is_cut_off(text) for text in texts]),
        "cue_word": _mean(has_cue_word(texts, table["label"].tolist(), references.cues)),
        "copied": _mean(copied(texts, references.train["text"].tolist())),
    }
    if references.embed is not None and references.embedded is not None:
        figures["nearest_train"] = _mean(nearest(references.embed(texts), references.embedded)[1]) if texts else np.nan
    return figures


def _figures_of_real_texts(added: pd.DataFrame, references: _References) -> dict[str, float]:
    """Means over the test rows of each label, which count as the added texts of the label do."""
    real = _of_same_labels(references.test, added, references.seed)
    counts = added["label"].value_counts()
    figures = pd.DataFrame({label: _figures_of_texts(part, references) for label, part in real.groupby("label")})
    if figures.empty:
        return _figures_of_texts(real, references)
    weights = counts.reindex(figures.columns).to_numpy() * figures.notna()
    return (figures.fillna(0.0) * weights).sum(axis=1).div(weights.sum(axis=1)).to_dict()


def _figures_of_set(texts: Sequence[str]) -> dict[str, float]:
    """Figures that depend on how many texts there are."""
    if len(texts) < LEAST_TEXTS:
        return dict.fromkeys(("common_openings", "distinct_2", "self_bleu", "vendi"), math.nan)
    return {
        "common_openings": common_openings(texts),
        "distinct_2": distinct_n(texts, 2),
        "self_bleu": self_bleu(texts),
        "vendi": vendi_score(texts),
    }


def _told_apart(first: pd.DataFrame, second: pd.DataFrame, references: _References) -> dict[str, float]:
    # A side may have fewer of a label: then neither has more.
    seed = references.seed
    first, second = _of_same_labels(first, second, seed), _of_same_labels(second, first, seed)
    sides = tuple(first["text"]), tuple(second["text"])
    if sides not in references.aucs:
        references.aucs[sides] = {
            "auc_words": two_sample_auc(*sides, "word", seed=seed),
            "auc_characters": two_sample_auc(*sides, "char_wb", seed=seed),
        }
    return references.aucs[sides]


def _mean(values: Sequence[bool] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _fidelity(table: pd.DataFrame, references: _References) -> float:
    read = table[table["text"].isin(references.predicted)]
    return _mean((read["text"].map(references.predicted) == read["label"]).to_numpy())
