from __future__ import annotations

import math
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import invented_results as invented
import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from emotion_kedro.pictures import plots
from emotion_kedro.taxonomy import SIX, THIRTEEN


def tick_labels(axis: Any) -> list[str]:
    return [tick.get_text() for tick in axis.get_ticklabels()]


def legend_names(figure: Figure) -> list[str]:
    (legend,) = figure.legends
    return [text.get_text() for text in legend.get_texts()]


def texts(axes: Axes) -> list[str]:
    return [text.get_text() for text in axes.texts]


def test_arms_have_a_dot_an_interval_and_a_tick_per_seed() -> None:
    figure = plots.plot_arms(invented.scores())
    accuracy, f1 = figure.axes
    assert [accuracy.get_xlabel(), f1.get_xlabel()] == ["accuracy", "macro-F1"]
    assert tick_labels(accuracy.yaxis) == ["real", "augmented", "synthetic"]
    line, dot, seeds = accuracy.lines[:3]
    np.testing.assert_allclose(line.get_xdata(), [0.8614, 0.8858])
    np.testing.assert_allclose(dot.get_xdata(), [0.8734])
    np.testing.assert_allclose(seeds.get_xdata(), [0.8734, 0.8744])
    assert texts(accuracy) == [".873", ".885", ".612"]
    assert accuracy.lines[3].get_color() == plots.ARM_COLOURS["augmented"]


@pytest.mark.parametrize("missing", [None, invented.interval(math.nan, math.nan, math.nan), {"estimate": None}])
def test_arm_without_an_interval_is_left_blank(missing: Any) -> None:
    scores = invented.scores()
    scores["arms"]["augmented"]["accuracy"] = missing
    scores["arms"]["augmented"]["per_seed"][0]["accuracy"] = None
    assert texts(plots.plot_arms(scores).axes[0]) == [".873", ".612"]


def test_per_label_bars_are_f1() -> None:
    figure = plots.plot_per_label(invented.per_label())
    (axes,) = figure.axes
    widths = [[bar.get_width() for bar in bars] for bars in axes.containers]
    np.testing.assert_allclose(widths, [[0.9, 0.89, 0.88], [0.8, 0.79, 0.78], [0.7, 0.69, 0.68]])
    assert tick_labels(axes.yaxis) == ["anger (1,234)", "joy (1,234)", "sadness (1,234)"]
    assert (axes.get_xlabel(), axes.get_xlim()) == ("F1", (0, 1))
    assert axes.yaxis_inverted()  # the first label on top
    assert legend_names(figure) == ["real", "augmented", "synthetic"]


def test_bars_of_a_label_lie_side_by_side() -> None:
    (axes,) = plots.plot_per_label(invented.per_label()).axes
    first = [bars[0] for bars in axes.containers]
    ends = [(bar.get_y(), bar.get_y() + bar.get_height()) for bar in first]
    assert all(above[1] <= below[0] + 1e-9 for above, below in pairwise(ends))


def test_confusion_shows_shares_and_counts_of_two_arms() -> None:
    figure = plots.plot_confusion(invented.confusion(), invented.LABELS)
    real, augmented, bar = figure.axes
    assert [real.get_title(), augmented.get_title()] == ["real", "augmented"]
    shares = np.asarray(real.images[0].get_array())
    np.testing.assert_allclose(shares, np.where(np.eye(3) == 1, 0.6, 0.2))
    assert texts(real) == ["75", "25", "25", "25", "75", "25", "25", "25", "75"]
    assert tick_labels(real.xaxis) == tick_labels(real.yaxis) == invented.LABELS
    assert (real.get_ylabel(), real.get_xlabel()) == ("true label", "predicted label")
    assert bar.get_ylabel() == "share of the true label"


def test_confusion_keeps_the_order_of_labels_and_blanks_labels_without_rows() -> None:
    cells = invented.confusion()
    cells.loc[cells["label"] == "joy", "rows"] = 0
    real = plots.plot_confusion(cells, invented.LABELS[::-1]).axes[0]
    shares = np.ma.filled(real.images[0].get_array(), np.nan)
    assert tick_labels(real.yaxis) == ["sadness", "joy", "anger"]
    assert np.isnan(shares[1]).all()
    np.testing.assert_allclose(shares[0], [0.6, 0.2, 0.2])


@pytest.mark.parametrize(("labels", "written"), [(THIRTEEN, 169), ((*THIRTEEN, "like"), 0)])
def test_counts_are_written_for_up_to_thirteen_labels(labels: tuple[str, ...], written: int) -> None:
    figure = plots.plot_confusion(invented.confusion(labels), labels)
    assert len(figure.axes[0].texts) == written
    figure.draw_without_rendering()


def test_confusion_of_one_arm_has_one_panel() -> None:
    cells = invented.confusion()
    figure = plots.plot_confusion(cells[cells["arm"] == "synthetic"], invented.LABELS)
    assert [axes.get_title() for axes in figure.axes[:-1]] == ["synthetic"]


def test_reliability_leaves_empty_bins_out() -> None:
    figure = plots.plot_reliability(invented.reliability())
    (axes,) = figure.axes
    diagonal, real = axes.lines[:2]
    np.testing.assert_allclose(diagonal.get_xydata(), [[0, 0], [1, 1]])
    np.testing.assert_allclose(real.get_xydata(), [[0.5512, 0.4012], [0.8521, 0.9031]])
    small, large = axes.collections[0].get_sizes()
    assert (small - 6) / (large - 6) == pytest.approx(120 / 360)
    assert (axes.get_xlabel(), axes.get_ylabel()) == ("confidence (probability of the predicted label)", "accuracy")
    assert legend_names(figure) == ["real", "augmented", "synthetic"]


def test_yield_stacks_reasons_with_kept_first() -> None:
    figure = plots.plot_yield(invented.yields())
    (axes,) = figure.axes
    assert legend_names(figure) == ["kept", "off label", "too short"]
    stacks = [(bars[0].get_x(), bars[0].get_width()) for bars in axes.containers]
    assert stacks == [(0, 626), (626, 300), (926, 74)]
    assert tick_labels(axes.yaxis) == invented.LABELS
    assert texts(axes) == ["62.6% kept"] * 3
    assert axes.get_xlabel() == "candidates"


def test_yield_fills_gaps_and_skips_the_row_for_all() -> None:
    table = pd.DataFrame(
        {"label": ["joy", "fear", "all"], "reason": ["kept", "too short", "kept"], "candidates": [8, 5, 13]}
    )
    (axes,) = plots.plot_yield(table).axes
    assert tick_labels(axes.yaxis) == ["joy", "fear"]
    assert [[bar.get_width() for bar in bars] for bars in axes.containers] == [[8, 0], [0, 5]]
    assert texts(axes) == ["100.0% kept", "0.0% kept"]


def test_many_reasons_can_be_told_apart() -> None:
    table = pd.DataFrame({"label": "joy", "reason": [f"reason {n}" for n in range(15)], "candidates": 10})
    (axes,) = plots.plot_yield(table).axes
    looks = {(bars[0].get_facecolor(), bars[0].get_hatch()) for bars in axes.containers}
    assert len(looks) == 15


def test_losses_have_a_panel_for_each_generator() -> None:
    figure = plots.plot_losses(invented.generators(SIX))
    assert [axes.get_title() for axes in figure.axes] == list(SIX)
    train, validation, best = figure.axes[0].lines
    np.testing.assert_allclose(train.get_xydata(), [[50, 4.1], [100, 3.5], [150, 3.2]])
    np.testing.assert_allclose(validation.get_xydata(), [[50, 3.9], [100, 3.7]])
    assert list(best.get_xdata()) == [100, 100]
    assert legend_names(figure) == ["train", "validation", "best step"]
    assert figure.get_supxlabel() == "optimiser step"


@pytest.mark.parametrize("count", [1, 2, 4, 13])
def test_losses_of_any_number_of_generators(count: int) -> None:
    figure = plots.plot_losses(invented.generators(THIRTEEN[:count]))
    figure.draw_without_rendering()
    assert sum(axes.get_visible() for axes in figure.axes) == count


def test_losses_without_validation() -> None:
    log = {"label": "joy", "best_step": None, "losses": [{"step": 1.0, "train": 2.0}]}
    assert legend_names(plots.plot_losses([log])) == ["train", "validation"]


def printed(program: str) -> str:
    """What a fresh interpreter prints that finds the package where this one does."""
    source = Path(plots.__file__).parents[2]
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(source)!r}); {program}"]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_importing_the_pages_imports_no_plotting_library() -> None:
    names = ("matplotlib", "jinja2", "torch")
    program = f"import emotion_kedro.pictures.page; print([name for name in {names} if name in sys.modules])"
    assert printed(program) == "[]"


def test_pyplot_is_not_used() -> None:
    program = (
        "import pandas as pd; from emotion_kedro.pictures import plots;"
        "plots.plot_yield(pd.DataFrame({'label': ['joy'], 'reason': ['kept'], 'candidates': [1]}));"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    assert printed(program) == "False"
