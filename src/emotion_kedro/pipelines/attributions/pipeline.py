"""split_records -> arm real -> attributions of test rows -> masked texts -> accuracy by words masked -> page."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.attributions.nodes import attribute_words, mask_texts, measure_masking, write_report
from emotion_kedro.pipelines.classification.nodes import compose_real
from emotion_kedro.pipelines.classification.pipeline import compose, create_arm

WEIGHTS = ["word_attributions", "text_attributions"]
WORK = ["params:unification", "params:attributions", "params:device", "params:checkpoints"]


def create_pipeline() -> Pipeline:
    """Return the analysis of where the feeling sits, from the split records on."""
    own = [
        compose(compose_real, "split_records"),
        node(
            attribute_words,
            inputs=["model", "split_records", *WORK],
            outputs=WEIGHTS,
            name="attribute_words",
        ),
        node(
            mask_texts,
            inputs=["model", "split_records", *WEIGHTS, *WORK],
            outputs="masked_predictions",
            name="mask_texts",
        ),
    ]
    arm = create_arm("real", own, shared_outputs=[*WEIGHTS, "masked_predictions"])
    setting = ["params:unification", "params:classification", "params:attributions"]
    return Pipeline(
        [
            arm,
            node(
                measure_masking,
                inputs=["masked_predictions", *WEIGHTS, "split_records", *setting, "params:evaluation"],
                outputs=["masking", "findings"],
                name="measure_masking",
            ),
            node(
                write_report,
                inputs=["findings", "masking", *WEIGHTS, "split_records", *setting, "run_log"],
                outputs=["report_page", "results_page", "summary"],
                name="write_report",
            ),
        ],
        tags="attributions",
    )
