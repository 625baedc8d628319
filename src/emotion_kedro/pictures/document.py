"""A page as HTML that needs no other file, as Markdown, and in short for the terminal.

What is said is settled once, as sections of blocks; the writers here differ only in how they put it down.
"""

from __future__ import annotations

import base64
import html
import io
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from emotion_kedro.pictures.background import sections_on_setting
from emotion_kedro.pictures.blocks import Block, Coloured, Examples, Picture, Section, Table, Text
from emotion_kedro.pictures.numbers import DASH, MINUS, bounds, count, estimate, score

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DOTS_PER_INCH, CSS_PIXELS_PER_INCH = 144, 96
WIDTH = 100  # characters of a line in the terminal
NEUTRAL = "open"
PRIVATE = "Texts of the data sets are shown in the HTML page alone, which stays where it was made."


@dataclass(frozen=True)
class Document:
    """A page: a question, its answer, and the sections that the answer rests on."""

    title: str
    question: str
    answer: str
    """A few words."""
    sentence: str
    """The answer with its figures."""
    sections: Sequence[Section]
    caution: str = ""
    kind: str = NEUTRAL
    """`helped`, `harmed` or `open`: the colour of the answer."""
    tiles: Sequence[Any] = ()
    drawings: Mapping[str, Callable[[], Figure]] = field(default_factory=dict)
    """Name of a :class:`Picture` -> what draws it; pictures without one are left out."""


def document_html(document: Document) -> str:
    """Return the page as HTML; every text is escaped, whoever wrote it."""
    from jinja2 import Environment, StrictUndefined

    source = files(__package__).joinpath("report.html").read_text(encoding="utf-8")
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    pictures = {name: embedded(draw()) for name, draw in document.drawings.items()}
    return environment.from_string(source).render(document=document, pictures=pictures)


def document_markdown(document: Document, picture_folder: str | None = None) -> str:
    """Return the same facts as Markdown, without private texts: such pages are handed on with the documentation.

    Args:
        document: the page.
        picture_folder: where the pictures lie as `<name>.png`, seen from the page; None leaves them out.
    """
    lines = [f"# {marked(document.title)}", ""]
    lines += [f"**{document.question} {document.answer}** {marked(document.sentence)}", ""]
    lines += ["Written by the pipeline; do not edit.", ""]
    lines += [marked(document.caution), ""] if document.caution else []
    for section in sorted(document.sections, key=lambda section: section.anchor != "setting"):
        lines += [f"## {section.title}", ""]
        for block in section.blocks:
            if getattr(block, "private", False):
                lines += [PRIVATE, ""]
            elif not isinstance(block, Picture):
                lines += [*_markdown_block(block), ""]
            elif picture_folder is not None and block.name in document.drawings:
                lines += [f"![{block.title}]({picture_folder.rstrip('/')}/{block.name}.png)", ""]
    return "\n".join(lines).rstrip() + "\n"


def document_summary(document: Document, findings: Sequence[Mapping[str, Any]] = ()) -> str:
    """Return title, answer and main figures as plain text, at most 100 characters wide."""
    lines = [document.title, f"{document.question} {document.answer}".strip(), *textwrap.wrap(document.sentence, WIDTH)]
    widest = max((len(found["name"]) for found in findings), default=0)
    for found in findings:
        value = found["figure"]
        figures = f"{score(estimate(value))} {bounds(value)}" if value else DASH
        rows = f"{count(found['rows'])} rows" if found.get("rows") else ""
        lines.append(f"  {found['name']:<{widest}}  {found['metric']} {figures:<20} {rows}".rstrip())
    return "\n".join(lines).translate({ord(DASH): "-", ord(MINUS): "-"}) + "\n"


def write_document(
    document: Document, findings: Sequence[Mapping[str, Any]], run_log: Mapping[str, Any], setting: Mapping[str, str]
) -> tuple[str, str, str]:
    """Return a system's HTML page, Markdown page and summary, with the setting and the times of its run."""
    closing = sections_on_setting({**setting, **run_log["setting"]}, run_log["times"])
    whole = Document(**{**vars(document), "sections": [*document.sections, *closing]})
    return document_html(whole), document_markdown(whole), document_summary(whole, findings)


def embedded(figure: Figure) -> tuple[str, int]:
    """Return a figure as a data address that an `img` can show, and its width in CSS pixels."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
    address = f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode('ascii')}"
    return address, round(figure.get_figwidth() * CSS_PIXELS_PER_INCH)


def _markdown_block(block: Block) -> list[str]:
    if isinstance(block, Text):
        return [marked(block.text)]
    if isinstance(block, Examples):
        return _markdown_examples(block)
    if isinstance(block, Coloured):
        return _markdown_coloured(block)
    assert isinstance(block, Table)
    rules = ["---" if place in block.left else "---:" for place in range(len(block.columns))]
    head, *body = ["| " + " | ".join(map(marked, row)) + " |" for row in [block.columns, *block.rows]]
    title = [f"**{marked(block.title)}**", ""] if block.title else []
    return [*title, head, "| " + " | ".join(rules) + " |", *body]


def _markdown_examples(block: Examples) -> list[str]:
    lines: list[str] = []
    for label, examples in block.labels.items():
        lines += [f"**{marked(label)}**", "", *(f"- {score} “{marked(text)}”" for score, text in examples), ""]
    return lines[:-1]


def _markdown_coloured(block: Coloured) -> list[str]:
    """Markdown has no colours: the strongest words are bold."""
    lines = [f"**{marked(block.title)}**", ""] if block.title else []
    for line in block.lines:
        words = [f"**{marked(word)}**" if weight >= block.bold_from else marked(word) for word, weight in line.words]
        lines.append(f"- {marked(line.caption)}: {' '.join(words)}")
    return lines


def marked(text: str) -> str:
    """Keep a text from being read as Markdown or HTML: it may have been written by a generator."""
    return re.sub(r"([\\`*|~]|\](?=[(\[:])|(?<!\w)_|_(?!\w))", r"\\\1", html.escape(text, quote=False))
