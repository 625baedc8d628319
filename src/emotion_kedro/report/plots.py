"""Plots of an experiment: from tidy tables to PNG bytes.

Figures are built without pyplot: none stays open, and no global setting changes. Colours are those of Okabe and Ito
(2008, https://jfly.uni-koeln.de/color/), which colour-blind readers tell apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import cycle, islice
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emotion_kedro.config.base import ALL, ALL_ROWS
from emotion_kedro.metrics.comparison import COMPARED_LEARNERS
from emotion_kedro.metrics.runs import BASELINE, kept_runs
from emotion_kedro.report.figures import (
    BLUE,
    GREEN,
    GREY,
    INK,
    LONGEST_NAME,
    NARROW,
    ORANGE,
    PURPLE,
    SKY,
    VERMILION,
    YELLOW,
    empty_plot,
    new_figure,
    png,
    short,
    tidy,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = (BLUE, ORANGE, PURPLE, SKY, INK, YELLOW)
"""Of arms; those of verdicts are not among them."""
VERDICT_COLOURS = {"helped": GREEN, "harmed": VERMILION, "no difference shown": GREY}
CURVES_IN_A_PANEL = 6
LABELS_WITH_NUMBERS = 13
FIELD, LARGEST_SIDE = 0.42, 12.6
"""Inches: of a field of the confusion plot, and of the plot, in which thirty labels have such fields."""
SMALLEST_LETTERS = 4.0
"""Points; labels that would have smaller ones are left out."""
PAIRS_BY_LABEL = 3
LEAST_POINTS = 1.0
"""To either side of zero: gains of nothing are not to look like gains."""


def accuracy_plot(scores: pd.DataFrame) -> bytes:
    """Draw the accuracy of every arm and learner with its interval: by size as curves if there are several, else dots.

    Args:
        scores: schema ``Scores``; rows of single sources are left out.
    """
    shown = scores[(scores["metric"] == "accuracy") & (scores["source"] == ALL)]
    if shown.empty:
        return empty_plot("no scores")
    arms = shown[shown["arm"] != BASELINE]
    if arms["size"].nunique() > 1:
        whole = arms[arms["size"] == ALL_ROWS]
        lines = whole.assign(learner=whole["arm"].map(short) + ", " + whole["learner"] + ", all rows")
        return _curves(arms.drop(whole.index), pd.concat([shown[shown["arm"] == BASELINE], lines]))
    return _dots(arms, shown[shown["arm"] == BASELINE])


def _dots(arms: pd.DataFrame, baselines: pd.DataFrame) -> bytes:
    several = arms["learner"].nunique() > 1
    names = [short(row.arm) + (f", {row.learner}" if several else "") for row in rows_of(arms)]
    figure = new_figure(NARROW, 1.5 + 0.32 * len(arms))
    axes = figure.subplots()
    palette = dict(zip(dict.fromkeys(arms["arm"]), cycle(COLOURS), strict=False))
    for place, row in enumerate(rows_of(arms)):
        axes.plot([row.low, row.high], [place, place], color=palette[row.arm], linewidth=2.2, solid_capstyle="butt")
        axes.plot([row.value], [place], marker="o", markersize=6, color=palette[row.arm])
    for style, row in zip(cycle((":", "--", "-.")), rows_of(baselines), strict=False):
        axes.axvline(row.value, color=GREY, linestyle=style, linewidth=1.3, label=f"{row.learner} {row.value:.3f}")
    axes.set_yticks(range(len(arms)), names)
    axes.set_ylim(len(arms) - 0.4, -0.6)
    axes.set_xlabel("accuracy")
    axes.margins(x=0.06)
    tidy(axes, "x")
    if len(baselines):
        figure.legend(loc="outside upper right", ncols=3, frameon=False, fontsize=9, labelcolor=INK)
    return png(figure)


def _curves(arms: pd.DataFrame, baselines: pd.DataFrame) -> bytes:
    """One panel for each learner, or, for many arms, one for each arm beside the first arm of its learner."""
    panels = list(_panels(arms))
    columns, many = min(len(panels), 2), len(panels) > 2
    rows = -(-len(panels) // columns)
    figure = new_figure(NARROW, (2.4 if columns > 1 else 3.8) * rows + 0.5)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, (title, learner, names) in zip(grid, panels, strict=False):
        _draw_panel(axes, arms[arms["learner"] == learner], names, many=many)
        _draw_baselines(axes, baselines)
        axes.set_title(title, fontsize=10, color=INK)
        tidy(axes, "both")
    for place in range(len(panels), len(grid)):
        grid[place].set_visible(False)
        grid[place - columns].tick_params(labelbottom=True)
    sizes = sorted(arms["size"].unique())
    grid[0].set_xscale("log")
    grid[0].set_xticks(sizes, [str(size) for size in sizes], minor=False)
    grid[0].minorticks_off()
    figure.supxlabel("real train rows per label", fontsize=10, color=INK)
    figure.supylabel("accuracy", fontsize=10, color=INK)
    _legend(figure, list(grid[: len(panels)]))
    return png(figure)


def _panels(arms: pd.DataFrame) -> Iterator[tuple[str, str, list[str]]]:
    """Yield title, learner and arms of each panel."""
    for learner, table in arms.groupby("learner", sort=False):
        names = [str(name) for name in dict.fromkeys(table["arm"])]
        if len(names) <= CURVES_IN_A_PANEL:
            yield str(learner), str(learner), names
            continue
        several = arms["learner"].nunique() > 1
        for name in names[1:]:
            yield short(name) + (f", {learner}" if several else ""), str(learner), [names[0], name]


def _draw_panel(axes: Axes, table: pd.DataFrame, names: Sequence[str], *, many: bool) -> None:
    """Of many panels the first arm is grey in all, and blue is the one that a panel's title names."""
    pair = many and len(names) <= 2
    for number, name in enumerate(names):
        curve = table[table["arm"] == name].sort_values("size")
        colour = GREY if many and not number else BLUE if pair else COLOURS[number % len(COLOURS)]
        label = "arm of the title" if pair and number else name
        axes.fill_between(curve["size"], curve["low"], curve["high"], color=colour, alpha=0.15, linewidth=0)
        axes.plot(curve["size"], curve["value"], marker="o", markersize=3.5, color=colour, label=label, linewidth=1.6)


def _draw_baselines(axes: Axes, baselines: pd.DataFrame) -> None:
    for style, (learner, table) in zip(cycle((":", "--")), baselines.groupby("learner", sort=False), strict=False):
        curve = table.sort_values("size")
        if len(curve) == 1:
            axes.axhline(curve["value"].iloc[0], color=GREY, linestyle=style, linewidth=1.2, label=str(learner))
        else:
            axes.plot(curve["size"], curve["value"], color=GREY, linestyle=style, linewidth=1.2, label=str(learner))


def differences_plot(comparisons: pd.DataFrame) -> bytes:
    """Draw the differences in accuracy with their intervals, a panel for each size (or source), coloured by verdict.

    Nothing is drawn of differences that are all zero.

    Args:
        comparisons: schema ``Comparisons``.
    """
    shown = comparisons[comparisons["metric"] == "accuracy"]
    if not differ(shown):
        return empty_plot("nothing was compared" if shown.empty else "no difference")
    shown = shown.assign(name=_pair_names(shown), panel=_panel_names(shown))
    names, panels = list(dict.fromkeys(shown["name"])), list(dict.fromkeys(shown["panel"]))
    figure = new_figure(NARROW, 1.0 + (0.7 + 0.32 * len(names)) * len(panels))
    grid = figure.subplots(len(panels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, panel in zip(grid, panels, strict=True):
        table = shown[shown["panel"] == panel]
        for row in rows_of(table):
            place, colour = names.index(row.name), VERDICT_COLOURS[row.verdict]
            axes.plot([100 * row.low, 100 * row.high], [place, place], color=colour, linewidth=2.2)
            axes.plot([100 * row.difference], [place], marker="o", markersize=6, color=colour)
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_title(panel, fontsize=10, color=INK)
        tidy(axes, "x")
    grid[-1].set_xlabel("points of accuracy", fontsize=9)
    grid[0].set_yticks(range(len(names)), names)
    grid[0].set_ylim(len(names) - 0.4, -0.6)
    handles = [_line(colour, verdict) for verdict, colour in VERDICT_COLOURS.items()]
    figure.legend(handles=handles, loc="outside upper right", ncols=3, frameon=False, fontsize=9, labelcolor=INK)
    return png(figure)


def labels_plot(gains: pd.DataFrame) -> bytes:
    """Draw the gain in F1 of each label with its interval, the largest first; a panel for each of the first pairs.

    Pairs of which every difference is zero are left out.

    Args:
        gains: schema ``LabelGains``.
    """
    if not differ(gains):
        return empty_plot("nothing was compared" if gains.empty else "no difference")
    shown = gains.assign(panel=_pair_names(gains))
    panels = [str(name) for name, table in shown.groupby("panel", sort=False) if differ(table)][:PAIRS_BY_LABEL]
    first = shown[shown["panel"] == panels[0]].sort_values("difference", ascending=False, kind="stable")
    labels = list(dict.fromkeys([*first["label"], *shown["label"]]))
    figure = new_figure(NARROW, 0.6 + (0.7 + 0.3 * len(labels)) * len(panels))
    grid = figure.subplots(len(panels), 1, sharex=True, sharey=True, squeeze=False)[:, 0]
    for axes, panel in zip(grid, panels, strict=True):
        for row in rows_of(shown[shown["panel"] == panel]):
            _draw_gain(
                axes, labels.index(row.label), [round(100 * each, 9) for each in (row.low, row.difference, row.high)]
            )
        axes.axvline(0, color=INK, linewidth=1)
        axes.set_title(panel, fontsize=10, color=INK)
        tidy(axes, "x")
    grid[-1].set_xlabel("points of F1", fontsize=9)
    low, high = grid[0].get_xlim()
    grid[0].set_xlim(min(low, -LEAST_POINTS), max(high, LEAST_POINTS))
    grid[0].set_yticks(range(len(labels)), [short(label) for label in labels])
    grid[0].set_ylim(len(labels) - 0.4, -0.6)
    return png(figure)


def differ(table: pd.DataFrame) -> bool:
    """Whether any difference of a table, or an end of its interval, is not zero."""
    return bool((table[["difference", "low", "high"]].fillna(0).round(9) != 0).any(axis=None))


def _draw_gain(axes: Axes, place: int, values: Sequence[float]) -> None:
    """Draw an interval by its low end, middle and high end; its colour says on which side of zero it lies."""
    low, middle, high = values
    colour = GREEN if low > 0 else VERMILION if high < 0 else GREY
    axes.plot([low, high], [place, place], color=colour, linewidth=2.2)
    axes.plot([middle], [place], marker="o", markersize=6, color=colour)


def _pair_names(comparisons: pd.DataFrame) -> list[str]:
    several = comparisons["learner"].nunique() > 1
    return [_pair_name(row.first, row.second, row.learner, several=several) for row in rows_of(comparisons)]


def _pair_name(first: str, second: str, learner: str, *, several: bool) -> str:
    if learner != COMPARED_LEARNERS:
        return short(f"{first} − {second}", 2 * LONGEST_NAME) + (f" ({learner})" if several else "")
    # Learners of one arm: ``arm/learner`` on both sides.
    arm, _, first_learner = first.rpartition("/")
    return f"{first_learner} − {second.rpartition('/')[2]} ({short(arm)})"


def _panel_names(comparisons: pd.DataFrame) -> list[str]:
    sizes, sources = comparisons["size"].nunique() > 1, comparisons["source"].nunique() > 1
    return [
        ", ".join(
            [
                *([("all rows" if row.size == ALL_ROWS else f"{row.size} rows per label")] if sizes else []),
                *([f"source: {row.source}"] if sources else []),
            ]
        )
        for row in rows_of(comparisons)
    ]


def confusion_plot(confusion: pd.DataFrame, arms: Sequence[str] = ()) -> bytes:
    """Draw true against predicted labels for two arms side by side, of the first learner at its largest size.

    Colour is the share of the true label's rows; with at most 13 labels their number stands in the field.

    Args:
        confusion: as :func:`emotion_kedro.metrics.scores.confusion` returns it.
        arms: the arms wanted; those that are there, at most two, are drawn; none given: the first two.
    """
    tables = confusion[confusion["arm"] != BASELINE]
    if tables.empty:
        return empty_plot("no predictions")
    names = list(islice([arm for arm in arms if arm in set(tables["arm"])] or dict.fromkeys(tables["arm"]), 2))
    labels = list(dict.fromkeys(tables["label"]))
    side = min(max(FIELD * len(labels), 2.0), LARGEST_SIDE)
    figure = new_figure((side + 0.4) * len(names) + 2.4, side + 1.7)
    grid = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
    for axes, arm in zip(grid, names, strict=True):
        table = kept_runs(tables[tables["arm"] == arm])
        counts = table.pivot(index="label", columns="predicted", values="rows").loc[labels, labels].to_numpy()
        image = _draw_confusion(axes, counts, labels)
        axes.set_title(short(arm), color=INK, fontsize=10)
    grid[0].set_ylabel("true label")
    if (every := tables["arm"].nunique()) > len(names):
        figure.suptitle(f"{len(names)} of {every} arms", fontsize=9, color=GREY)
    bar = figure.colorbar(image, ax=list(grid), shrink=0.8)
    bar.set_label("share of the true label", color=INK, fontsize=9)
    bar.ax.tick_params(colors=INK, labelsize=8)
    bar.outline.set_visible(False)
    return png(figure)


def _draw_confusion(axes: Axes, counts: np.ndarray, labels: Sequence[str]) -> Any:
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1e-9)
    image = axes.imshow(shares, vmin=0, vmax=1, cmap="Blues", aspect="equal")
    size = 9 * min(1.0, LARGEST_SIDE / (FIELD * len(labels)))
    shown = list(labels) if size >= SMALLEST_LETTERS else [""] * len(labels)
    axes.set_xticks(range(len(labels)), shown, rotation=90 if len(labels) > 3 else 0)
    axes.set_yticks(range(len(labels)), shown)
    axes.tick_params(colors=INK, labelsize=size, length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted label", color=INK)
    axes.yaxis.label.set_color(INK)
    for (row, column), count in np.ndenumerate(counts):
        if count > 0 and len(labels) <= LABELS_WITH_NUMBERS:
            colour = "white" if shares[row, column] > 0.55 else INK
            axes.text(column, row, f"{count:.0f}", ha="center", va="center", fontsize=7.5, color=colour)
    return image


def rows_of(table: pd.DataFrame) -> Iterator[Any]:
    """Return the rows of a table, a column as an attribute."""
    return table.itertuples(index=False)


def _line(colour: str, label: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], color=colour, marker="o", markersize=6, linewidth=2.2, label=label)


def _legend(figure: Figure, grid: Sequence[Axes]) -> None:
    """One legend for all panels, each name once."""
    entries = {label: handle for axes in grid for handle, label in zip(*axes.get_legend_handles_labels(), strict=True)}
    figure.legend(
        list(entries.values()),
        [short(label) for label in entries],
        loc="outside upper left",
        ncols=min(len(entries), 4),
        frameon=False,
        fontsize=9,
        labelcolor=INK,
    )
