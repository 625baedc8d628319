"""Training rows of an arm: which records it sees, and in which order of phases."""

from __future__ import annotations

import pandas as pd

from emotion_kedro.options import AugmentationOptions


def compose_mix(
    arm: str, *, real: pd.DataFrame | None, synthetic: pd.DataFrame | None, augmentation: AugmentationOptions
) -> pd.DataFrame:
    """Return the training rows of an arm, schema :class:`emotion_kedro.schemas.Mix`.

    Args:
        arm: its name.
        real: real train records, or None.
        synthetic: synthetic records, or None.
        augmentation: with ``how: continue`` and both kinds of records, the synthetic ones come in phase 1.
    """
    later = real is not None and synthetic is not None and augmentation.how == "continue"
    parts = []
    for origin, records in (("real", real), ("synthetic", synthetic)):
        if records is not None:
            part = records[["record_id", "text", "label"]].assign(arm=arm, origin=origin)
            parts.append(part.assign(phase=int(later and origin == "synthetic")))
    mix = pd.concat(parts, ignore_index=True)
    return mix[["arm", "record_id", "text", "label", "origin", "phase"]]
