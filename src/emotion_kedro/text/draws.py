"""Which real rows a cell of the study has: nested draws, so that a larger size adds rows and replaces none."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

RANK = "rank"


@dataclass(frozen=True)
class Draw:
    """The train rows in the order in which one data seed takes them."""

    seed: int
    ranked: pd.DataFrame
    """Train records with ``rank``: the row's place among those of its label, from 0."""

    @classmethod
    def of(cls, train: pd.DataFrame, seed: int) -> Draw:
        """Shuffle the train rows; equal seeds take equal rows, whatever the sizes asked for."""
        order = np.random.default_rng(seed).permutation(len(train))
        shuffled = train.iloc[order]
        ranked = shuffled.assign(**{RANK: shuffled.groupby("label").cumcount()})
        return cls(seed, ranked.sort_values(["label", RANK], kind="stable").reset_index(drop=True))

    def rows(self, size: int, *, after: int = 0) -> pd.DataFrame:
        """Return of every label the rows from place ``after`` up to ``size``; labels with fewer give all they have."""
        rank = self.ranked[RANK]
        return self.ranked[(rank >= after) & (rank < size)].drop(columns=RANK).reset_index(drop=True)


def sizes_there_are(train: pd.DataFrame, sizes: tuple[int, ...]) -> tuple[int, ...]:
    """Return the sizes up to the first that every label's rows are too few for to change anything, at least one."""
    largest = int(train["label"].value_counts().max())
    return tuple(size for size in sizes if size <= largest) or sizes[:1]
