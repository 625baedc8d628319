"""Plots of a run: every function takes a table and returns a matplotlib figure, for the catalog and the report page.

Figures are built without pyplot: none stays open, and no global setting changes. Colours are those of Okabe and Ito
(2008, https://jfly.uni-koeln.de/color/), which colour-blind readers tell apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

METRICS = {"accuracy": "accuracy", "macro_f1": "macro-F1"}
KEPT = "kept"
COMPARED = ("real", "augmented")

BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, YELLOW = (
    *("#0072B2", "#D55E00", "#009E73", "#CC79A7"),
    *("#E69F00", "#56B4E9", "#F0E442"),
)
INK, FAINT, GREY = "#333333", "#dddddd", "#999999"
ARM_COLOURS = {"real": BLUE, "augmented": VERMILION, "synthetic": GREEN}
OTHER_COLOURS = (ORANGE, PURPLE, SKY, VERMILION, GREEN, YELLOW, GREY)
HATCHES = ("", "////", "....")  # for reasons beyond the number of colours
CELLS_WITH_NUMBERS = 13
PANELS_A_ROW = 3
ENTRIES_A_LINE = 4  # of a legend
WIDTH = 6.6  # inches
LARGEST_MARKER = 220.0


def plot_arms(scores: Mapping[str, Any]) -> Figure:
    """Draw accuracy and macro-F1 of each arm: a dot for the mean, a line for its interval, a tick for each seed."""
    arms = scores["arms"]
    figure = _figure(WIDTH, 1.3 + 0.6 * len(arms))
    panels = figure.subplots(1, len(METRICS), sharey=True)
    for axes, (metric, title) in zip(panels, METRICS.items(), strict=True):
        for place, (arm, colour) in enumerate(_arm_colours(arms).items()):
            _draw_interval(axes, place, arms[arm].get(metric), colour)
            seeds = [run[metric] for run in arms[arm].get("per_seed", []) if not pd.isna(run.get(metric))]
            axes.plot(seeds, [place + 0.22] * len(seeds), linestyle="", marker="|", markersize=7, color=GREY)
        _tidy(axes, grid="x")
        axes.set_xlabel(title)
        axes.margins(x=0.12)
    panels[0].set_yticks(range(len(arms)), list(arms))
    panels[0].set_ylim(len(arms) - 0.4, -0.6)
    return figure


def plot_per_label(per_label: pd.DataFrame) -> Figure:
    """Draw the F1 of each label as a bar for each arm; the number of test rows stands beside the label."""
    labels = list(dict.fromkeys(per_label["label"]))
    colours = _arm_colours(dict.fromkeys(per_label["arm"]))
    support = per_label.drop_duplicates("label").set_index("label")["support"]
    figure = _figure(WIDTH, 1.2 + len(labels) * (0.2 + 0.17 * len(colours)))
    axes = figure.subplots()
    height = 0.8 / max(len(colours), 1)
    for number, (arm, colour) in enumerate(colours.items()):
        found = per_label[per_label["arm"] == arm].set_index("label")["f1"].reindex(labels)
        places = np.arange(len(labels)) + (number - (len(colours) - 1) / 2) * height
        axes.barh(places, found.to_numpy(dtype=np.float64), height=height * 0.9, color=colour, label=arm)
    _tidy(axes, grid="x")
    axes.set_yticks(range(len(labels)), [f"{label} ({support[label]:,.0f})" for label in labels])
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    axes.set_xlabel("F1")
    axes.set_ylabel("label (test rows)")
    _legend_above(figure, axes)
    return figure


def plot_confusion(confusion: pd.DataFrame, labels: Sequence[str]) -> Figure:
    """Draw true against predicted labels for the arms `real` and `augmented`, side by side.

    Colour is the share of the true label's rows; with at most 13 labels the number of rows stands in the cell.
    """
    there = set(confusion["arm"])
    arms = [arm for arm in COMPARED if arm in there] or sorted(there)
    side = max(0.4 * len(labels), 1.6)
    figure = _figure((side + 0.3) * len(arms) + 2.2, side + 1.5)
    panels = figure.subplots(1, len(arms), sharey=True, squeeze=False)[0]
    for axes, arm in zip(panels, arms, strict=True):
        cells = confusion[confusion["arm"] == arm].pivot(index="label", columns="predicted", values="rows")
        counts = cells.reindex(index=list(labels), columns=list(labels)).to_numpy(dtype=np.float64)
        image = _draw_confusion(axes, counts, labels)
        axes.set_title(arm, color=INK, fontsize=11)
    panels[0].set_ylabel("true label")
    bar = figure.colorbar(image, ax=list(panels))
    bar.set_label("share of the true label", color=INK, fontsize=9)
    bar.ax.tick_params(colors=INK, labelsize=8)
    bar.outline.set_visible(False)
    return figure


def plot_reliability(reliability: pd.DataFrame) -> Figure:
    """Draw accuracy over confidence for each arm; the area of a dot is the share of rows in its bin."""
    figure = _figure(5.2, 5.0)
    axes = figure.subplots()
    axes.plot([0, 1], [0, 1], color=GREY, linestyle=":", linewidth=1.2)
    for arm, colour in _arm_colours(dict.fromkeys(reliability["arm"])).items():
        bins = reliability[(reliability["arm"] == arm) & (reliability["rows"] > 0)].dropna()
        share = bins["rows"].to_numpy(dtype=np.float64) / max(float(bins["rows"].sum()), 1.0)
        axes.plot(bins["confidence"], bins["accuracy"], color=colour, linewidth=1.4, label=arm)
        axes.scatter(bins["confidence"], bins["accuracy"], s=6 + LARGEST_MARKER * share, color=colour, alpha=0.6)
    _tidy(axes, grid="both")
    axes.set_xlim(0, 1.02)
    axes.set_ylim(0, 1.02)
    axes.set_aspect("equal")
    axes.set_xlabel("confidence (probability of the predicted label)")
    axes.set_ylabel("accuracy")
    axes.text(0.06, 0.10, "calibrated", rotation=45, color="#777777", fontsize=9)
    _legend_above(figure, axes)
    return figure


def plot_yield(yields: pd.DataFrame) -> Figure:
    """Draw each label's candidates as a bar, stacked by what became of them; `kept` comes first, with its share."""
    yields = yields[yields["label"] != "all"]
    labels, reasons = list(dict.fromkeys(yields["label"])), reasons_in_order(yields)
    wide = yields.pivot_table(index="label", columns="reason", values="candidates", aggfunc="sum", observed=True)
    wide = wide.reindex(index=labels, columns=reasons).fillna(0.0)
    figure = _figure(WIDTH, 1.4 + 0.36 * len(labels))
    axes = figure.subplots()
    left = np.zeros(len(labels))
    for reason, (colour, hatch) in _reason_colours(reasons).items():
        widths = wide[reason].to_numpy(dtype=np.float64)
        axes.barh(
            labels, widths, left=left, height=0.72, label=reason, color=colour, hatch=hatch, edgecolor="white", lw=0.6
        )
        left += widths
    kept = wide[KEPT].to_numpy(dtype=np.float64) if KEPT in wide else np.zeros(len(labels))
    for place, (part, total) in enumerate(zip(kept, left, strict=True)):
        axes.annotate(f"{part / max(total, 1):.1%} kept", (total, place), xytext=(4, 0), **_BESIDE)
    _tidy(axes, grid="x")
    axes.set_ylim(len(labels) - 0.4, -0.6)
    axes.margins(x=0.12)
    axes.set_xlabel("candidates")
    _legend_above(figure, axes)
    return figure


def plot_losses(generators: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw training and validation loss over the steps, a panel for each generator; a line marks the best step."""
    rows, columns = -(-len(generators) // PANELS_A_ROW), min(len(generators), PANELS_A_ROW)
    figure = _figure(0.6 + 2.0 * columns, 0.9 + 1.5 * rows)
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, generator in zip(panels, generators, strict=False):
        for column, colour in {"train": GREY, "validation": BLUE}.items():
            curve = [entry for entry in generator.get("losses", []) if entry.get(column) is not None]
            steps = [entry["step"] for entry in curve]
            axes.plot(steps, [entry[column] for entry in curve], color=colour, marker=".", label=column)
        if generator.get("best_step") is not None:
            axes.axvline(generator["best_step"], color=ORANGE, linestyle="--", linewidth=1, label="best step")
        axes.set_title(str(generator["label"]), color=INK, fontsize=10)
        _tidy(axes, grid="both")
    for axes in panels[len(generators) :]:
        axes.set_visible(False)
    for axes in panels[len(generators) - columns : len(generators)]:  # the lowest that are seen
        axes.tick_params(labelbottom=True)
    figure.supxlabel("optimiser step", fontsize=10, color=INK)
    figure.supylabel("loss per token", fontsize=10, color=INK)
    _legend_above(figure, *panels[: len(generators)])
    return figure


def plot_trials(trials: Sequence[Mapping[str, Any]], metric: str) -> Figure:
    """Draw the validation figure of each trial of a search, in order, and the best so far as a line."""
    found = [trial[metric] for trial in trials]
    so_far = np.minimum.accumulate(found) if metric == "log_loss" else np.maximum.accumulate(found)
    figure = _figure(WIDTH, 2.6)
    axes = figure.subplots()
    axes.step(range(len(found)), so_far, where="post", color=ORANGE, linewidth=1.4, label="best so far")
    axes.plot(range(len(found)), found, linestyle="", marker="o", color=BLUE, label="trial")
    _tidy(axes, grid="y")
    axes.set_xticks(range(len(found)))
    axes.set_xlabel("trial")
    axes.set_ylabel(metric.replace("_", " "))
    _legend_above(figure, axes)
    return figure


def plot_rounds(rounds: Sequence[Mapping[str, Any]]) -> Figure:
    """Draw the accuracy of each round with its interval, on validation rows and on test rows."""
    figure = _figure(WIDTH, 2.8)
    axes = figure.subplots()
    for shift, (side, colour) in zip((-0.08, 0.08), {"validation": ORANGE, "test": BLUE}.items(), strict=True):
        found = [entry[side] for entry in rounds]
        places = np.arange(len(found)) + shift
        middle = np.array([one["estimate"] for one in found])
        ends = np.array([[one["low"], one["high"]] for one in found]).T
        axes.vlines(places, ends[0], ends[1], color=colour, linewidth=2.0)
        axes.plot(places, middle, marker="o", color=colour, linewidth=1.0, label=side)
    _tidy(axes, grid="y")
    axes.set_xticks(range(len(rounds)))
    axes.set_xlabel("round")
    axes.set_ylabel("accuracy")
    _legend_above(figure, axes)
    return figure


def reasons_in_order(yields: pd.DataFrame) -> list[str]:
    """Return what became of the candidates: `kept` first, then from the most frequent reason to the rarest."""
    totals = yields.groupby("reason", observed=True)["candidates"].sum().sort_values(ascending=False, kind="stable")
    reasons = [str(reason) for reason in totals.index]
    return sorted(reasons, key=lambda reason: reason != KEPT)


_BESIDE: dict[str, Any] = {"textcoords": "offset points", "va": "center", "fontsize": 8.5, "color": INK}


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _tidy(axes: Axes, *, grid: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=9, length=3)
    axes.xaxis.label.set_color(INK)
    axes.yaxis.label.set_color(INK)
    axes.grid(axis=grid, color=FAINT, linewidth=0.7)
    axes.set_axisbelow(True)


def _legend_above(figure: Figure, *panels: Axes) -> None:
    """Put one legend above all panels; an entry that several of them have stands there once."""
    entries: dict[str, Any] = {}
    for axes in panels:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(name, handle)
    columns = min(len(entries), ENTRIES_A_LINE) or 1
    figure.legend(
        entries.values(), entries.keys(), loc="outside upper center", ncols=columns, frameon=False, fontsize=9
    )


def _draw_interval(axes: Axes, place: int, interval: Mapping[str, float] | None, colour: str) -> None:
    if interval is None or any(pd.isna(interval.get(end)) for end in ("estimate", "low", "high")):
        return
    axes.plot([interval["low"], interval["high"]], [place, place], color=colour, linewidth=2.4, solid_capstyle="butt")
    axes.plot([interval["estimate"]], [place], marker="o", markersize=7, color=colour)
    text = f"{interval['estimate']:.3f}".removeprefix("0")
    axes.annotate(text, (interval["estimate"], place), xytext=(0, 11), ha="center", **_BESIDE)


def _draw_confusion(axes: Axes, counts: np.ndarray, labels: Sequence[str]) -> Any:
    """Draw counts (L, L), true labels down and predicted ones across; rows without any count stay blank."""
    totals = np.nansum(counts, axis=1, keepdims=True)
    shares = np.nan_to_num(counts) / np.where(totals > 0, totals, np.nan)
    image = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="equal")
    axes.set_xticks(range(len(labels)), list(labels), rotation=90 if len(labels) > 3 else 0)
    axes.set_yticks(range(len(labels)), list(labels))
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.spines[:].set_visible(False)
    axes.set_xlabel("predicted label", color=INK)
    axes.yaxis.label.set_color(INK)
    if len(labels) <= CELLS_WITH_NUMBERS:
        for (row, column), count in np.ndenumerate(counts):
            if count > 0:
                colour = "white" if shares[row, column] > 0.55 else INK
                axes.text(column, row, f"{count:g}", ha="center", va="center", fontsize=7.5, color=colour)
    return image


def _arm_colours(arms: Mapping[str, Any]) -> dict[str, str]:
    spare = cycle((PURPLE, ORANGE, SKY, YELLOW, GREY))
    return {arm: ARM_COLOURS[arm] if arm in ARM_COLOURS else next(spare) for arm in arms}


def _reason_colours(reasons: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Return a colour and a hatch for each reason; `kept` alone is blue."""
    others = [reason for reason in reasons if reason != KEPT]
    looks = {KEPT: (BLUE, "")} if KEPT in reasons else {}
    for number, reason in enumerate(others):
        rounds, place = divmod(number, len(OTHER_COLOURS))
        looks[reason] = (OTHER_COLOURS[place], HATCHES[rounds % len(HATCHES)])
    return looks
