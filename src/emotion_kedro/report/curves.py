"""Curves of training: from the logs that models keep to a table, and from that to a plot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from emotion_kedro.metrics.runs import table_of
from emotion_kedro.report.figures import BLUE, INK, NARROW, SKY, VERMILION, empty_plot, new_figure, png, short, tidy
from emotion_kedro.schemas.runs import TrainingCurves

COLUMNS_OF_PANELS = 2
MOST_PANELS = 12


def curves_table(logs: Mapping[str, Sequence[Mapping[str, Any]]]) -> pd.DataFrame:
    """Return the losses of trainings, in the schema ``TrainingCurves``.

    Args:
        logs: model -> its trainings, as :class:`emotion_kedro.models.training.TrainingLog` writes them down, each with
            a ``label`` where a model has several. Trainings with a single look at their losses are left out.
    """
    rows = [
        {"model": model, "part": str(log.get("label", "")), **dict.fromkeys(("train", "validation")), **entry}
        for model, trainings in logs.items()
        for log in trainings
        if len(log.get("losses", ())) > 1
        for entry in log["losses"]
    ]
    return table_of(rows, TrainingCurves)


def curves_plot(curves: pd.DataFrame) -> bytes:
    """Draw the losses by step, a panel for each model; of a model with several trainings a line for each."""
    models = list(dict.fromkeys(curves["model"]))[:MOST_PANELS]
    if not models:
        return empty_plot("no losses were written down")
    columns = min(len(models), COLUMNS_OF_PANELS)
    rows = -(-len(models) // columns)
    figure = new_figure(NARROW, 2.4 * rows + 0.5)
    grid = figure.subplots(rows, columns, squeeze=False).ravel()
    for axes in grid[len(models) :]:
        axes.set_visible(False)
    for axes, model in zip(grid, models, strict=False):
        for kind, colour, table in _lines(curves[curves["model"] == model]):
            style = "--" if kind == "train" else "-"
            axes.plot(table["step"], table[kind], style, color=colour, linewidth=1.6, marker=".")
        axes.set_title(short(model), fontsize=10, color=INK)
        tidy(axes, "both")
    figure.supxlabel("step", fontsize=10, color=INK)
    figure.supylabel("loss, nats", fontsize=10, color=INK)
    handles = [_handle("--", BLUE, "training"), _handle("-", VERMILION, "validation")]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, frameon=False, fontsize=9, labelcolor=INK)
    return png(figure)


def _lines(table: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield kind of loss, colour and rows of each line; lines of further trainings are lighter."""
    for number, (_, rows) in enumerate(table.groupby("part", sort=False)):
        for kind, colours in (("train", (BLUE, SKY)), ("validation", (VERMILION, "#e8a37a"))):
            measured = rows[rows[kind].notna()].sort_values("step")
            if len(measured):
                yield kind, colours[number > 0], measured


def _handle(style: Any, colour: str, label: str) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], linestyle=style, color=colour, label=label, linewidth=1.6)
