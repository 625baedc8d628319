"""From the page of a study to files: HTML, Markdown, a summary, and the pictures that the Markdown shows."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from emotion_kedro.pictures.background import sections_on_setting
from emotion_kedro.pictures.blocks import Block, Section, Table
from emotion_kedro.pictures.document import (
    DOTS_PER_INCH,
    Document,
    document_html,
    document_markdown,
    document_summary,
)

COLOURS = 128


def study_pages(
    document: Document,
    findings: Sequence[Mapping[str, Any]],
    run_log: Mapping[str, Any],
    setting: Mapping[str, str],
    *,
    picture_folder: str = "images",
) -> tuple[str, str, str, dict[str, bytes]]:
    """Return a study's HTML page, Markdown page, summary and pictures, with the setting and times of its run.

    The HTML page holds its pictures; the Markdown page shows them as `<picture_folder>/<name>.png`.
    """
    closing = sections_on_setting({**setting, **run_log["setting"]}, run_log["times"])
    whole = replace(document, sections=[*document.sections, *closing])
    pages = document_html(whole), document_markdown(whole, picture_folder), document_summary(whole, findings)
    return *pages, drawings_of(whole)


def drawings_of(document: Document) -> dict[str, bytes]:
    """Draw the pictures of a page: name -> the bytes of a PNG file.

    They lie beside the documentation and are written anew by every run, so they are made small: few colours will do.
    """
    from PIL import Image

    pictures = {}
    for name, draw in document.drawings.items():
        drawn, small = io.BytesIO(), io.BytesIO()
        draw().savefig(drawn, format="png", dpi=DOTS_PER_INCH, metadata={"Software": None})
        Image.open(drawn).convert("RGB").quantize(COLOURS).save(small, format="png", optimize=True)
        pictures[name] = small.getvalue()
    return pictures


def filled(parts: Sequence[tuple[str, str, Iterator[Block]]]) -> list[Section]:
    """Return parts (anchor, title, blocks) as sections, without empty blocks and sections."""
    kept = [
        (anchor, title, [one for one in blocks if (one.rows if isinstance(one, Table) else getattr(one, "text", True))])
        for anchor, title, blocks in parts
    ]
    return [Section(anchor, title, blocks) for anchor, title, blocks in kept if blocks]
