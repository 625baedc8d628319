"""What a table of texts and labels is like, before anything learns from it. No torch."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa

from emotion_kedro.config.base import HAN
from emotion_kedro.config.data import NearDuplicateConfig, SamplingConfig, SourceConfig, SplitConfig
from emotion_kedro.data.near_duplicates import group_near_duplicates, text_hashes
from emotion_kedro.data.reader_errors import SHOWN, listed
from emotion_kedro.data.readers import read_source
from emotion_kedro.data.sampling import cap_rows, leakage_table, resolve_conflicts
from emotion_kedro.storage.chunks import frame_of

CAP = 800
"""Rows per label, at most, among which near-duplicates are looked for."""
FEW_ROWS = 1000
"""Below it a larger share of the rows is held out: with fewer test rows no difference can be shown."""
SPLITS = {True: SplitConfig(validation=0.15, test=0.3), False: SplitConfig()}
LEAST_GROUPS = {True: 4, False: 6}
"""Different texts of a label from which on each part of such a split surely gets one."""
LEAST_OWN_GROUPS = 3
"""The same where the test rows have a file of their own."""
MOSTLY = 0.5
"""Share of the letters from which on a text is of a script."""
EVEN = 1.2
"""Of the rows of two labels, how many times as many may be called as many."""
LEAST_COMMON = 0.05
"""Share of a text's words that are among a language's commonest, from which on it is taken to be of that language."""
COMMONEST = {
    "English": "the and to of is it that was for you my not with this",
    "German": "der die und das ist ich nicht ein mit auf zu es wir den",
    "French": "le la les et est je pas un une des que dans vous pour",
    "Spanish": "el la de que y no es un los una por con se muy",
    "Italian": "il di che non è un la per sono mi una ho con molto",
    "Portuguese": "o de que não é um uma para com eu os muito as do",
    "Dutch": "de het een en van ik niet is dat op te voor met heb",
}
"""Words without which hardly anything is said in a language."""
_HAN = re.compile(f"[{HAN}]")
_LATIN = re.compile("[A-Za-z\u00c0-\u024f]")
_LETTER = re.compile(r"[^\W\d_]")
_WORD = re.compile(rf"[{HAN}]|[^\s{HAN}]+")
_COMMON = {name: frozenset(words.split()) for name, words in COMMONEST.items()}


@dataclass(frozen=True)
class Profile:
    """What a table is like."""

    rows: int
    """That the file has, with those that are left out."""
    left_out: dict[str, int]
    """Reason -> rows that cannot be used."""
    left_out_rows: list[int] = field(repr=False)
    """Their numbers in the table, from 1 below its header; those of a test file are not among them."""
    labels: dict[str, int]
    """Label -> rows, the most frequent first; names that differ by case or space alone are one."""
    unfit: dict[str, int]
    """Labels with too few different texts to learn from, to choose by and to test on -> how many they have."""
    repeats: int
    """Rows whose text stands there before, under the same label."""
    conflicts: int
    """Texts that stand under two labels."""
    leaking: int
    """Test rows of a plain split that have a near-duplicate among the train rows ..."""
    plain_test_rows: int
    """... of so many."""
    test_rows: int | None
    """Rows of a test file whose labels can be learned; None: there is none."""
    untaught: dict[str, int]
    """Labels of the test file that no other row has -> rows; these are left out."""
    shared: int
    """Rows of the test file whose text stands in the table as well."""
    script: str
    """``latin``, ``chinese`` or ``other``: what most letters are."""
    language: str
    """Of texts in Latin letters, by their commonest words; empty: none of those that are known here."""
    words: tuple[int, int, int]
    """Words of a text, a Chinese character counting as one: median, 95th percentile, most."""
    split: SplitConfig = field(repr=False)
    """How the rows are best divided."""

    @property
    def fit(self) -> dict[str, int]:
        """The labels that can be learned -> rows."""
        return {label: rows for label, rows in self.labels.items() if label not in self.unfit}

    def lines(self) -> list[str]:
        """Return the profile in words."""
        in_test = f", {self._in_test_file():,} of them in the test file" if self.test_rows is not None else ""
        dropped = ", ".join(f"{rows:,} with {reason}" for reason, rows in self.left_out.items())
        if self.left_out_rows:
            dropped += f" (rows, without the header: {listed(map(str, self.left_out_rows))})"
        leak = self.leaking / max(1, self.plain_test_rows)
        lines = [
            f"rows        {self.rows:,}{in_test}" + (f"; left out: {dropped}" if dropped else ""),
            f"labels      {len(self.labels)}: {_counted(self.labels)}",
            *self._imbalance(),
            *self._repeats(),
            f"leaks       {100 * leak:.0f} % of the test rows of a plain split are nearly the same as a train row"
            + ("; here such rows stay together" if self.leaking else ""),
            f"script      {self.script}{self._language_note()}",
            "{:<11} {} a text (median), {} at the 95th percentile, {} at most".format(
                "characters" if self.script == "chinese" else "words", *self.words
            ),
        ]
        if self.test_rows is not None:
            lines[1:1] = self._test_lines()
        if self.unfit:
            least = max(LEAST_GROUPS.values()) if self.test_rows is None else LEAST_OWN_GROUPS
            why = f"too few different texts ({least} are enough)" + (
                ", or none in the test file" if self.test_rows is not None else ""
            )
            lines.append(
                f"left out    {len(self.unfit)} label{'s' * (len(self.unfit) > 1)} with {why}: {_counted(self.unfit)}"
            )
        return lines

    def _imbalance(self) -> list[str]:
        counts = list((self.fit or self.labels).values())
        times = counts[0] / counts[-1]
        return [f"imbalance   the largest label has {times:.1f} times the rows of the smallest"] if times > EVEN else []

    def _repeats(self) -> list[str]:
        if not self.repeats and not self.conflicts:
            return []
        return [
            f"repeats     {self.repeats:,} rows repeat another, but for case and punctuation, and {self.conflicts:,} "
            "texts have more than one label; left out, the latter with all their rows"
        ]

    def _language_note(self) -> str:
        if self.language in ("", "English"):
            return self.language and f", {self.language}"
        return f", {self.language}; the models that come as packages learned English above all"

    def _in_test_file(self) -> int:
        return (self.test_rows or 0) + sum(self.untaught.values())

    def _test_lines(self) -> list[str]:
        lines = [f"test file   {self._in_test_file():,} rows"]
        if self.shared:
            lines.append(f"in both     {self.shared:,} test rows are in the table too; those copies are not trained on")
        if self.untaught:
            labels, rows = _counted(self.untaught), sum(self.untaught.values())
            lines.append(f"untaught    {rows:,} test rows are left out: the table has no such label: {labels}")
        return lines


def profile_source(source: SourceConfig, cleaning: Sequence[str] = ("collapse_space",)) -> Profile:
    """Return the profile of a source, its file named by an absolute path.

    Args:
        source: as :func:`emotion_kedro.app.own_table.guessing.guess_source` has it.
        cleaning: steps that are done to the texts before.

    Raises:
        SourceError: if the file cannot be read, or no row is left.
    """
    lenient = source.model_copy(update={"bad_rows": "drop", "unknown_labels": "drop"})
    folder = Path(source.files[0]).parent  # files are named as seen from it
    report: dict[str, Any] = {}

    def pieces() -> Iterator[pa.RecordBatch]:
        report.update((yield from read_source(folder, "table", lenient, cleaning)))

    records = frame_of(pieces())
    is_test = records["split"] == "test"
    free, held = (records[part].reset_index(drop=True) for part in (~is_test, is_test))
    taught = held["label"].isin(free["label"])
    few = len(free) < FEW_ROWS
    sampling = SamplingConfig(cap=CAP, split=SPLITS[few])
    stays, groups, settled = resolve_conflicts(free, repeats="keep_one", conflicts="drop")
    leaks = leakage_table(free, sampling).iloc[0]
    capped = free[stays].iloc[cap_rows(groups[stays], cap=CAP, seed=sampling.seed)]
    counts = free["label"].value_counts()
    tested = set(held["label"])
    enough = {label: number for label, number in _different(capped).items() if not tested or label in tested}
    least = LEAST_OWN_GROUPS if tested else LEAST_GROUPS[few]
    every = {str(label): int(rows) for label, rows in counts.items()}
    return Profile(
        rows=report["rows"],
        left_out=_left_out(report["dropped"]),
        left_out_rows=_missing(free["record_id"], None if source.test_file else report["rows"]),
        labels=every,
        unfit={label: enough.get(label, 0) for label in every if enough.get(label, 0) < least},
        repeats=settled["repeats"]["rows"],
        conflicts=settled["conflicts"]["texts"],
        leaking=int(leaks["near_in_train"]),
        plain_test_rows=int(leaks["test_rows"]),
        test_rows=int(taught.sum()) if source.test_file else None,
        untaught={str(label): int(rows) for label, rows in held.loc[~taught, "label"].value_counts().items()},
        shared=int(np.isin(text_hashes(held["text"]), text_hashes(free["text"])).sum()) if len(held) else 0,
        script=(script := _script("".join(free["text"].head(CAP)))),
        language=language_of(free["text"].head(CAP)) if script == "latin" else "",
        words=_words(free["text"]),
        split=sampling.split,
    )


def _counted(labels: dict[str, int]) -> str:
    """Return labels with their counts, as many as can be read at a glance."""
    some = ", ".join(f"{label} {count:,}" for label, count in list(labels.items())[:SHOWN])
    return some + (f" and {len(labels) - SHOWN} more" if len(labels) > SHOWN else "")


def _left_out(dropped: dict[str, Any]) -> dict[str, int]:
    counts = {
        "no text": dropped["empty text"],
        "no label": sum(dropped["unknown label"].values()),
        "fields that cannot be read": dropped.get("bad rows", 0),
    }
    return {reason: rows for reason, rows in counts.items() if rows}


def _missing(ids: pd.Series, rows: int | None) -> list[int]:
    """Return the numbers of rows that no record has, of so many; None: up to the last one that is there."""
    numbers = ids.str.rpartition(":")[2].astype(int)
    return np.setdiff1d(np.arange(1, (rows or numbers.max()) + 1), numbers).tolist()  # type: ignore[no-any-return]


def _different(records: pd.DataFrame) -> dict[str, int]:
    """Count the groups of near-duplicates of each label; a group counts under the label of its first row."""
    groups = group_near_duplicates(records["text"], **NearDuplicateConfig().model_dump(), seed=0)
    first = records["label"].to_numpy()[np.unique(groups, return_index=True)[1]]
    return {str(label): int(number) for label, number in pd.Series(first).value_counts().items()}


def _script(text: str) -> str:
    count: Callable[[re.Pattern[str]], int] = lambda pattern: len(pattern.findall(text))  # noqa: E731
    letters = max(1, count(_LETTER))
    if count(_HAN) / letters > MOSTLY:
        return "chinese"
    return "latin" if count(_LATIN) / letters > MOSTLY else "other"


def language_of(texts: pd.Series) -> str:
    """Return the language of texts in Latin letters by its commonest words; empty: none of those known here."""
    words = " ".join(texts).lower().split()
    shares = {name: sum(word in common for word in words) for name, common in _COMMON.items()}
    likeliest = max(shares, key=shares.__getitem__)
    return likeliest if shares[likeliest] > LEAST_COMMON * len(words) else ""


def _words(texts: pd.Series) -> tuple[int, int, int]:
    lengths = texts.str.count(_WORD.pattern)
    return int(lengths.median()), int(lengths.quantile(0.95)), int(lengths.max())
