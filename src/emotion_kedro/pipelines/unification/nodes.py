"""Bringing labels into one taxonomy."""

from __future__ import annotations

from typing import Any

import pandas as pd

from emotion_kedro.options import UnificationOptions


def unify_labels(records: pd.DataFrame, options: UnificationOptions) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Keep the records whose label is in the taxonomy; return them and what was counted.

    Raises:
        ValueError: if a source is asked for that was not read.
    """
    from emotion_kedro.text import unification

    if options.sources is not None:
        absent = sorted(set(options.sources) - set(records["source"]))
        if absent:
            raise ValueError(f"unification.sources names {', '.join(absent)}, which ingestion.use does not read")
        records = records[records["source"].isin(options.sources)].reset_index(drop=True)
    return unification.unify_labels(records, options.taxonomy, options.outside_taxonomy)
