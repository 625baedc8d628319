"""What tuned settings are worth beside the untuned ones, on test rows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from emotion_kedro.measures.arms import compare_arms
from emotion_kedro.measures.findings import accuracy_finding, finding
from emotion_kedro.options import TrainingOptions

NAMES = {"tuned": "tuned on validation", "default": "default settings"}


def compare_settings(
    system: str,
    arms: Mapping[str, tuple[pd.DataFrame, pd.DataFrame, TrainingOptions]],
    labels: Sequence[str],
    *,
    groups: pd.Series | None,
    bootstrap: Mapping[str, Any],
    bins: int,
    model: str,
    sources: str,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return scores and difference of the arms ``default`` and ``tuned``; and the findings.

    Args:
        system: row of the reference.
        arms: predictions of the test rows, training rows and training of each.
        labels: the taxonomy.
        groups: near-duplicate group of each ``record_id``, which are resampled whole.
        bootstrap: ``samples``, ``level`` and ``seed``.
        bins: of the calibration error.
        model: base model.
        sources: where the records come from.
    """
    scores: dict[str, Any] = {}
    findings = []
    for arm, (predictions, mix, training) in arms.items():
        real, synthetic = (int((mix["origin"] == origin).sum()) for origin in ("real", "synthetic"))
        steps = training.steps_for(len(mix))
        figures, found = accuracy_finding(
            *(system, NAMES[arm], predictions, labels),
            groups=groups,
            bootstrap=bootstrap,
            bins=bins,
            model=model,
            data=f"{sources}, {real:,} train rows and {synthetic:,} synthetic ones",
            note=f"{steps:,} optimiser steps of {training.batch_size}",
        )
        scores[arm] = {**figures, "steps": steps, "real": real, "synthetic": synthetic}
        findings.append(found)
    difference = compare_arms(arms["default"][0], arms["tuned"][0], labels, groups=groups, **bootstrap)
    gain = finding(
        *(system, "difference, tuned minus default"),
        metric="difference in accuracy",
        figure=difference["accuracy"],
        rows=difference["rows"],
        seeds=difference["seeds"],
        model=model,
        data=sources,
        note="paired on the same test rows and seeds; the two have their own numbers of steps",
    )
    return {"arms": scores, "difference": difference}, [*reversed(findings), gain]
