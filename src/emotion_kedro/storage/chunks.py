"""Tables too long for memory, as Arrow batches that are read and written one after the other."""

from __future__ import annotations

import os
import shutil
import stat
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    import pyarrow as pa

CHUNK_ROWS = 50_000
"""Rows in memory at a time."""
REPEATING = ("label", "source", "split")
"""Columns with few different values: dictionaries in memory and in files. Of texts and ids nearly every one differs."""


class Chunks:
    """A table as record batches of at most :data:`CHUNK_ROWS` rows or so; every pass over it yields the same ones.

    All have the same columns; those named in :data:`REPEATING` are dictionaries of strings. There is at least one
    batch, which may be empty.
    """

    def __init__(
        self,
        pieces: Callable[[], Iterator[pd.DataFrame | pa.RecordBatch]],
        columns: Callable[[Collection[str]], Chunks] | None = None,
        file: Callable[[], Path] | None = None,
    ) -> None:
        """Make a table.

        Args:
            pieces: begins a new pass; it may give data frames, too.
            columns: gives the named columns alone, read at a lower price than all; None: there is no such way.
            file: the path of a Parquet file that holds the whole table already; None: there is none.
        """
        self._pieces = pieces
        self._columns = columns
        self._file = file

    def __iter__(self) -> Iterator[pa.RecordBatch]:
        """Begin a pass."""
        return (batch_of(piece) for piece in self._pieces())

    @classmethod
    def of(cls, table: pd.DataFrame | Chunks) -> Chunks:
        """Return the table in pieces; one that is in memory already is a single piece."""
        return table if isinstance(table, Chunks) else cls(lambda: iter([table]))

    @classmethod
    def in_parquet(cls, file: Path, columns: Collection[str] | None = None) -> Chunks:
        """Return the table of a Parquet file, or these columns of it; it is opened anew for every pass."""
        return cls(
            lambda: ahead(_batches(file, columns)),
            lambda columns: cls.in_parquet(file, columns),
            (lambda: file) if columns is None else None,
        )

    @classmethod
    def spooled(cls, pieces: Iterable[pa.RecordBatch]) -> Chunks:
        """Write pieces that come only once to a temporary file, which goes with the last reference to the result."""
        folder = tempfile.TemporaryDirectory()

        # By the folder, not by its name: whoever has a pass, or some columns, keeps it alive.
        def file() -> Path:
            return Path(folder.name, "table.parquet")

        def kept(columns: Collection[str] | None = None) -> Iterator[pa.RecordBatch]:
            yield from cls.in_parquet(file(), columns)

        write_parquet(file(), ahead(pieces), compression="none")
        return cls(kept, lambda columns: cls(lambda: kept(columns)), file)

    def write(self, file: Path) -> None:
        """Write the table to a Parquet file: where it is one already, by a second name for it.

        Written uncompressed: packing and unpacking takes several times as long as the rest.
        """
        if self._file is None:
            write_parquet(file, ahead(self), compression="none")
            return
        file.unlink(missing_ok=True)
        there, folder = self._file().resolve(), file.parent.stat()
        try:
            if folder.st_mode & stat.S_ISGID and there.stat().st_gid != folder.st_gid:
                raise PermissionError("a file of this folder has the folder's group")
            os.link(there, file)
        except OSError:  # another disk, or one without such names
            shutil.copyfile(there, file)

    def map(self, change: Callable[[pa.RecordBatch], pa.RecordBatch]) -> Chunks:
        """Return the table with every piece changed, each time when it is read."""
        return Chunks(lambda: map(change, self))

    def checked(self, check: Callable[[pd.DataFrame], Any]) -> Chunks:
        """Return the table, every piece of which is shown to a check when it is read."""

        def shown(piece: pa.RecordBatch) -> pa.RecordBatch:
            check(frame_of([piece]))
            return piece

        mapped, whole = Chunks(lambda: map(shown, self)), self._file
        if whole is None:
            return mapped

        def file() -> Path:
            for _ in mapped:
                pass
            return whole()

        return Chunks(lambda: map(shown, self), file=file)

    def only(self, *columns: str) -> Chunks:
        """Return those of the columns that there are; of a file no others are read."""
        if self._columns is not None:
            return self._columns(columns)
        return self.map(lambda piece: piece.select([name for name in piece.schema.names if name in columns]))

    def where(self, test: Callable[[pa.RecordBatch], np.ndarray]) -> Chunks:
        """Return the rows that a test is true of; a piece whose rows all pass is not copied."""
        import pyarrow as pa

        def passing(piece: pa.RecordBatch) -> pa.RecordBatch:
            mask = test(piece)
            return piece if mask.all() else piece.filter(pa.array(mask))

        return self.map(passing)

    def frame(self) -> pd.DataFrame:
        """Return the whole table in memory."""
        return frame_of(self)


def write_parquet(file: Path, pieces: Iterable[pd.DataFrame | pa.RecordBatch], *, compression: str = "snappy") -> None:
    """Write pieces of a table, one at least, to a Parquet file."""
    import pyarrow.parquet as pq

    batches = map(batch_of, pieces)
    first = next(batches)
    repeating = [name for name in REPEATING if name in first.schema.names]
    file.unlink(missing_ok=True)  # it may have a second name, see Chunks.write
    # Without Arrow's own schema the file holds plain strings, for whatever reads it.
    with pq.ParquetWriter(
        file,
        first.schema,
        use_dictionary=repeating,
        compression=compression,
        write_statistics=False,
        store_schema=False,
    ) as writer:
        held, rows = [first], len(first)
        for batch in batches:
            if rows + len(batch) > CHUNK_ROWS:
                writer.write_batch(_joined(held))
                held, rows = [], 0
            held.append(batch.cast(first.schema))
            rows += len(batch)
        writer.write_batch(_joined(held))


def _joined(batches: Sequence[pa.RecordBatch]) -> pa.RecordBatch:
    """Return small pieces as one: each would be a group of rows, which are read and checked one by one."""
    import pyarrow as pa

    if len(batches) == 1:
        return batches[0]
    table = pa.Table.from_batches(batches).unify_dictionaries().combine_chunks()
    return next(iter(table.to_batches()), batches[0])


def _batches(file: Path, columns: Collection[str] | None) -> Iterator[pa.RecordBatch]:
    import pyarrow.parquet as pq

    names = [name for name in pq.read_schema(file).names if columns is None or name in columns]
    repeating = [name for name in names if name in REPEATING]
    # Mapped or read ahead, the pages of the file would count as memory of this process.
    with pq.ParquetFile(file, memory_map=False, pre_buffer=False, read_dictionary=repeating) as table:
        empty = True
        for group in range(table.num_row_groups):  # a batch has its rows from one: each has dictionaries of its own
            for batch in table.iter_batches(CHUNK_ROWS, row_groups=[group], columns=names):
                empty = False
                yield batch
        if empty:
            yield batch_of(table.schema_arrow.empty_table().select(names).to_pandas())


def ahead(pieces: Iterable[Any]) -> Iterator[Any]:
    """Yield the pieces, the next of which another thread makes meanwhile."""
    iterator, end = iter(pieces), object()
    with ThreadPoolExecutor(1) as thread:
        coming = thread.submit(next, iterator, end)
        while (piece := coming.result()) is not end:
            coming = thread.submit(next, iterator, end)
            yield piece


def batch_of(piece: pd.DataFrame | pa.RecordBatch) -> pa.RecordBatch:
    """Return a data frame as a record batch, without its index; columns of :data:`REPEATING` as dictionaries."""
    import pyarrow as pa

    if isinstance(piece, pa.RecordBatch):
        return piece
    table = pa.Table.from_pandas(piece, preserve_index=False)

    def kept(name: str, column: pa.ChunkedArray) -> pa.ChunkedArray:
        is_text = column.type in (pa.string(), pa.large_string()) or pa.types.is_dictionary(column.type)
        if name not in REPEATING or not is_text:  # what else stands there is for who checks the table
            return column
        column = column.cast(pa.string())
        # A row without a split of its own may have none.
        return (column.fill_null("") if name == "split" else column).dictionary_encode()

    columns = [kept(name, column) for name, column in zip(table.column_names, table.columns, strict=True)]
    return pa.RecordBatch.from_arrays([column.combine_chunks() for column in columns], table.column_names)


def frame_of(batches: Iterable[pa.RecordBatch]) -> pd.DataFrame:
    """Return batches, one at least, as one data frame with plain strings."""
    import pyarrow as pa

    def plain(column: pa.Array) -> pa.Array:
        kind = column.type.value_type if pa.types.is_dictionary(column.type) else column.type
        return column.cast(pa.large_string()) if kind in (pa.string(), pa.large_string()) else column

    plain_batches = (pa.RecordBatch.from_arrays(list(map(plain, batch)), batch.schema.names) for batch in batches)
    return pa.Table.from_batches(list(plain_batches)).to_pandas()


def as_strings(texts: pd.Series | pa.Array) -> pa.LargeStringArray:
    """Return a column of texts, none of them missing, as one array of large strings; without a copy where it is."""
    import pyarrow as pa

    column = texts if isinstance(texts, pa.Array) else pa.table({"text": texts})["text"].combine_chunks()
    return column.cast(pa.large_string())


def bytes_of(texts: pa.LargeStringArray) -> tuple[np.ndarray, np.ndarray]:
    """Return the bytes of texts, one after the other, and where each text begins, with the end of the last.

    Shapes (bytes,) of uint8, which is no copy, and (texts + 1,) of int64.
    """
    import numpy as np

    if len(texts) == 0:
        return np.empty(0, np.uint8), np.zeros(1, np.int64)
    _, offsets, data = texts.buffers()
    starts = np.frombuffer(offsets, np.int64, len(texts) + 1, 8 * texts.offset)
    return np.frombuffer(data or b"", np.uint8)[starts[0] : starts[-1]], starts - starts[0]


def relabelled(column: pa.DictionaryArray, values: Sequence[str]) -> pa.DictionaryArray:
    """Return a column with other values in place of those of its dictionary, in that order; two may become one."""
    import numpy as np
    import pyarrow as pa

    names = {name: number for number, name in enumerate(dict.fromkeys(values))}
    numbers = np.array([names[value] for value in values], np.int32)
    return pa.DictionaryArray.from_arrays(numbers[column.indices], pa.array(list(names), pa.string()))


def is_among(column: pa.DictionaryArray, values: Collection[str]) -> np.ndarray:
    """Return of each row whether its value is one of ``values``: (rows,) of bool."""
    import numpy as np

    is_member = [*(value in values for value in column.dictionary.to_pylist()), False]
    return np.array(is_member, bool)[column.indices.fill_null(len(is_member) - 1)]  # a missing value is none of them
