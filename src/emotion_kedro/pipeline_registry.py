"""Which pipelines there are. Wiring only; nothing here imports torch."""

from __future__ import annotations

from collections.abc import Collection

from kedro.pipeline import Pipeline

from emotion_kedro.pipelines import (
    attributions,
    causal_prompt,
    chinese,
    classification,
    cross_dataset,
    evaluation,
    generation,
    goemotions,
    ingestion,
    iteration,
    label_noise,
    lexicon,
    masked_prompt,
    reference,
    sampling,
    special_sets,
    studies,
    study,
    synthesis,
    tune,
    unification,
    usability,
)
from emotion_kedro.pipelines.studies.sets import SETS
from emotion_kedro.taxonomy import TAXONOMIES

OF_AUGMENT = frozenset({"split_records", "candidates", "synthetic_records"})
"""What systems that work on the tables of ``augment`` take from its last run."""

GOEMOTIONS_SYSTEMS = ("goemotions", "goemotions_ekman", "goemotions_six", "goemotions_thirteen")


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by the name that ``kedro run --pipeline=`` takes."""
    six = stages("six")
    augment = sum(six.values(), Pipeline([]))
    thirteen = as_variant(sum(stages("thirteen").values(), Pipeline([])), "thirteen", own={"unification"})
    whole = {"__default__": augment, "augment": augment, "augment_thirteen": thirteen}
    pages = {"report": reference.create_pipeline(), "studies": studies.create_pipeline()}
    return {**whole, **six, **systems(), **studies_of_sets(), **pages}


def studies_of_sets() -> dict[str, Pipeline]:
    """Return the study on whatever sources are in use, and on each of the sets by itself."""
    return {
        "study": system("study", study.create_pipeline(), own={"plan"}),
        **{name: system(name, study.create_pipeline(), own=study.OWN) for name in SETS},
    }


def stages(taxonomy: str) -> dict[str, Pipeline]:
    """Return the stages of the work, in order, with a generator for each label of the taxonomy."""
    labels = TAXONOMIES[taxonomy]
    return {
        **records_stages(),
        "generation": generation.create_pipeline(labels),
        "synthesis": synthesis.create_pipeline(labels),
        "classification": classification.create_pipeline(),
        "evaluation": evaluation.create_pipeline(labels),
    }


def records_stages() -> dict[str, Pipeline]:
    """Return the stages up to the split records, which every system begins with."""
    return {
        "ingestion": ingestion.create_pipeline(),
        "unification": unification.create_pipeline(),
        "sampling": sampling.create_pipeline(),
    }


def systems() -> dict[str, Pipeline]:
    """Return the systems of the reference report, each in a namespace of its own name."""
    return {
        "special_sets": system("special_sets", special_sets.create_pipeline(TAXONOMIES["six"]), own=special_sets.OWN),
        "causal_prompt": system("causal_prompt", causal_prompt.create_pipeline(), own=causal_prompt.OWN),
        "causal_prompt_thirteen": system(
            "causal_prompt_thirteen", causal_prompt.create_pipeline(), own={"unification", *causal_prompt.OWN}
        ),
        "masked_prompt": system("masked_prompt", masked_prompt.create_pipeline(), own=masked_prompt.OWN),
        "masked_prompt_thirteen": system(
            "masked_prompt_thirteen", masked_prompt.create_pipeline(), own={"unification", *masked_prompt.OWN}
        ),
        "chnsenticorp": system("chnsenticorp", chinese.create_pipeline((3,)), own=chinese.OWN),
        "ocemotion": system("ocemotion", chinese.create_pipeline((3, 5)), own=chinese.OWN),
        "lexicon": system("lexicon", lexicon.create_pipeline(), own={"classification", "lexicons"}),
        "lexicon_thirteen": system(
            "lexicon_thirteen", lexicon.create_pipeline(), own={"unification", "classification", "lexicons"}
        ),
        "iteration": system(
            "iteration",
            iteration.create_pipeline(TAXONOMIES["six"]),
            own={"loop", "generation", "synthesis", "classification"},
        ),
        **{name: system(name, goemotions.create_pipeline(), own=goemotions.OWN) for name in GOEMOTIONS_SYSTEMS},
        "cross_dataset": system("cross_dataset", cross_dataset.create_pipeline(), own=cross_dataset.OWN),
        "usability": usability.create_pipeline(),
        "tune": on_augment("tune", tune.create_pipeline(), own={"search", "classification"}),
        "label_noise": on_records("label_noise", label_noise.create_pipeline(), own=label_noise.OWN),
        "attributions": system("attributions", attributions.create_pipeline(), own={"classification", "attributions"}),
    }


def system(name: str, pipeline: Pipeline, own: Collection[str] = ()) -> Pipeline:
    """Return a system: the stages up to the split records, then ``pipeline``, in the namespace ``name``.

    ``own`` names the parameters that it has for itself.
    """
    return as_variant(sum(records_stages().values(), pipeline), name, own=own)


def on_records(name: str, pipeline: Pipeline, own: Collection[str] = ()) -> Pipeline:
    """Return a system that begins with the records as they were read, and settles, samples and splits them itself."""
    return as_variant(ingestion.create_pipeline() + pipeline, name, own=own)


def on_augment(name: str, pipeline: Pipeline, own: Collection[str] = ()) -> Pipeline:
    """Return a system that works on the tables of the last ``augment`` run, in the namespace ``name``.

    It shares :data:`OF_AUGMENT` with that run, as far as it takes them: the very same rows and candidates.
    """
    return as_variant(pipeline, name, own=own, shared=OF_AUGMENT & pipeline.inputs())


def as_variant(
    pipeline: Pipeline, name: str, *, own: Collection[str], shared: Collection[str] = ("raw_folder",)
) -> Pipeline:
    """Return the same nodes under a namespace: data sets of their own, and parameters where they must differ.

    Args:
        pipeline: what is put under the namespace.
        name: the namespace; its parameters stand below this name in ``conf``.
        own: names of the parameters that the variant has for itself (``thirteen.unification``); it shares all others.
        shared: data sets that it takes from outside of the namespace.
    """
    parameters = {entry for entry in pipeline.inputs() if entry.startswith("params:")}
    common = parameters - {f"params:{entry}" for entry in own}
    return Pipeline(pipeline, namespace=name, inputs=set(shared), parameters=common)
