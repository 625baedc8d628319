"""Invented results of a run, small enough to check by eye; every figure that a test looks for is different."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pandas as pd

from emotion_kedro.pictures.page import RunResults

LABELS = ["anger", "joy", "sadness"]
ARMS = ("real", "augmented", "synthetic")
SENTENCES = {
    "helped": "With synthetic text accuracy rose by .031, and the interval lies above zero.",
    "harmed": "With synthetic text accuracy fell by .031, and the interval lies below zero.",
    "no difference shown": "With synthetic text accuracy changed by .012, and the interval includes zero.",
}


def interval(estimate: float, low: float, high: float) -> dict[str, float]:
    return {"estimate": estimate, "low": low, "high": high, "level": 0.95, "samples": 2000}


def scores(seeds: Sequence[int] = (0, 1)) -> dict[str, Any]:
    accuracies = {"real": 0.8734, "augmented": 0.8853, "synthetic": 0.6121}
    return {"arms": {arm: _arm(accuracy, list(seeds)) for arm, accuracy in accuracies.items()}}


def _arm(accuracy: float, seeds: list[int]) -> dict[str, Any]:
    both = {
        "accuracy": interval(accuracy, accuracy - 0.012, accuracy + 0.0124),
        "macro_f1": interval(accuracy - 0.05, accuracy - 0.071, accuracy - 0.022),
    }
    runs = [
        {"seed": seed, "accuracy": accuracy + 0.001 * seed, "macro_f1": accuracy - 0.05, "rows": 480}
        | {"ece": 0.0415, "log_loss": 1.2345}
        for seed in seeds
    ]
    sources = {"eit": {"rows": 300, **both}, "edft": {"rows": 180, "accuracy": None, "macro_f1": both["macro_f1"]}}
    return {
        "rows": 480,
        "seeds": seeds,
        **both,
        "ece": 0.0415,
        "log_loss": 0.4567,
        "per_seed": runs,
        "sources": sources,
    }


def comparison(verdict: str = "no difference shown", seeds: Sequence[int] = (0, 1)) -> dict[str, Any]:
    ends = {"helped": (0.031, 0.011, 0.052), "harmed": (-0.031, -0.052, -0.011)}.get(verdict, (0.012, -0.0043, 0.028))
    tests = [
        {"seed": seed, "only_first": 11 + seed, "only_second": 23 + seed, "p_value": 0.0576, "p_holm": 0.1153}
        for seed in seeds
    ]
    return {
        **{"first": "real", "second": "augmented", "rows": 480, "seeds": list(seeds), "mcnemar": tests},
        **{"accuracy": interval(*ends), "macro_f1": interval(0.0081, -0.0142, 0.0293)},
        **{"verdict": verdict, "sentence": SENTENCES[verdict]},
    }


def per_label(labels: Sequence[str] = LABELS) -> pd.DataFrame:
    return pd.DataFrame(
        {"arm": arm, "label": label, "precision": 0.701, "recall": 0.702, "support": 1234}
        | {"f1": 0.9 - 0.01 * place - 0.1 * ARMS.index(arm)}
        for arm in ARMS
        for place, label in enumerate(labels)
    )


def confusion(labels: Sequence[str] = LABELS) -> pd.DataFrame:
    return pd.DataFrame(
        {"arm": arm, "label": label, "predicted": predicted, "rows": 75 if label == predicted else 25}
        for arm in ARMS
        for label in labels
        for predicted in labels
    )


def reliability() -> pd.DataFrame:
    bins = {"bin": [0, 1, 2], "confidence": [math.nan, 0.5512, 0.8521], "accuracy": [math.nan, 0.4012, 0.9031]}
    return pd.concat([pd.DataFrame({"arm": arm, **bins, "rows": [0, 120, 360]}) for arm in ARMS])


def synthetic(labels: Sequence[str] = LABELS) -> pd.DataFrame:
    return pd.DataFrame([_quality(label) for label in [*labels, "all"]])


def _quality(label: str) -> dict[str, Any]:
    rows = {"drawn": 4000, "kept": 2504} if label == "all" else {"drawn": 1000, "kept": 626}
    return {
        **{"label": label, **rows, "yield": 0.626, "fidelity_all": 0.5872, "fidelity_kept": 0.9137},
        **{"distinct_1": 0.3011, "distinct_2": 0.7022, "self_bleu": 0.2033, "exact_copies": 3, "near_copies": 17},
        **{"real_distinct_1": 0.4044, "real_distinct_2": 0.8055, "real_self_bleu": 0.1066},
        **{"longest_shared_ngram": 5.25, "real_longest_shared_ngram": 3.75},
        **{"nearest_similarity": 0.4477, "real_nearest_similarity": math.nan},
    }


def yields(labels: Sequence[str] = LABELS) -> pd.DataFrame:
    reasons = {"off label": 300, "kept": 626, "too short": 74}
    return pd.DataFrame(
        {"label": label, "reason": reason, "candidates": candidates}
        for label in labels
        for reason, candidates in reasons.items()
    )


def generators(labels: Sequence[str] = LABELS) -> list[dict[str, Any]]:
    losses = [{"step": 50.0, "train": 4.1, "validation": 3.9}, {"step": 100.0, "train": 3.5, "validation": 3.7}]
    log = {"texts": 1111, "steps": 150, "seconds": 95.0, "best_step": 100, "stopped_early": True}
    return [{"label": label, **log, "losses": [*losses, {"step": 150.0, "train": 3.2}]} for label in labels]


def classifiers(seeds: Sequence[int] = (0, 1)) -> list[dict[str, Any]]:
    log = {"steps": 300, "rows": 4800, "seconds": 3723.0, "losses": [{"step": 300.0, "train": 0.2171}]}
    return [{"name": arm, "seed": seed, **log} for arm in ARMS for seed in seeds]


def leakage() -> pd.DataFrame:
    names = ["split_strategy", "source", "test_rows", "exact_in_train", "near_in_train", "exact_share", "near_share"]
    rows = [
        ("plain", "all", 500, 41, 63, 0.082, 0.126, 7),
        ("plain", "eit", 310, 40, 59, 0.129, 0.1903, 6),
        ("grouped", "all", 480, 0, 0, 0.0, 0.0, 0),
    ]
    return pd.DataFrame(rows, columns=[*names, "conflicting_in_train"])


def ingestion() -> dict[str, Any]:
    eit = {"files": ["eit/train.txt", "eit/test.txt"], "rows": 20000, "kept": 19985}
    edft = {"files": ["edft.csv"], "rows": 40000, "kept": 31123}
    return {
        "eit": {**eit, "dropped": {"empty text": 15, "unknown label": {}}, "labels": {"anger": 9, "joy": 19976}},
        "edft": {**edft, "dropped": {"empty text": 2, "unknown label": {"worry": 8459, "fun": 416}}, "labels": {}},
    }


def sampling() -> dict[str, Any]:
    splits = {"train": {"anger": 700, "joy": 650, "sadness": 641}, "test": {"anger": 161, "joy": 160, "sadness": 159}}
    return {"dropped": {"in conflict": 72, "repeats": 93}, "kept": 2471, "splits": splits}


def results(
    verdict: str = "no difference shown",
    seeds: Sequence[int] = (0, 1),
    labels: Sequence[str] = LABELS,
    **changes: Any,
) -> RunResults:
    """The results of an invented run; `changes` replace single fields."""
    texts = [f"Text {number} of {label}" for label in labels for number in range(6)]
    found = RunResults(
        title="Emotion with synthetic text",
        labels=list(labels),
        ingestion=ingestion(),
        unification={"taxonomy": "six", "kept": 31000, "dropped": {"edft": {"boredom": 108}}},
        sampling=sampling(),
        leakage=leakage(),
        generators=generators(labels),
        classifiers=classifiers(seeds),
        synthetic=synthetic(labels),
        yields=yields(labels),
        examples=pd.DataFrame({"label": [text.split()[-1] for text in texts], "text": texts, "probability": 0.9814}),
        scores=scores(seeds),
        per_label=per_label(labels),
        confusion=confusion(labels),
        reliability=reliability(),
        comparison=comparison(verdict, seeds),
        usability={
            "real_to_real": interval(0.8734, 0.8614, 0.8858),
            "real_to_synthetic_all": interval(0.5872, 0.5511, 0.6233),
            "real_to_synthetic_kept": None,
            "synthetic_to_real": interval(0.6121, 0.6001, 0.6245),
        },
        times=[{"node": "fit_classifiers", "seconds": 300.0}, {"node": "unify_labels", "seconds": 0.42}],
        setting={"machine": "2 cores", "seeds": ", ".join(map(str, seeds)), "command": "kedro run --pipelines=augment"},
    )
    return replace(found, **changes)
