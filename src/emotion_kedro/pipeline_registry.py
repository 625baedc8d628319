"""Which pipelines there are: one for each experiment, and each stage of the default one. Wiring only."""

from __future__ import annotations

from kedro.pipeline import Pipeline

from emotion_kedro.config.augmentation import generator_config
from emotion_kedro.config.experiment import Experiment
from emotion_kedro.config.loader import DEFAULT, current_loader
from emotion_kedro.pipelines import (
    analysis,
    classification,
    evaluation,
    generation,
    ingestion,
    sampling,
    synthesis,
    unification,
)

SHARED = {"params:device", "params:cache", "params:latest"}
"""Parameters of the machine, which all experiments have in common."""


def register_pipelines() -> dict[str, Pipeline]:
    """Return every pipeline by the name that ``kedro run --pipelines=`` takes; in a run those that it needs."""
    loader = current_loader()
    experiments = loader.experiments_of_run()
    default = {
        stage: in_namespace(pipeline, experiments[DEFAULT]) for stage, pipeline in stages(experiments[DEFAULT]).items()
    }
    whole = {name: in_namespace(Pipeline(list(stages(each).values())), each) for name, each in experiments.items()}
    pages = {
        "report": evaluation.create_reference_pipeline(list(loader.experiments())),
        "overview": evaluation.create_overview_pipeline(list(loader.experiments())),
    }
    return {"__default__": whole[DEFAULT], **default, **whole, **pages}


def stages(experiment: Experiment) -> dict[str, Pipeline]:
    """Return the stages of the work in order, those that the experiment has."""
    generators = {name: generator_config(raw) for name, raw in experiment.generators.items()}
    # A grid of draws trains a generator for each: what they write is kept, they are not.
    single = len(experiment.design.sizes) == len(experiment.design.data_seeds) == 1
    trained = list(generators) if single and experiment.arms else []
    tuned = [name for name in trained if generators[name].needs_training]
    unlabelled = experiment.unlabelled is not None
    added = {name for arm in experiment.arms.values() for name in arm.add}
    named = {name for arm in experiment.arms.values() for name in arm.filters}
    learned = {
        "generation": generation.create_pipeline(generators, trained, unlabelled=unlabelled),
        "synthesis": synthesis.create_pipeline(
            {name: config for name, config in generators.items() if name in added},
            trained,
            unlabelled=unlabelled,
            reviewed=any(experiment.filters[name]["kind"] == "reviewed" for name in named),
        ),
        "classification": classification.create_pipeline(
            experiment.arms,
            bases=experiment.bases,
            evaluator=experiment.evaluator.arm if added else None,
            unlabelled=unlabelled,
        ),
        "evaluation": analysis.create_pipeline(experiment.analyses) + evaluation.create_pipeline(experiment, tuned),
    }
    if experiment.from_experiment is not None:
        return learned
    records = {
        "ingestion": ingestion.create_pipeline(unlabelled=unlabelled),
        "unification": unification.create_pipeline(),
        "sampling": sampling.create_pipeline(),
    }
    return {**records, **learned}


def in_namespace(pipeline: Pipeline, experiment: Experiment) -> Pipeline:
    """Return the pipeline with the experiment's own data sets and parameters; the default one has no namespace."""
    parameters = {name for name in pipeline.inputs() if name.startswith("params:")} - SHARED
    if experiment.name == DEFAULT:
        names = {name: name.replace("params:", f"params:{DEFAULT}.") for name in parameters}
        return Pipeline(pipeline, parameters=names)
    shared = {name: name for name in ("raw_folder", "reference_report")} | _taken(experiment)
    inputs = {name: source for name, source in shared.items() if name in pipeline.inputs()}
    return Pipeline(pipeline, namespace=experiment.name, inputs=inputs, parameters=SHARED & pipeline.inputs())


def _taken(experiment: Experiment) -> dict[str, str]:
    """Return the data sets that an experiment takes from another, and their names there."""
    source = experiment.from_experiment
    if source is None:
        return {}
    names = ("split_records", "taxonomy", "candidates")
    return {name: name if source == DEFAULT else f"{source}.{name}" for name in names}
