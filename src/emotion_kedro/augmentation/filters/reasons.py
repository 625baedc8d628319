"""Why a candidate is refused, and what a filter may look at."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

KEPT = "kept"
TOO_SHORT = "too short"
REPETITION = "repetition"
LEFTOVER = "left-over prompt"
CUT_OFF = "cut off"
COPY = "copy of a train text"
NEAR_COPY = "near-copy of a train text"
DUPLICATE = "duplicate of another candidate"
DISAGREES = "classifier disagrees"
UNSURE = "classifier unsure"
RESEMBLES = "resembles others"
TYPICAL = "one more with a typical word"
SURPLUS = "beyond the quota"
REVIEWED = "reviewed"
PASSED = ""


@dataclass(frozen=True)
class FilterContext:
    """What a filter may look at beside the candidates."""

    train_rows: pd.DataFrame
    """``text, label`` of all train rows of the draw; nothing that is validated or tested on."""
    quota: int | None = None
    """Candidates of a generator and label that are kept, at most; None: all."""

    @property
    def train_texts(self) -> list[str]:
        """The texts of the train rows."""
        return self.train_rows["text"].tolist()


def reason_where(failed: pd.Series, reason: str) -> pd.Series:
    """Return the reason where the condition is true, and ``PASSED`` elsewhere."""
    return pd.Series(np.where(failed, reason, PASSED), index=failed.index, dtype="str")
