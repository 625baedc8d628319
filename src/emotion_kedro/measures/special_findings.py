"""The figures on special sets as findings, and in a sentence."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from emotion_kedro.measures.findings import finding
from emotion_kedro.measures.special_sets import ARMS

UNSEEN = "texts that neither generators nor classifiers were trained on"


def set_findings(
    figures: Mapping[str, Mapping[str, Any]], *, seeds: Sequence[int], model: str, data: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the findings of all sets, of each arm: ``love letters read as love, before`` and the like.

    Args:
        figures: name of a set -> :func:`emotion_kedro.measures.special_sets.measure_set`.
        seeds: training seeds.
        model: base models.
        data: arm -> what it was trained on.
    """
    found = []
    for one in figures.values():
        for what, metric, key in _asked(one):
            for arm in ARMS:
                found.append(
                    finding(
                        one["system"],
                        f"{what}, {arm}",
                        metric=metric,
                        figure=one["arms"][arm][key],
                        rows=one["texts"],
                        seeds=seeds,
                        model=model,
                        data=data[arm],
                        note=f"{UNSEEN}; interval over {one['groups']:,} groups of them",
                    )
                )
    return found


def _asked(one: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield what was asked of a set: name, metric, and key of the figure."""
    if one["expected"]:
        yield f"{one['title']} read as {' or '.join(one['expected'])}", "share", "share"
        yield f"{one['title']}, mean confidence", "confidence", "confidence"
    if one["told"]:
        yield f"{one['title']}: {one['told']}", "AUC", "auc"


def asked_of(figures: Mapping[str, Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return a row for each question: what was asked, how many texts, before, after, and the change."""
    return [
        {
            "system": one["system"],
            "what": what,
            "metric": metric,
            "texts": one["texts"],
            "groups": one["groups"],
            **{arm: one["arms"][arm][key] for arm in ARMS},
            "change": one["change"][key],
        }
        for one in figures.values()
        for what, metric, key in _asked(one)
    ]


def verdict(figures: Mapping[str, Mapping[str, Any]]) -> tuple[str, str]:
    """Return the answer in a few words, and its kind: ``helped``, ``harmed`` or ``open``.

    It rests on the questions that have a direction, the shares and the AUCs of S18: what a joke should be read as is
    open, and more confidence is not better.
    """
    rows = [row for row in asked_of(figures) if row["system"] == "S18" and row["metric"] != "confidence"]
    changes = [row["change"] for row in rows if row["change"] is not None]
    better, worse = sum(change["low"] > 0 for change in changes), sum(change["high"] < 0 for change in changes)
    if not better and not worse:
        return "No difference shown.", "open"
    if better and worse:
        return f"Mixed: better on {better} and worse on {worse} of {len(changes)} questions.", "open"
    if better:
        return f"Better on {better} of {len(changes)} questions.", "helped"
    return f"Worse on {worse} of {len(changes)} questions.", "harmed"
