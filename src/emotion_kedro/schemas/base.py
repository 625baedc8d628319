"""What all tables have in common."""

from __future__ import annotations

import pandera.pandas as pa


class Table(pa.DataFrameModel):
    """Base: the columns named are there, in any order, and no others."""

    class Config:
        """Extra columns are an error; dtypes are checked, never changed."""

        strict = True
        coerce = False
