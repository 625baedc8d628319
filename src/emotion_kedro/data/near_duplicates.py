"""Texts that are nearly the same: found among themselves (groups) or in a reference (copies).

Two texts are near-duplicates if the Jaccard similarity of their sets of character n-grams reaches a threshold (Broder
1997, "On the resemblance and containment of documents"). Similarities that are handed out are exact; MinHash with
locality-sensitive hashing (Leskovec et al., "Mining of Massive Datasets", chapter 3) only proposes which pairs of a
large table are worth a look.
"""

from __future__ import annotations

import unicodedata
import zlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from itertools import count

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from scipy import sparse
from scipy.sparse.csgraph import connected_components

from emotion_kedro.storage.chunks import as_strings, bytes_of

MISS_RATE = 0.001
"""Probability, at most, that a pair exactly at the threshold is not proposed (if the permutations allow it)."""
PAIRS_AT_ONCE = 50_000
QUERIES_AT_ONCE = 512
ROUNDING = 1e-9  # 0.7 * 10 is a little more than 7

# str.translate is ten times faster here than a pattern with some 850 characters. All punctuation of Unicode lies
# below U+20000; emoji are not punctuation, and they tell emotions apart.
_PUNCTUATION: dict[int, str | None] = {
    ord(c): " " for c in map(chr, range(0x20000)) if c in "$+<=>^|~" or unicodedata.category(c).startswith("P")
}
_UNSEEN = (0x34F, 0x115F, 0x1160, 0x17B4, 0x17B5, 0x2800, 0x3164, 0xFFA0)
_SELECTORS = (*range(0x180B, 0x1810), *range(0xFE00, 0xFE10), *range(0xE0000, 0xE01F0))
_FORMATS = (code for code in range(0x20000) if unicodedata.category(chr(code)) == "Cf")
_INVISIBLE = dict.fromkeys((*_FORMATS, *_UNSEEN, *_SELECTORS))
"""Zero-width spaces and joiners, byte-order marks, soft hyphens, marks of direction, fillers, variation selectors."""
_APOSTROPHES = dict.fromkeys(map(ord, "'’`´"))
_PUNCTUATION.update(_APOSTROPHES)  # removed, not replaced
_GONE = 0xFF
"""Stands for an apostrophe among the bytes of ASCII texts."""
_ASCII = bytes(
    _GONE if c in _APOSTROPHES else ord(" ") if _PUNCTUATION.get(c) or chr(c).isspace() else ord(chr(c).lower())
    for c in range(128)
).ljust(256, b"\0")
HASHED_AT_ONCE = 4096
"""Texts: what is made of them on the way stays in the cache of the processor."""


def normalise(texts: pd.Series) -> pd.Series:
    """Lower the texts, remove punctuation and collapse white space; letters of all scripts, digits and emoji stay.

    An apostrophe vanishes (``don't`` is ``dont``), other punctuation separates. A text of punctuation alone keeps
    it: ``:)`` and ``:(`` are not the same text. Characters that look alike are made alike (Unicode's NFKC), and
    invisible ones removed. This is how texts are compared throughout the project.
    """
    return pd.Series(_normal_texts(as_strings(texts)).to_pylist(), index=texts.index, name=texts.name, dtype="str")


def text_hashes(texts: pd.Series | pa.Array) -> np.ndarray:
    """Return a hash of each text, as it is once normalised: (texts,) of uint64, the same in every process."""
    column = as_strings(texts)
    parts = range(0, len(column), HASHED_AT_ONCE)
    normal = (_normal_texts(column.slice(start, HASHED_AT_ONCE)).to_numpy(zero_copy_only=False) for start in parts)
    hashes = [pd.util.hash_array(texts, categorize=False) for texts in normal]
    return np.concatenate([np.empty(0, np.uint64), *hashes])


def _normal_texts(texts: pa.LargeStringArray) -> pa.LargeStringArray:
    """Normalise ASCII texts all at once; others, and those of which nothing would be left, one by one."""
    codes, starts = bytes_of(texts)
    alone = np.zeros(len(texts), dtype=bool)
    if not ((codes - ord("a") < 26) | (codes == ord(" "))).all():
        data = codes.tobytes()
        codes = np.frombuffer(data.translate(_ASCII), np.uint8)
        codes, starts = _without(codes, starts, codes == _GONE)
        alone = alone if data.isascii() else ~np.asarray(pc.string_is_ascii(texts))
    space = codes == ord(" ")
    space[:-1] &= space[1:]
    space[-1:] = False
    codes, starts = _without(codes, starts, space)
    if len(codes):
        ends = np.minimum(np.append(starts[:-1], starts[1:] - 1), len(codes) - 1)
        ends = ends[codes[ends] == ord(" ")]
        if len(ends):
            edge = np.zeros(len(codes), dtype=bool)
            edge[ends] = True
            codes, starts = _without(codes, starts, edge)
    alone |= starts[1:] == starts[:-1]
    normal = pa.LargeStringArray.from_buffers(len(texts), pa.py_buffer(starts), pa.py_buffer(codes))
    if not alone.any():
        return normal
    mask = pa.array(alone)
    one_by_one = [_normal(text) for text in texts.filter(mask).to_pylist()]
    return pc.replace_with_mask(normal, mask, pa.array(one_by_one, pa.large_string()))


def _without(codes: np.ndarray, starts: np.ndarray, gone: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return texts, as :func:`bytes_of` does, without some of their bytes."""
    if not gone.any():
        return codes, starts
    return codes[~gone], starts - np.searchsorted(np.flatnonzero(gone), starts)


def _normal(text: str) -> str:
    if not text.isascii():
        # Apostrophes first: NFKC would make a space and an accent of the acute that stands for one.
        text = unicodedata.normalize("NFKC", text.translate(_INVISIBLE).translate(_APOSTROPHES))
    lowered = text.lower()
    if lowered.replace(" ", "").isalnum() and "  " not in lowered:  # nothing to remove: a fifth of the time
        return lowered.strip()
    return " ".join(lowered.translate(_PUNCTUATION).split()) or " ".join(lowered.split())


def shingles(text: str, n: int) -> set[str]:
    """Return the character n-grams of the normalised text; if that is shorter, itself alone; if it is empty, none."""
    return _pieces(_normal(text), n)


def _pieces(normal: str, n: int) -> set[str]:
    if len(normal) < n:
        return {normal} if normal else set()
    return {normal[start : start + n] for start in range(len(normal) - n + 1)}


def group_near_duplicates(
    texts: pd.Series, *, threshold: float, shingle: int, permutations: int, seed: int
) -> np.ndarray:
    """Number the groups of near-duplicates: texts joined by a chain of near-duplicate pairs share a number.

    Args:
        texts: strings, as they are; they are normalised here.
        threshold: least Jaccard similarity of a near-duplicate pair.
        shingle: length of the character n-grams.
        permutations: length of a MinHash, at least 2; more find more pairs near the threshold.
        seed: seed of the permutations.

    Returns:
        int64 array of shape (n,): group of each text, numbered from 0 by first appearance.
    """
    same, distinct = pd.factorize(normalise(texts))
    if len(distinct) == 0:
        return np.empty(0, dtype=np.int64)
    from datasketch import MinHash

    vocabulary = _new_vocabulary()
    matrix = _incidence(distinct, shingle, vocabulary)
    # Not Python's hash(), which is salted anew in every process.
    hashes = np.fromiter((zlib.crc32(piece.encode()) for piece in vocabulary), np.uint32, len(vocabulary))
    rows = np.split(hashes[matrix.indices], matrix.indptr[1:-1])
    sketches = MinHash.generator(rows, num_perm=permutations, seed=seed, hashfunc=int)
    signatures = np.array([sketch.hashvalues for sketch in sketches])
    component = _join(matrix, _buckets(signatures, *bands(threshold, permutations)), threshold)
    return pd.factorize(component[same])[0].astype(np.int64)


def _new_vocabulary() -> defaultdict[str, int]:
    """Return the columns of shingles by shingle; one that is asked for by its key gets the next."""
    return defaultdict(count().__next__)


def _incidence(
    texts: Iterable[str], n: int, vocabulary: defaultdict[str, int], *, grows: bool = True
) -> sparse.csr_array:
    """Binary matrix (normalised texts, shingles); where it does not grow, unknown shingles are left out."""
    columns: list[int] = []
    ends = [0]
    for text in texts:
        pieces = _pieces(text, n)
        columns.extend(map(vocabulary.__getitem__, pieces if grows else pieces & vocabulary.keys()))
        ends.append(len(columns))
    width = max(columns, default=0) + 1
    values = np.ones(len(columns), dtype=np.int32)
    return sparse.csr_array((values, np.array(columns, dtype=np.int32), np.array(ends)), shape=(len(ends) - 1, width))


def bands(threshold: float, permutations: int) -> tuple[int, int]:
    """Choose bands and rows per band: the most rows (fewest false candidates) that keep to :data:`MISS_RATE`."""
    for rows in range(permutations // 2, 1, -1):
        if (1.0 - threshold**rows) ** (permutations // rows) <= MISS_RATE:
            return permutations // rows, rows
    return permutations, 1


def _buckets(signatures: np.ndarray, number: int, width: int) -> Iterator[np.ndarray]:
    """Yield the rows of MinHashes (texts, permutations) that agree in a band, two or more, once.

    Texts that are much alike share band after band.
    """
    seen: set[bytes] = set()
    for start in range(0, number * width, width):
        band = np.ascontiguousarray(signatures[:, start : start + width])
        keys = band.view(np.dtype((np.void, band.itemsize * width))).ravel()
        order = np.argsort(keys, kind="stable")
        ends = np.append(np.flatnonzero(keys[order][1:] != keys[order][:-1]) + 1, len(order))
        starts = np.append(0, ends[:-1])
        for first, last in zip(starts[ends - starts > 1], ends[ends - starts > 1], strict=True):
            bucket = order[first:last]
            if bucket.tobytes() not in seen:
                seen.add(bucket.tobytes())
                yield bucket


def _pairs(bucket: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield all pairs (left < right) of a bucket; a large bucket comes in pieces, to bound the memory."""
    places = np.arange(len(bucket))
    step = max(1, PAIRS_AT_ONCE // len(bucket))
    for start in range(0, len(bucket), step):
        left, right = np.nonzero(places[start : start + step, None] < places)
        yield bucket[left + start], bucket[right]


def _join(matrix: sparse.csr_array, buckets: Iterable[np.ndarray], threshold: float) -> np.ndarray:
    """Return the connected component of each row, if the near pairs among the buckets are the edges; shape (n,)."""
    number = matrix.shape[0]
    component = np.arange(number)
    waiting: list[np.ndarray] = []  # a pair as one integer, so that np.unique can drop the repeats
    size = 0
    for bucket in buckets:
        # In a large cluster nearly all pairs are settled early; only pairs that can still join something count.
        if (component[bucket] == component[bucket[0]]).all():
            continue
        for left, right in _pairs(bucket):
            open_ = component[left] != component[right]
            waiting.append(left[open_] * number + right[open_])
            size += len(waiting[-1])
            if size >= PAIRS_AT_ONCE:
                component = _merge(component, matrix, np.concatenate(waiting), threshold)
                waiting, size = [], 0
    return _merge(component, matrix, np.concatenate(waiting), threshold) if waiting else component


def _merge(component: np.ndarray, matrix: sparse.csr_array, pairs: np.ndarray, threshold: float) -> np.ndarray:
    """Join the components of those pairs whose exact Jaccard similarity reaches the threshold."""
    number = len(component)
    left, right = np.divmod(np.unique(pairs), number)
    sizes = np.diff(matrix.indptr)
    small, large = np.minimum(sizes[left], sizes[right]), np.maximum(sizes[left], sizes[right])
    possible = small >= threshold * large - ROUNDING  # the similarity is at most small / large
    left, right = left[possible], right[possible]
    shared = matrix[left].multiply(matrix[right]).sum(axis=1)
    near = shared >= threshold * (sizes[left] + sizes[right] - shared) - ROUNDING
    ends = (component[left[near]], component[right[near]])
    graph = sparse.coo_array((np.ones(len(ends[0]), dtype=bool), ends), shape=(number, number))
    return connected_components(graph, directed=False)[1][component]


class NearIndex:
    """The shingles of reference texts, to be asked how near other texts come to any of them.

    Args:
        references: the texts; normalised here.
        shingle: length of the character n-grams.
    """

    def __init__(self, references: pd.Series, *, shingle: int) -> None:
        self.shingle = shingle
        self._columns = _new_vocabulary()
        matrix = _incidence(normalise(references).unique(), shingle, self._columns)
        self._sizes = np.diff(matrix.indptr)
        self._references = matrix.T.tocsr()  # (shingles, references)

    def similarity(self, texts: pd.Series) -> np.ndarray:
        """Highest Jaccard similarity of each text to a reference, shape (n,); 0 where nothing is shared."""
        return self._best(texts, lambda shared, size, reference: shared / (size + reference - shared))

    def copies(self, texts: pd.Series, *, near: float, held: float, least: int) -> np.ndarray:
        """Return which texts nearly are a reference, are a piece of one, or hold one: shape (n,) of bool.

        Args:
            texts: strings, as they are.
            near: least Jaccard similarity to a reference, or
            held: least share of the smaller of the two, text or reference, that stands in the other (the overlap
                coefficient), where that has
            least: shingles or more: what is shorter, two people say without knowing of each other.
        """

        def score(shared: np.ndarray, size: np.ndarray, reference: np.ndarray) -> np.ndarray:
            smaller = np.minimum(size, reference)
            alike = shared >= near * (size + reference - shared) - ROUNDING
            return alike | ((smaller >= least) & (shared >= held * smaller - ROUNDING))

        return self._best(texts, score) > 0

    def containment(self, texts: pd.Series) -> np.ndarray:
        """Largest share of each text's shingles that stand in one and the same reference, shape (n,).

        A piece of a long reference has a low Jaccard similarity to it, but a containment of nearly 1.
        """
        return self._best(texts, lambda shared, size, reference: shared / size)

    def _best(self, texts: pd.Series, score: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]) -> np.ndarray:
        normal = normalise(texts).tolist()
        best = np.zeros(len(normal))
        for start in range(0, len(normal), QUERIES_AT_ONCE):
            part = normal[start : start + QUERIES_AT_ONCE]
            best[start : start + len(part)] = self._best_of(part, score)
        return best

    def _best_of(
        self, texts: list[str], score: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    ) -> np.ndarray:
        sizes = np.array([len(_pieces(text, self.shingle)) for text in texts])
        queries = _incidence(texts, self.shingle, self._columns, grows=False)
        queries.resize((len(texts), self._references.shape[0]))
        shared = queries @ self._references
        numbers = np.diff(shared.indptr)
        scores = score(shared.data, np.repeat(sizes, numbers), self._sizes[shared.indices])
        best, some = np.zeros(len(texts)), numbers > 0
        if some.any():
            best[some] = np.maximum.reduceat(scores, shared.indptr[:-1][some])
        return best
