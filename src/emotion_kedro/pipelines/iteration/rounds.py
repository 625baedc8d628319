"""The loop: uncertain train texts and the last round's synthetic ones go back to the generators, and again.

Round 0 is the classifier on real records alone. The test rows are predicted in every round, since a classifier is at
hand only then; what happens next never depends on them.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.learning.checkpoints import Checkpoints, TableParts, contents_of, fingerprint
from emotion_kedro.learning.classifiers import Classifier, Lesson, fit_classifier, load_classifier
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.generators import load_generator, train_generator
from emotion_kedro.learning.mixes import compose_mix
from emotion_kedro.learning.synthesis import Sieve, draw_candidates
from emotion_kedro.measures.uncertainty import certainty, folds_of, least_certain
from emotion_kedro.measures.validation import has_stalled, validation_score
from emotion_kedro.options import ClassificationOptions, ClassifierOptions, GenerationOptions, SynthesisOptions
from emotion_kedro.options.iteration import IterationOptions
from emotion_kedro.pipelines.classification.nodes import predictions_table, side_of
from emotion_kedro.pipelines.generation.nodes import texts_of
from emotion_kedro.pipelines.iteration.memory import Memory, Round
from emotion_kedro.pipelines.synthesis.nodes import pool_candidates
from emotion_kedro.text.filters import TextFilter

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Models:
    """Directories of the models that the loop begins with."""

    base: Path
    generators: Mapping[str, Path]
    filter: Path


@dataclass(frozen=True)
class Loop:
    """Everything that the rounds depend on."""

    records: pd.DataFrame
    """Schema :class:`emotion_kedro.schemas.SplitRecords`."""
    labels: tuple[str, ...]
    models: Models
    options: IterationOptions
    generation: GenerationOptions
    synthesis: SynthesisOptions
    classification: ClassificationOptions
    device: Device
    checkpoints: str
    stores: list[Checkpoints | TableParts] = field(default_factory=list)
    """What the work of the round at hand has left; it goes when the round is saved."""

    def run(self) -> tuple[list[Round], Memory]:
        """Run the rounds that are missing, until validation has stopped gaining; return all of them."""
        memory = Memory(self.checkpoints, self.identity)
        rounds = memory.load()
        if rounds:
            logger.info("iteration: goes on after round %d", len(rounds) - 1)
        while not self._ended(rounds):
            found = self._round(len(rounds), rounds, memory)
            rounds.append(found)
            logger.info(
                "iteration: round %d of %d, %d synthetic records, %s on validation %.4f",
                *(len(rounds) - 1, self.options.rounds, found.facts["synthetic"]),
                *(self.options.metric, abs(found.facts["score"])),
            )
        return rounds, memory

    def _ended(self, rounds: list[Round]) -> bool:
        scores = [found.facts["score"] for found in rounds]
        if len(scores) > self.options.rounds:
            return True
        return bool(scores) and has_stalled(scores, min_gain=self.options.min_gain, patience=self.options.patience)

    @property
    def identity(self) -> str:
        """The fingerprint of the loop, and of all the work in it."""
        models = (self.models.base, self.models.filter, *self.models.generators.values())
        options = (self.options, self.generation, self.synthesis, self.classification)
        bases = (contents_of(self.classification.classifier.base), contents_of(self.generation.base))
        return fingerprint(self.records, list(self.labels), *models, *options, *bases, self.device.kind)

    def _round(self, number: int, rounds: list[Round], memory: Memory) -> Round:
        facts: dict[str, Any] = {"round": number}
        candidates, synthetic = None, None
        if number > 0:
            last = _synthetic_of(rounds[-1])
            uncertain = self._uncertain(number, last)
            facts["uncertain"] = {label: len(texts) for label, texts in uncertain.items()}
            self._tune_generators(number, uncertain, last, memory)
            candidates = self._draw(number, memory)
            synthetic = _synthetic_of_candidates(candidates)
        mix = self._mix(f"round_{number}", synthetic)
        classifier, validation, predictions, steps = self._fit_arm(number, mix)
        facts["steps"] = steps
        facts["real"] = int((mix["origin"] == "real").sum())
        facts["synthetic"] = int((mix["origin"] == "synthetic").sum())
        facts["score"] = validation_score(validation, self.labels, self.options.metric)
        if candidates is not None:
            candidates = self._read(candidates, memory)
        found = Round(predictions, validation, candidates, facts)
        memory.save(number, found, classifier)
        for store in self.stores:
            store.clear()
        self.stores.clear()
        return found

    # --- what is fed back ------------------------------------------------------------------------------------------

    def _uncertain(self, number: int, synthetic: pd.DataFrame | None) -> dict[str, list[str]]:
        """Return the train texts of each label that the classifier of the round before is least sure of.

        It is judged by its twins: fitted on the same rows, but for the part of the train records that they then read.
        """
        train = side_of(self.records, "train")
        sure = np.empty(len(train))
        parts = folds_of(train["group"], self.options.folds, self.classification.filter_seed)
        for part in range(self.options.folds):
            read = parts == part
            mix = self._mix(f"judge_{number}_{part}", synthetic, real=train[~read])
            judge = self._fit(mix, self._judge_options, self.classification.seeds[0])[0]
            given = judge.probabilities(train.loc[read, "text"].tolist(), device=self.device)
            sure[read] = certainty(given, self.options.certainty)
        chosen = train[least_certain(train["label"], sure, self.options.uncertain_share)]
        return {label: chosen.loc[chosen["label"] == label, "text"].tolist() for label in self.labels}

    @property
    def _judge_options(self) -> ClassifierOptions:
        options = self.classification.classifier
        if self.options.judge_steps is None:
            return options
        changes = {"steps": self.options.judge_steps, "epochs": None}
        return options.model_copy(update={"training": options.training.model_copy(update=changes)})

    def _tune_generators(
        self, number: int, uncertain: Mapping[str, list[str]], synthetic: pd.DataFrame | None, memory: Memory
    ) -> None:
        # Another seed in each round, or the same batches would be drawn again.
        changes = {"training": self.options.feedback, "seed": self.generation.seed + number}
        options = self.generation.model_copy(update=changes)
        for label in self.labels:
            if memory.generator(number, label).is_dir():
                continue
            before = self.models.generators[label] if number == 1 else memory.generator(number - 1, label)
            texts = texts_of(self.records[self.records["label"] == label], options)
            written = [] if synthetic is None else synthetic.loc[synthetic["label"] == label, "text"].tolist()
            store = Checkpoints(self.checkpoints, f"round_{number}.generator.{label}", self.identity)
            generator, _ = train_generator(
                before,
                replace(texts, train=[*uncertain[label], *written]),
                label=label,
                options=options,
                device=self.device,
                checkpoints=store,
                under=self.models.base,
            )
            memory.save_generator(number, label, generator)
            store.clear()

    # --- what comes of it ------------------------------------------------------------------------------------------

    def _draw(self, number: int, memory: Memory) -> pd.DataFrame:
        options = self.synthesis.model_copy(update={"seed": self.synthesis.seed + number})
        train = side_of(self.records, "train")["text"].tolist()
        judge = load_classifier(self.models.filter, self.device)
        sieve = Sieve(TextFilter.build(train, options.filter), judge, options, self.device)
        tables = []
        for label in self.labels:
            generator = load_generator(memory.generator(number, label), self.models.base, self.device)
            parts = TableParts(self.checkpoints, f"round_{number}.candidates.{label}", self.identity)
            self.stores.append(parts)
            tables.append(draw_candidates(generator, sieve, options, device=self.device, parts=parts))
        candidates, _ = pool_candidates(*tables)
        return candidates.assign(candidate_id=f"{number}:" + candidates["candidate_id"], round=number)

    def _read(self, candidates: pd.DataFrame, memory: Memory) -> pd.DataFrame:
        """Add what round 0 reads in each candidate: a classifier that saw no synthetic text and did not filter."""
        judge = load_classifier(memory.classifier(0), self.device)
        given = judge.probabilities(candidates["text"].tolist(), device=self.device)
        return candidates.assign(read_as=[judge.labels[index] for index in given.argmax(axis=1)])

    def _mix(self, arm: str, synthetic: pd.DataFrame | None, real: pd.DataFrame | None = None) -> pd.DataFrame:
        real = side_of(self.records, "train") if real is None else real
        return compose_mix(arm, real=real, synthetic=synthetic, augmentation=self.classification.augmentation)

    def _fit_arm(self, number: int, mix: pd.DataFrame) -> tuple[Classifier, pd.DataFrame, pd.DataFrame, int]:
        """Fit once per seed; return the first classifier, predictions of validation and test rows, optimiser steps."""
        first, steps = None, 0
        tables: dict[str, list[pd.DataFrame]] = {"validation": [], "test": []}
        for seed in self.classification.seeds:
            classifier, steps = self._fit(mix, self.classification.classifier, seed)
            for side, found in tables.items():
                records = side_of(self.records, side)
                given = classifier.probabilities(records["text"].tolist(), device=self.device)
                table = predictions_table(records, given, self.labels)
                table.insert(3, "arm", f"round_{number}")
                table.insert(4, "seed", seed)
                found.append(table)
            first = first or classifier
        assert first is not None
        validation, test = (pd.concat(found, ignore_index=True) for found in tables.values())
        return first, validation, test, steps

    def _fit(self, mix: pd.DataFrame, options: ClassifierOptions, seed: int) -> tuple[Classifier, int]:
        arm = str(mix["arm"].iloc[0])
        validation = side_of(self.records, "validation")
        lesson = Lesson(mix, validation, self.labels, f"classifier.{arm}", seed, self.classification.augmentation)
        store = Checkpoints(self.checkpoints, f"classifier.{arm}.{seed}", fingerprint(self.identity, mix))
        self.stores.append(store)
        classifier, log = fit_classifier(lesson, options, device=self.device, checkpoints=store)
        return classifier, log.steps


def _synthetic_of(found: Round) -> pd.DataFrame | None:
    return None if found.candidates is None else _synthetic_of_candidates(found.candidates)


def _synthetic_of_candidates(candidates: pd.DataFrame) -> pd.DataFrame:
    kept = candidates[candidates["kept"]]
    ids = "synthetic:" + kept["candidate_id"]
    return kept[["text", "label"]].assign(record_id=ids, source="synthetic").reset_index(drop=True)
