"""What classifiers read in texts without emotion labels, before and after their training text was widened.

Throughout, `S` training seeds read `n` texts and give `L` labels a probability each: arrays (S, n, L). There is no
truth to be right about; what is measured is named beforehand in the options of each set.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion_kedro.measures.intervals import Interval
from emotion_kedro.measures.resampling import auc, bootstrap_mean, bootstrap_statistic, entropy
from emotion_kedro.measures.scores import probabilities
from emotion_kedro.options.special_sets import TextSetOptions
from emotion_kedro.text.lexicon import mine_lexicon

ARMS = ("before", "after")
IN_DOMAIN = "in-domain"

Readings = NDArray[np.float64]
"""Probabilities (S, n, L)."""


@dataclass(frozen=True)
class ReadSet:
    """One set of texts, and what each arm read in them."""

    title: str
    texts: pd.DataFrame
    """Columns ``record_id``, ``text``, ``other_label``, ``group``; a row for each of the n texts."""
    readings: Mapping[str, Readings]
    """Arm -> probabilities, texts in the order of the table."""

    @property
    def groups(self) -> NDArray[Any]:
        """Group of each text, (n,)."""
        return self.texts["group"].to_numpy(dtype=object).astype(str)


def readings_of(predictions: pd.DataFrame, record_ids: Sequence[str], labels: Sequence[str]) -> Readings:
    """Return what an arm read in these records, (S, n, L), in the order of ``record_ids``.

    Raises:
        KeyError: if it has not read one of them.
    """
    seeds = sorted(predictions["seed"].unique())
    tables = [predictions[predictions["seed"] == seed].set_index("record_id").loc[list(record_ids)] for seed in seeds]
    return np.stack([probabilities(table.reset_index(), labels) for table in tables])


def share_read_as(readings: Readings, labels: Sequence[str], wanted: Sequence[str]) -> NDArray[np.float64]:
    """Return 1 for each text whose likeliest label is one of ``wanted``, else 0: (S, n)."""
    places = [place for place, label in enumerate(labels) if label in wanted]
    return np.isin(readings.argmax(axis=-1), places).astype(np.float64)


def score_against(readings: Readings, labels: Sequence[str], against: Sequence[str]) -> NDArray[np.float64]:
    """Return 1 minus the probabilities of the labels in ``against``, which is the sum of the others': (S, n)."""
    others = [place for place, label in enumerate(labels) if label not in against]
    return np.asarray(readings[..., others].sum(axis=-1))


def confidence(readings: Readings) -> NDArray[np.float64]:
    """Return the probability of the likeliest label: (S, n)."""
    return np.asarray(readings.max(axis=-1))


def measure_set(
    one: ReadSet, options: TextSetOptions, in_domain: ReadSet, labels: Sequence[str], bootstrap: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the figures of one set: of each arm, of the change from the first arm to the second, and beside in-domain.

    Whole groups (letters, posts, near-duplicates) are resampled. Figures: ``confidence`` (mean), ``share`` (read as an
    expected label), ``auc`` (the set's own class told by the emotions), each an interval or None; ``entropy`` of the
    shares of the labels; ``confidence_beside`` and ``share_beside``, this set less the in-domain texts.
    """
    expected = [label for label in options.expected if label in labels]
    arms = {}
    for arm, readings in one.readings.items():
        inside = in_domain.readings[arm]
        sides = one.groups, in_domain.groups
        arms[arm] = {
            "entropy": float(entropy(label_shares(readings))),
            "confidence": _mean(confidence(readings), one.groups, bootstrap),
            "confidence_beside": _beside(confidence(readings), confidence(inside), sides, bootstrap),
            "share": None,
            "share_beside": None,
            "auc": _auc(one, options, labels, [readings], bootstrap),
        }
        if expected:
            here, there = (share_read_as(values, labels, expected) for values in (readings, inside))
            arms[arm] |= {
                "share": _mean(here, one.groups, bootstrap),
                "share_beside": _beside(here, there, sides, bootstrap),
            }
    return {
        "title": one.title,
        "system": options.system,
        "texts": len(one.texts),
        "groups": int(one.texts["group"].nunique()),
        "expected": expected,
        "told": options.told.name if options.told else None,
        "arms": arms,
        "change": _change(one, options, labels, expected, bootstrap),
    }


def _change(
    one: ReadSet, options: TextSetOptions, labels: Sequence[str], expected: Sequence[str], bootstrap: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the differences between the two arms on the same draws of texts and seeds."""
    first, second = one.readings.values()
    share = None
    if expected:
        gain = share_read_as(second, labels, expected) - share_read_as(first, labels, expected)
        share = _mean(gain, one.groups, bootstrap)
    return {
        "confidence": _mean(confidence(second) - confidence(first), one.groups, bootstrap),
        "share": share,
        "auc": _auc(one, options, labels, [first, second], bootstrap),
    }


def _mean(values: NDArray[np.float64], groups: NDArray[Any], bootstrap: Mapping[str, Any]) -> dict[str, float]:
    return bootstrap_mean(values, groups=groups, **bootstrap).as_dict()


def _beside(
    here: NDArray[np.float64],
    there: NDArray[np.float64],
    groups: tuple[NDArray[Any], NDArray[Any]],
    bootstrap: Mapping[str, Any],
) -> dict[str, float]:
    """Return the mean of ``here`` (S, n) less that of ``there`` (S, m); the two are resampled each by itself."""
    values, size = np.concatenate([here, there], axis=1), here.shape[1]

    def difference(rows: NDArray[np.int64], seeds: NDArray[np.int64]) -> float:
        drawn, inside = values[np.ix_(seeds, rows)], rows < size
        return float(drawn[:, inside].mean() - drawn[:, ~inside].mean())

    found: Interval = bootstrap_statistic(
        difference,
        values.shape[1],
        seeds=len(values),
        groups=np.concatenate(groups),
        strata=np.arange(values.shape[1]) >= size,
        **bootstrap,
    )
    return found.as_dict()


def _auc(
    one: ReadSet,
    options: TextSetOptions,
    labels: Sequence[str],
    arms: Sequence[Readings],
    bootstrap: Mapping[str, Any],
) -> dict[str, float] | None:
    """Return the AUC of one arm, or that of the second arm less that of the first; None without a class to tell."""
    if options.told is None:
        return None
    truth = (one.texts["other_label"] == options.told.positive).to_numpy()
    scores = [score_against(readings, labels, options.told.against) for readings in arms]

    def figure(rows: NDArray[np.int64], seeds: NDArray[np.int64]) -> float:
        found = [np.mean([auc(truth[rows], arm[seed][rows]) for seed in seeds]) for arm in scores]
        return float(found[-1] - found[0]) if len(found) > 1 else float(found[0])

    try:
        found = bootstrap_statistic(figure, len(truth), seeds=len(scores[0]), groups=one.groups, **bootstrap)
    except ValueError:  # a set so small that all its judged texts are of one class
        return None
    return found.as_dict()


def label_shares(readings: Readings) -> NDArray[np.float64]:
    """Return the share of texts that are read as each label, over all seeds: (L,)."""
    return np.bincount(readings.argmax(axis=-1).ravel(), minlength=readings.shape[-1]) / readings[..., 0].size


def emotion_shares(sets: Sequence[ReadSet], labels: Sequence[str]) -> pd.DataFrame:
    """Return for each set, arm and label the share of texts read as it, and its mean probability."""
    parts = [
        pd.DataFrame(
            {
                "set": one.title,
                "arm": arm,
                "label": list(labels),
                "share": label_shares(readings),
                "probability": readings.mean(axis=(0, 1)),
            }
        )
        for one in sets
        for arm, readings in one.readings.items()
    ]
    return pd.concat(parts, ignore_index=True)


def certainties(sets: Sequence[ReadSet]) -> pd.DataFrame:
    """Return the confidence in each text, mean of the seeds, by set and arm."""
    parts = [
        pd.DataFrame(
            {
                "set": one.title,
                "arm": arm,
                "record_id": one.texts["record_id"].tolist(),
                "confidence": confidence(readings).mean(axis=0),
            }
        )
        for one in sets
        for arm, readings in one.readings.items()
    ]
    return pd.concat(parts, ignore_index=True)


def typical_words(sets: Sequence[ReadSet], labels: Sequence[str], *, per_label: int, least_count: int) -> pd.DataFrame:
    """Return the words that set the texts read as a label apart from the set's other texts, by set, arm and label.

    Log-odds with a prior (:func:`emotion_kedro.text.lexicon.mine_lexicon`), on the mean reading of the seeds. They say
    which words go with a reading, not that the classifier looked at them.
    """
    parts = []
    for one in sets:
        for arm, readings in one.readings.items():
            read = [labels[place] for place in readings.mean(axis=0).argmax(axis=-1)]
            if len(set(read)) > 1:
                found = mine_lexicon(one.texts["text"].tolist(), read, per_label=per_label, least_count=least_count)
                parts.append(found.assign(set=one.title, arm=arm))
    columns = ["set", "arm", "label", "word", "texts", "z"]
    return pd.concat(parts, ignore_index=True)[columns] if parts else pd.DataFrame(columns=columns)


def pick_extremes(sets: Sequence[ReadSet], labels: Sequence[str], *, count: int) -> pd.DataFrame:
    """Return the texts that each arm is most and least sure of, most extreme first, by the mean of the seeds."""
    parts = []
    for one in sets:
        for arm, readings in one.readings.items():
            mean = readings.mean(axis=0)
            table = pd.DataFrame(
                {
                    "set": one.title,
                    "arm": arm,
                    "record_id": one.texts["record_id"].tolist(),
                    "text": one.texts["text"].tolist(),
                    "predicted": [labels[place] for place in mean.argmax(axis=-1)],
                    "confidence": mean.max(axis=-1),
                }
            ).sort_values(["confidence", "record_id"], ascending=[False, True])
            parts += [table.head(count).assign(which="most"), table.iloc[::-1].head(count).assign(which="least")]
    return pd.concat(parts, ignore_index=True)


def true_shares(given: pd.Series, labels: Sequence[str]) -> dict[str, float]:
    """Return the share of rows that have each label."""
    counts = given.value_counts()
    return {label: float(counts.get(label, 0) / len(given)) for label in labels}
