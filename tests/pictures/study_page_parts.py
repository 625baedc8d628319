"""Parts of a page, for tests of the pages of studies, and changes that leave zero out."""

from __future__ import annotations

from emotion_kedro.pictures.blocks import Table, Text
from emotion_kedro.pictures.document import Document

UP, MORE, DOWN = (0.05, 0.03, 0.07), (0.03, 0.01, 0.05), (-0.04, -0.06, -0.02)


def block(document: Document, title: str) -> Table:
    (found,) = [
        one for section in document.sections for one in section.blocks if isinstance(one, Table) and one.title == title
    ]
    return found


def words(document: Document, anchor: str) -> str:
    (section,) = [section for section in document.sections if section.anchor == anchor]
    return " ".join(one.text for one in section.blocks if isinstance(one, Text))
