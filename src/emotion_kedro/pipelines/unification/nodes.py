"""Bringing labels into one taxonomy."""

from __future__ import annotations

from typing import Any

import pandas as pd

from emotion_kedro.options import UnificationOptions


def unify_labels(records: pd.DataFrame, options: UnificationOptions) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Keep the records whose label is in the taxonomy; return them and what was counted."""
    from emotion_kedro.text import unification

    return unification.unify_labels(records, options.taxonomy, options.outside_taxonomy)
