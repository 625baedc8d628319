"""Cells: one arm at one size with one data seed, fitted with every initialisation seed. And the rows they share."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.learning.checkpoints import Checkpoints, contents_of, fingerprint
from emotion_kedro.learning.classifiers import Lesson, fit_classifier
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.features import Features
from emotion_kedro.learning.heads import choose_penalty, fit_heads
from emotion_kedro.learning.study.arms import Material, compose
from emotion_kedro.learning.study.store import SECONDS, Store
from emotion_kedro.learning.study.writers import WRITTEN, Desk, Piece, identity_of, write
from emotion_kedro.options import AugmentationOptions
from emotion_kedro.options.study import ConfirmOptions, StudyOptions
from emotion_kedro.taxonomy import PROBABILITY_PREFIX
from emotion_kedro.text.draws import Draw, sizes_there_are
from emotion_kedro.text.held_out import HeldOut
from emotion_kedro.text.sampling import thin_out

logger = logging.getLogger(__name__)

CELLS, CONFIRMED = "cells", "confirmed"
JUDGE_SEED = 2000


@dataclass(frozen=True)
class Cell:
    """A place of the grid."""

    arm: str
    size: int
    data_seed: int

    def __str__(self) -> str:
        return f"{self.arm}, n={self.size}, data seed {self.data_seed}"


@dataclass(frozen=True)
class Sides:
    """The rows of a study: what cells draw on, what chooses penalties, what they are tested on."""

    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    unlabelled: pd.DataFrame
    """Texts of the train side without their labels."""

    @classmethod
    def of(cls, split_records: pd.DataFrame, options: StudyOptions) -> Sides:
        """Divide split records; test and unlabelled rows are drawn once, for all cells alike."""
        train, validation, test = (
            split_records[split_records["split"] == side].reset_index(drop=True)
            for side in ("train", "validation", "test")
        )
        test = thin_out(test, pd.Series(True, index=test.index), options.test_rows, seed=options.seed)
        drawn = train.sample(min(options.unlabelled_rows, len(train)), random_state=options.seed)
        return cls(train, validation, test, drawn[["record_id", "text", "group"]].reset_index(drop=True))

    def held_out(self, options: StudyOptions) -> HeldOut:
        """Return the guard of the validation rows, all of them, and of the test rows that cells are tested on."""
        held = pd.concat([self.validation, self.test], ignore_index=True)
        return HeldOut(held, near=options.filter.near_copy, shingle=options.filter.shingle)

    def validation_of(self, size: int, options: StudyOptions) -> pd.DataFrame:
        """Return the validation rows of a size: never more of a label than the cell has train rows."""
        return Draw.of(self.validation, options.seed).rows(min(size, options.validation_rows))


def grid(options: StudyOptions, sizes: tuple[int, ...]) -> list[Cell]:
    """Return the cells, in the order in which they are run: a data seed is finished before the next."""
    return [
        Cell(arm, size, data_seed)
        for data_seed in options.data_seeds
        for size in sizes
        for arm in options.run_arms
        if size in options.sizes_of(arm)
    ]


def pieces(options: StudyOptions, sizes: tuple[int, ...]) -> list[Piece]:
    """Return what has to be written, each once: cells that show a writer the same rows share what it wrote."""
    found = {
        Piece(source, min(cell.size, options.writers[source].rows or cell.size), cell.data_seed): None
        for cell in grid(options, sizes)
        for source in options.arms[cell.arm].add
        if source in options.writers
    }
    return list(found)


@dataclass
class Study:
    """Everything that the cells of one study share."""

    options: StudyOptions
    labels: tuple[str, ...]
    sides: Sides
    features: Features
    store: Store
    device: Device
    checkpoints: str
    texts: Mapping[Piece, pd.DataFrame] = field(default_factory=dict)
    """What the writers wrote."""
    held_out: HeldOut = field(init=False)
    sizes: tuple[int, ...] = field(init=False)
    _draws: dict[int, Draw] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.held_out = self.sides.held_out(self.options)
        self.held_out.refuse(self.sides.train, "the train side")
        self.sizes = sizes_there_are(self.sides.train, self.options.sizes)

    @property
    def desk(self) -> Desk:
        """What the writers need."""
        return Desk(self.labels, self.held_out, self.sides.unlabelled, self.store, self.device, self.checkpoints)

    def draw(self, data_seed: int) -> Draw:
        """Return the order in which a data seed takes the train rows."""
        if data_seed not in self._draws:
            self._draws[data_seed] = Draw.of(self.sides.train, data_seed)
        return self._draws[data_seed]

    def rows_of(self, piece: Piece) -> pd.DataFrame:
        """Return the train rows that a writer sees."""
        return self.draw(piece.data_seed).rows(piece.size)

    def identity_of(self, piece: Piece) -> str:
        """Return the fingerprint of what a writer writes."""
        options = self.options.writers[piece.writer]
        return identity_of(self.rows_of(piece), options, self.desk, piece.data_seed + options.seed)

    def written(self, writer: str, size: int, data_seed: int) -> pd.DataFrame:
        """Return what a writer wrote for the rows of a size."""
        piece = Piece(writer, min(size, self.options.writers[writer].rows or size), data_seed)
        if piece not in self.texts:
            raise ValueError(f"{piece} was not written; run the node write_texts of this study again")
        return self.texts[piece]

    def material(self, size: int, data_seed: int) -> Material:
        """Return what the arms of a size and data seed draw on; the arms share it, with its filter."""
        return Material(
            labels=self.labels,
            draw=self.draw(data_seed),
            size=size,
            options=self.options,
            validation=self.sides.validation_of(size, self.options),
            unlabelled=self.sides.unlabelled,
            held_out=self.held_out,
            features=self.features,
            written=lambda writer: self.written(writer, size, data_seed),
            device=self.device,
        )

    def targets(self, table: pd.DataFrame) -> np.ndarray:
        """Return the class index of each row."""
        return pd.Categorical(table["label"], categories=list(self.labels)).codes.astype(np.int64)

    def vectors(self, table: pd.DataFrame) -> np.ndarray:
        """Return the features of each row's text."""
        return self.features(table["text"].tolist())


def write_texts(study: Study) -> Iterator[tuple[Piece, pd.DataFrame]]:
    """Let every writer write what is not there yet; yield each piece with its texts."""
    wanted = pieces(study.options, study.sizes)
    missing = [piece for piece in wanted if not study.store.has(WRITTEN, study.identity_of(piece))]
    pace = Pace(len(missing))
    for piece in wanted:
        options = study.options.writers[piece.writer]
        table = write(piece.writer, study.rows_of(piece), options, study.desk, seed=piece.data_seed + options.seed)
        if piece in missing:
            logger.info("study: %s written; %s", piece, pace.step())
        yield piece, table


class Pace:
    """How far a piece of work is, and how long the rest will take at the pace so far."""

    def __init__(self, total: int) -> None:
        self._total, self._done, self._began = total, 0, time.perf_counter()

    def skip(self) -> None:
        """Leave one out of the count: it was there already."""
        self._total -= 1

    def step(self) -> str:
        """Count one more as done; return where that leaves the work."""
        self._done += 1
        spent = time.perf_counter() - self._began
        left = spent / self._done * (self._total - self._done)
        return f"{self._done} of {self._total} in {spent:.0f} s, about {left:.0f} s left"


def run_cells(study: Study) -> Iterator[tuple[Cell, pd.DataFrame, pd.DataFrame]]:
    """Run every cell that is not there yet; yield each cell with its predictions and its training rows.

    Predictions are ``record_id, seed, penalty, p_<label>...``, saved as the cell ends.
    """
    cells = grid(study.options, study.sizes)
    kept, material, pace = 0, None, Pace(len(cells))
    for cell in cells:
        if material is None or (material.size, material.draw.seed) != (cell.size, cell.data_seed):
            material = study.material(cell.size, cell.data_seed)
        rows = compose(cell.arm, material)
        identity = cell_identity(cell, rows, study)
        found = study.store.load(CELLS, identity)
        if found is None:
            started = time.perf_counter()
            found = _fit_cell(rows, material, study)
            found = study.store.save(CELLS, identity, found, seconds=time.perf_counter() - started)
            logger.info("study: cell %s; %s", cell, pace.step())
        else:
            kept += 1
            pace.skip()
        yield cell, found, rows
    logger.info("study: %d cells, %d of them were there already", len(cells), kept)


def cell_identity(cell: Cell, rows: pd.DataFrame, study: Study) -> str:
    """Return the fingerprint of everything that a cell's predictions depend on."""
    options, validation = study.options, study.sides.validation_of(cell.size, study.options)
    # JSON holds names; of a model that is a directory, its files stand there.
    models = [contents_of(name) for name in options.features.models()]
    models = [fingerprint(model) if isinstance(model, Path) else model for model in models]
    return fingerprint(
        *(rows[["text", "label", "weight"]], validation[["text", "label"]]),
        *(study.sides.test[["record_id", "text"]], list(study.labels), options.heads, list(options.seeds)),
        *(options.features, models, study.device.kind),
    )


def _fit_cell(rows: pd.DataFrame, material: Material, study: Study) -> pd.DataFrame:
    heads = fit_heads(
        study.vectors(rows),
        study.targets(rows),
        rows["weight"].to_numpy(),
        labels=study.labels,
        options=study.options.heads,
        seeds=study.options.seeds,
        device=study.device,
    )
    chosen = choose_penalty(heads, study.vectors(material.validation), study.targets(material.validation))
    given = heads.probabilities(study.vectors(study.sides.test))
    tables = [
        _predicted(study.sides.test, given[place, penalty], study.labels).assign(
            seed=seed, penalty=study.options.heads.penalties[penalty]
        )
        for place, (seed, penalty) in enumerate(zip(study.options.seeds, chosen, strict=True))
    ]
    return pd.concat(tables, ignore_index=True)


def _predicted(test: pd.DataFrame, probabilities: np.ndarray, labels: tuple[str, ...]) -> pd.DataFrame:
    columns = [f"{PROBABILITY_PREFIX}{label}" for label in labels]
    return pd.concat(
        [test[["record_id"]].reset_index(drop=True), pd.DataFrame(probabilities.astype(np.float32), columns=columns)],
        axis=1,
    )


def predictions_of(cells: Mapping[Cell, pd.DataFrame], test: pd.DataFrame) -> pd.DataFrame:
    """Return the predictions of many cells as one table, with arm, size and data seed of each row."""
    about = test.set_index("record_id")[["label", "source"]]
    tables = []
    for cell, table in cells.items():
        named = table.drop(columns=["penalty"], errors="ignore").join(about, on="record_id")
        named = named.assign(arm=cell.arm, n=cell.size, data_seed=cell.data_seed)
        first = ["record_id", "label", "source", "arm", "n", "data_seed", "seed"]
        tables.append(named[[*first, *(name for name in named if str(name).startswith(PROBABILITY_PREFIX))]])
    return pd.concat(tables, ignore_index=True)


def describe_cell(cell: Cell, predictions: pd.DataFrame, rows: pd.DataFrame) -> dict[str, Any]:
    """Return a cell's row of the table of cells."""
    return {
        "arm": cell.arm,
        "n": cell.size,
        "data_seed": cell.data_seed,
        "train_rows": int((rows["origin"] == "real").sum()),
        "added_rows": int((rows["origin"] == "added").sum()),
        "penalty": float(predictions["penalty"].mean()) if "penalty" in predictions else float("nan"),
        "seconds": float(predictions.attrs.get(SECONDS, float("nan"))),
    }


@dataclass(frozen=True)
class Judge:
    """A head on every train row of the study, which has no part in any arm: it says what added text reads as."""

    study: Study
    heads: Any
    penalty: int

    @classmethod
    def of(cls, study: Study) -> Judge:
        """Fit it."""
        train = study.sides.train
        study.held_out.refuse(train, "the rows of the judge")
        options, validation = study.options, study.sides.validation
        counts = train["label"].map(train["label"].value_counts())
        heads = fit_heads(
            study.vectors(train),
            study.targets(train),
            (1.0 / counts).to_numpy(),
            labels=study.labels,
            options=options.heads,
            seeds=(JUDGE_SEED,),
            device=study.device,
        )
        return cls(study, heads, int(choose_penalty(heads, study.vectors(validation), study.targets(validation))[0]))

    def reads(self, texts: list[str]) -> list[str]:
        """Return the label that it reads in each text."""
        given = self.heads.probabilities(self.study.features(texts))[0, self.penalty]
        return [self.study.labels[number] for number in given.argmax(axis=1)]

    def accuracy(self) -> float:
        """Return its accuracy on the test rows."""
        test = self.study.sides.test
        return float(np.mean(np.array(self.reads(test["text"].tolist())) == test["label"].to_numpy()))


def confirmed_cells(study: Study, options: ConfirmOptions) -> list[Cell]:
    """Return the cells that are run again."""
    return [
        cell
        for cell in grid(study.options, study.sizes)
        if cell.arm in options.arms and cell.size in options.sizes and cell.data_seed in options.data_seeds
    ]


def confirm_cells(study: Study, options: ConfirmOptions) -> Iterator[tuple[Cell, pd.DataFrame, pd.DataFrame]]:
    """Run chosen cells again with the encoder trained, with the same rows, weights and steps in every arm."""
    cells = confirmed_cells(study, options)
    for done, cell in enumerate(cells, start=1):
        rows = compose(cell.arm, study.material(cell.size, cell.data_seed))
        identity = fingerprint(
            *(rows[["text", "label", "weight"]], study.sides.test[["record_id", "text"]], list(study.labels)),
            *(options.classifier, list(options.seeds), contents_of(options.classifier.base), study.device.kind),
        )
        found = study.store.load(CONFIRMED, identity)
        if found is None:
            started = time.perf_counter()
            found = pd.concat([fine_tune(cell, rows, study, options, seed) for seed in options.seeds])
            found = study.store.save(CONFIRMED, identity, found, seconds=time.perf_counter() - started)
            logger.info("study: fine-tuned cell %d of %d (%s)", done, len(cells), cell)
        yield cell, found, rows


def fine_tune(cell: Cell, rows: pd.DataFrame, study: Study, options: ConfirmOptions, seed: int) -> pd.DataFrame:
    """Fit the encoder on a cell's rows; return the predictions of the test rows."""
    training = options.classifier.training
    mix = resampled(rows, training.steps_for(len(rows)) * training.batch_size, seed)
    name = f"study.{cell.arm}.{cell.size}.{cell.data_seed}"
    store = Checkpoints(study.checkpoints, name, fingerprint(mix, options.classifier, seed, study.device.kind))
    lesson = Lesson(mix, study.sides.validation.iloc[:0], study.labels, name, seed, AugmentationOptions())
    classifier, _ = fit_classifier(lesson, options.classifier, device=study.device, checkpoints=store)
    given = classifier.probabilities(study.sides.test["text"].tolist(), device=study.device)
    store.clear()
    return _predicted(study.sides.test, given, study.labels).assign(seed=seed)


def resampled(rows: pd.DataFrame, wanted: int, seed: int) -> pd.DataFrame:
    """Draw ``wanted`` rows in proportion to their weights: what weights mean to a head, for a trainer without them.

    Returns a mix (schema :class:`emotion_kedro.schemas.Mix`) in which a row may stand several times.
    """
    drawn = rows.sample(wanted, replace=True, weights="weight", random_state=seed).reset_index(drop=True)
    origin = drawn["origin"].map({"real": "real", "added": "synthetic"})
    numbered = [f"{place}" for place in range(wanted)]
    return drawn[["text", "label"]].assign(arm="study", record_id=numbered, origin=origin, phase=0)
