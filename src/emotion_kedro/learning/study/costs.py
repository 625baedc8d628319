"""What a study will cost: counts of its work, times what a unit of it takes on this machine, measured by a probe.

Texts that are written already are not counted; cells and features are, since which of them are there is known only
when they come.
"""

from __future__ import annotations

import logging
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.learning.features import open_features
from emotion_kedro.learning.heads import fit_heads
from emotion_kedro.learning.study.arms import joined
from emotion_kedro.learning.study.cells import Cell, Study, confirmed_cells, fine_tune, grid, pieces
from emotion_kedro.learning.study.store import SECONDS, Store
from emotion_kedro.learning.study.writers import WRITTEN, Desk, write
from emotion_kedro.options.study import ConfirmOptions, WriterOptions

logger = logging.getLogger(__name__)

PROBE_TEXTS = 64
PROBE_STEPS = (1, 3)
PROBE_TOKENS = (2, 6)


def estimate_cost(study: Study) -> list[dict[str, Any]]:
    """Return the parts of the work: ``part, units, unit, seconds_per_unit, seconds``."""
    parts = [*_writers(study), _features(study), _cells(study)]
    if study.options.confirm is not None:
        parts.append(_confirmed(study, study.options.confirm))
    return [{**part, "seconds": round(part["units"] * part["seconds_per_unit"], 1)} for part in parts]


def _part(part: str, units: float, unit: str, seconds_per_unit: float) -> dict[str, Any]:
    return {"part": part, "units": units, "unit": unit, "seconds_per_unit": round(seconds_per_unit, 4)}


def _writers(study: Study) -> Iterator[dict[str, Any]]:
    wanted = pieces(study.options, study.sizes)
    for name in dict.fromkeys(piece.writer for piece in wanted):
        options = study.options.writers[name]
        left = [
            piece for piece in wanted if piece.writer == name and not study.store.has(WRITTEN, study.identity_of(piece))
        ]
        if not left:
            continue
        per_step, per_text = probe_writer(study.rows_of(left[0]), options, study.desk)
        models = len(study.labels) if options.kind == "per_label" else 1
        if options.tuning is not None:
            rows = max(1, min(piece.size for piece in left))
            steps = models * options.tuning.training.steps_for(rows if options.kind == "per_label" else rows * models)
            yield _part(f"{name}: tuning", steps * len(left), "optimiser steps", per_step)
        if options.unlabelled is not None:
            unlabelled = options.unlabelled.steps_for(len(study.sides.unlabelled))
            yield _part(f"{name}: unlabelled texts", unlabelled, "optimiser steps", per_step)
        yield _part(f"{name}: sampling", len(left) * len(study.labels) * options.texts, "texts", per_text)


def probe_writer(rows: pd.DataFrame, options: WriterOptions, desk: Desk) -> tuple[float, float]:
    """Time a writer at tiny sizes; return seconds per optimiser step and per text, loading left out.

    Each is the difference of two runs of the real thing, so that whatever both do alike cancels.
    """
    label = str(rows["label"].iloc[0])
    few = rows[rows["label"] == label]
    texts = min(options.texts, options.decoding.batch_size)

    def seconds(steps: int, tokens: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            own = replace(desk, labels=(label,), store=Store(folder), checkpoints=f"{folder}/checkpoints")
            started = time.perf_counter()
            write("probe", few, _tiny(options, steps, tokens, texts), own, seed=0)
            return time.perf_counter() - started

    seconds(PROBE_STEPS[0], PROBE_TOKENS[0])  # the very first run pays for what is opened and set up once
    first = seconds(PROBE_STEPS[0], PROBE_TOKENS[0])
    longer = seconds(PROBE_STEPS[0], PROBE_TOKENS[1])
    per_token = max(longer - first, 1e-4) / (PROBE_TOKENS[1] - PROBE_TOKENS[0])
    per_text = per_token * options.decoding.max_new_tokens / texts
    if options.tuning is None:
        return 0.0, per_text
    more = seconds(PROBE_STEPS[1], PROBE_TOKENS[0])
    # With unlabelled texts, their steps and the label's are both made longer.
    kinds = 1 if options.unlabelled is None else 2
    return max(more - first, 1e-4) / (PROBE_STEPS[1] - PROBE_STEPS[0]) / kinds, per_text


def _tiny(options: WriterOptions, steps: int, tokens: int, texts: int) -> WriterOptions:
    short = {"steps": steps, "epochs": None}
    decoding = options.decoding.model_copy(update={"min_new_tokens": tokens, "max_new_tokens": tokens})
    changes: dict[str, Any] = {"texts": texts, "decoding": decoding}
    if options.tuning is not None:
        training = options.tuning.training.model_copy(update=short)
        changes["tuning"] = options.tuning.model_copy(update={"training": training})
    if options.unlabelled is not None:
        changes["unlabelled"] = options.unlabelled.model_copy(update=short)
    return options.model_copy(update=changes)


def _features(study: Study) -> dict[str, Any]:
    """Count the texts whose features the study needs, at most; those that are kept already cost next to nothing."""
    cells = grid(study.options, study.sizes)
    per_cell = study.options.added_rows * len(study.labels)
    new = sum("eda" in study.options.arms[cell.arm].add for cell in cells) * per_cell
    written = sum(study.options.writers[piece.writer].texts for piece in pieces(study.options, study.sizes))
    # The judge reads all train rows.
    texts = sum(map(len, (study.sides.train, study.sides.test, study.sides.validation)))
    texts += new + written * len(study.labels)
    probe = study.sides.test["text"].head(PROBE_TEXTS).tolist()
    with tempfile.TemporaryDirectory() as folder:
        # Elsewhere, since what is kept already would cost nothing; the first text pays for opening the encoder.
        fresh = open_features(study.options.features, folder=folder, device=study.device)
        fresh(probe[:1])
        return _part("features", texts, "texts", _seconds(lambda: fresh(probe)) / len(probe))


def _cells(study: Study) -> dict[str, Any]:
    """Time a fit of the heads on invented rows: its steps and batches are those of every cell."""
    width = study.vectors(study.sides.test.head(1)).shape[1]
    rng = np.random.default_rng(0)
    features = rng.normal(size=(PROBE_TEXTS, width)).astype(np.float32)
    targets = rng.integers(len(study.labels), size=PROBE_TEXTS)

    def fit() -> None:
        heads = fit_heads(
            features,
            targets,
            np.ones(PROBE_TEXTS),
            labels=study.labels,
            options=study.options.heads,
            seeds=study.options.seeds,
            device=study.device,
        )
        heads.probabilities(np.repeat(features[:1], len(study.sides.test), axis=0))

    return _part("heads", len(grid(study.options, study.sizes)), "cells", _seconds(fit))


def _confirmed(study: Study, options: ConfirmOptions) -> dict[str, Any]:
    cells = confirmed_cells(study, options)
    rows = joined(study.draw(study.options.data_seeds[0]).rows(study.sizes[0]))

    def seconds(steps: int, test: int) -> float:
        training = options.classifier.training.model_copy(update={"steps": steps, "epochs": None})
        own = options.model_copy(update={"classifier": options.classifier.model_copy(update={"training": training})})
        cell = Cell("probe", study.sizes[0], study.options.data_seeds[0])
        with tempfile.TemporaryDirectory() as folder:
            few = replace(
                study,
                sides=replace(study.sides, test=study.sides.test.head(test)),
                checkpoints=f"{folder}/checkpoints",
            )
            return _seconds(lambda: fine_tune(cell, rows, few, own, 0))

    first = seconds(PROBE_STEPS[0], 2)
    per_step = max(seconds(PROBE_STEPS[1], 2) - first, 1e-4) / (PROBE_STEPS[1] - PROBE_STEPS[0])
    tested = min(PROBE_TEXTS, len(study.sides.test))
    per_row = max(seconds(PROBE_STEPS[0], tested) - first, 1e-4) / tested
    steps = options.classifier.training.steps_for(len(rows))
    each = per_step * steps + per_row * len(study.sides.test)
    return _part("fine-tuning to confirm", len(cells) * len(options.seeds), "runs", each)


def _seconds(work: Callable[[], object]) -> float:
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def spent(study: Study, cells: pd.DataFrame, confirmed: pd.DataFrame) -> list[dict[str, Any]]:
    """Return what the kept pieces took when they were made: ``part, units, unit, seconds``."""
    taken: dict[str, list[float]] = {}
    for piece in pieces(study.options, study.sizes):
        table = study.store.load(WRITTEN, study.identity_of(piece))
        if table is not None:
            taken.setdefault(piece.writer, []).append(table.attrs[SECONDS])
    parts = [_spent(f"writer {name}", seconds, "draws of rows") for name, seconds in taken.items()]
    parts.append(_spent("heads", cells["seconds"].tolist(), "cells"))
    return (
        [*parts, _spent("fine-tuning to confirm", confirmed["seconds"].tolist(), "cells")] if len(confirmed) else parts
    )


def _spent(part: str, seconds: list[float], unit: str) -> dict[str, Any]:
    return {"part": part, "units": len(seconds), "unit": unit, "seconds": round(sum(seconds), 1)}


def say(parts: list[dict[str, Any]], study: Study) -> None:
    """Print what will be done and how long it takes, before it starts."""
    cells = len(grid(study.options, study.sizes))
    total = sum(part["seconds"] for part in parts)
    logger.info("study: %d cells, %d test rows; about %s in all", cells, len(study.sides.test), _minutes(total))
    for part in parts:
        logger.info(
            "study:   %-32s %8.0f %-16s x %8.4f s = %s",
            *(part["part"], part["units"], part["unit"], part["seconds_per_unit"], _minutes(part["seconds"])),
        )


def _minutes(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{seconds / 60:.0f} min"
