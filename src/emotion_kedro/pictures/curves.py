"""Plots of a study: accuracy over the number of real rows, what each arm adds at each size, and what goes with it.

Arms are told apart by panel, marker and line as well as by colour. Figures are built as in
:mod:`emotion_kedro.pictures.plots`, without pyplot.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from emotion_kedro.pictures.plots import BLUE, FAINT, GREEN, GREY, INK, ORANGE, PURPLE, VERMILION
from emotion_kedro.pictures.study_words import FEW_ROWS, REAL, TEMPLATE, Figures, differences_of, stands
from emotion_kedro.pictures.verdict import side_of_zero

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ACROSS = 4  # panels
WIDTH = 9.6  # inches: the whole page
POINTS = 100  # of a share
BAND = 0.22  # opacity of an interval
MARKED = {0: "", 1: " ○", 2: " ●"}


class Look(NamedTuple):
    """How a line is drawn."""

    colour: str
    marker: str
    line: Any


REAL_LOOK, TEMPLATE_LOOK = Look("#555555", "s", "-"), Look(ORANGE, "^", "--")
OTHER_LOOK, GENERATED_LOOK = Look(BLUE, "o", "-"), Look(VERMILION, "D", "-")
LEADING = (Look(VERMILION, "D", "-"), Look(BLUE, "o", "-."), Look(GREEN, "v", ":"), Look(PURPLE, "P", (0, (5, 1))))


def plot_curves(figures: Figures, generated: Collection[str] = ()) -> Figure:
    """Draw accuracy over real rows per label (log scale), a panel an arm, each with real text alone and the template.

    Args:
        figures: of a study; the `accuracy` of its `cells` are intervals.
        generated: the arms whose text a language model wrote; they have a look of their own.
    """
    figure, panels = _panels(figures)
    for arm, axes in panels.items():
        _draw(axes, _curve(figures, REAL), REAL_LOOK, "real text alone")
        if arm != TEMPLATE:
            _draw(axes, _curve(figures, TEMPLATE), TEMPLATE_LOOK, TEMPLATE, band=False)
        _draw(axes, _curve(figures, arm), *_arm_look(arm, generated))
    figure.supylabel("accuracy", fontsize=10, color=INK)
    _legend(figure, panels.values())
    return figure


def plot_gains(figures: Figures, generated: Collection[str] = ()) -> Figure:
    """Draw what each arm adds to the accuracy of real text alone, in points, a panel an arm as in `plot_curves`."""
    figure, panels = _panels(figures)
    found = {arm: _gain(figures, arm) for arm in [TEMPLATE, *panels]}
    for arm, axes in panels.items():
        axes.axhline(0, color=INK, linewidth=1)
        if arm != TEMPLATE:
            _draw(axes, found[TEMPLATE], TEMPLATE_LOOK, TEMPLATE, band=False)
        _draw(axes, found[arm], *_arm_look(arm, generated))
    figure.supylabel("points of accuracy more than real text alone", fontsize=10, color=INK)
    _legend(figure, panels.values())
    return figure


def plot_heat_map(figures: Figures) -> Figure:
    """Draw every arm at every size: colour and number are points of accuracy more than the arm it is set against.

    A ring stands where the interval leaves zero out, a filled dot where Holm's correction keeps that.
    """
    against = [name for name in (REAL, TEMPLATE) if differences_of(figures, name)]
    columns = [(figures, name, f"against {'real text alone' if name == REAL else name}") for name in against]
    return _heat_maps(columns, [arm for arm in figures["arms"] if arm != REAL])


def plot_sets_heat_map(studies: Mapping[str, Figures], against: str = REAL, largest: int = FEW_ROWS) -> Figure:
    """Draw the heat maps of several studies side by side, up to a size, against one arm, in the same colours."""
    arms = list(dict.fromkeys(arm for figures in studies.values() for arm in figures["arms"]))
    few = {
        name: {**figures, "sizes": [size for size in figures["sizes"] if size <= largest]}
        for name, figures in studies.items()
    }
    columns = [(figures, against, name) for name, figures in few.items() if figures["sizes"]]
    return _heat_maps(columns, [arm for arm in arms if arm not in (REAL, against)])


def plot_sets_curves(studies: Mapping[str, Figures], arms: Sequence[str]) -> Figure:
    """Draw accuracy over real rows per label, a panel a set: real text alone, the template, and at most four arms."""
    columns = min(len(studies), 3)
    rows = -(-len(studies) // columns)
    figure = _figure(WIDTH, 0.9 + 3.1 * rows)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes, (name, figures) in zip(grid, studies.items(), strict=False):
        _draw(axes, _curve(figures, REAL), REAL_LOOK, "real text alone")
        _draw(axes, _curve(figures, TEMPLATE), TEMPLATE_LOOK, TEMPLATE, band=False)
        for arm, look in zip(arms, LEADING, strict=False):
            _draw(axes, _curve(figures, arm), look, arm, band=False)
        axes.set_title(name, color=INK, fontsize=11)
        _sizes_across(axes, figures["sizes"])
    for axes in grid[len(studies) :]:
        axes.set_visible(False)
    figure.supxlabel("real rows per label", fontsize=10, color=INK)
    figure.supylabel("accuracy", fontsize=10, color=INK)
    _legend(figure, grid)
    return figure


def plot_relation(figures: Figures) -> Figure:
    """Draw the gain over real text alone against each measure of the added text that is known to go up or down with it.

    The darker a dot, the more real rows; sizes are those up to which the relation was asked for.
    """
    ranks = {one["measure"]: one["spearman"] for one in figures["relation"] if one["spearman"] is not None}
    measures = list(ranks)
    columns = min(len(measures), ACROSS)
    rows = -(-len(measures) // columns)
    figure = _figure(max(WIDTH * columns / ACROSS, 4.5), 1.0 + 2.1 * rows)
    grid = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    shades = _shades([size for size in figures["sizes"] if size <= FEW_ROWS])
    for axes, measure in zip(grid, measures, strict=False):
        for size, (colour, marker) in shades.items():
            places = _related(figures, measure, size)
            axes.plot(*places, linestyle="", marker=marker, color=colour, markersize=5, label=f"{size:,}")
        axes.axhline(0, color=INK, linewidth=1)
        rank = _minus(f"{ranks[measure]:+.2f}")
        axes.set_xlabel(f"{measure.replace('_', ' ')}\n(rank correlation {rank})", fontsize=8.5)
        _tidy(axes, grid="both")
    for axes in grid[len(measures) :]:
        axes.set_visible(False)
    figure.supylabel("points more than real alone", fontsize=10, color=INK)
    _legend(figure, grid, title="real rows per label")
    return figure


def _figure(width: float, height: float) -> Figure:
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained", facecolor="white")


def _panels(figures: Figures) -> tuple[Figure, dict[str, Axes]]:
    """Return a figure with a panel for each arm but `real`, named and with the sizes along a log axis."""
    arms = [arm for arm in figures["arms"] if arm != REAL]
    columns = min(max(len(arms), 1), ACROSS)
    rows = max(-(-len(arms) // columns), 1)
    figure = _figure(WIDTH, 0.9 + 1.75 * rows)
    grid = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).ravel()
    for axes, arm in zip(grid, arms, strict=False):
        axes.set_title(arm, color=INK, fontsize=9.5)
        _sizes_across(axes, figures["sizes"])
    for axes in grid[len(arms) :]:
        axes.set_visible(False)
    for axes in grid[max(len(arms) - columns, 0) : len(arms)]:  # the lowest that are seen
        axes.tick_params(labelbottom=True)
    figure.supxlabel("real rows per label", fontsize=10, color=INK)
    return figure, dict(zip(arms, grid, strict=False))


def _sizes_across(axes: Axes, sizes: Sequence[int]) -> None:
    axes.set_xscale("log")
    axes.set_xticks(list(sizes), [f"{size:,}" for size in sizes])
    axes.minorticks_off()
    axes.set_xlim(min(sizes) / 1.25, max(sizes) * 1.25)
    _tidy(axes, grid="both")
    axes.tick_params(axis="x", labelsize=8)


def _arm_look(arm: str, generated: Collection[str]) -> tuple[Look, str]:
    if arm == TEMPLATE:
        return TEMPLATE_LOOK, TEMPLATE
    if arm in generated:
        return GENERATED_LOOK, "the panel's arm, text of a language model"
    return OTHER_LOOK, "the panel's arm" + (", other text" if generated else "")


def _curve(figures: Figures, arm: str) -> np.ndarray:
    """Return size, estimate, low and high (4, sizes) of an arm's accuracy."""
    found = {one["n"]: one["accuracy"] for one in figures["cells"] if one["arm"] == arm}
    return _columns({size: found[size] for size in figures["sizes"] if size in found})


def _gain(figures: Figures, arm: str) -> np.ndarray:
    """Return size, estimate, low and high (4, sizes) of an arm's difference to real text alone, in points."""
    found = {size: one["accuracy"] for (name, size), one in differences_of(figures).items() if name == arm}
    return _columns(found) * [[1], [POINTS], [POINTS], [POINTS]]


def _columns(found: Mapping[int, Mapping[str, float]]) -> np.ndarray:
    rows = [(size, one["estimate"], one["low"], one["high"]) for size, one in found.items()]
    return np.array(rows, dtype=np.float64).reshape(-1, 4).T


def _draw(axes: Axes, curve: np.ndarray, look: Look, name: str, *, band: bool = True) -> None:
    """Draw a line with its interval as a band; nothing where there are no figures."""
    if not curve.size:
        return
    if band:
        axes.fill_between(curve[0], curve[2], curve[3], color=look.colour, alpha=BAND, linewidth=0)
    axes.plot(
        curve[0],
        curve[1],
        color=look.colour,
        marker=look.marker,
        linestyle=look.line,
        markersize=4,
        linewidth=1.5,
        label=name,
    )


def _heat_maps(columns: Sequence[tuple[Figures, str, str]], arms: Sequence[str]) -> Figure:
    """Draw a heat map for each (figures, arm to set against, title), with the arms down and the sizes across."""
    sizes = [len(figures["sizes"]) for figures, _, _ in columns]
    figure = _figure(max(2.4 + 0.66 * sum(sizes), 5.0), 1.6 + 0.27 * len(arms))
    grid = figure.subplots(1, len(columns), sharey=True, squeeze=False, gridspec_kw={"width_ratios": sizes})[0]
    tables = [_grid(figures, against, arms) for figures, against, _ in columns]
    widest = max([float(np.nanmax(np.abs(values))) for values, _ in tables if np.isfinite(values).any()], default=1.0)
    for axes, (values, marks), (figures, _, title) in zip(grid, tables, columns, strict=True):
        image = axes.imshow(values, cmap="RdBu", vmin=-widest, vmax=widest, aspect="auto")
        for place, value in np.ndenumerate(values):
            if np.isfinite(value):
                colour = "white" if abs(value) > 0.62 * widest else INK
                text = _minus(f"{round(value, 1) + 0.0:+.1f}") + MARKED[int(marks[place])]
                axes.text(place[1], place[0], text, ha="center", va="center", fontsize=7, color=colour)
        axes.set_title(title, color=INK, fontsize=10)
        axes.set_xticks(range(len(figures["sizes"])), [f"{size:,}" for size in figures["sizes"]])
        axes.set_yticks(range(len(arms)), list(arms))
        axes.tick_params(colors=INK, labelsize=8, length=0)
        axes.spines[:].set_visible(False)
        axes.set_facecolor(FAINT)
    figure.supxlabel("real rows per label", fontsize=9.5, color=INK)
    bar = figure.colorbar(image, ax=list(grid), fraction=0.03, pad=0.01)
    bar.set_label("points of accuracy", color=INK, fontsize=9)
    bar.ax.tick_params(colors=INK, labelsize=8)
    bar.outline.set_visible(False)
    return figure


def _grid(figures: Figures, against: str, arms: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
    """Return differences in points (arms, sizes), NaN where there is none, and 1 or 2 where a ring or a dot goes."""
    values = np.full((len(arms), len(figures["sizes"])), np.nan)
    marks = np.zeros(values.shape, dtype=int)
    for (arm, size), one in differences_of(figures, against).items():
        if arm in arms:
            place = arms.index(arm), figures["sizes"].index(size)
            values[place] = one["accuracy"]["estimate"] * POINTS
            marks[place] = int(side_of_zero(one["accuracy"]) != 0) + int(stands(one, figures["level"]))
    return values, marks


def _minus(text: str) -> str:
    return text.replace("-", "−")


def _related(figures: Figures, measure: str, size: int) -> tuple[list[float], list[float]]:
    gains = {
        arm: one["accuracy"]["estimate"] * POINTS for (arm, n), one in differences_of(figures).items() if n == size
    }
    pairs = [
        (one[measure], gains[one["arm"]])
        for one in figures["quality"]
        if one["n"] == size and one["arm"] in gains and one.get(measure) is not None
    ]
    return [value for value, _ in pairs], [gain for _, gain in pairs]


def _shades(sizes: Sequence[int]) -> dict[int, tuple[Any, str]]:
    from matplotlib import colormaps

    scale = colormaps["cividis"]
    markers = "osD^vP*X"
    return {
        size: (scale(1 - (place + 0.5) / len(sizes)), markers[place % len(markers)]) for place, size in enumerate(sizes)
    }


def _tidy(axes: Axes, *, grid: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(GREY)
    axes.tick_params(colors=INK, labelsize=8, length=3)
    axes.xaxis.label.set_color(INK)
    axes.grid(axis=grid, color=FAINT, linewidth=0.6)
    axes.set_axisbelow(True)


def _legend(figure: Figure, panels: Any, title: str | None = None) -> None:
    """Put one legend above all panels; a name that several of them have stands there once."""
    entries: dict[str, Any] = {}
    for axes in panels:
        for handle, name in zip(*axes.get_legend_handles_labels(), strict=True):
            entries.setdefault(name, handle)
    if entries:
        columns = min(len(entries), 7 if title else 4)
        figure.legend(
            entries.values(),
            entries.keys(),
            title=title,
            loc="outside upper center",
            ncols=columns,
            frameon=False,
            fontsize=9,
        )
