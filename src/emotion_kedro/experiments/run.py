"""Runs: an arm and a learner at a size, with a data seed and a training seed; what they learn from and predict."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.config.base import ALL_ROWS, PROBABILITY_PREFIX
from emotion_kedro.config.experiment import ArmConfig
from emotion_kedro.config.models import FeatureConfig, LinearConfig, OnlyConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.subsamples import DesignSplits, Draw
from emotion_kedro.models.classifiers import Classifier, TrainingSet, fit_classifier, temperature_of
from emotion_kedro.models.classifiers.fitting import log_loss, targets_of
from emotion_kedro.models.device import Device
from emotion_kedro.runtime.elsewhere import elsewhere
from emotion_kedro.storage.cache import Cache
from emotion_kedro.storage.identity import contents_of, fingerprint

logger = logging.getLogger(__name__)

RUN = ("experiment", "arm", "learner", "size", "data_seed", "seed")
SECONDS, RUNS = "seconds", "runs"
TEST, VALIDATION = "test", "validation"
"""The rows that a run predicts: what it is scored on, and what a model is chosen by."""

COUNTED = LinearConfig(features=FeatureConfig(kind="tfidf"), penalties=(3e-5,))
"""What any classifier has to beat, beside the commonest label."""


@dataclass(frozen=True)
class RunContext:
    """What all runs of an experiment share."""

    experiment: str
    taxonomy: TaxonomyConfig
    design_splits: DesignSplits
    device: Device
    cache: Cache


@dataclass(frozen=True)
class FittedArm:
    """What an arm leaves: the classifier of its first run, predictions of all, and what each took."""

    classifier: Classifier
    predictions: pd.DataFrame
    """Of test rows."""
    runs: pd.DataFrame
    validation_predictions: pd.DataFrame


def fit_arm(
    name: str, arm: ArmConfig, training_rows: pd.DataFrame, learners: Mapping[str, Any], context: RunContext
) -> FittedArm:
    """Run an arm with every learner, draw and seed.

    The classifier that is handed on is the first learner's, of the largest size, first data seed and first seed, not
    the best: choosing by test score would flatter it. A run that is in the cache is not run again.

    Raises:
        ValueError: if no learner is run on this arm.
    """
    planned = list(plan_runs(name, arm, learners, context.design_splits))
    if not planned:
        raise ValueError(f"arm {name}: no learner is run on it; see `only` of the learners and `sizes` of the arm")
    handed_on = max(
        planned, key=lambda run: (run.learner == planned[0].learner, run.draw.size or np.inf, -planned.index(run))
    )

    def result_of(run: PlannedRun) -> _ArmRun:
        return _ArmRun(run, name, training_rows, learners[run.learner], context)

    others = [run for run in planned if run != handed_on]
    with elsewhere(lambda run: result_of(run).outcome(wants_classifier=False), others):
        handed = result_of(handed_on).outcome(wants_classifier=True)
    classifier, tested, validated, logs = handed[2], [], [], []
    for number, run in enumerate(planned, start=1):
        result = result_of(run)
        table, log, _ = handed if run == handed_on else result.outcome(wants_classifier=False)
        tested.append(result.named(table, TEST))
        validated.append(result.named(table, VALIDATION))
        logs.append(log)
        logger.info("%s, %s: run %d of %d (%s)", context.experiment, name, number, len(planned), run)
    assert classifier is not None
    tables = [pd.concat(parts, ignore_index=True) for parts in (tested, validated)]
    return FittedArm(classifier, tables[0], pd.DataFrame(logs), tables[1])


@dataclass(frozen=True)
class PlannedRun:
    """A run that is to be made."""

    learner: str
    draw: Draw
    seed: int

    def __str__(self) -> str:
        size = "all rows" if self.draw.size == ALL_ROWS else f"{self.draw.size} rows per label"
        return f"{self.learner}, {size}, data seed {self.draw.data_seed}, seed {self.seed}"


def plan_runs(
    name: str, arm: ArmConfig, learners: Mapping[str, Any], design_splits: DesignSplits
) -> Iterator[PlannedRun]:
    """Yield the runs of an arm, learner by learner."""
    for learner_name, learner in learners.items():
        taken = learner.only.seeds
        seeds = [seed for seed in design_splits.design.seeds if taken is None or seed in taken]
        if learner.deterministic:
            seeds = seeds[:1]  # the same predictions for every seed
        for draw in design_splits.draws([arm.sizes]):
            for seed in seeds:
                if learner.only.takes(arm=name, size=draw.size, data_seed=draw.data_seed, seed=seed):
                    yield PlannedRun(learner_name, draw, seed)


@dataclass(frozen=True)
class _ArmRun:
    planned: PlannedRun
    arm_name: str
    training_rows: pd.DataFrame
    learner: Any
    context: RunContext

    def outcome(self, *, wants_classifier: bool) -> tuple[pd.DataFrame, dict[str, Any], Classifier | None]:
        """Return what :meth:`_predict` does, log and, where it is wanted, the classifier; cached if it is there."""
        identity = self.identity()
        cache = self.context.cache
        table = cache.table(RUNS, identity)
        if table is not None and not wants_classifier:
            return table, self._log(table), None
        place = f"the training rows of {self.planned} of the arm {self.arm_name}"
        self.context.design_splits.guard.assert_disjoint(self._rows()["text"].tolist(), place)
        started = time.perf_counter()
        # The classifier is saved later than its predictions: its checkpoints stay until then.
        used = cache if wants_classifier else cache.towards(RUNS, identity)
        classifier, log = fit_classifier(self._training_set(), self.learner, self.context.device, used)
        table = self._predict(classifier)
        table.attrs = {
            SECONDS: round(time.perf_counter() - started, 3),
            "steps": log.steps,
            "validation_loss": self._validation_loss(table),
            "temperature": temperature_of(classifier),
            "device": self.context.device.kind,
        }
        cache.save_table(RUNS, identity, table)
        return table, self._log(table), classifier

    def identity(self) -> str:
        """Return the fingerprint of everything that the predictions depend on."""
        test = self.context.design_splits.test
        changes: dict[str, Any] = {"only": OnlyConfig()}
        if isinstance(contents_of(getattr(self.learner, "base", None) or "-"), Path):
            changes["base"] = ""  # counts by its files: each process saves the bases that it makes in a new folder
        return fingerprint(
            self._rows()[["text", "label", "origin", "weight", "phase"]],
            self._validation()[["record_id", "text", "label"]],
            test[["record_id", "text"]],
            self.context.taxonomy,
            self.learner.model_copy(update=changes),
            *(*map(contents_of, self.learner.models()), self.planned.seed, self.context.device.arithmetic),
        )

    def _rows(self) -> pd.DataFrame:
        draw, rows = self.planned.draw, self.training_rows
        inside = (rows["size"] == draw.size) & (rows["data_seed"] == draw.data_seed)
        return rows[inside].reset_index(drop=True)

    def _validation(self) -> pd.DataFrame:
        return self.context.design_splits.validation_rows(self.planned.draw.size)

    def _training_set(self) -> TrainingSet:
        return TrainingSet(
            rows=self._rows(),
            validation=self._validation(),
            taxonomy=self.context.taxonomy,
            name=f"{self.context.experiment}.{self.arm_name}.{self.planned.learner}",
            seed=self.planned.seed,
        )

    def _predicted_rows(self, split: str) -> pd.DataFrame:
        return self.context.design_splits.test if split == TEST else self._validation()

    def _predict(self, classifier: Classifier) -> pd.DataFrame:
        """Return ``split``, ``record_id`` and what the classifier says, of test and validation rows."""
        rows = pd.concat([self._predicted_rows(split).assign(split=split) for split in (TEST, VALIDATION)])
        texts = rows["text"].tolist()
        device, answers = self.context.device, None
        if getattr(self.learner, "free_answers", False):
            given, answers = classifier.answered(texts, device=device)  # type: ignore[attr-defined]
        else:
            given = classifier.probabilities(texts, device=device)
        table = prediction_columns(given, classifier.labels)
        for place, name in enumerate(("split", "record_id")):
            table.insert(place, name, rows[name].to_numpy())
        if answers is not None:
            table["free_answer"] = pd.Series(answers, dtype="str")
        return table

    def _validation_loss(self, table: pd.DataFrame) -> float:
        """Return the log loss of the validation rows by the classifier as it is saved; NaN without such rows."""
        rows, given = self._validation(), table[table["split"] == VALIDATION].filter(regex=f"^{PROBABILITY_PREFIX}")
        return log_loss(given.to_numpy(), targets_of(rows, self.context.taxonomy.names)) if len(rows) else float("nan")

    def named(self, table: pd.DataFrame, split: str) -> pd.DataFrame:
        """Return a split's predictions with what identifies them; free answers follow as a learner of their own."""
        rows = self._predicted_rows(split)[["record_id", "source", "label"]].reset_index(drop=True)
        given = table[table["split"] == split].reset_index(drop=True)
        read = given.drop(columns=["free_answer"], errors="ignore").drop(columns=["split", "record_id"])
        named = [_headed(pd.concat([rows, read], axis=1), self._key())]
        if "free_answer" in given:
            # A free answer has no probabilities.
            zeros = {name: 0.0 for name in read.columns if name.startswith(PROBABILITY_PREFIX)}
            answered = pd.concat([rows, read.assign(predicted=given["free_answer"], **zeros)], axis=1)
            named.append(_headed(answered, self._key(", free")))
        return pd.concat(named, ignore_index=True)

    def _key(self, how: str = "") -> tuple[Any, ...]:
        planned = self.planned
        return (self.context.experiment, self.arm_name, planned.learner + how, *planned.draw, planned.seed)

    def _log(self, table: pd.DataFrame) -> dict[str, Any]:
        rows = self._rows()
        loss = table.attrs.get("validation_loss")
        return {
            **dict(zip(RUN, self._key(), strict=True)),
            "train_rows": int((rows["origin"] == "real").sum()),
            "added_rows": int((rows["origin"] == "added").sum()),
            "steps": int(table.attrs.get("steps") or 0),
            "validation_loss": float("nan") if loss is None else float(loss),
            "temperature": float(table.attrs["temperature"]),
            "seconds": float(table.attrs[SECONDS]),
            "device": str(table.attrs["device"]),
        }


def chosen(kinds: str, configs: Mapping[str, Any], name: str | None) -> tuple[str, Any]:
    """Return the name and the parameters of one of the experiment's learners or generators; None: the first.

    Raises:
        ValueError: if there is none of that name.
    """
    if not configs or (name is not None and name not in configs):
        raise ValueError(f"{kinds} has no {name or 'entry'}; there are: {', '.join(configs) or 'none'}")
    key = name or next(iter(configs))
    return key, configs[key]


def prediction_columns(probabilities: np.ndarray, labels: tuple[str, ...]) -> pd.DataFrame:
    """Return ``predicted`` and a column ``p_<label>`` of probabilities (rows, labels) for each label."""
    table = pd.DataFrame(probabilities, columns=[f"{PROBABILITY_PREFIX}{label}" for label in labels])
    # Rounding may leave a hair above 1.
    table = table.clip(0.0, 1.0)
    table.insert(0, "predicted", pd.Series(np.array(labels)[probabilities.argmax(axis=1)], dtype="str"))
    return table


def fit_baselines(context: RunContext) -> pd.DataFrame:
    """Return predictions of what any classifier has to beat: the commonest label, and words counted by TF-IDF.

    Both learn from all real train rows; schema ``Predictions``, arm ``baseline``.
    """
    splits, labels = context.design_splits, context.taxonomy.names
    splits.guard.assert_disjoint(splits.train, "the train rows of the baselines")
    test = splits.test[["record_id", "source", "label"]].reset_index(drop=True)
    rows = TrainingSet(splits.train, splits.train.head(0), context.taxonomy, "baseline.tf-idf", seed=0)
    counting, _ = fit_classifier(rows, COUNTED, context.device, context.cache)
    shares = splits.train["label"].value_counts(normalize=True).reindex(list(labels), fill_value=0.0)
    read = {
        "majority": np.tile(shares.to_numpy(), (len(test), 1)),
        "tf-idf": counting.probabilities(splits.test["text"].tolist(), device=context.device),
    }
    tables = [
        _headed(
            pd.concat([test, prediction_columns(given, labels)], axis=1),
            (context.experiment, "baseline", learner, ALL_ROWS, 0, 0),
        )
        for learner, given in read.items()
    ]
    return pd.concat(tables, ignore_index=True)


def _headed(table: pd.DataFrame, run: tuple[Any, ...]) -> pd.DataFrame:
    """Return the table with the columns that identify the run before all others."""
    return pd.concat([pd.DataFrame(dict(zip(RUN, run, strict=True)), index=table.index), table], axis=1)
