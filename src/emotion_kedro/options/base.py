"""What all options share."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Share = Annotated[float, Field(ge=0.0, le=1.0)]
Positive = Annotated[int, Field(ge=1)]
Rate = Annotated[float, Field(gt=0.0)]


class Options(BaseModel):
    """Base of all options: unknown keys are errors, values do not change."""

    model_config = ConfigDict(extra="forbid", frozen=True)
