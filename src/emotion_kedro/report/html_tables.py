"""Tables as HTML that is read on a telephone, on paper and by a screen reader."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from emotion_kedro.report.tables import DASH, number

if TYPE_CHECKING:
    from markupsafe import Markup

CHARACTERS_OF_A_TELEPHONE = 44
"""So many characters stand side by side in 390 pixels."""
COLUMNS_OF_A_PAGE = 11
"""Tables with more are printed on a page turned sideways."""
SHORT = 26
"""So many characters are not broken into lines where a page is wide: a figure with its interval."""
NARROWEST_TEXT = 18
"""Running text needs so many characters in a line."""


def html_table(table: pd.DataFrame, title: str = "") -> Markup:
    """Return a table as HTML, escaped, floats rounded.

    Header cells say what they are the head of, and each cell carries the name of its column, for rows that a telephone
    shows as a list. A table that may be wider than its page lies in a part that is scrolled by itself, by keys too.
    """
    from markupsafe import Markup

    names = [str(name) for name in table.columns]
    rows = [[_shown(value) for value in row] for row in table.itertuples(index=False, name=None)]
    head = Markup("").join(Markup('<th scope="col">{}</th>').format(name) for name in names)
    body = Markup("\n").join(_row(names, row) for row in rows)
    kinds = " ".join(["figures", *_kinds(names, rows)])
    opened = Markup('<div class="scroll" role="region" tabindex="0" aria-label="{}">').format(title or "table")
    return (
        opened
        + Markup('<table class="{}">\n<thead><tr>{}</tr></thead>\n').format(kinds, head)
        + Markup("<tbody>\n{}\n</tbody>\n</table></div>").format(body)
    )


def _shown(value: Any) -> str:
    if isinstance(value, float):
        return number(value)
    return DASH if value is None or value is pd.NA else str(value)


def _row(names: Sequence[str], row: Sequence[str]) -> Markup:
    from markupsafe import Markup

    cells = [
        Markup('<td{} data-column="{}">{}</td>').format(
            Markup(' class="short"') if len(value) <= SHORT else "", name, value
        )
        for name, value in zip(names[1:], row[1:], strict=True)
    ]
    return Markup('<tr><th scope="row">{}</th>{}</tr>').format(row[0] if row else "", Markup("").join(cells))


def _kinds(names: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Return ``stacked`` where a telephone is too narrow for the columns, ``wide`` where an upright sheet is."""
    columns = [[name, *(row[place] for row in rows)] for place, name in enumerate(names)]
    width = sum(_narrowest(cells) + 2 for cells in columns)
    checks = {"stacked": width > CHARACTERS_OF_A_TELEPHONE, "wide": len(names) > COLUMNS_OF_A_PAGE}
    return [kind for kind, true in checks.items() if true]


def _narrowest(cells: Sequence[str]) -> int:
    """Return how many characters a column needs: its longest word, or a short line of its text."""
    longest = max((len(word) for cell in cells for word in cell.split()), default=0)
    return max(longest, min(NARROWEST_TEXT, max(map(len, cells))))
