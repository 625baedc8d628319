"""Which pipelines there are. Wiring only; nothing here imports torch."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from emotion_kedro.pipelines import (
    classification,
    evaluation,
    generation,
    ingestion,
    sampling,
    synthesis,
    unification,
)
from emotion_kedro.taxonomy import TAXONOMIES

OWN_PARAMETERS = {"params:unification"}
"""Parameters that a variant has for itself (``thirteen.unification``); it shares all others."""


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by the name that ``kedro run --pipeline=`` takes."""
    six = stages("six")
    thirteen = as_variant(sum(stages("thirteen").values(), Pipeline([])), "thirteen")
    augment = sum(six.values(), Pipeline([]))
    return {"__default__": augment, "augment": augment, "augment_thirteen": thirteen, **six}


def stages(taxonomy: str) -> dict[str, Pipeline]:
    """Return the stages of the work, in order, with a generator for each label of the taxonomy."""
    labels = TAXONOMIES[taxonomy]
    return {
        "ingestion": ingestion.create_pipeline(),
        "unification": unification.create_pipeline(),
        "sampling": sampling.create_pipeline(),
        "generation": generation.create_pipeline(labels),
        "synthesis": synthesis.create_pipeline(labels),
        "classification": classification.create_pipeline(),
        "evaluation": evaluation.create_pipeline(labels),
    }


def as_variant(pipeline: Pipeline, name: str) -> Pipeline:
    """Return the same stages under a namespace: own data sets, and own parameters where they must differ."""
    parameters = {entry for entry in pipeline.inputs() if entry.startswith("params:")}
    return Pipeline(pipeline, namespace=name, inputs={"raw_folder"}, parameters=parameters - OWN_PARAMETERS)
