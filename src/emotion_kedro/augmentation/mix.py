"""The training rows of an arm: its real rows, the candidates that it keeps, and what each of them counts."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from emotion_kedro.augmentation.filters import apply_filters
from emotion_kedro.config.experiment import ArmConfig, DesignConfig
from emotion_kedro.data.leak_guard import LeakGuard
from emotion_kedro.data.subsamples import DesignSplits, Draw

logger = logging.getLogger(__name__)

COLUMNS = ["record_id", "text", "label", "origin", "generator", "weight", "phase"]
DECISIONS = ["candidate_id", "kept", "reason"]
PHASES = {"mix": 0, "begin": -1, "continue": 1}
"""Of the added rows; real ones are of phase 0."""
LEAST_WEIGHT = 1e-9
"""A probability may round to 0, a weight may not be it."""


def compose_arm(
    name: str, arm: ArmConfig, design_splits: DesignSplits, candidates: pd.DataFrame, filters: Mapping[str, Any]
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return an arm's training rows (schema ``TrainingRows``) and its decisions on the candidates (``Decisions``).

    The candidates have the schema ``ScoredCandidates``; ``filters`` holds every filter's settings by name.

    Raises:
        LeakError: if a held-out row is among them.
        ValueError: if a draw leaves no row to train on.
    """
    rows, decisions = [], []
    for draw in _draws_of(name, arm, design_splits):
        inside = (candidates["size"] == draw.size) & (candidates["data_seed"] == draw.data_seed)
        composed, decided = compose_rows(
            *(arm, design_splits.rows(draw), candidates[inside].reset_index(drop=True), design_splits.design, filters),
            guard=design_splits.guard,
            name=name,
        )
        rows.append(composed.assign(**draw._asdict()))
        decisions.append(decided.assign(arm=name, **draw._asdict()))
    decided = pd.concat(decisions, ignore_index=True)
    logger.info("arm %s: %s", name, _counted(decided["reason"]))
    return pd.concat(rows, ignore_index=True), decided


def compose_real_arm(name: str, arm: ArmConfig, design_splits: DesignSplits) -> pd.DataFrame:
    """Return the training rows of an arm to which nothing is added; no filter's code has a part in it.

    Raises:
        LeakError: if a held-out row is among them.
        ValueError: if a draw leaves no row to train on.
    """
    guard = design_splits.guard
    rows = [
        training_rows(arm, design_splits.rows(draw), guard=guard, name=name).assign(**draw._asdict())
        for draw in _draws_of(name, arm, design_splits)
    ]
    return pd.concat(rows, ignore_index=True)


def _draws_of(name: str, arm: ArmConfig, design_splits: DesignSplits) -> list[Draw]:
    draws = design_splits.draws([arm.sizes])
    if not draws:
        raise ValueError(f"arms.{name}.sizes is {arm.sizes}, and no label has so many train rows; take smaller ones")
    return draws


def compose_rows(
    arm: ArmConfig,
    rows: pd.DataFrame,
    candidates: pd.DataFrame,
    design: DesignConfig,
    filters: Mapping[str, Any],
    *,
    guard: LeakGuard,
    name: str,
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return the training rows of an arm in one draw, and what became of the candidates that it could have added.

    ``candidates`` are the draw's, with their scores; of a generator and label ``design.added_rows`` are kept, at most.
    Real rows are those of :func:`training_rows`.

    Returns:
        What :func:`training_rows` does, and ``candidate_id, kept, reason``.

    Raises:
        LeakError: if a held-out row is among the rows.
        ValueError: if nothing is left to learn from.
    """
    offered = pd.concat(
        [candidates.iloc[:0], *(candidates[candidates["generator"] == added] for added in arm.add)], ignore_index=True
    )
    decisions = apply_filters(offered, arm.filters, filters, rows, quota=design.added_rows)
    decisions = decisions.assign(candidate_id=offered["candidate_id"])[DECISIONS]
    kept = offered[decisions["kept"].to_numpy()]
    _tell_of_too_few(kept, arm, rows, design, name)
    return training_rows(arm, rows, kept, guard=guard, name=name, reasons=_counted(decisions["reason"])), decisions


def _counted(reasons: pd.Series) -> str:
    """Return how many candidates have each reason, in words; empty if there are no candidates."""
    return ", ".join(f"{count:,} {reason}" for reason, count in reasons.value_counts().items())


def training_rows(
    arm: ArmConfig,
    rows: pd.DataFrame,
    kept: pd.DataFrame | None = None,
    *,
    guard: LeakGuard,
    name: str,
    reasons: str = "",
) -> pd.DataFrame:
    """Return the real rows of an arm and the candidates that it keeps, with what each counts.

    A real row weighs 1, and so does an added one where ``augmentation_weight`` is None. Otherwise the added rows of a
    label weigh together as much as so many real ones, whatever their number; several generators share that. If a
    generator has no text left for a label, the real rows of that label get its weight: else the label would be seen
    less often than the others. With ``weights: agreement`` added rows weigh in proportion to their probability.

    Args:
        arm: its parameters.
        rows: real train rows: ``record_id, text, label``, and ``source`` where the arm asks for one.
        kept: schema ``ScoredCandidates``, without those that filters refused; None: nothing is added.
        guard: knows the held-out rows.
        name: of the arm, for messages.
        reasons: what became of the candidates, for messages.

    Returns:
        ``record_id, text, label, origin, generator, weight, phase``.

    Raises:
        LeakError: if a held-out row is among the rows.
        ValueError: if nothing is left to learn from.
    """
    guard.assert_disjoint(rows, f"the real rows of the arm {name}")
    real = real_rows(arm, rows)
    table = real if kept is None else pd.concat([real, _added_rows(arm, kept)], ignore_index=True)
    if arm.augmentation_weight is not None:
        table = _with_stand_ins(table, arm)
    if table.empty:
        raise ValueError(
            f"the arm {name} has no row to learn from ({reasons or 'no candidates'}); ask less of its filters"
        )
    guard.assert_disjoint(table["text"].tolist(), f"the training rows of the arm {name}")
    phase = PHASES[arm.order] if len(real) else 0
    return table.assign(phase=np.where(table["origin"] == "added", phase, 0))[COLUMNS]


def _tell_of_too_few(kept: pd.DataFrame, arm: ArmConfig, rows: pd.DataFrame, design: DesignConfig, name: str) -> None:
    """Warn of labels of which the filters left less than half of what was asked for.

    Generators whose texts no filter looks at count for nothing here: a template has one text of a label, say.
    """
    if design.added_rows is None or not arm.filters:
        return
    filtered = kept["train_similarity"].notna()
    limit = design.added_rows * len(set(arm.add) - set(kept.loc[~filtered, "generator"]))
    counts = kept.loc[filtered, "label"].value_counts().reindex(sorted(rows["label"].unique()), fill_value=0)
    few = ", ".join(f"{label} {count}" for label, count in counts.items() if count < limit / 2)
    if few:
        logger.warning(
            "the arm %s adds fewer texts than the %d a label that it may: %s. Draw more (`texts`), give what writes or "
            "reads them more to learn from, or ask less of the filters",
            *(name, limit, few),
        )


def real_rows(arm: ArmConfig, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the real rows that an arm learns from, each of weight 1."""
    if arm.rows == "none":
        rows = rows.iloc[:0]
    elif arm.rows != "all":
        rows = rows[rows["source"] == arm.rows.source]
    return rows[["record_id", "text", "label"]].assign(origin="real", generator="", weight=1.0).reset_index(drop=True)


def _added_rows(arm: ArmConfig, candidates: pd.DataFrame) -> pd.DataFrame:
    rows = candidates[["candidate_id", "text", "label", "generator"]].rename(columns={"candidate_id": "record_id"})
    trust = pd.Series(1.0, index=rows.index)
    if arm.weights == "agreement":
        # What is right by its making has no probability.
        trust = candidates["probability"].fillna(1.0).clip(lower=LEAST_WEIGHT)
    if arm.augmentation_weight is not None:
        totals = trust.groupby([rows["generator"], rows["label"]]).transform("sum")
        trust = share_of(arm) * trust / totals
    return rows.assign(origin="added", weight=trust)


def share_of(arm: ArmConfig) -> float:
    """Return how many real rows the added rows of a label from one of the arm's generators count as."""
    assert arm.augmentation_weight is not None
    return arm.augmentation_weight / len(arm.add)


def _with_stand_ins(table: pd.DataFrame, arm: ArmConfig) -> pd.DataFrame:
    """Add the weight of each generator that has no text for a label to the label's real rows."""
    real = table["origin"] == "real"
    counts = table["label"].map(table.loc[real, "label"].value_counts())
    weight = table["weight"]
    for generator in arm.add:
        covered = table.loc[table["generator"] == generator, "label"].unique()
        weight = weight.mask(real & ~table["label"].isin(covered), weight + share_of(arm) / counts)
    return table.assign(weight=weight)
