"""Bringing labels into one taxonomy."""

from __future__ import annotations

from typing import Any

from emotion_kedro.config.data import UnificationConfig
from emotion_kedro.storage.chunks import Chunks


def unify_labels(records: Chunks, config: UnificationConfig) -> tuple[Chunks, dict[str, Any], dict[str, Any]]:
    """Keep the records whose label is in the taxonomy; return them, the taxonomy, and what was counted."""
    from emotion_kedro.data import unification

    kept, taxonomy, report = unification.unify_labels(records, config)
    return kept, taxonomy.model_dump(mode="json"), report
