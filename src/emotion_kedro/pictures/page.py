"""The report of a run: one HTML page, the same facts as Markdown, and a summary for the terminal.

What is said is settled once, as sections of sentences and tables; the pages differ only in how they write them down.
The head is in `verdict`, the sections are in `sections` and `background`, the summary is in `terminal`.
"""

from __future__ import annotations

import base64
import html
import io
import re
from functools import partial
from importlib.resources import files
from typing import TYPE_CHECKING

from emotion_kedro.pictures import plots
from emotion_kedro.pictures.background import sections_on_background
from emotion_kedro.pictures.results import RunResults
from emotion_kedro.pictures.sections import Examples, Picture, Section, Table, Text, sections_on_results
from emotion_kedro.pictures.terminal import terminal_summary
from emotion_kedro.pictures.verdict import QUESTION, caution_of, tiles_of, verdict_of

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["RunResults", "figures", "html_page", "markdown_page", "terminal_summary"]

DOTS_PER_INCH, CSS_PIXELS_PER_INCH = 144, 96


def html_page(results: RunResults) -> str:
    """Return the report as one HTML page that needs no other file; texts of candidates are escaped."""
    from jinja2 import Environment, StrictUndefined

    source = files(__package__).joinpath("report.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(source).render(
        title=results.title,
        question=QUESTION,
        verdict=verdict_of(results.comparison),
        caution=caution_of(results),
        tiles=tiles_of(results),
        sections=_all_sections(results),
        pictures={name: _embedded(draw()) for name, draw in _drawings(results).items()},
    )


def markdown_page(results: RunResults, picture_folder: str | None = None) -> str:
    """Return the same facts as a Markdown page.

    Args:
        results: what the run found out.
        picture_folder: where the pictures lie as `<name>.png`, seen from the page, with the names of
            :func:`figures`; None leaves them out.
    """
    verdict, drawn = verdict_of(results.comparison), _drawings(results)
    lines = [f"# {_marked(results.title)}", "", f"**{QUESTION} {verdict.headline}** {_marked(verdict.sentence)}", ""]
    lines += ["Written by the pipeline; do not edit.", ""]
    lines += [_marked(caution_of(results)), ""] if caution_of(results) else []
    for section in sorted(_all_sections(results), key=lambda section: section.anchor != "setting"):
        lines += [f"## {section.title}", ""]
        for block in section.blocks:
            if not isinstance(block, Picture):
                lines += [*_markdown_block(block), ""]
            elif picture_folder is not None and block.name in drawn:
                lines += [f"![{block.title}]({picture_folder.rstrip('/')}/{block.name}.png)", ""]
    return "\n".join(lines).rstrip() + "\n"


def figures(results: RunResults) -> dict[str, Figure]:
    """Draw the plots that there is data for, by the names under which both pages know them."""
    return {name: draw() for name, draw in _drawings(results).items()}


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


def _embedded(figure: Figure) -> tuple[str, int]:
    """Return a figure as a data address that an `img` can show, and its width in CSS pixels."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    address = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
    return address, round(figure.get_figwidth() * CSS_PIXELS_PER_INCH)


def _markdown_block(block: Text | Table | Examples) -> list[str]:
    if isinstance(block, Text):
        return [_marked(block.text)]
    if isinstance(block, Examples):
        return _markdown_examples(block)
    rules = ["---" if place in block.left else "---:" for place in range(len(block.columns))]
    head, *body = ["| " + " | ".join(map(_marked, row)) + " |" for row in [block.columns, *block.rows]]
    title = [f"**{_marked(block.title)}**", ""] if block.title else []
    return [*title, head, "| " + " | ".join(rules) + " |", *body]


def _markdown_examples(block: Examples) -> list[str]:
    lines: list[str] = []
    for label, examples in block.labels.items():
        lines += [f"**{_marked(label)}**", "", *(f"- {score} “{_marked(text)}”" for score, text in examples), ""]
    return lines[:-1]


def _marked(text: str) -> str:
    """Keep a text from being read as Markdown or HTML: it may have been written by a generator."""
    return re.sub(r"([\\`*|~]|\](?=[(\[:])|(?<!\w)_|_(?!\w))", r"\\\1", html.escape(text, quote=False))
