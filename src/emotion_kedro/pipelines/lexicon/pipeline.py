"""split_records -> lexicon -> the arms plain, label_words, mined_words -> comparison -> page."""

from __future__ import annotations

from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.classification.pipeline import compose, create_arm
from emotion_kedro.pipelines.lexicon.nodes import (
    choose_words,
    compose_as,
    fit_arm_with_words,
    measure_lexicons,
    write_report,
)

ARMS = ("plain", "label_words", "mined_words")
PARAMETERS = ["params:unification", "params:classification"]


def create_pipeline() -> Pipeline:
    """Return the comparison of tokenizers, from the split records on."""
    predictions = [f"{arm}_predictions" for arm in ARMS]
    own = [
        node(
            choose_words,
            inputs=["split_records", *PARAMETERS, "params:lexicons", "params:checkpoints"],
            outputs=["lexicon_words", "lexicon_use"],
            name="choose_words",
        ),
        node(
            measure_lexicons,
            inputs=[*predictions, "split_records", "lexicon_words", *PARAMETERS, "params:evaluation"],
            outputs=["scores", "comparison", "findings"],
            name="measure_lexicons",
        ),
        node(
            write_report,
            inputs=["findings", "comparison", "lexicon_words", "lexicon_use", *PARAMETERS, "run_log"],
            outputs=["report_page", "results_page", "summary"],
            name="write_report",
        ),
    ]
    arms = [
        create_arm(arm, [compose(compose_as(arm), "split_records")], fit=fit_arm_with_words, base="lexicon_words")
        for arm in ARMS
    ]
    return Pipeline([*arms, *own], tags="lexicon")
