"""Tables too long for memory, as pieces that are read and written one after the other."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

CHUNK_ROWS = 50_000
"""Rows in memory at a time."""


class Chunks:
    """A table as data frames of at most :data:`CHUNK_ROWS` rows or so; every pass over it yields the same ones.

    All have the same columns, and each an index of its own from 0. There is at least one, which may be empty.
    """

    def __init__(
        self,
        pieces: Callable[[], Iterator[pd.DataFrame]],
        columns: Callable[[Collection[str]], Chunks] | None = None,
    ) -> None:
        """Take what begins a pass, and what gives some columns alone at a lower price than all."""
        self._pieces = pieces
        self._columns = columns

    def __iter__(self) -> Iterator[pd.DataFrame]:
        """Begin a pass."""
        return self._pieces()

    @classmethod
    def of(cls, table: pd.DataFrame | Chunks) -> Chunks:
        """Return the table in pieces; one that is in memory already is a single piece."""
        return table if isinstance(table, Chunks) else cls(lambda: iter([table.reset_index(drop=True)]))

    @classmethod
    def in_parquet(cls, file: Path, columns: Collection[str] | None = None) -> Chunks:
        """Return the table of a Parquet file, or these columns of it; it is opened anew for every pass."""
        import pyarrow as pa
        import pyarrow.parquet as pq

        def pieces() -> Iterator[pd.DataFrame]:
            # Mapped or read ahead, the pages of the file would count as memory of this process.
            with pq.ParquetFile(file, memory_map=False, pre_buffer=False) as table:
                names = [name for name in table.schema_arrow.names if columns is None or name in columns]
                batches = table.iter_batches(CHUNK_ROWS, columns=names)
                first = next(batches, None)
                yield (
                    table.schema_arrow.empty_table().select(names) if first is None else pa.Table.from_batches([first])
                ).to_pandas()
                yield from (pa.Table.from_batches([batch]).to_pandas() for batch in batches)

        return cls(pieces, lambda columns: cls.in_parquet(file, columns))

    @classmethod
    def spooled(cls, pieces: Iterable[pd.DataFrame]) -> Chunks:
        """Write pieces that come only once to a temporary file, which goes with the last reference to the result."""
        folder = tempfile.TemporaryDirectory()
        file = Path(folder.name, "table.parquet")
        write_parquet(file, pieces, compression="none")

        def kept() -> Iterator[pd.DataFrame]:
            # By the folder, not by the file: a pass, too, keeps it alive.
            yield from cls.in_parquet(Path(folder.name, file.name))

        return cls(kept)

    def map(self, change: Callable[[pd.DataFrame], pd.DataFrame]) -> Chunks:
        """Return the table with every piece changed, each time when it is read."""
        return Chunks(lambda: (change(piece).reset_index(drop=True) for piece in self))

    def only(self, *columns: str) -> Chunks:
        """Return those of the columns that there are; of a file no others are read."""
        if self._columns is not None:
            return self._columns(columns)
        return self.map(lambda piece: piece[[name for name in piece if name in columns]])

    def where(self, test: Callable[[pd.DataFrame], pd.Series]) -> Chunks:
        """Return the rows that a test is true of; a piece whose rows all pass is not copied."""

        def passing(piece: pd.DataFrame) -> pd.DataFrame:
            mask = test(piece)
            return piece if mask.all() else piece[mask]

        return self.map(passing)

    def frame(self) -> pd.DataFrame:
        """Return the whole table in memory."""
        import pandas as pd

        return pd.concat(self, ignore_index=True)


def write_parquet(file: Path, pieces: Iterable[pd.DataFrame], *, compression: str = "snappy") -> None:
    """Write pieces of a table, one at least, to a Parquet file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = iter(pieces)
    first = pa.Table.from_pandas(next(tables), preserve_index=False)
    # A dictionary of texts or ids, which differ in nearly every row, is work for nothing.
    repeating = [name for name in ("label", "source", "split") if name in first.column_names]
    with pq.ParquetWriter(file, first.schema, use_dictionary=repeating, compression=compression) as writer:
        writer.write_table(first)
        for table in tables:
            writer.write_table(pa.Table.from_pandas(table, schema=first.schema, preserve_index=False))
