"""What the classifiers of two arms read in texts that have no label of the taxonomy (S18, S19).

There is no truth to be right about; what is measured is named beforehand, in the parameters. Throughout, n texts are
read and each of L labels is given a probability: arrays (n, L).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from emotion_kedro.analyses.intervals import figure, interval_of, mean_interval
from emotion_kedro.config.analyses import ClassesConfig, OutOfDomainConfig
from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.lexicon import mine_lexicon
from emotion_kedro.metrics.bootstrap import Interval
from emotion_kedro.models.classifiers import load_classifier
from emotion_kedro.models.device import Device

IN_DOMAIN = "in-domain"
"""The set of test rows, which have a label."""
FIGURES = ["set", "metric", "arm", "value", "low", "high", "texts", "groups"]
Probabilities = NDArray[np.float64]


@dataclass(frozen=True)
class ReadSet:
    """A set of texts, and what each arm reads in them."""

    name: str
    texts: pd.DataFrame
    """``record_id``, ``text``, ``other_label``, ``group``; a row for each of the n texts."""
    probabilities: Mapping[str, Probabilities]
    """Arm -> (n, L), texts in the order of the table."""

    @property
    def groups(self) -> NDArray[Any]:
        """Group of each text, (n,)."""
        return self.texts["group"].to_numpy(dtype=object).astype(str)


def analyse(
    config: OutOfDomainConfig,
    *,
    taxonomy: TaxonomyConfig,
    device: Device,
    evaluation: EvaluationConfig,
    split_records: pd.DataFrame,
    unlabelled_texts: pd.DataFrame,
    models: Mapping[str, Path],
) -> dict[str, pd.DataFrame]:
    """Read the texts that no generator has seen with both classifiers, and the test rows beside them.

    Returns:
        ``figures``: ``set, metric, arm`` (an arm, or ``second - first``) ``, value, low, high, texts, groups``; metrics
        are ``confidence`` (mean probability of the likeliest label), ``expected`` (share read as an expected label),
        both also ``less in-domain``; ``auc`` (the set's own class recognised); and ``entropy`` of the shares of the
        labels, 0 for one label, 1 for all alike. ``shares``: of texts read as each label, and its mean probability.
        ``certainties`` of every text. ``typical_words`` of the texts read as each label. ``extremes``: the texts that
        each arm is most and least sure of.

    Raises:
        ValueError: if a set of the parameters has no texts.
    """
    texts = unlabelled_texts[unlabelled_texts["split"] == "test"]
    absent = sorted({*config.expected, *config.classes} - set(texts["source"]))
    if absent:
        raise ValueError(
            f"analyses.out_of_domain names {', '.join(absent)}; there are held-out texts of "
            f"{', '.join(sorted(texts['source'].unique()))}"
        )
    tables = {str(name): part for name, part in texts.groupby("source", sort=False)}
    sets = read_sets({**tables, IN_DOMAIN: _in_domain(split_records)}, models, device)
    in_domain, labels = sets[-1], taxonomy.names
    figures = [row for part in sets for row in figures_of(part, in_domain, config, labels, evaluation)]
    return {
        "figures": pd.DataFrame(figures, columns=FIGURES),
        "shares": label_shares(sets, labels),
        "certainties": certainties(sets),
        "typical_words": typical_words(sets, labels, per_label=config.typical_words, least_count=config.least_count),
        "extremes": extremes(sets[:-1], labels, count=config.examples),
    }


def _in_domain(split_records: pd.DataFrame) -> pd.DataFrame:
    test = split_records[split_records["split"] == "test"]
    grouped = test["record_id"].where(test["group"] < 0, f"{IN_DOMAIN}:" + test["group"].astype("str"))
    return test.assign(other_label="", group=grouped)


def read_sets(tables: Mapping[str, pd.DataFrame], models: Mapping[str, Path], device: Device) -> list[ReadSet]:
    """Return the sets as every arm's classifier reads them; one classifier is open at a time."""
    readings: dict[str, dict[str, Probabilities]] = {name: {} for name in tables}
    for arm, directory in models.items():
        classifier = load_classifier(directory, device)
        for name, table in tables.items():
            readings[name][arm] = classifier.probabilities(table["text"].tolist(), device=device)
    return [ReadSet(name, table.reset_index(drop=True), readings[name]) for name, table in tables.items()]


# --- figures ------------------------------------------------------------------------------------------------------


def figures_of(
    part: ReadSet,
    in_domain: ReadSet,
    config: OutOfDomainConfig,
    labels: Sequence[str],
    evaluation: EvaluationConfig,
) -> Iterator[dict[str, Any]]:
    """Yield the figures of a set: of each arm, and of the change from the first arm to the second.

    Whole groups (letters, posts, near-duplicates) are resampled.
    """
    counts = {"texts": len(part.texts), "groups": int(part.texts["group"].nunique())}
    for metric, arm, interval in _intervals(part, in_domain, config, labels, evaluation):
        yield {"set": part.name, "metric": metric, "arm": arm, **figure(interval), **counts}
    for arm, given in part.probabilities.items():
        value = {"value": entropy(_shares_read(given)), "low": np.nan, "high": np.nan}
        yield {"set": part.name, "metric": "entropy", "arm": arm, **value, **counts}


def _intervals(
    part: ReadSet,
    in_domain: ReadSet,
    config: OutOfDomainConfig,
    labels: Sequence[str],
    evaluation: EvaluationConfig,
) -> Iterator[tuple[str, str, Interval]]:
    metrics: dict[str, Callable[[Probabilities], NDArray[np.float64]]] = {"confidence": confidence}
    if part.name in config.expected:
        expected = config.expected[part.name]
        metrics["expected"] = lambda given: read_as(given, labels, expected)
    change = " - ".join(reversed(config.arms))
    for metric, of_texts in metrics.items():
        values = {arm: of_texts(given) for arm, given in part.probabilities.items()}
        first, second = (values[arm] for arm in config.arms)
        for arm in config.arms:
            yield metric, arm, mean_interval(values[arm], part.groups, evaluation)
        yield metric, change, mean_interval(second - first, part.groups, evaluation)
        for arm in config.arms if part is not in_domain else ():
            inside = of_texts(in_domain.probabilities[arm])
            yield f"{metric}, less in-domain", arm, _difference(values[arm], inside, part, in_domain, evaluation)
    if part.name in config.classes:
        yield from _aucs(part, config.arms, config.classes[part.name], labels, evaluation)


def _aucs(
    part: ReadSet,
    arms: tuple[str, str],
    classes: ClassesConfig,
    labels: Sequence[str],
    evaluation: EvaluationConfig,
) -> Iterator[tuple[str, str, Interval]]:
    positive = (part.texts["other_label"] == classes.positive).to_numpy()
    first, second = (score_against(part.probabilities[arm], labels, classes.against) for arm in arms)
    statistics = {
        arms[0]: lambda rows, _: auc(positive[rows], first[rows]),
        arms[1]: lambda rows, _: auc(positive[rows], second[rows]),
        " - ".join(reversed(arms)): lambda rows, _: (
            auc(positive[rows], second[rows]) - auc(positive[rows], first[rows])
        ),
    }
    for name, statistic in statistics.items():
        yield "auc", name, interval_of(statistic, part.groups, evaluation)


def _difference(
    here: NDArray[np.float64],
    there: NDArray[np.float64],
    part: ReadSet,
    in_domain: ReadSet,
    evaluation: EvaluationConfig,
) -> Interval:
    """Return the mean of ``here`` (n,) less that of ``there`` (m,); the two are resampled each by itself."""
    values, size = np.concatenate([here, there]), len(here)
    return interval_of(
        lambda rows, _: float(values[rows[rows < size]].mean() - values[rows[rows >= size]].mean()),
        np.concatenate([part.groups, in_domain.groups]),
        evaluation,
        strata=np.arange(len(values)) >= size,
    )


def confidence(probabilities: Probabilities) -> NDArray[np.float64]:
    """Return the probability of the likeliest label: (n,)."""
    return np.asarray(probabilities.max(axis=-1))


def read_as(probabilities: Probabilities, labels: Sequence[str], wanted: Sequence[str]) -> NDArray[np.float64]:
    """Return 1 for each text whose likeliest label is one of ``wanted``, else 0: (n,)."""
    places = [place for place, label in enumerate(labels) if label in wanted]
    return np.isin(probabilities.argmax(axis=-1), places).astype(np.float64)


def score_against(probabilities: Probabilities, labels: Sequence[str], against: Sequence[str]) -> NDArray[np.float64]:
    """Return 1 minus the probabilities of the labels in ``against``, which is the sum of the others': (n,)."""
    others = [place for place, label in enumerate(labels) if label not in against]
    return np.asarray(probabilities[..., others].sum(axis=-1))


def auc(positive: ArrayLike, scores: ArrayLike) -> float:
    """Return the area under the ROC curve: how often a positive text scores above another one, ties counting half.

    The same as scikit-learn's, some ten times quicker: it is asked for thousands of resamples.

    Returns:
        In 0..1, .5 by chance; NaN where all texts are of one class.
    """
    from scipy.stats import rankdata

    truth = np.asarray(positive, dtype=bool)
    ahead, others = int(truth.sum()), int((~truth).sum())
    if not ahead or not others:
        return float("nan")
    return float((rankdata(scores)[truth].sum() - ahead * (ahead + 1) / 2) / (ahead * others))


def entropy(shares: ArrayLike) -> float:
    """Return the entropy of a distribution (L,) as a share of the largest there can be: 0 for one label, 1 for all."""
    from scipy import stats

    return float(stats.entropy(shares) / np.log(len(np.asarray(shares))))


# --- tables -------------------------------------------------------------------------------------------------------


def _shares_read(probabilities: Probabilities) -> NDArray[np.float64]:
    return np.bincount(probabilities.argmax(axis=-1), minlength=probabilities.shape[-1]) / len(probabilities)


def label_shares(sets: Sequence[ReadSet], labels: Sequence[str]) -> pd.DataFrame:
    """Return ``set, arm, label, share`` (of texts that are read as it) ``, probability`` (its mean)."""
    parts = [
        pd.DataFrame({"label": list(labels), "share": _shares_read(given), "probability": given.mean(axis=0)})
        for _, _, given in _readings(sets)
    ]
    return _named(sets, parts)


def certainties(sets: Sequence[ReadSet]) -> pd.DataFrame:
    """Return ``set, arm, record_id, confidence``."""
    parts = [
        pd.DataFrame({"record_id": part.texts["record_id"], "confidence": confidence(given)})
        for part, _, given in _readings(sets)
    ]
    return _named(sets, parts)


def typical_words(sets: Sequence[ReadSet], labels: Sequence[str], *, per_label: int, least_count: int) -> pd.DataFrame:
    """Return the words that set the texts read as a label apart: ``set, arm, label, word, texts, z``.

    Log-odds with a prior (:func:`emotion_kedro.data.lexicon.mine_lexicon`). They say which words go with a label, not
    that the classifier looked at them.
    """
    parts = []
    for part, _, given in _readings(sets):
        read = [labels[place] for place in given.argmax(axis=-1)]
        parts.append(mine_lexicon(part.texts["text"].tolist(), read, per_label=per_label, least_count=least_count))
    return _named(sets, parts)[["set", "arm", "label", "word", "texts", "z"]]


def extremes(sets: Sequence[ReadSet], labels: Sequence[str], *, count: int) -> pd.DataFrame:
    """Return the texts that each arm is most and least sure of (``which``), most extreme first."""
    parts = []
    for part, _, given in _readings(sets):
        table = part.texts[["record_id", "text"]].assign(
            predicted=[labels[place] for place in given.argmax(axis=-1)], confidence=confidence(given)
        )
        ordered = table.sort_values(["confidence", "record_id"], ascending=[False, True])
        most, least = ordered.head(count), ordered.iloc[::-1].head(count)
        parts.append(pd.concat([most.assign(which="most"), least.assign(which="least")]))
    return _named(sets, parts)


def _readings(sets: Sequence[ReadSet]) -> Iterator[tuple[ReadSet, str, Probabilities]]:
    for part in sets:
        for arm, given in part.probabilities.items():
            yield part, arm, given


def _named(sets: Sequence[ReadSet], tables: Sequence[pd.DataFrame]) -> pd.DataFrame:
    """Return the tables of all sets and arms one below the other, with columns ``set`` and ``arm``."""
    named = []
    for (part, arm, _), table in zip(_readings(sets), tables, strict=True):
        table.insert(0, "set", part.name)
        table.insert(1, "arm", arm)
        named.append(table)
    return pd.concat(named, ignore_index=True)
