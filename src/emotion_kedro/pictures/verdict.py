"""The head of the report: the verdict, what the intervals cover, and the few figures on tiles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emotion_kedro.pictures import plots
from emotion_kedro.pictures.numbers import (
    DASH,
    bounds,
    count,
    estimate,
    missing,
    row_for_all,
    score,
    share,
    signed,
)
from emotion_kedro.pictures.results import METRICS, RunResults

QUESTION = "Did the synthetic text help?"
OPEN = "no difference shown"
HEADLINES = {
    "helped": "It helped.",
    "harmed": "It did harm.",
    OPEN: "No difference shown.",
}
SIDES = {"helped": 1, "harmed": -1}
FEW_SEEDS = 5


@dataclass(frozen=True)
class Verdict:
    """The answer to the question of the report."""

    kind: str
    """`helped`, `harmed` or `open`."""
    headline: str
    sentence: str


@dataclass(frozen=True)
class Tile:
    """One of the few figures at the head of the page."""

    name: str
    value: str
    note: str


def verdict_of(comparison: Mapping[str, Any]) -> Verdict:
    """Take the verdict over; but where no interval of the difference lies on its side of zero, leave it open."""
    if not comparison:
        return Verdict("open", "Not compared.", "There are no two arms to compare.")
    verdict, sentence = comparison.get("verdict", OPEN), comparison.get("sentence", "")
    side = SIDES.get(verdict, 0)
    if side and all(side_of_zero(comparison.get(metric)) != side for metric in METRICS):
        where = "above" if side > 0 else "below"
        sentence = f"Neither the interval for accuracy nor the one for macro-F1 lies wholly {where} zero."
        return Verdict("open", HEADLINES[OPEN], sentence)
    return Verdict(verdict if side else "open", HEADLINES.get(verdict, HEADLINES[OPEN]), sentence)


def side_of_zero(interval: Mapping[str, Any] | None) -> int:
    """Return 1 for an interval above zero, -1 for one below, 0 for one that includes zero or is not known."""
    if interval is None or missing(interval.get("low")) or missing(interval.get("high")):
        return 0
    return int(interval["low"] > 0) - int(interval["high"] < 0)


def reading(interval: Mapping[str, Any] | None) -> str:
    """Say in words what an interval of a difference shows."""
    if bounds(interval) == DASH:
        return DASH
    return {1: "higher", -1: "lower", 0: "no difference shown: the interval includes zero"}[side_of_zero(interval)]


def caution_of(results: RunResults) -> str:
    """Say what the intervals cover."""
    tested = [arm.get("seeds", []) for arm in results.scores.get("arms", {}).values()]
    seeds = len(results.comparison.get("seeds") or max(tested, key=len, default=[]))
    if seeds == 0:
        return ""
    if seeds == 1:
        return "There is one training seed: intervals cover the choice of test rows only, not training noise."
    few = ", which are few: if runs differ a lot the intervals are too narrow" if seeds < FEW_SEEDS else ""
    return f"Intervals cover the choice of test rows and {seeds} training seeds{few}."


def tiles_of(results: RunResults) -> list[Tile]:
    """Return the tiles that there are figures for."""
    arms, difference, whole = results.scores.get("arms", {}), results.comparison.get("accuracy"), row_for_all(results)
    accuracies = {arm: arms[arm].get("accuracy") for arm in plots.COMPARED if arm in arms}
    tiles = [Tile(f"accuracy, {arm}", score(estimate(one)), bounds(one)) for arm, one in accuracies.items()]
    if difference is not None:
        tiles.append(Tile("difference in accuracy", signed(estimate(difference)), bounds(difference, signed)))
    if whole:
        note = f"{share(whole.get('yield'))} of {count(whole.get('drawn'))} candidates passed"
        tiles.append(Tile("synthetic records kept", count(whole.get("kept")), note))
    return tiles
