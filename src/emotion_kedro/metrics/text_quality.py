"""What added text is like, beside held-out real text that it should resemble.

No figure stands alone: text that a classifier agrees with may be ten sentences over and over, or train texts copied.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.data.lexicon import mine_lexicon, words_of
from emotion_kedro.metrics.diversity import (
    common_openings,
    distinct_n,
    first_words,
    is_cut_off,
    self_bleu,
    vendi_score,
    words,
)
from emotion_kedro.metrics.novelty import copied
from emotion_kedro.metrics.runs import table_of

ALL = "all"
SAMPLE = 200
"""Texts of a label that are looked at, at most; the figures of larger samples differ little."""
CUE_WORDS = 20
CUE_COUNT = 3
"""Train texts, at least, that a cue word stands in."""
COLUMNS = {
    **dict.fromkeys(("experiment", "arm", "label", "metric"), "str"),
    **dict.fromkeys(("value", "real"), "float64"),
    "texts": "int64",
}


@dataclass(frozen=True)
class _References:
    """What the texts are measured against."""

    train: list[str]
    cues: Mapping[str, frozenset[str]]
    predicted: Mapping[str, str]
    seed: int


def text_quality(
    experiment: str,
    texts_by_arm: pd.DataFrame,
    real_train: pd.DataFrame,
    real_test: pd.DataFrame,
    predicted: pd.DataFrame | None,
    evaluation: EvaluationConfig,
) -> pd.DataFrame:
    """Return figures of the text that each arm adds, per label and for ``all``, beside those of real test text.

    Diversity and novelty depend on how many texts there are and how long they are: the real side has as many texts, of
    the same label, each cut to the number of words of an added one (except for ``cut_off``).

    Args:
        experiment: name of the experiment.
        texts_by_arm: ``arm, label, text`` of what was added.
        real_train: ``text, label`` of the train rows: cue words are mined in them, copies are looked up in them.
        real_test: ``text, label`` of the test rows.
        predicted: ``text, predicted`` of the evaluator, who took no part in filtering; of real texts as well if the
            real side of ``fidelity`` is wanted. None: no fidelity.
        evaluation: seed of the samples.

    Returns:
        Schema :class:`emotion_kedro.schemas.TextQuality`; ``texts`` is their number before sampling. Metrics, shares in
        0..1 unless said: ``fidelity`` (read as its label), ``cue_word`` (has a word typical of its label by log-odds in
        train), ``cut_off``, ``common_openings`` (begins with one of the three commonest three first words),
        ``distinct_2``, ``self_bleu``, ``vendi`` (a number of texts), ``copied`` (equals a train text or shares 8 words
        in a row with one).
    """
    lexicon = mine_lexicon(
        real_train["text"].tolist(), real_train["label"].tolist(), per_label=CUE_WORDS, least_count=CUE_COUNT
    )
    known = {} if predicted is None else dict(zip(predicted["text"], predicted["predicted"], strict=True))
    cues = {str(label): frozenset(rows["word"]) for label, rows in lexicon.groupby("label")}
    references = _References(real_train["text"].tolist(), cues, known, evaluation.seed)
    rows = [
        {"experiment": experiment, "arm": str(arm), "label": label, **figures}
        for arm, added in texts_by_arm.groupby("arm", sort=False)
        for label, part, real in _by_label(added, real_test)
        for figures in _figures(part, real, references)
    ]
    return table_of(rows, COLUMNS)


def _by_label(added: pd.DataFrame, real: pd.DataFrame) -> Iterable[tuple[str, pd.DataFrame, pd.DataFrame]]:
    for label in sorted(added["label"].unique()):
        yield str(label), added[added["label"] == label], real[real["label"] == label]
    yield ALL, added, real


def _figures(added: pd.DataFrame, real: pd.DataFrame, references: _References) -> Iterable[dict[str, object]]:
    shown = _sample(added, references.seed)
    held_out = _sample(real, references.seed, size=len(shown))
    shortened = _shorten(held_out, shown["text"].tolist())
    # As many of both, since diversity depends on the number.
    values = _measure(shown, shown.iloc[: max(len(shortened), 1)], references)
    values_of_real = _measure(held_out, shortened, references)
    for metric, value in values.items():
        yield {"metric": metric, "value": value, "real": values_of_real[metric], "texts": len(added)}


def _sample(table: pd.DataFrame, seed: int, size: int = SAMPLE) -> pd.DataFrame:
    readable = table[[bool(words(text)) for text in table["text"]]]
    return readable.sample(n=min(size, len(readable)), random_state=seed)


def _shorten(real: pd.DataFrame, added: Sequence[str]) -> pd.DataFrame:
    """Cut real texts to the lengths, in words, of added ones: longer texts share more with anything.

    Long real texts are given the long lengths, so that few of them have to be cut.
    """
    lengths = sorted((len(words(text)) for text in added[: len(real)]), reverse=True)
    longest_first = real.assign(length=[-len(words(text)) for text in real["text"]]).sort_values("length")
    cut = [first_words(text, length) for text, length in zip(longest_first["text"], lengths, strict=True)]
    return longest_first.drop(columns="length").assign(text=cut)


def _measure(whole: pd.DataFrame, alike: pd.DataFrame, references: _References) -> dict[str, float]:
    """Measure texts as they are, and those of the number and lengths at which both sides are alike."""
    texts = alike["text"].tolist()
    figures = {"fidelity": _fidelity(whole, references)} if references.predicted else {}
    return figures | {
        "cue_word": _cue_word_share(alike, references),
        "cut_off": _mean([is_cut_off(text) for text in whole["text"]]),
        "common_openings": common_openings(texts),
        "distinct_2": distinct_n(texts, 2),
        "self_bleu": self_bleu(texts, sample=max(2, len(texts)), seed=references.seed),
        "vendi": vendi_score(texts),
        "copied": _mean(copied(texts, references.train)),
    }


def _mean(values: Sequence[bool] | np.ndarray) -> float:
    return float(np.mean(values)) if len(values) else np.nan


def _fidelity(table: pd.DataFrame, references: _References) -> float:
    read = table[table["text"].isin(references.predicted)]
    return _mean((read["text"].map(references.predicted) == read["label"]).to_numpy())


def _cue_word_share(table: pd.DataFrame, references: _References) -> float:
    pairs = zip(table["text"], table["label"], strict=True)
    return _mean([not references.cues.get(label, frozenset()).isdisjoint(words_of(text)) for text, label in pairs])
