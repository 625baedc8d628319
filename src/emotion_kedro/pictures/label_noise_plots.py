"""Plots of learned rules by their size, and of what merging two sources does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from emotion_kedro.pictures.numbers import missing, unique
from emotion_kedro.pictures.plots import BLUE, FAINT, GREY, INK, VERMILION, WIDTH

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = {"doubted": VERMILION, "trusted": BLUE}
LINES = ("-", "--")  # one for each kind of pieces
APART = 0.16  # between two splits on one line


def plot_rules(rules: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> Figure:
    """Draw the share of errors that rules remove against their leaves, a line for each source and kind of pieces.

    Args:
        rules: of :func:`emotion_kedro.measures.label_noise.measure_learned_rules`.
        names: what ``trusted`` and ``doubted`` are called.
    """
    figure = _figure(WIDTH, 3.4)
    axes = figure.subplots()
    for how, line in zip(unique(one["pieces"] for one in rules), LINES, strict=False):
        for side in unique(one["labels_of"] for one in rules):
            of = [one for one in rules if (one["pieces"], one["labels_of"]) == (how, side) and one["skill"]]
            places, values = [one["leaves"] for one in of], [one["skill"]["estimate"] for one in of]
            name = f"{names[side]}'s labels, {how}"
            axes.plot(places, values, line, marker="o", markersize=5, color=COLOURS[side], label=name)
            for place, one in zip(places, of, strict=True):
                if not missing(one["skill"]["low"]):
                    ends = [one["skill"]["low"], one["skill"]["high"]]
                    axes.plot([place, place], ends, color=COLOURS[side], linewidth=1, alpha=0.6)
    axes.axhline(0, color=GREY, linewidth=1)
    axes.set_xscale("log", base=2)
    leaves = unique(one["leaves"] for one in rules)
    axes.set_xticks(leaves, [str(number) for number in leaves])
    axes.set_xlabel("leaves of the rule")
    axes.set_ylabel("errors removed, out of fold")
    _tidy(axes)
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return figure


def plot_merging(scores: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw accuracy of every arm under both splits with its interval, a panel for each set of test rows."""
    sets, arms = unique(one["tested"] for one in scores), unique(one["arm"] for one in scores)
    splits = unique(one["split_strategy"] for one in scores)
    colours = dict(zip(splits, (VERMILION, BLUE), strict=False))
    figure = _figure(WIDTH, (0.6 + 0.3 * len(arms)) * len(sets) + 0.4)
    panels = figure.subplots(len(sets), 1, sharex=True, squeeze=False)[:, 0]
    for axes, tested in zip(panels, sets, strict=True):
        for one in (row for row in scores if row["tested"] == tested):
            place = arms.index(one["arm"]) + (APART if one["split_strategy"] == splits[-1] else -APART)
            found, colour = one["accuracy"], colours[one["split_strategy"]]
            label = f"{one['split_strategy']} split" if (one["arm"], tested) == (arms[0], sets[0]) else None
            axes.plot([found["estimate"]], [place], "o", markersize=5, color=colour, label=label)
            if not missing(found["low"]):
                axes.plot([found["low"], found["high"]], [place, place], color=colour, linewidth=2)
        axes.set_yticks(range(len(arms)), arms)
        axes.set_ylim(len(arms) - 0.5, -0.5)
        axes.set_xlim(-0.02, 1.02)
        axes.set_title(f"tested on {tested}", fontsize=9, loc="left", color=INK)
        _tidy(axes)
    panels[-1].set_xlabel("accuracy")
    figure.legend(loc="outside upper center", ncols=2, frameon=False, fontsize=9)
    return figure


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _tidy(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=9, length=3)
    axes.grid(color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)
