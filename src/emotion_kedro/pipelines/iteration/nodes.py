"""Running the rounds, measuring them, and the page on them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.learning.device import choose_device
from emotion_kedro.options import (
    ClassificationOptions,
    EvaluationOptions,
    GenerationOptions,
    SynthesisOptions,
    UnificationOptions,
)
from emotion_kedro.options.iteration import IterationOptions
from emotion_kedro.pipelines.evaluation.nodes import bootstrap_of, groups_of
from emotion_kedro.taxonomy import labels_of

SYSTEM = "S11"


def run_rounds(
    split_records: pd.DataFrame,
    generator_base: Path,
    filter_model: Path,
    options: IterationOptions,
    generation: GenerationOptions,
    synthesis: SynthesisOptions,
    classification: ClassificationOptions,
    unification: UnificationOptions,
    device: str,
    checkpoints: str,
    **generators: Path,
) -> tuple[list[dict[str, Any]], pd.DataFrame, pd.DataFrame, pd.DataFrame, Any]:
    """Feed uncertain texts back, round after round, until validation stops gaining.

    A finished round is kept until the run has ended, so that a killed one goes on with the next; so are the trainings
    and the drawing inside the round that was not finished.

    Returns:
        Facts of each round, predictions of the test rows and of the validation rows (an arm for each round), all
        candidates, and the classifier of the round that was best on the validation rows.

    Raises:
        ValueError: if the generators are not those of the taxonomy.
    """
    from emotion_kedro.learning.classifiers import load_classifier
    from emotion_kedro.measures.validation import best_round
    from emotion_kedro.pipelines.iteration.rounds import Loop, Models

    labels = labels_of(unification.taxonomy)
    if set(generators) != set(labels):
        raise ValueError(
            f"unification.taxonomy is {unification.taxonomy} ({', '.join(labels)}), but this pipeline has generators "
            f"for {', '.join(sorted(generators))}; leave the taxonomy as it is"
        )
    chosen = choose_device(device)
    models = Models(generator_base, {label: generators[label] for label in labels}, filter_model)
    loop = Loop(
        *(split_records, labels, models, options, generation, synthesis, classification),
        device=chosen,
        checkpoints=checkpoints,
    )
    rounds, memory = loop.run()
    best = best_round([found.facts["score"] for found in rounds], options.min_gain)
    return (
        [{**found.facts, "best": number == best} for number, found in enumerate(rounds)],
        pd.concat([found.predictions for found in rounds], ignore_index=True),
        pd.concat([found.validation for found in rounds], ignore_index=True),
        pd.concat([found.candidates for found in rounds if found.candidates is not None], ignore_index=True),
        load_classifier(memory.classifier(best), chosen),
    )


def measure_rounds(
    predictions: pd.DataFrame,
    validation_predictions: pd.DataFrame,
    candidates: pd.DataFrame,
    round_log: list[dict[str, Any]],
    split_records: pd.DataFrame,
    generation: GenerationOptions,
    classification: ClassificationOptions,
    unification: UnificationOptions,
    options: EvaluationOptions,
) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return scores, yield and diversity of each round, the difference of the best to round 0; and the findings."""
    from emotion_kedro.measures.rounds import describe_rounds, findings_on_rounds

    labels, groups, bootstrap = labels_of(unification.taxonomy), groups_of(split_records), bootstrap_of(options)
    figures = describe_rounds(
        round_log,
        predictions,
        validation_predictions,
        candidates,
        split_records,
        labels,
        groups=groups,
        bootstrap=bootstrap,
        bins=options.calibration_bins,
    )
    model = f"{classification.classifier.called}, {generation.base}"
    return figures, findings_on_rounds(SYSTEM, figures, split_records, model=model)


def write_report(
    findings: list[dict[str, Any]],
    rounds: dict[str, Any],
    candidates: pd.DataFrame,
    run_log: dict[str, Any],
    options: IterationOptions,
    generation: GenerationOptions,
    classification: ClassificationOptions,
    evaluation: EvaluationOptions,
) -> tuple[str, str, str]:
    """Return the HTML page, the Markdown page and the summary."""
    from emotion_kedro.measures.synthetic_text import pick_examples
    from emotion_kedro.pictures.document import write_document
    from emotion_kedro.pictures.iteration import iteration_document

    last = candidates[candidates["round"] == candidates["round"].max()]
    examples = pick_examples(last, per_label=evaluation.examples, seed=evaluation.seed)
    fitted, feedback = classification.classifier, options.feedback
    judged = f"{options.judge_steps} steps" if options.judge_steps is not None else fitted.training.length
    setting = {
        "generator": f"{generation.base} ({generation.tuning}), {generation.training.length} per label, then "
        f"{feedback.length} of {feedback.batch_size} in each round",
        "classifier": f"{fitted.called}, {fitted.training.length} of {fitted.training.batch_size} in every round",
        "fed back": f"the {options.uncertain_share:.0%} of each label's train texts that are read least surely "
        f"({options.certainty}), and the synthetic records of the round before",
        "certainty": f"judged on {options.folds} parts, each by a classifier of {judged} fitted on the others",
        "rounds": f"{options.rounds} at most; ends after {options.patience} without a gain of more than "
        f"{options.min_gain:g} in validation {options.metric.replace('_', ' ')}",
        "seeds": ", ".join(str(seed) for seed in classification.seeds),
    }
    return write_document(iteration_document(rounds, examples), findings, run_log, setting)
