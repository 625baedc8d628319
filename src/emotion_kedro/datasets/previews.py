"""What kedro-viz shows of tables and pages beside the flowchart."""

from __future__ import annotations

import json
import re
from html import escape
from typing import TYPE_CHECKING

from kedro_datasets._typing import HTMLPreview, TablePreview

if TYPE_CHECKING:
    import pandas as pd

PREVIEWED_ROWS = 20
FIRST = ("text",)
LAST = ("experiment", "size", "data_seed", "seed", "record_id", "candidate_id")
"""Columns that are the same in every row, or mean nothing to a reader: the side panel has room for three or four."""
DIGITS = 4
NOT_SHOWN = re.compile(r"<head>.*?</head>|<style.*?</style>|<!--.*?-->", re.DOTALL)
CODE = re.compile(r"(<pre>.*?</pre>)", re.DOTALL)
FRONT_MATTER = re.compile(r"\A---\n.*?\n---\n", re.DOTALL)
PICTURE_BESIDE = re.compile(r"^!\[[^\]]*\]\((?!data:)[^)]*\)\n*", re.MULTILINE)


def preview_table(table: pd.DataFrame) -> TablePreview:
    """Return the first rows: texts on the left, names of rows and of the run on the right, numbers rounded."""
    names = sorted(table.columns, key=lambda name: (name in LAST) - (name in FIRST))
    head = table[names].head(PREVIEWED_ROWS)
    # Through JSON: it knows no NaN, no time and no array.
    return TablePreview(json.loads(head.to_json(orient="split", double_precision=DIGITS, date_format="iso")))


def preview_text(text: str, suffix: str) -> HTMLPreview:
    """Return a page as kedro-viz draws it.

    It reads Markdown, also within HTML: there a line's end would become a break, and two underscores italics.
    """
    if suffix == ".html":
        parts = CODE.split(NOT_SHOWN.sub("", text))
        return HTMLPreview(_without_markdown("".join(_on_one_line(part) for part in parts)))
    if suffix == ".md":
        return HTMLPreview(PICTURE_BESIDE.sub("", FRONT_MATTER.sub("", text)).strip())
    return HTMLPreview(f"<pre>{_without_markdown(escape(text, quote=False))}</pre>")


def _on_one_line(part: str) -> str:
    return part if part.startswith("<pre>") else re.sub(r"\s+", " ", part)


def _without_markdown(text: str) -> str:
    """Return the text with marks that pair up no more: a line separator, which is not drawn, keeps two apart."""
    return re.sub(r"([_*])", "\\1\u2028", text)
