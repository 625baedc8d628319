"""Nodes that draw, and what a page says of the drawings."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from emotion_kedro.config.base import CLASSIFIER_NOTES, Frame


def collect_curves(*, arms: Sequence[str], generators: Sequence[str], **parts: Any) -> Frame:
    """Return the losses that the kept models were trained with, step by step.

    Args:
        arms: by name, in the order of ``model_0``, ``model_1``, ...
        generators: by name, in the order of ``log_0``, ``log_1``, ...
        parts: directories of classifiers, and training logs of generators.
    """
    from emotion_kedro.report.curves import curves_table

    logs = {f"generator {name}": parts[f"log_{number}"] for number, name in enumerate(generators)}
    for number, name in enumerate(arms):
        notes = json.loads(Path(parts[f"model_{number}"], CLASSIFIER_NOTES).read_text(encoding="utf-8"))
        logs[f"classifier {name}"] = [notes.get("log") or {}]
    return curves_table(logs)


def draw_plots(
    scores: Frame,
    comparisons: Frame,
    confusion: Frame,
    label_gains: Frame,
    training_curves: Frame,
    pairs: Sequence[Sequence[str]],
    recommendation: Frame | None = None,
) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    """Return the plots of accuracy, of differences, of confusions, of gains by label and of losses, as PNG files.

    The confusions are those of the arm that is chosen by ``recommendation``; without them of the first arms compared.
    """
    from emotion_kedro.report import plots
    from emotion_kedro.report.curves import curves_plot

    return (
        plots.accuracy_plot(scores),
        plots.differences_plot(comparisons),
        plots.confusion_plot(_of_chosen(confusion, recommendation), _compared(pairs)),
        plots.labels_plot(label_gains),
        curves_plot(training_curves),
    )


def _compared(pairs: Sequence[Sequence[str]]) -> list[str]:
    return list(reversed(pairs[0])) if pairs else []


def _of_chosen(confusion: Frame, recommendation: Frame | None) -> Frame:
    """Return the confusions of the arm and learner that are recommended; all where none is."""
    if recommendation is None or not recommendation["chosen"].any():
        return confusion
    chosen = recommendation[recommendation["chosen"]].iloc[0]
    return confusion[(confusion["arm"] == chosen["arm"]) & (confusion["learner"] == chosen["learner"])]


def pictures_of(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Return the pictures of a page by their captions, those that show something."""
    from emotion_kedro.report import alt_texts
    from emotion_kedro.report.page import Picture
    from emotion_kedro.report.plots import differ

    captions = {
        "accuracy": ("Accuracy with intervals", "scores", alt_texts.of_accuracy),
        "differences": ("Differences in accuracy with intervals", "comparisons", alt_texts.of_differences),
        "labels": ("Gain in F1 by label, intervals not corrected for their number", "label_gains", alt_texts.of_labels),
        "confusion": ("True and predicted labels, mean rows of a run", "confusion", alt_texts.of_confusion),
        "curves": ("Losses while the kept models were trained", "training_curves", alt_texts.of_curves),
    }
    shown = {table: facts[table] for _, table, _ in captions.values() if len(facts.get(table, ()))}
    if "confusion" in shown:
        shown["confusion"] = _of_chosen(shown["confusion"], facts.get("recommendation"))
    for table in {"comparisons", "label_gains"} & shown.keys():
        if not differ(shown[table]):
            del shown[table]
    return {
        caption: Picture(facts[f"{name}_plot"], describe(shown[table]))
        for name, (caption, table, describe) in captions.items()
        if f"{name}_plot" in facts and table in shown
    }
