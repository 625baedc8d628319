"""The main figures on two sources' labels as findings."""

from __future__ import annotations

from typing import Any

from emotion_kedro.measures.findings import finding
from emotion_kedro.options.label_noise import LabelNoiseOptions


def findings_on_labels(
    agreement: dict[str, Any], keyword_rules: dict[str, Any], options: LabelNoiseOptions
) -> list[dict[str, Any]]:
    """Return agreement and kappa, and what the rules explain, under the doubted source's name."""
    system = options.doubted.upper()
    data = f"{options.trusted} + {options.doubted}"
    shared, texts = agreement["all"], agreement["all"]["texts"]
    found = [
        finding(
            system,
            f"labels as {options.trusted}'s, {what}",
            metric=what,
            figure=figure,
            rows=texts,
            model="",
            data=data,
        )
        for what, figure in (("agreement", shared["agreement"]), ("kappa", shared["kappa"]))
    ]
    for one in keyword_rules["written"]:
        name = f"labels of {one['labels_of']} that the patterns explain"
        chance = f"dealt out anew {one['by_chance']['estimate']:.3f}; the patterns are a fit, not a test."
        found.append(
            finding(
                system, name, metric="share", figure=one["share"], rows=one["rows"], model="", data=data, note=chance
            )
        )
    names = {"doubted": options.doubted, "trusted": options.trusted}
    shown = options.learned.shown_leaves
    for one in keyword_rules["learned"]["rules"]:
        if one["leaves"] == shown:
            name = f"labels of {names[one['labels_of']]} that a learned rule of {one['pieces']} reads"
            note = f"out of fold; always saying the commonest label: {one['commonest']:.3f}."
            model = f"decision tree, {shown} leaves"
            found.append(
                finding(system, name, figure=one["accuracy"], rows=one["rows"], model=model, data=data, note=note)
            )
    return found


def findings_on_merging(merging: dict[str, Any], options: LabelNoiseOptions) -> list[dict[str, Any]]:
    """Return what merging changes on each set of test rows, under either split."""
    seeds = options.merging.split_seeds
    return [
        finding(
            options.doubted.upper(),
            f"{one['arm']} instead of {one['against']}, {one['split_strategy']} split, on {one['tested']}",
            metric="difference in accuracy",
            figure=one["accuracy"],
            seeds=seeds,
            model="logistic regression on TF-IDF",
            data=one["arm"],
        )
        for one in merging["differences"]
        if one["split_strategy"] is not None and one["against"] == options.trusted
    ]
