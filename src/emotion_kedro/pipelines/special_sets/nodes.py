"""Texts without emotion labels: reading them, widening the generators by them, and judging them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd

from emotion_kedro.options import ClassificationOptions, EvaluationOptions, GenerationOptions, UnificationOptions
from emotion_kedro.options.special_sets import SpecialSetsOptions
from emotion_kedro.pipelines.classification.nodes import compose_augmented, compose_real, fit_arm, side_of
from emotion_kedro.pipelines.evaluation.nodes import bootstrap_of, groups_of
from emotion_kedro.taxonomy import labels_of

UNLABELLED = "unlabelled"
"""Label of a record that has none."""
UNGROUPED = -1


def read_text_sets(raw_folder: Path, options: SpecialSetsOptions) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Read and clean all sets; return their texts and what was counted."""
    from emotion_kedro.text import unlabelled

    return unlabelled.read_text_sets(raw_folder, options)


def widen_records(generator_records: pd.DataFrame, unlabelled_texts: pd.DataFrame) -> pd.DataFrame:
    """Return the records that the generators' base is tuned on: those with a label, and the texts for widening."""
    return _beneath(generator_records, unlabelled_texts[unlabelled_texts["part"] == "widening"], "train")


def compose_before(split_records: pd.DataFrame, options: ClassificationOptions) -> pd.DataFrame:
    """Return the training rows of the arm ``before``: the real ones."""
    return compose_real(split_records, options).assign(arm="before")


def compose_after(
    split_records: pd.DataFrame, synthetic_records: pd.DataFrame, options: ClassificationOptions
) -> pd.DataFrame:
    """Return the training rows of the arm ``after``: the real ones, and those of the widened generators."""
    return compose_augmented(split_records, synthetic_records, options).assign(arm="after")


def fit_and_judge(
    unlabelled_texts: pd.DataFrame,
    mix: pd.DataFrame,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    options: ClassificationOptions,
    device: str,
    checkpoints: str,
) -> tuple[Any, pd.DataFrame, list[dict[str, Any]]]:
    """Fit the arm, as :func:`fit_arm`; every seed reads the texts to be judged as well as the test rows."""
    read = _beneath(split_records, unlabelled_texts[unlabelled_texts["part"] == "judged"], "test")
    return fit_arm(mix, read, unification, options, device, checkpoints)


def _beneath(records: pd.DataFrame, texts: pd.DataFrame, side: str) -> pd.DataFrame:
    added = texts[["record_id", "text", "source"]].assign(label=UNLABELLED, group=UNGROUPED, split=side)
    return pd.concat([records, added[records.columns]], ignore_index=True)


def measure_sets(
    before: pd.DataFrame,
    after: pd.DataFrame,
    unlabelled_texts: pd.DataFrame,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    sets: SpecialSetsOptions,
    evaluation: EvaluationOptions,
) -> tuple[dict[str, Any], pd.DataFrame, pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Return the figures, the shares of the emotions, the certainties, the typical words, and examples."""
    from emotion_kedro.measures import arms as measured
    from emotion_kedro.measures import special_sets as special

    labels, bootstrap, groups = labels_of(unification.taxonomy), bootstrap_of(evaluation), groups_of(split_records)
    arms = {"before": before, "after": after}
    test = side_of(split_records, "test").assign(other_label="")
    judged = unlabelled_texts[unlabelled_texts["part"] == "judged"]

    def read(title: str, texts: pd.DataFrame) -> special.ReadSet:
        ids = texts["record_id"].tolist()
        readings = {arm: special.readings_of(table, ids, labels) for arm, table in arms.items()}
        return special.ReadSet(title, texts.reset_index(drop=True), readings)

    own_group = test["record_id"] if groups is None else "in-domain:" + test["group"].astype("str")
    in_domain = read(special.IN_DOMAIN, test.assign(group=own_group))
    read_sets = {name: read(one.title, judged[judged["source"] == name]) for name, one in sets.sets.items()}
    first, second = (table[table["record_id"].isin(test["record_id"])] for table in arms.values())
    figures = {
        "labels": list(labels),
        "seeds": sorted(int(seed) for seed in before["seed"].unique()),
        "sets": {
            name: special.measure_set(one, sets.sets[name], in_domain, labels, bootstrap)
            for name, one in read_sets.items()
        },
        "in_domain": measured.compare_arms(first, second, labels, groups=groups, **bootstrap),
        "in_domain_shares": special.true_shares(test["label"], labels),
    }
    every = [*read_sets.values(), in_domain]
    words = {"per_label": sets.typical_words, "least_count": sets.least_count}
    return (
        figures,
        special.emotion_shares(every, labels),
        special.certainties(every),
        special.typical_words(every, labels, **words),
        special.pick_extremes(list(read_sets.values()), labels, count=sets.examples),
    )


def collect_findings(
    figures: dict[str, Any],
    before: pd.DataFrame,
    after: pd.DataFrame,
    split_records: pd.DataFrame,
    synthetic_records: pd.DataFrame,
    classification: ClassificationOptions,
    generation: GenerationOptions,
    evaluation: EvaluationOptions,
) -> list[dict[str, Any]]:
    """Return the findings on the sets, and the accuracy on the test rows that have a label."""
    from emotion_kedro.measures.findings import accuracy_finding, describe_rows
    from emotion_kedro.measures.special_findings import set_findings

    real = describe_rows(side_of(split_records, "train"))
    model, writer = classification.classifier.called, generation.base
    data = {"before": real, "after": f"{real}, and {len(synthetic_records):,} synthetic rows by {writer}"}
    found = set_findings(figures["sets"], seeds=figures["seeds"], model=model, data=data)
    for arm, table in (("before", before), ("after", after)):
        _, one = accuracy_finding(
            "S18",
            f"in-domain accuracy, {arm}",
            table[table["record_id"].isin(split_records["record_id"])],
            figures["labels"],
            groups=groups_of(split_records),
            bootstrap=bootstrap_of(evaluation),
            bins=evaluation.calibration_bins,
            model=model,
            data=data[arm],
        )
        found.append(one)
    return found


def write_report(
    findings: list[dict[str, Any]],
    run_log: dict[str, Any],
    classification: ClassificationOptions,
    generation: GenerationOptions,
    sets: SpecialSetsOptions,
    **tables: Any,
) -> tuple[str, str, str]:
    """Return the HTML page, the Markdown page and the summary.

    ``tables`` are the fields of :class:`emotion_kedro.pictures.special_sets.SpecialResults` that come as they are.
    """
    from emotion_kedro.pictures.document import write_document
    from emotion_kedro.pictures.special_sets import SpecialResults, special_document

    fitted, shared = classification.classifier, generation.warm_up
    together = f"{shared.length} of {shared.batch_size} with the sets' texts, then " if shared else ""
    setting = {
        "classifier": f"{fitted.called}, {fitted.training.length} of {fitted.training.batch_size} in both arms",
        "generator": f"{generation.base}, {together}{generation.training.length} per label",
        "seeds": ", ".join(str(seed) for seed in classification.seeds),
        "texts": f"at most {sets.cap} of a set" if sets.cap else "all",
    }
    results = SpecialResults(findings=findings, widening_share=sets.widening_share, **tables)
    return write_document(special_document(results), findings, run_log, setting)
