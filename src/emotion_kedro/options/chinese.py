"""The rows that the reference report took of its Chinese sets."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, model_validator

from emotion_kedro.options.base import Options, Positive

Rows = tuple[Positive, Positive]


class ReportRowsOptions(Options):
    """Rows of one file, first and last, counted from 1 as they lie there."""

    file: Annotated[str, Field(min_length=1)]
    """Name of the file, without its ending, as it stands in ``record_id``."""
    train: Rows = (1, 1000)
    test: Rows = (1001, 1100)

    @model_validator(mode="after")
    def _in_order(self) -> ReportRowsOptions:
        for name, (first, last) in {"train": self.train, "test": self.test}.items():
            if first > last:
                raise ValueError(f"{name}: the first row, {first}, comes after the last, {last}")
        if self.train[0] <= self.test[1] and self.test[0] <= self.train[1]:
            raise ValueError(f"train {self.train} and test {self.test} share rows")
        return self
