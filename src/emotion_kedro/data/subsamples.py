"""Which of the rows a run has: nested subsamples, so that a larger size adds rows and replaces none."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

import numpy as np
import pandas as pd

from emotion_kedro.config.base import ALL_ROWS
from emotion_kedro.config.experiment import DesignConfig
from emotion_kedro.data.leak_guard import LeakGuard
from emotion_kedro.data.splitting import UNGROUPED

RANK = "rank"


@dataclass(frozen=True)
class Subsample:
    """The train rows in the order in which one data seed takes them."""

    table: pd.DataFrame
    """The rows as they came."""
    ranked: pd.DataFrame
    """The rows with ``rank``: the row's place among those of its label, from 0."""

    @classmethod
    def of(cls, train: pd.DataFrame, data_seed: int) -> Subsample:
        """Shuffle the rows; equal seeds take equal rows, whatever the sizes."""
        order = np.random.default_rng(data_seed).permutation(len(train))
        shuffled = train.iloc[order]
        ranked = shuffled.assign(**{RANK: shuffled.groupby("label").cumcount()})
        return cls(train.reset_index(drop=True), ranked.sort_values(["label", RANK], kind="stable", ignore_index=True))

    def rows(self, size: int, *, after: int = 0) -> pd.DataFrame:
        """Return of every label the rows from place ``after`` up to ``size``; labels with fewer give all they have.

        ``size`` :data:`ALL_ROWS`: the whole table, in its own order.
        """
        if size == ALL_ROWS:
            return self.table
        rank = self.ranked[RANK]
        return self.ranked[(rank >= after) & (rank < size)].drop(columns=RANK).reset_index(drop=True)


def sizes_there_are(train: pd.DataFrame, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes that some label has as many rows for, and :data:`ALL_ROWS`.

    Raises:
        ValueError: if there is none: a run of fewer rows would bear a name that is not its own.
    """
    counts = train["label"].value_counts()
    reachable = tuple(size for size in sizes if size <= int(counts.max()))
    if not reachable:
        raise ValueError(
            f"design.sizes asks for {', '.join(map(str, sizes))} train rows per label; there are "
            f"{', '.join(f'{label} {count}' for label, count in counts.items())}. Ask for fewer, or 0 for all"
        )
    return reachable


def stratified_subsample(table: pd.DataFrame, rows: int | None, *, seed: int) -> pd.DataFrame:
    """Keep about ``rows`` rows, drawn at random within each label; None, or more than there are: all.

    Returns:
        The rows that stay, in order; every label keeps at least one row.
    """
    if rows is None or rows >= len(table):
        return table.reset_index(drop=True)
    shuffled = table.sample(frac=1, random_state=seed)
    place = shuffled.groupby("label").cumcount()
    quota = (shuffled["label"].map(table["label"].value_counts()) * rows / len(table)).round().clip(lower=1)
    return table[table.index.isin(shuffled.index[place < quota])].reset_index(drop=True)


class Draw(NamedTuple):
    """One choice of train rows: so many of each label, as one data seed takes them."""

    size: int
    data_seed: int


@dataclass(frozen=True)
class DesignSplits:
    """The rows of an experiment: what runs draw on, what is watched or chosen on, what they are tested on."""

    split_records: pd.DataFrame
    design: DesignConfig
    _subsamples: dict[tuple[str, int], Subsample] = field(default_factory=dict, init=False, repr=False, kw_only=True)

    @cached_property
    def train(self) -> pd.DataFrame:
        """The train rows."""
        return self._split("train")

    @cached_property
    def validation(self) -> pd.DataFrame:
        """The validation rows."""
        return self._split("validation")

    @cached_property
    def test(self) -> pd.DataFrame:
        """The test rows, drawn once for all runs alike where the design wants fewer."""
        return stratified_subsample(self._split("test"), self.design.test_rows, seed=self.design.seed)

    @cached_property
    def guard(self) -> LeakGuard:
        """The guard of all validation and test rows.

        A plain split, or one by the numbers of rows, lets texts stand on both sides: that is what it is taken for, to
        measure what it does. There is nothing to guard then.
        """
        held_out = self.split_records["split"] != "train"
        grouped = bool((self.split_records["group"] != UNGROUPED).any())
        return LeakGuard(self.split_records[held_out & grouped].reset_index(drop=True))

    def draws(self, sizes_of_arms: Iterable[tuple[int, ...] | None] = ()) -> list[Draw]:
        """Return the draws in which at least one of the arms is run, by data seed.

        Args:
            sizes_of_arms: the sizes of each arm, None: all; no arms: all draws.
        """
        sizes = sizes_there_are(self.train, self.design.sizes)
        of_arms = list(sizes_of_arms)
        if of_arms and None not in of_arms:
            sizes = tuple(size for size in sizes if any(size in some for some in of_arms if some is not None))
        return [Draw(size, data_seed) for data_seed in self.design.data_seeds for size in sizes]

    def rows(self, draw: Draw) -> pd.DataFrame:
        """Return the train rows of a draw."""
        return self.subsample("train", draw.data_seed).rows(draw.size)

    def validation_rows(self, size: int) -> pd.DataFrame:
        """Return the validation rows of a size: of no label more than the size, or ``design.validation_rows``.

        A label that has fewer train rows than the size may have more validation rows than these.
        """
        limits = [limit for limit in (size, self.design.validation_rows) if limit]
        return self.subsample("validation", self.design.seed).rows(min(limits)) if limits else self.validation

    def with_validation_tested(self, *further: pd.DataFrame) -> DesignSplits:
        """Return splits whose runs predict the validation rows, and beside them the rows in ``further``; no others."""
        rows = [self.train, self.validation, self.validation.assign(split="test"), *further]
        return DesignSplits(pd.concat(rows, ignore_index=True), self.design.model_copy(update={"test_rows": None}))

    def subsample(self, split: str, seed: int) -> Subsample:
        """Return the rows of a split in the order in which a seed takes them."""
        if (split, seed) not in self._subsamples:
            self._subsamples[split, seed] = Subsample.of(self._split(split), seed)
        return self._subsamples[split, seed]

    def _split(self, name: str) -> pd.DataFrame:
        return self.split_records[self.split_records["split"] == name].reset_index(drop=True)
