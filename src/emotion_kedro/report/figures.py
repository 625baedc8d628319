"""What all plots have in common: an empty figure, its colours, its frame, and how it becomes a file."""

from __future__ import annotations

import logging
import re
import warnings
from io import BytesIO
from typing import TYPE_CHECKING, Any

from emotion_kedro.config.base import HAN

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

logger = logging.getLogger(__name__)

BLUE, VERMILION, GREEN = "#0072B2", "#D55E00", "#009E73"
PURPLE, ORANGE, SKY, YELLOW = "#CC79A7", "#E69F00", "#56B4E9", "#F0E442"
INK, FAINT, GREY = "#333333", "#dddddd", "#8a8a8a"
LONGEST_NAME = 34
SHARPNESS = 1.5
"""Plots have 1.5 pixels for each pixel of the page, in each direction, for screens with a finer grid."""
DPI = 130
"""Pixels of the page for an inch."""
NARROW = 4.8
"""Inches: of a plot whose letters can be read on a telephone."""
FONTS = (
    "Noto Sans CJK SC",
    "Noto Sans SC",
    "WenQuanYi Zen Hei",
    "PingFang SC",
    "Microsoft YaHei",
    "SimHei",
    "Arial Unicode MS",
)
"""With Chinese letters, of the usual systems."""
_WIDE = re.compile(f"[{HAN}]")


def new_figure(width: float, height: float) -> Figure:
    """Return an empty figure; inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def tidy(axes: Axes, grid: Any) -> None:
    """Leave of the frame the line below, and draw the grid along ``x``, ``y`` or ``both``."""
    axes.grid(axis=grid, color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.spines["bottom"].set_color(FAINT)
    axes.tick_params(colors=INK, labelsize=9, length=0)
    axes.xaxis.label.set_color(INK)


def short(name: str, longest: int = LONGEST_NAME) -> str:
    """Return the name, cut where it is too long."""
    return name if len(name) <= longest else name[: longest - 1] + "…"


def empty_plot(text: str) -> bytes:
    """Return a small picture that says why there is no plot."""
    figure = new_figure(4.0, 0.8)
    figure.text(0.5, 0.5, text, ha="center", va="center", color=GREY)
    return png(figure)


def png(figure: Figure) -> bytes:
    """Return the figure as a PNG file.

    The library's own font has no Chinese: another one of the machine takes its place where one is known, and a line
    says so where none is.
    """
    import matplotlib.font_manager as fonts
    from matplotlib.text import Text

    texts = figure.findobj(Text)
    for text in texts:
        text.set_parse_math(False)  # a label may have dollars in it
    wide = [text for text in texts if _WIDE.search(text.get_text())]
    installed = [name for name in FONTS if name in fonts.get_font_names()] if wide else []
    for text in wide:
        text.set_fontfamily([*installed, "DejaVu Sans"])
    if wide and not installed:
        logger.warning("plots: no font here has Chinese letters, labels show as boxes; install one, as Noto Sans CJK")
    buffer = BytesIO()
    # Without the version of the library among the metadata: the same tables give the same bytes for longer.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(
            buffer,
            format="png",
            dpi=SHARPNESS * DPI,
            facecolor="white",
            bbox_inches="tight",
            metadata={"Software": None},
        )
    return buffer.getvalue()
