"""A masked model asked before and after tuning, scored by its label words and by its free answers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial, update_wrapper
from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.learning.device import choose_device
from emotion_kedro.options import (
    ClassificationOptions,
    EvaluationOptions,
    MaskedLanguageModelOptions,
    UnificationOptions,
)
from emotion_kedro.pipelines.classification.nodes import compose_real, fit_arm_on_base, side_of, untuned
from emotion_kedro.pipelines.evaluation.nodes import bootstrap_of, groups_of
from emotion_kedro.taxonomy import SIX, labels_of

EPOCHS = (1, 3, 5)
UNTUNED = "untuned"
TUNED = tuple(f"tuned_{epochs}" for epochs in EPOCHS)
ARMS = (UNTUNED, *TUNED)
ASKED_FREELY = "tuned_3"
FREE = (UNTUNED, ASKED_FREELY)
"""Arms that are asked for free answers."""
NAMES = {
    UNTUNED: "untuned",
    **{f"tuned_{epochs}": f"tuned, {epochs} epoch{'s' if epochs > 1 else ''}" for epochs in EPOCHS},
}
PAIRS = ((UNTUNED, "tuned_3"), ("tuned_1", "tuned_3"), ("tuned_3", "tuned_5"))
"""Arms that are compared: the first is subtracted from the second."""


def compose_as(arm: str) -> Callable[..., pd.DataFrame]:
    """Return the function that composes the train records as the training rows of ``arm``."""

    def compose(split_records: pd.DataFrame, options: ClassificationOptions) -> pd.DataFrame:
        return compose_real(split_records, options).assign(arm=arm)

    return update_wrapper(compose, compose_real, assigned=("__doc__",))


def fit_untuned(
    base: Path,
    mix: pd.DataFrame,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    options: ClassificationOptions,
    device: str,
    checkpoints: str,
) -> tuple[Any, pd.DataFrame, list[dict[str, Any]]]:
    """Ask the base as it is, without any training on labels."""
    return fit_arm_on_base(base, mix, split_records, unification, untuned(options), device, checkpoints)


def fit_epochs(
    base: Path,
    mix: pd.DataFrame,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    options: ClassificationOptions,
    device: str,
    checkpoints: str,
    *,
    epochs: int,
) -> tuple[Any, pd.DataFrame, list[dict[str, Any]]]:
    """Tune a copy of the base for so many passes over the rows, whatever length the options give."""
    training = options.classifier.training.model_copy(update={"steps": None, "epochs": float(epochs)})
    classifier = options.classifier.model_copy(update={"training": training})
    own = options.model_copy(update={"classifier": classifier})
    return fit_arm_on_base(base, mix, split_records, unification, own, device, checkpoints)


def fit_for(epochs: int) -> Callable[..., Any]:
    """Return :func:`fit_epochs` for a number of epochs."""
    return update_wrapper(partial(fit_epochs, epochs=epochs), fit_epochs)


def ask_freely(model: Path, mix: pd.DataFrame, split_records: pd.DataFrame, device: str) -> pd.DataFrame:
    """Return what an arm's model fills in for the test rows when every token is allowed: the report's way of scoring.

    There is one mask, so that a word of several tokens is counted by its first.
    """
    from emotion_kedro.learning.classifiers.masked_prompt import load
    from emotion_kedro.measures.free_answers import read_answers

    chosen, test = choose_device(device), side_of(split_records, "test")
    classifier = load(model, chosen)
    answers = classifier.free_answers(test["text"].tolist(), device=chosen).tolist()
    first = {label: word[0] for label, word in zip(classifier.labels, classifier.verbalisers.tokens, strict=True)}
    table = test[["record_id", "label"]].assign(
        arm=str(mix["arm"].iloc[0]), answer=classifier.tokenizer.convert_ids_to_tokens(answers)
    )
    return pd.concat([table, read_answers(answers, first)], axis=1).astype({"arm": "str", "answer": "str"})


def measure_masked_prompt(
    split_records: pd.DataFrame,
    untuned_answers: pd.DataFrame,
    tuned_answers: pd.DataFrame,
    masked_base_log: dict[str, Any],
    masked_language_model: MaskedLanguageModelOptions,
    classification: ClassificationOptions,
    unification: UnificationOptions,
    options: EvaluationOptions,
    **predictions: pd.DataFrame,
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any], list[dict[str, Any]]]:
    """Return scores, per-label, confusion and reliability tables, differences between arms, and the findings."""
    from emotion_kedro.measures import arms as measured
    from emotion_kedro.measures.findings import describe_rows
    from emotion_kedro.measures.free_answers import score_answers

    labels, groups, bootstrap = labels_of(unification.taxonomy), groups_of(split_records), bootstrap_of(options)
    arms = {arm: predictions[arm] for arm in ARMS}
    answers = dict(zip(FREE, (untuned_answers, tuned_answers), strict=True))
    scores: dict[str, Any] = {
        "labels": list(labels),
        "arms": {
            arm: measured.score_arm(table, labels, groups=groups, bins=options.calibration_bins, **bootstrap)
            for arm, table in arms.items()
        },
        "free": {arm: score_answers(table, labels, groups=groups, **bootstrap) for arm, table in answers.items()},
        "most_frequent": most_frequent_share(split_records),
    }
    changes = compare_pairs(arms, PAIRS, labels, groups, bootstrap)
    details = measured.detail_tables(arms, labels, bins=options.calibration_bins)
    common = {
        "model": classification.classifier.called,
        "data": describe_rows(side_of(split_records, "train")),
        "rows": scores["arms"][UNTUNED]["rows"],
    }
    base = describe_base(masked_language_model, masked_base_log)
    found = findings_of(scores, common, base, suffix="" if labels == SIX else f" ({len(labels)} labels)")
    return scores, *details, changes, found


def most_frequent_share(split_records: pd.DataFrame) -> float:
    """Return the accuracy of always saying the label that most test rows have."""
    return float(side_of(split_records, "test")["label"].value_counts(normalize=True).max())


def compare_pairs(
    arms: Mapping[str, pd.DataFrame],
    pairs: Sequence[tuple[str, str]],
    labels: Sequence[str],
    groups: pd.Series | None,
    bootstrap: Mapping[str, Any],
) -> dict[str, Any]:
    """Return the difference second - first of each pair of arms, by the name of the second and the first.

    An arm without training has one seed, since nothing in it depends on one; it stands beside every seed of the other.
    """
    from emotion_kedro.measures.arms import compare_arms

    found = {}
    for first, second in pairs:
        seeds = sorted(arms[second]["seed"].unique())
        before = arms[first]
        if before["seed"].nunique() == 1:
            before = pd.concat([before.assign(seed=seed) for seed in seeds], ignore_index=True)
        found[f"{second} - {first}"] = compare_arms(before, arms[second], labels, groups=groups, **bootstrap)
    return found


def describe_base(options: MaskedLanguageModelOptions, log: Mapping[str, Any]) -> str:
    """Say in a sentence what the classifiers start from, and what of it was trained here."""
    if options.training is None:
        return f"Starts from {options.base} as it was published."
    made = {
        "scratch": "Starts from a small BERT that was trained here from scratch",
        "package:minilm": "Starts from MiniLM, whose masked-LM head was trained here (it comes without one)",
    }.get(options.base, f"Starts from {options.base}, trained further here")
    return f"{made}: {log['steps']:,} steps on {log['texts']:,} raw train texts, no labels."


def findings_of(
    scores: Mapping[str, Any], common: Mapping[str, Any], base: str, *, suffix: str
) -> list[dict[str, Any]]:
    """Return the system's findings, ``S12`` of the reference; ``suffix`` tells its taxonomies apart."""
    from emotion_kedro.measures.findings import finding

    arms, free = scores["arms"], scores["free"]
    rows: list[dict[str, Any]] = [
        {"name": NAMES[arm], "figure": arms[arm]["accuracy"], "seeds": arms[arm]["seeds"], "note": base} for arm in ARMS
    ]
    for arm, word in zip(FREE, ("untuned", "tuned"), strict=True):
        after = "" if arm == UNTUNED else f", {NAMES[arm]}"
        shared = {"seeds": arms[arm]["seeds"][:1]}
        note = f"The report's scoring: arg-max over the whole vocabulary at one mask{after}. {base}"
        rows.append({**shared, "name": f"{word}, free arg-max", "figure": free[arm]["accuracy"], "note": note})
        rows.append(
            {
                **shared,
                "name": f"{word}, outside the label set",
                "figure": free[arm]["outside"],
                "metric": "outside the label set",
                "note": f"Share of free answers that are no label{after}. {base}",
            }
        )
    return [finding("S12", **{**row, "name": row["name"] + suffix}, **common) for row in rows]


def write_report(
    findings: list[dict[str, Any]],
    scores: dict[str, Any],
    per_label: pd.DataFrame,
    confusion: pd.DataFrame,
    changes: dict[str, Any],
    untuned_answers: pd.DataFrame,
    tuned_answers: pd.DataFrame,
    masked_base_log: dict[str, Any],
    log: list[dict[str, Any]],
    run_log: dict[str, Any],
    masked_language_model: MaskedLanguageModelOptions,
    unification: UnificationOptions,
    classification: ClassificationOptions,
    options: EvaluationOptions,
) -> tuple[str, str, str]:
    """Return the HTML page, the Markdown page and the summary."""
    from emotion_kedro.measures.free_answers import count_answers
    from emotion_kedro.pictures.document import write_document
    from emotion_kedro.pictures.masked_prompt import MaskedPromptResults, masked_prompt_document
    from emotion_kedro.text.prompts import prompt_for

    labels, fitted = labels_of(unification.taxonomy), classification.classifier
    template = None if fitted.prompt is None else fitted.prompt.template
    base = describe_base(masked_language_model, masked_base_log)
    results = MaskedPromptResults(
        scores=scores,
        per_label=per_label,
        confusion=confusion,
        changes=changes,
        answers=count_answers(pd.concat([untuned_answers, tuned_answers]), options.examples),
        prompt=prompt_for(labels, template).before("…"),
        model=fitted.called,
        base=base,
    )
    setting = setting_of(unification, classification, base, log)
    return write_document(masked_prompt_document(results), findings, run_log, setting)


def setting_of(
    unification: UnificationOptions, classification: ClassificationOptions, base: str, log: Sequence[Mapping[str, Any]]
) -> dict[str, str]:
    """Return what a reader needs to know of the models to judge the figures."""
    fitted, training = classification.classifier, classification.classifier.training
    return {
        "taxonomy": f"{unification.taxonomy} ({', '.join(labels_of(unification.taxonomy))})",
        "base": base,
        "tuning": f"{training.batch_size} texts a step, rate {training.learning_rate:g}, "
        f"the lowest {fitted.frozen_layers} layers frozen",
        "seeds": ", ".join(str(seed) for seed in classification.seeds),
        "device": ", ".join(sorted({str(entry["device"]) for entry in log})),
    }
