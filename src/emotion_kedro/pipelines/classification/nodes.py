"""Composing the arms' training rows and fitting their classifiers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.learning.checkpoints import Checkpoints, contents_of, fingerprint
from emotion_kedro.learning.device import choose_device
from emotion_kedro.learning.mixes import compose_mix
from emotion_kedro.options import ClassificationOptions, UnificationOptions
from emotion_kedro.taxonomy import PROBABILITY_PREFIX, labels_of


def compose_real(split_records: pd.DataFrame, options: ClassificationOptions) -> pd.DataFrame:
    """Return the training rows of the arm ``real``."""
    return compose_mix("real", real=side_of(split_records, "train"), synthetic=None, augmentation=options.augmentation)


def compose_augmented(
    split_records: pd.DataFrame, synthetic_records: pd.DataFrame, options: ClassificationOptions
) -> pd.DataFrame:
    """Return the training rows of the arm ``augmented``: the real ones and the synthetic ones."""
    return compose_mix(
        "augmented",
        real=side_of(split_records, "train"),
        synthetic=synthetic_records,
        augmentation=options.augmentation,
    )


def compose_synthetic(synthetic_records: pd.DataFrame, options: ClassificationOptions) -> pd.DataFrame:
    """Return the training rows of the arm ``synthetic``: no real text at all."""
    return compose_mix("synthetic", real=None, synthetic=synthetic_records, augmentation=options.augmentation)


def fit_arm(
    mix: pd.DataFrame,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    options: ClassificationOptions,
    device: str,
    checkpoints: str,
) -> tuple[Any, pd.DataFrame, list[dict[str, Any]]]:
    """Fit the arm once per seed; return the first seed's classifier, all predictions of the test rows, and the logs.

    The classifier that is kept is the first seed's, not the best: choosing by test score would flatter it.
    """
    from emotion_kedro.learning.classifiers import Lesson, fit_classifier

    chosen = choose_device(device)
    labels = labels_of(unification.taxonomy)
    arm = str(mix["arm"].iloc[0])
    validation, test = side_of(split_records, "validation"), side_of(split_records, "test")
    first, predictions, logs = None, [], []
    for seed in options.seeds:
        lesson = Lesson(mix, validation, labels, f"classifier.{arm}", seed, options.augmentation)
        identity = fingerprint(
            *(mix, validation, list(labels), options.classifier, options.augmentation, seed),
            *(contents_of(options.classifier.base), chosen.kind),
        )
        store = Checkpoints(checkpoints, f"classifier.{arm}.{seed}", identity)
        classifier, log = fit_classifier(lesson, options.classifier, device=chosen, checkpoints=store)
        predictions.append(
            predictions_table(test, classifier.probabilities(test["text"].tolist(), device=chosen), labels)
        )
        predictions[-1].insert(3, "arm", arm)
        predictions[-1].insert(4, "seed", seed)
        logs.append({"seed": seed, **log.as_dict()})
        first = first or classifier
    return first, pd.concat(predictions, ignore_index=True), logs


def fit_arm_on_base(
    base: Path,
    mix: pd.DataFrame,
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    options: ClassificationOptions,
    device: str,
    checkpoints: str,
) -> tuple[Any, pd.DataFrame, list[dict[str, Any]]]:
    """Fit the arm, as :func:`fit_arm`, on a base that another node made (a reference in it is followed)."""
    return fit_arm(mix, split_records, unification, on_base(options, base), device, checkpoints)


def on_base(options: ClassificationOptions, base: Path) -> ClassificationOptions:
    """Return the options with the model in ``base`` instead of the one they name, which stays its name in cards."""
    from emotion_kedro.learning.language_models import resolve

    changes = {"base": resolve(base), "base_name": options.classifier.called}
    return options.model_copy(update={"classifier": options.classifier.model_copy(update=changes)})


def untuned(options: ClassificationOptions) -> ClassificationOptions:
    """Return the options for the same classifier without any training, once: nothing in it depends on a seed."""
    training = options.classifier.training.model_copy(update={"steps": 0, "epochs": None})
    classifier = options.classifier.model_copy(update={"training": training})
    return options.model_copy(update={"classifier": classifier, "seeds": options.seeds[:1]})


def fit_filter(
    split_records: pd.DataFrame,
    unification: UnificationOptions,
    options: ClassificationOptions,
    device: str,
    checkpoints: str,
) -> tuple[Any, list[dict[str, Any]]]:
    """Fit the classifier that filters candidates, on real train records alone."""
    mix = compose_real(split_records, options).assign(arm="filter")
    own = options.model_copy(update={"seeds": (options.filter_seed,)})
    classifier, _, logs = fit_arm(mix, split_records, unification, own, device, checkpoints)
    return classifier, logs


def judge_candidates(model: Path, candidates: pd.DataFrame, device: str) -> pd.DataFrame:
    """Return what the arm ``real``, which took no part in filtering, reads in every candidate."""
    from emotion_kedro.learning.classifiers import load_classifier

    chosen = choose_device(device)
    classifier = load_classifier(model, chosen)
    rows = candidates.rename(columns={"candidate_id": "record_id"}).assign(source="synthetic")
    table = predictions_table(rows, classifier.probabilities(rows["text"].tolist(), device=chosen), classifier.labels)
    table.insert(3, "arm", "real")
    table.insert(4, "seed", 0)
    return table


def side_of(split_records: pd.DataFrame, side: str) -> pd.DataFrame:
    """Return the records of one side of the split."""
    return split_records[split_records["split"] == side].reset_index(drop=True)


def predictions_table(records: pd.DataFrame, probabilities: np.ndarray, labels: tuple[str, ...]) -> pd.DataFrame:
    """Return record, label, source and a probability per label of each row; arm and seed are to be added."""
    table = records[["record_id", "label", "source"]].reset_index(drop=True)
    columns = [f"{PROBABILITY_PREFIX}{label}" for label in labels]
    return pd.concat([table, pd.DataFrame(probabilities, columns=columns)], axis=1)
