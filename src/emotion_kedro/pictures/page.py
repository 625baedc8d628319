"""The report of a run: one HTML page, the same facts as Markdown, and a summary for the terminal.

The head is in `verdict`, the sections are in `sections` and `background`, the summary is in `terminal`; `document`
writes them down.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from emotion_kedro.pictures import plots
from emotion_kedro.pictures.background import sections_on_background
from emotion_kedro.pictures.blocks import Section
from emotion_kedro.pictures.document import Document, document_html, document_markdown
from emotion_kedro.pictures.results import RunResults
from emotion_kedro.pictures.sections import sections_on_results
from emotion_kedro.pictures.terminal import terminal_summary
from emotion_kedro.pictures.verdict import QUESTION, caution_of, tiles_of, verdict_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RunResults", "figures", "html_page", "markdown_page", "terminal_summary"]


def html_page(results: RunResults) -> str:
    """Return the report as one HTML page that needs no other file; texts of candidates are escaped."""
    return document_html(_document(results))


def markdown_page(results: RunResults, picture_folder: str | None = None) -> str:
    """Return the same facts as a Markdown page.

    Args:
        results: what the run found out.
        picture_folder: where the pictures lie as `<name>.png`, seen from the page, with the names of
            :func:`figures`; None leaves them out.
    """
    return document_markdown(_document(results), picture_folder)


def figures(results: RunResults) -> dict[str, Figure]:
    """Draw the plots that there is data for, by the names under which both pages know them."""
    return {name: draw() for name, draw in _drawings(results).items()}


def _document(results: RunResults) -> Document:
    verdict = verdict_of(results.comparison)
    return Document(
        title=results.title,
        question=QUESTION,
        answer=verdict.headline,
        sentence=verdict.sentence,
        sections=_all_sections(results),
        caution=caution_of(results),
        kind=verdict.kind,
        tiles=tiles_of(results),
        drawings=_drawings(results),
    )


def _all_sections(results: RunResults) -> list[Section]:
    return [*sections_on_results(results), *sections_on_background(results)]


def _drawings(results: RunResults) -> dict[str, partial[Figure]]:
    drawings: dict[str, tuple[bool, partial[Figure]]] = {
        "arms": (bool(results.scores.get("arms")), partial(plots.plot_arms, results.scores)),
        "per_label": (not results.per_label.empty, partial(plots.plot_per_label, results.per_label)),
        "confusion": (not results.confusion.empty, partial(plots.plot_confusion, results.confusion, results.labels)),
        "reliability": (not results.reliability.empty, partial(plots.plot_reliability, results.reliability)),
        "yield": (not results.yields.empty, partial(plots.plot_yield, results.yields)),
        "losses": (bool(results.generators), partial(plots.plot_losses, results.generators)),
    }
    return {name: draw for name, (there, draw) in drawings.items() if there}
