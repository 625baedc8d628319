"""What a page consists of: sections of sentences, tables, pictures and example texts."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from emotion_kedro.pictures.numbers import plain


@dataclass(frozen=True)
class Text:
    """A paragraph."""

    text: str
    kind: ClassVar[str] = "text"


@dataclass(frozen=True)
class Table:
    """A table of cells that are already written out."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    title: str = ""
    left: Sequence[int] = (0,)
    """Columns of words, which are aligned to the left."""
    folded: bool = False
    kind: ClassVar[str] = "table"


@dataclass(frozen=True)
class Picture:
    """A place for the plot of that name."""

    name: str
    title: str
    wide: bool = False
    kind: ClassVar[str] = "picture"


@dataclass(frozen=True)
class Examples:
    """Kept synthetic texts of each label."""

    labels: Mapping[str, Sequence[tuple[str, str]]]
    """Label -> (probability, text)."""
    private: bool = False
    """True for texts of data sets that may not be handed on: they stand in the HTML page alone."""
    kind: ClassVar[str] = "examples"


@dataclass(frozen=True)
class ColouredLine:
    """A text in pieces, each with its weight: how much it speaks for the label (below 0: against it)."""

    caption: str
    words: Sequence[tuple[str, float]]
    """Piece and weight in -1..1."""


@dataclass(frozen=True)
class Coloured:
    """Texts whose pieces are coloured by their weights."""

    title: str
    lines: Sequence[ColouredLine]
    bold_from: float = 0.5
    """Where there are no colours, pieces of at least this weight are bold."""
    private: bool = False
    """As in :class:`Examples`."""
    kind: ClassVar[str] = "coloured"


Block = Text | Table | Picture | Examples | Coloured
"""What a section consists of."""
Column = tuple[str, str, Callable[[Any], str]]
"""Key in a row, title, and how the value is written."""


@dataclass(frozen=True)
class Section:
    """A part of the report with a heading; links lead to its anchor."""

    anchor: str
    title: str
    blocks: Sequence[Block]


def table(
    rows: Iterable[Mapping[str, Any]], columns: Sequence[Column], *, title: str = "", folded: bool = False
) -> Table:
    """Write rows out as a table; columns of words go to the left."""
    cells = [tuple(written(row.get(key)) for key, _, written in columns) for row in rows]
    left = [place for place, (_, _, written) in enumerate(columns) if written is plain]
    return Table([name for _, name, _ in columns], cells, title=title, left=left, folded=folded)


def sections_with_tables(parts: Iterable[tuple[str, str, Iterable[Block]]]) -> list[Section]:
    """Return parts (anchor, title, blocks) as sections; blocks without content and parts without a table drop out."""
    sections = [Section(anchor, title, _filled(blocks)) for anchor, title, blocks in parts]
    return [section for section in sections if any(isinstance(block, Table) for block in section.blocks)]


def _filled(blocks: Iterable[Block]) -> list[Block]:
    """Leave out tables without rows and sentences without words."""
    contents = {"text": "text", "table": "rows", "examples": "labels", "picture": "name", "coloured": "lines"}
    return [block for block in blocks if getattr(block, contents[block.kind])]
