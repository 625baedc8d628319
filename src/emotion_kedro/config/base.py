"""What all parameters share."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

if TYPE_CHECKING:
    from pandas import DataFrame as Frame
else:
    # Kedro resolves the type hints of nodes at start-up; a table's type is not worth loading pandas for.
    Frame = Any

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0.0)]

ALL_ROWS = 0
"""The ``size`` of a run on all train rows."""
PROBABILITY_PREFIX = "p_"
"""Column ``p_<label>`` of a table of predictions holds the probability of that label."""

RECOMMENDED = "recommended"
"""Name of the model that the validation rows chose, beside the arms' own; no arm may be called so."""


class Config(BaseModel):
    """Base of all parameters: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)


@dataclass(frozen=True)
class Kind:
    """An entry of a table of kinds: the parameters of a kind, and where it is implemented.

    The tables stand beside the parameters, which import no torch; the implementation is imported when it is needed.
    """

    config: type[Config]
    implementation: str
    """``package.module:name``."""

    def load(self) -> Any:
        """Return the implementation."""
        module, _, name = self.implementation.partition(":")
        return getattr(importlib.import_module(module), name)
