"""A causal model asked before and after tuning, scored by its label words and by its free answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.learning.device import choose_device
from emotion_kedro.options import ClassificationOptions, EvaluationOptions, PromptOptions, UnificationOptions
from emotion_kedro.options.causal_prompt import CausalPromptOptions
from emotion_kedro.pipelines.classification.nodes import compose_real, fit_arm, side_of, untuned
from emotion_kedro.pipelines.evaluation.nodes import bootstrap_of, groups_of
from emotion_kedro.taxonomy import SIX, labels_of

ARMS = ("untuned", "calibrated", "tuned")
FREE = ("untuned", "tuned")
"""Arms that are asked for free answers; calibration changes nothing about those."""


def choose_asked_rows(split_records: pd.DataFrame, options: CausalPromptOptions) -> pd.DataFrame:
    """Return all train rows, and as many validation and test rows as are wanted: the same for every arm."""
    from emotion_kedro.text.sampling import thin_out

    asked = thin_out(split_records, split_records["split"] == "validation", options.validation_rows, seed=options.seed)
    return thin_out(asked, asked["split"] == "test", options.test_rows, seed=options.seed)


def compose_untuned(split_records: pd.DataFrame, options: ClassificationOptions) -> pd.DataFrame:
    """Return the rows of the arm ``untuned``, which sees none of them."""
    return compose_real(split_records, options).assign(arm="untuned")


def compose_calibrated(split_records: pd.DataFrame, options: ClassificationOptions) -> pd.DataFrame:
    """Return the rows of the arm ``calibrated``, which sees none of them."""
    return compose_real(split_records, options).assign(arm="calibrated")


def compose_tuned(split_records: pd.DataFrame, options: ClassificationOptions) -> pd.DataFrame:
    """Return the training rows of the arm ``tuned``."""
    return compose_real(split_records, options).assign(arm="tuned")


def fit_untuned(
    mix: pd.DataFrame,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    options: ClassificationOptions,
    device: str,
    checkpoints: str,
) -> tuple[Any, pd.DataFrame, list[dict[str, Any]]]:
    """Ask the model as it comes, without any training."""
    return fit_arm(mix, split_records, unification, untuned(options), device, checkpoints)


def fit_calibrated(
    mix: pd.DataFrame,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    options: ClassificationOptions,
    device: str,
    checkpoints: str,
) -> tuple[Any, pd.DataFrame, list[dict[str, Any]]]:
    """Ask the model as it comes, and divide by its answers to texts without content."""
    prompt = (options.classifier.prompt or PromptOptions()).model_copy(update={"calibrate": True})
    classifier = options.classifier.model_copy(update={"prompt": prompt})
    own = untuned(options.model_copy(update={"classifier": classifier}))
    return fit_arm(mix, split_records, unification, own, device, checkpoints)


def ask_freely(model: Path, mix: pd.DataFrame, split_records: pd.DataFrame, device: str) -> pd.DataFrame:
    """Return what an arm's model answers to the test rows when every word is allowed: the report's way of scoring."""
    from emotion_kedro.learning.classifiers.causal_prompt import load
    from emotion_kedro.measures.free_answers import read_answers

    chosen, test = choose_device(device), side_of(split_records, "test")
    classifier = load(model, chosen)
    answers = classifier.free_answers(test["text"].tolist(), device=chosen).tolist()
    first = {label: word[0] for label, word in zip(classifier.labels, classifier.verbalisers.tokens, strict=True)}
    table = test[["record_id", "label"]].assign(
        arm=str(mix["arm"].iloc[0]), answer=[classifier.tokenizer.decode([answer]) for answer in answers]
    )
    return pd.concat([table, read_answers(answers, first)], axis=1).astype({"arm": "str", "answer": "str"})


def measure_answers(
    untuned: pd.DataFrame,
    calibrated: pd.DataFrame,
    tuned: pd.DataFrame,
    untuned_answers: pd.DataFrame,
    tuned_answers: pd.DataFrame,
    split_records: pd.DataFrame,
    classification: ClassificationOptions,
    unification: UnificationOptions,
    options: EvaluationOptions,
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame, pd.DataFrame, dict[str, Any], list[dict[str, Any]]]:
    """Return scores, per-label, confusion and reliability tables, what tuning changed, and the findings."""
    from emotion_kedro.measures import arms as measured
    from emotion_kedro.measures.findings import describe_rows
    from emotion_kedro.measures.free_answers import score_answers

    labels, groups, bootstrap = labels_of(unification.taxonomy), groups_of(split_records), bootstrap_of(options)
    arms = dict(zip(ARMS, (untuned, calibrated, tuned), strict=True))
    scored = {
        arm: measured.score_arm(table, labels, groups=groups, bins=options.calibration_bins, **bootstrap)
        for arm, table in arms.items()
    }
    answers = dict(zip(FREE, (untuned_answers, tuned_answers), strict=True))
    free = {arm: score_answers(table, labels, groups=groups, **bootstrap) for arm, table in answers.items()}
    scores = {
        "labels": list(labels),
        "arms": scored,
        "free": free,
        "most_frequent": _most_frequent_share(split_records),
    }
    seeds = scored["tuned"]["seeds"]
    repeated = pd.concat([untuned.assign(seed=seed) for seed in seeds], ignore_index=True)
    change = measured.compare_arms(repeated, tuned, labels, groups=groups, **bootstrap)
    data = describe_rows(side_of(split_records, "train"))
    suffix = "" if labels == SIX else f" ({len(labels)} labels)"
    found = findings_of(scores, model=classification.classifier.called, data=data, suffix=suffix)
    details = measured.detail_tables(arms, labels, bins=options.calibration_bins)
    return scores, *details, change, found


def findings_of(scores: dict[str, Any], *, model: str, data: str, suffix: str) -> list[dict[str, Any]]:
    """Return the system's findings, ``S1`` of the reference; ``suffix`` tells its taxonomies apart."""
    from emotion_kedro.measures.findings import finding

    arms, free = scores["arms"], scores["free"]
    words = {"untuned": "untuned, label words", "calibrated": "untuned, calibrated", "tuned": "tuned, label words"}
    shown = {"untuned": "no training", "calibrated": "no training; contextual calibration", "tuned": ""}
    rows: list[dict[str, Any]] = [
        {"name": words[arm], "figure": arms[arm]["accuracy"], "seeds": arms[arm]["seeds"], "note": shown[arm]}
        for arm in ARMS
    ]
    for arm in FREE:
        seeds, note = arms[arm]["seeds"][:1], "the report's scoring: arg-max over the whole vocabulary"
        rows.append(
            {"name": f"{arm}, free arg-max", "figure": free[arm]["accuracy"], "seeds": seeds, "note": note},
        )
        rows.append(
            {
                "name": f"{arm}, outside the label set",
                "figure": free[arm]["outside"],
                "seeds": seeds,
                "metric": "outside the label set",
                "note": "share of free answers that are no label",
            }
        )
    count = arms["tuned"]["rows"]
    return [finding("S1", **{**row, "name": row["name"] + suffix}, rows=count, model=model, data=data) for row in rows]


def _most_frequent_share(split_records: pd.DataFrame) -> float:
    """Return the accuracy of always saying the label that most test rows have."""
    return float(side_of(split_records, "test")["label"].value_counts(normalize=True).max())


def write_report(
    findings: list[dict[str, Any]],
    scores: dict[str, Any],
    per_label: pd.DataFrame,
    confusion: pd.DataFrame,
    change: dict[str, Any],
    untuned_answers: pd.DataFrame,
    tuned_answers: pd.DataFrame,
    log: list[dict[str, Any]],
    run_log: dict[str, Any],
    unification: UnificationOptions,
    classification: ClassificationOptions,
    options: CausalPromptOptions,
) -> tuple[str, str, str]:
    """Return the HTML page, the Markdown page and the summary."""
    from emotion_kedro.measures.free_answers import count_answers
    from emotion_kedro.pictures.causal_prompt import CausalPromptResults, causal_prompt_document
    from emotion_kedro.pictures.document import write_document
    from emotion_kedro.text.prompts import prompt_for

    labels, fitted = labels_of(unification.taxonomy), classification.classifier
    asked = fitted.prompt or PromptOptions()
    results = CausalPromptResults(
        scores=scores,
        per_label=per_label,
        confusion=confusion,
        change=change,
        answers=count_answers(pd.concat([untuned_answers, tuned_answers]), options.examples),
        prompt=prompt_for(labels, asked.template).before("…"),
        model=fitted.called,
    )
    setting = {
        "taxonomy": f"{unification.taxonomy} ({', '.join(labels)})",
        "model": f"{fitted.called}, the lowest {fitted.frozen_layers} blocks frozen",
        "tuning": f"{fitted.training.length} of {fitted.training.batch_size}, "
        f"rate {fitted.training.learning_rate:g}, loss on the {'answer' if asked.loss == 'answer' else 'whole text'}",
        "seeds": ", ".join(str(seed) for seed in classification.seeds),
        "device": ", ".join(sorted({entry["device"] for entry in log})),
    }
    return write_document(causal_prompt_document(results), findings, run_log, setting)
