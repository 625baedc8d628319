"""Figures of a study that nobody measured: the shapes are right, the numbers are made up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

SIZES = (10, 25, 50, 100, 200)
ARMS = ("real", "oversampled", "template", "generated", "filtered")
GENERATED = ("generated", "filtered")
COST = [
    {"part": "heads", "units": 600, "unit": "fit", "seconds_per_unit": 0.25, "seconds": 150.0},
    {"part": "text", "units": 2000, "unit": "text", "seconds_per_unit": 0.1, "seconds": 200.0},
]
SPENT = [
    {"part": "writer per_label", "units": 5, "unit": "draws of rows", "seconds": 170.0},
    {"part": "heads", "units": 600, "unit": "cells", "seconds": 190.0},
]
RUN_LOG = {"setting": {"machine": "invented"}, "times": [{"node": "fit_heads", "seconds": 12.0}]}
Change = tuple[float, float, float]
NOTHING: Change = (0.004, -0.01, 0.02)


def interval(estimate: float, low: float, high: float, samples: int = 20000) -> dict[str, float]:
    return {"estimate": estimate, "low": low, "high": high, "level": 0.95, "samples": samples}


def around(estimate: float, half: float = 0.02) -> dict[str, float]:
    return interval(estimate, estimate - half, estimate + half)


def difference(against: str, arm: str, size: int, change: Change, p_holm: float = 0.001) -> dict[str, Any]:
    low, high = change[1:]
    verdict = "helped" if low > 0 else "harmed" if high < 0 else "no difference shown"
    return {
        **{"against": against, "arm": arm, "n": size, "accuracy": interval(*change), "macro_f1": interval(*change)},
        **{
            "ece": around(-0.01),
            "p_samples": 20000,
            "p": min(p_holm, 0.9) / 10,
            "p_holm": p_holm,
            "mcnemar": {"runs": 6, "significant": 4},
        },
        **{"seeds_up": 5, "seeds": 6, "verdict": verdict},
    }


def cell(arm: str, size: int, accuracy: float) -> dict[str, Any]:
    return {
        **{"arm": arm, "n": size, "runs": 6, "train_rows": 6 * size, "added_rows": 0 if arm == "real" else 300},
        **{
            "accuracy": around(accuracy),
            "macro_f1": around(accuracy - 0.03),
            "ece": around(0.05),
            "rows_per_label": size,
        },
        "per_data_seed": {"0": accuracy, "1": accuracy},
    }


def figures(
    real: Mapping[tuple[str, int], Change] | None = None,
    template: Mapping[tuple[str, int], Change] | None = None,
    *,
    arms: Sequence[str] = ARMS,
    sizes: Sequence[int] = SIZES,
    p_holm: float = 0.001,
) -> dict[str, Any]:
    """Return figures in which only the given differences (arm, size) -> change leave zero out."""
    changes = {"real": dict(real or {}), "template": dict(template or {})}
    base = {size: 0.35 + 0.12 * np.log10(size) for size in sizes}
    found = [
        difference(against, arm, size, known.get((arm, size), NOTHING), p_holm if (arm, size) in known else 1.0)
        for against, known in changes.items()
        if against in arms
        for size in sizes
        for arm in arms
        if arm not in ("real", against)
    ]
    gains = {(one["arm"], one["n"]): one["accuracy"]["estimate"] for one in found if one["against"] == "real"}
    cells = [cell(arm, size, base[size] + gains.get((arm, size), 0.0)) for size in sizes for arm in arms]
    added = [one for one in cells if one["arm"] != "real"]
    return {
        **{"taxonomy": "six", "labels": ["anger", "joy"], "test_rows": 1000, "sizes": list(sizes), "arms": list(arms)},
        **{"data_seeds": [0, 1], "seeds": [0, 1, 2], "level": 0.95, "judge": {"accuracy": 0.8}},
        **{"cells": cells, "differences": found, "exchange": [exchange(one) for one in added]},
        "quality": [quality(one["arm"], one["n"], place) for place, one in enumerate(added)],
        "relation": [
            {"measure": "fidelity", "spearman": 0.61, "points": len(added)},
            {"measure": "distinct_2", "spearman": -0.2, "points": len(added)},
            {"measure": "copies", "spearman": None, "points": 0},
        ],
        "confirmed": None,
    }


def exchange(one: Mapping[str, Any]) -> dict[str, Any]:
    known = one["n"] < 200
    row = {"arm": one["arm"], "n": one["n"], "accuracy": one["accuracy"]["estimate"], "added_rows": 50}
    row["rows_per_label"] = one["rows_per_label"]
    equal = interval(one["n"] * 1.5, one["n"] * 1.1, one["n"] * 2.0) if known else None
    return {**row, "equal_to": equal, "worth": one["n"] * 0.5 / 50 if known else None}


def quality(arm: str, size: int, place: int) -> dict[str, Any]:
    measures = {
        "distinct_2": 0.5,
        "self_bleu": 0.2,
        "vendi": 40.0,
        "longest_shared_ngram": 5,
        "nearest_similarity": 0.4,
    }
    own = {name: value * (1 + place / 50) for name, value in measures.items()}
    held_out = {f"real_{name}": value for name, value in measures.items()}
    return {"arm": arm, "n": size, "rows": 300, "fidelity": 0.5 + place / 80, "copies": 0.02, **own, **held_out}


def wide(seed: int = 0, lift: float = 0.09) -> dict[str, Any]:
    """Return figures of many arms whose gains fade with the number of real rows, as a study may have them."""
    chance = np.random.default_rng(seed)
    arms = ["real", "oversampled", "eda", "template", *(f"generated_{name}" for name in "abcdefghijklm")]
    sizes = (10, 25, 50, 100, 200, 400, 800)
    strength = {arm: chance.normal(0.4, 0.5) for arm in arms}
    real, template = {}, {}
    for arm in arms[1:]:
        for size in sizes:
            gain = lift * strength[arm] * (10 / size) ** 0.4 + chance.normal(0, 0.004)
            half = 0.012 + 0.06 / size**0.5
            real[arm, size] = (gain, gain - half, gain + half)
            against = gain - real.get(("template", size), (0.03, 0, 0))[0]
            template[arm, size] = (against, against - half, against + half)
    made = figures(real, template, arms=arms, sizes=sizes, p_holm=0.01)
    for one in made["differences"]:
        one["p_holm"] = 0.01 if abs(one["accuracy"]["estimate"]) > 0.05 else 0.3
    return made
