"""split records -> masked language model, trained on their raw texts or only pointed to."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.masked_base.nodes import prepare_masked_base


def create_pipeline() -> Pipeline:
    """Return the making of ``masked_base``."""
    return Pipeline(
        [
            node(
                prepare_masked_base,
                inputs=["split_records", "params:masked_language_model", "params:device", "params:checkpoints"],
                outputs=["masked_base", "masked_base_log"],
                name="prepare_masked_base",
            )
        ],
        tags="masked_base",
    )
