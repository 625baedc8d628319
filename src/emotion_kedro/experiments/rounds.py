"""Uncertain train texts and the last round's added ones go back to the generators, round after round (S11).

Round 0 is the classifier on real rows alone. Test rows are predicted in every round, since a classifier is at hand only
then; what happens next never depends on them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from emotion_kedro.augmentation.draws import DrawContexts, Scoring, draw_for, only_draw, score_draws
from emotion_kedro.augmentation.filters import apply_filters
from emotion_kedro.augmentation.generators import train_generator
from emotion_kedro.augmentation.generators.fine_tuned import FineTuned, LabelModels
from emotion_kedro.augmentation.generators.tuning import Base, open_generator
from emotion_kedro.augmentation.mix import training_rows
from emotion_kedro.config.analyses import RoundsConfig
from emotion_kedro.config.augmentation import FineTunedConfig
from emotion_kedro.config.experiment import ArmConfig, DesignConfig
from emotion_kedro.config.models import TunedConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.subsamples import DesignSplits, Draw
from emotion_kedro.experiments.round_rules import best_round, fidelity, has_stalled, least_certain, margins
from emotion_kedro.experiments.run import RunContext, chosen, fit_arm
from emotion_kedro.metrics.bootstrap import clusters_of
from emotion_kedro.metrics.scores import validation_score
from emotion_kedro.models.classifiers import TrainingSet, fit_classifier, load_classifier
from emotion_kedro.models.device import Device
from emotion_kedro.storage.cache import Cache
from emotion_kedro.storage.identity import contents_of, fingerprint

logger = logging.getLogger(__name__)

ROUNDS, UNCERTAIN = "rounds", "uncertain_texts"
"""Kinds in the cache."""
PREDICTIONS, RUNS, CLASSIFIER = "predictions.parquet", "runs.parquet", "classifier"


def analyse(
    config: RoundsConfig,
    *,
    taxonomy: TaxonomyConfig,
    device: Device,
    cache: Cache,
    name: str,
    design: DesignConfig,
    learners: Mapping[str, Any],
    generators: Mapping[str, Any],
    filters: Mapping[str, Any],
    split_records: pd.DataFrame,
) -> tuple[dict[str, pd.DataFrame], pd.DataFrame, pd.DataFrame]:
    """Feed uncertain texts back, round after round, until validation stops gaining.

    Every step of a round is kept, so that a killed run goes on with the next one.

    Returns:
        Tables ``rounds`` (a row a round: rows, candidates, ``fidelity`` as round 0 reads it, accuracy and log loss on
        validation rows, ``best``), ``uncertain`` (``round, label, texts`` that went back) and ``candidates`` (of all
        rounds, with ``kept``, ``reason`` and ``read_as``, what round 0 reads in them); predictions of the test rows, an
        arm ``round_<k>`` each; and runs.

    Raises:
        ValueError: if the generator is not of kind ``fine_tuned``, or the design has several draws.
    """
    learner_name, learner = chosen("learners", learners, config.learner)
    generator_name, generator = chosen("generators", generators, config.generator)
    if not isinstance(generator, FineTunedConfig):
        raise ValueError(f"the generator {generator_name} is of kind {generator.kind}; it has to be fine_tuned")
    contexts = DrawContexts(split_records, design, taxonomy, device, cache)
    arm = ArmConfig(add=(generator_name,), filters=config.filters)
    loop = Loop(
        *(config, name, contexts, only_draw(contexts, generator_name), learner_name, learner),
        *(generator_name, generator, Scoring({"added": arm}, filters, learners)),
    )
    rounds = loop.run()
    best = best_round([each.score for each in rounds], config.min_gain)
    facts = [{**each.facts, "best": number == best} for number, each in enumerate(rounds)]
    uncertain = [{"round": number, **row} for number, each in enumerate(rounds) for row in each.uncertain]
    tables = {
        "rounds": pd.DataFrame(facts),
        "uncertain": pd.DataFrame(uncertain, columns=["round", "label", "texts"]),
        "candidates": pd.concat([each.candidates for each in rounds[1:]], ignore_index=True),
    }
    predictions = pd.concat([each.predictions for each in rounds], ignore_index=True)
    return tables, predictions, pd.concat([each.runs for each in rounds], ignore_index=True)


@dataclass(frozen=True)
class Round:
    """A finished round."""

    predictions: pd.DataFrame
    """Of the test rows."""
    runs: pd.DataFrame
    candidates: pd.DataFrame
    """Of round 0 none."""
    uncertain: list[dict[str, Any]]
    score: float
    """On the validation rows, more is better."""
    facts: dict[str, Any]


@dataclass(frozen=True)
class Loop:
    """Everything that the rounds depend on."""

    config: RoundsConfig
    experiment: str
    contexts: DrawContexts
    draw: Draw
    learner_name: str
    learner: Any
    generator_name: str
    generator: FineTunedConfig
    scoring: Scoring

    def run(self) -> list[Round]:
        """Run rounds until validation has stopped gaining; what was made before comes from the cache."""
        nothing = draw_for(self.generator_name, self.generator, self.contexts, [])
        added = score_draws(nothing, self.contexts, self.scoring)
        rounds = [self._finish(0, added, added.assign(kept=False, reason=""), [])]
        models: LabelModels | None = None
        while not self._ended(rounds):
            number = len(rounds)
            models = self._first_generators() if models is None else models
            uncertain = self._uncertain(number, added)
            models = self._tune_further(number, models, self._rows_by_label(uncertain, added))
            candidates = self._write(number, models)
            added = candidates[candidates["kept"]].drop(columns=["kept", "reason"])
            rounds.append(self._finish(number, added, self._read(candidates), _counts(uncertain)))
        return rounds

    def _ended(self, rounds: list[Round]) -> bool:
        scores = [each.score for each in rounds]
        stalled = has_stalled(scores, min_gain=self.config.min_gain, patience=self.config.patience)
        return len(rounds) > self.config.rounds or stalled

    @cached_property
    def _train(self) -> pd.DataFrame:
        return self.contexts.rows(self.draw)

    @cached_property
    def _validation(self) -> pd.DataFrame:
        return self.contexts.validation_rows(self.draw.size)

    def _rows(self, real: pd.DataFrame, added: pd.DataFrame) -> pd.DataFrame:
        rows = training_rows(ArmConfig(), real, added, guard=self.contexts.guard, name="the rounds")
        return rows.assign(**self.draw._asdict())

    # --- what is fed back -----------------------------------------------------------------------------------------

    def _uncertain(self, number: int, added: pd.DataFrame) -> pd.DataFrame:
        """Return the train rows of each label that the classifier of the round before is least sure of.

        They are read by its twins: fitted on the same rows, but for the part of the train rows that they then read.
        """
        identity = fingerprint(self._train, self._validation, added, self.config, self._reader_identity())
        table = self.contexts.cache.table(UNCERTAIN, identity)
        if table is None:
            sureness = self._sureness(number, added, self.contexts.cache.towards(UNCERTAIN, identity))
            table = self._train[least_certain(self._train["label"], sureness, self.config.uncertain_share)]
            self.contexts.cache.save_table(UNCERTAIN, identity, table)
        return table

    def _sureness(self, number: int, added: pd.DataFrame, cache: Cache) -> NDArray[np.float64]:
        from sklearn.model_selection import GroupKFold

        sureness = np.empty(len(self._train))
        parts = GroupKFold(self.config.folds, shuffle=True, random_state=self.draw.data_seed)
        groups = clusters_of(self._train["record_id"].to_numpy(), self._train.set_index("record_id")["group"])
        for part, (fitted_on, read) in enumerate(parts.split(self._train, groups=groups)):
            training_set = TrainingSet(
                self._rows(self._train.iloc[fitted_on], added),
                self._validation[["text", "label"]],
                self.contexts.taxonomy,
                f"{self.experiment}.reader_{number}_{part}",
                self.contexts.design.seeds[0],
            )
            classifier, _ = fit_classifier(training_set, self._reader, self.contexts.device, cache)
            texts = self._train["text"].iloc[read].tolist()
            given = classifier.probabilities(texts, device=self.contexts.device)
            sureness[read] = margins(given)
        return sureness

    @property
    def _reader(self) -> Any:
        if self.config.reader_steps is None or not isinstance(self.learner, TunedConfig):
            return self.learner
        training = self.learner.training.model_copy(update={"steps": self.config.reader_steps, "epochs": None})
        return self.learner.model_copy(update={"training": training})

    def _reader_identity(self) -> str:
        models = [contents_of(model) for model in self.learner.models()]
        seeds = [self.draw.data_seed, self.contexts.design.seeds[0]]
        return fingerprint(self._reader, *models, seeds, self.contexts.taxonomy, self.contexts.device.arithmetic)

    def _rows_by_label(self, uncertain: pd.DataFrame, added: pd.DataFrame) -> dict[str, pd.DataFrame]:
        both = pd.concat([uncertain[["label", "text"]], added[["label", "text"]]], ignore_index=True)
        return {label: both[both["label"] == label] for label in self.contexts.taxonomy.names}

    # --- what is written ------------------------------------------------------------------------------------------

    def _first_generators(self) -> LabelModels:
        context = self.contexts.context(self.draw, self.generator)
        generator, _ = train_generator(self.generator, context, name=self.generator_name)
        assert isinstance(generator.trained, LabelModels)
        return generator.trained

    def _tune_further(self, number: int, before: LabelModels, texts: Mapping[str, pd.DataFrame]) -> LabelModels:
        """Return the generators of the round before, tuned on more texts; a label without any keeps its own."""
        assert before.directories is not None
        assert before.base is not None
        config, under, directories = self._generator_of(number), before.base, dict(before.directories)
        context, tuner = self.contexts.context(self.draw, config), FineTuned(config)
        for label, rows in texts.items():
            if len(rows):
                place = f"the texts that go back to the generator of {label}"
                self.contexts.guard.assert_disjoint(rows["text"].tolist(), place)
                base = Base(fingerprint(directories[label], under), directories[label], under)
                directories[label] = tuner.kept(label, base, replace(context, rows=rows))
        return replace(
            before,
            config=config,
            open_model=lambda label: open_generator(directories[label], under, context.device),
            directories=directories,
        )

    def _generator_of(self, number: int) -> FineTunedConfig:
        # Another seed in each round, or the same batches would be drawn again.
        changes = {"training": self.config.feedback, "seed": self.generator.seed + number}
        return self.generator.model_copy(update=changes)

    def _write(self, number: int, models: LabelModels) -> pd.DataFrame:
        """Return the round's candidates with their scores, ``kept`` and ``reason``."""
        candidates = draw_for(self.generator_name, self._generator_of(number), self.contexts, [self.draw], models)
        numbered = candidates.assign(candidate_id=f"{number}:" + candidates["candidate_id"])
        scored = score_draws(numbered, self.contexts, self.scoring)
        limit = self.contexts.design.added_rows
        decisions = apply_filters(scored, self.config.filters, self.scoring.filters, self._train, quota=limit)
        return scored.assign(round=number, **{name: decisions[name] for name in ("kept", "reason")})

    def _read(self, candidates: pd.DataFrame) -> pd.DataFrame:
        """Add what round 0 reads in each candidate: it saw no added text and took no part in filtering."""
        classifier = load_classifier(self._fitted(0, candidates.iloc[:0]) / CLASSIFIER, self.contexts.device)
        given = classifier.probabilities(candidates["text"].tolist(), device=self.contexts.device)
        labels = np.array(classifier.labels, dtype=object)[given.argmax(axis=1)]
        return candidates.assign(read_as=pd.Series(labels, index=candidates.index, dtype="str"))

    # --- what comes of it -----------------------------------------------------------------------------------------

    def _finish(
        self, number: int, added: pd.DataFrame, candidates: pd.DataFrame, uncertain: list[dict[str, Any]]
    ) -> Round:
        directory = self._fitted(number, added)
        predictions, runs = (pd.read_parquet(directory / file) for file in (PREDICTIONS, RUNS))
        validation = predictions[predictions["record_id"].isin(self._validation["record_id"])]
        # All validation rows were predicted; a size may choose by some of them.
        is_test = ~predictions["record_id"].isin(self.contexts.validation["record_id"])
        facts = {
            "round": number,
            "uncertain_texts": sum(row["texts"] for row in uncertain),
            **{name: int(runs[name].iloc[0]) for name in ("train_rows", "added_rows", "steps")},
            "candidates": len(candidates),
            "kept": int(candidates["kept"].sum()),
            **fidelity(candidates),
            "validation_accuracy": validation_score(validation, "accuracy"),
            "validation_log_loss": -validation_score(validation, "log_loss"),
        }
        score = validation_score(validation, self.config.metric)
        logger.info("round %d of %d: %d added rows, score %.4f", number, self.config.rounds, facts["added_rows"], score)
        return Round(predictions[is_test].reset_index(drop=True), runs, candidates, uncertain, score, facts)

    def _fitted(self, number: int, added: pd.DataFrame) -> Path:
        """Return a round's directory: predictions of validation and test rows, runs, and the first classifier."""
        rows = self._rows(self._train, added)
        splits = self._splits
        # All validation rows are tested; the design says which of them the fits stop and calibrate by.
        chosen_by = self._validation[["record_id", "text", "label"]]
        identity = fingerprint(
            *(number, self.experiment, rows, chosen_by, splits.test, self._reader_identity()),
            *(self.learner_name, self.learner, list(splits.design.seeds)),
        )
        directory = self.contexts.cache.directory(ROUNDS, identity)
        if directory is not None:
            return directory
        cache = self.contexts.cache.towards(ROUNDS, identity)
        context = RunContext(self.experiment, self.contexts.taxonomy, splits, self.contexts.device, cache)
        fitted = fit_arm(f"round_{number}", ArmConfig(), rows, {self.learner_name: self.learner}, context)

        def write(folder: Path) -> None:
            fitted.predictions.to_parquet(folder / PREDICTIONS)
            fitted.runs.to_parquet(folder / RUNS)
            (folder / CLASSIFIER).mkdir()
            fitted.classifier.save(folder / CLASSIFIER)

        return self.contexts.cache.save_directory(ROUNDS, identity, write)

    @cached_property
    def _splits(self) -> DesignSplits:
        """The rows of the experiment; validation rows are predicted together with the test rows."""
        return self.contexts.with_validation_tested(self.contexts.test)


def _counts(uncertain: pd.DataFrame) -> list[dict[str, Any]]:
    return [{"label": label, "texts": int(count)} for label, count in uncertain["label"].value_counts().items()]
