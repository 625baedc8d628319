"""split records -> base model -> one generator per label, each in its namespace ``generator.<label>``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial, update_wrapper

import pandas as pd
from kedro.pipeline import Pipeline, node

from emotion_kedro.pipelines.generation.nodes import (
    prepare_base,
    select_label,
    select_training_texts,
    train_generator,
)

SHARED_PARAMETERS = {"params:generation", "params:device", "params:checkpoints"}


def create_pipeline(labels: Sequence[str], base_records: str = "generator_records") -> Pipeline:
    """Return the generation stage with a generator for each of ``labels``.

    Args:
        labels: the taxonomy.
        base_records: data set of the records that the base of all generators is tuned on.
    """
    shared = Pipeline(
        [
            node(
                select_training_texts,
                inputs="split_records",
                outputs="generator_records",
                name="select_training_texts",
            ),
            node(
                prepare_base,
                inputs=[base_records, "params:generation", "params:device", "params:checkpoints"],
                outputs=["generator_base", "generator_base_log"],
                name="prepare_base",
            ),
        ]
    )
    return Pipeline([shared, *(_one_label(label) for label in labels)], tags="generation")


def _one_label(label: str) -> Pipeline:
    template = Pipeline(
        [
            node(_selector(label), inputs="generator_records", outputs="records", name="select_label"),
            node(
                train_generator,
                inputs=[
                    "generator_base",
                    "records",
                    "params:generation",
                    "params:device",
                    "params:checkpoints",
                ],
                outputs=["model", "log"],
                name="train_generator",
            ),
        ]
    )
    return Pipeline(
        template,
        namespace=f"generator.{label}",
        inputs={"generator_records", "generator_base"},
        outputs={"log": f"{label}_generator_log"},
        parameters=SHARED_PARAMETERS,
    )


def _selector(label: str) -> Callable[[pd.DataFrame], pd.DataFrame]:
    return update_wrapper(partial(select_label, label=label), select_label)
