"""The texts of two sources, what their labels have in common, and what merging them does."""

from __future__ import annotations

from typing import Any

import pandas as pd

from emotion_kedro.options import EvaluationOptions
from emotion_kedro.options.label_noise import LabelNoiseOptions
from emotion_kedro.pipelines.evaluation.nodes import bootstrap_of
from emotion_kedro.taxonomy import SIX


def select_texts(records: pd.DataFrame, options: LabelNoiseOptions) -> pd.DataFrame:
    """Return all rows of the two sources, repeats and texts under several labels among them.

    ``key`` is the normalised text, ``group`` its near-duplicates over both sources, ``shared`` whether the other source
    has the text too.

    Raises:
        ValueError: if a source has no row.
    """
    from emotion_kedro.text.near_duplicates import group_near_duplicates, normalise

    names = (options.trusted, options.doubted)
    absent = sorted(set(names) - set(records["source"]))
    if absent:
        raise ValueError(f"there is no row of {', '.join(absent)}; is it among ingestion.use?")
    texts = records[records["source"].isin(names)].reset_index(drop=True)
    keys = normalise(texts["text"])
    sources = texts["source"].groupby(keys).transform("nunique")
    groups = group_near_duplicates(texts["text"], **options.near_duplicates.model_dump(), seed=0)
    return texts.assign(key=keys, group=groups, shared=sources > 1)


def pair_texts(texts: pd.DataFrame, options: LabelNoiseOptions) -> tuple[pd.DataFrame, dict[str, int]]:
    """Return the texts that both sources have, with both labels, and counts."""
    from emotion_kedro.measures import label_noise

    return label_noise.pair_texts(texts, options.trusted, options.doubted)


def fit_and_test(texts: pd.DataFrame, options: LabelNoiseOptions) -> pd.DataFrame:
    """Return what classifiers of one source, of the other and of both say of the test rows, under every split."""
    from emotion_kedro.learning.merging import rows_under_splits

    return rows_under_splits(texts, options.trusted, options.doubted, options.merging)


def measure_agreement(
    shared_texts: pd.DataFrame, shared_counts: dict[str, int], options: EvaluationOptions
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return how often the two labels of a text are the same, and the table of label pairs."""
    from emotion_kedro.measures import label_noise

    found = label_noise.measure_agreement(shared_texts, SIX, bootstrap_of(options))
    return {"counts": shared_counts, **found}, label_noise.confusion_table(shared_texts)


def explain_labels(
    texts: pd.DataFrame, shared_texts: pd.DataFrame, options: LabelNoiseOptions, evaluation: EvaluationOptions
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return how many labels the written rule explains, and how well learned ones read them."""
    from emotion_kedro.measures import label_noise

    theirs = texts[texts["source"] == options.doubted]
    ours = texts[texts["source"] == options.trusted]
    labelled = {
        options.doubted: theirs,
        f"{options.trusted}, the shared texts": shared_texts.rename(columns={"trusted": "label"}),
        f"{options.trusted}, all rows": ours,
    }
    labelled = {name: rows for name, rows in labelled.items() if len(rows)}
    bootstrap = bootstrap_of(evaluation)
    written, by_label = label_noise.measure_keywords(labelled, options.keywords, bootstrap)
    learned = label_noise.measure_learned_rules(
        shared_texts, theirs.drop_duplicates(["key", "label"]), options.learned, bootstrap
    )
    return {"written": written, "learned": learned}, by_label


def measure_merging(
    tested_rows: pd.DataFrame, options: LabelNoiseOptions, evaluation: EvaluationOptions
) -> tuple[dict[str, Any], pd.DataFrame]:
    """Return scores and differences of the arms, and how many test rows each had been trained on."""
    from emotion_kedro.learning.merging import COMMONEST, arms_of
    from emotion_kedro.measures import merging

    sets = merging.sets_of_test_rows(tested_rows, options.trusted, options.doubted, options.keywords.otherwise)
    trusted, merged, _ = arms_of(options.trusted, options.doubted)
    figures = merging.measure_merging(
        tested_rows, sets, trusted=trusted, merged=merged, commonest=COMMONEST, bootstrap=bootstrap_of(evaluation)
    )
    return {"merged": merged, "commonest": COMMONEST, **figures}, merging.leakage_by_arm(tested_rows, sets, COMMONEST)


def collect_findings(
    agreement: dict[str, Any], keyword_rules: dict[str, Any], merging: dict[str, Any], options: LabelNoiseOptions
) -> list[dict[str, Any]]:
    """Return the main figures as findings; the report that the reference page is about has none to set beside them."""
    from emotion_kedro.measures.label_noise_findings import findings_on_labels, findings_on_merging

    return [
        *findings_on_labels(agreement, keyword_rules, options),
        *findings_on_merging(merging, options),
    ]


def write_report(
    findings: list[dict[str, Any]],
    confusion: pd.DataFrame,
    explained_labels: pd.DataFrame,
    merging_leakage: pd.DataFrame,
    run_log: dict[str, Any],
    options: LabelNoiseOptions,
    agreement: dict[str, Any],
    keyword_rules: dict[str, Any],
    merging: dict[str, Any],
) -> tuple[str, str, str]:
    """Return the HTML page, the Markdown page and the summary."""
    from emotion_kedro.pictures.document import write_document
    from emotion_kedro.pictures.label_noise import NoiseResults, noise_document

    asked = options.merging
    setting = {
        "classifier": f"logistic regression, TF-IDF of 1 to {asked.longest_ngram} words, C = {asked.inverse_penalty:g}",
        "split seeds": ", ".join(str(seed) for seed in asked.split_seeds),
    }
    results = NoiseResults(agreement, confusion, keyword_rules, explained_labels, merging, merging_leakage)
    return write_document(noise_document(results, options), findings, run_log, setting)
