"""The words of a page: what a comparison says, and what they mean for those who meet them for the first time."""

from __future__ import annotations

import re

import pandas as pd

from emotion_kedro.config.base import ALL
from emotion_kedro.metrics.comparison import COMPARED_LEARNERS, NOT_SHOWN
from emotion_kedro.report.tables import points

NOT_COMPARED = "Nothing was compared."
WORDS = {
    "arm": "One way to make up the training rows: which real rows, and what is added to them.",
    "learner": "The kind of classifier that learns from these rows.",
    "size": "Real train rows per label.",
    "eda": "Easy data augmentation: real rows again, with words swapped, inserted or deleted.",
    "frozen": "Of an encoder: it is taken as it is, and only a layer on top of it learns.",
    "baseline": "What any classifier has to beat: always the commonest label (majority), and counted words (tf-idf).",
    "accuracy": "The share of test rows that get their own label.",
    "F1": "Of a label: high where its rows are found, and few others are taken for it; between 0 and 1.",
    "macro-F1": "The mean of the labels' F1: rare labels count as much as common ones.",
    "log loss": "How surprised the classifier is by the true labels, in nats: 0 is never, and less is better.",
    "ECE": "Expected calibration error: how far stated probabilities are from the share that is right; less is better. "
    "With few rows it is larger than 0 by chance alone.",
    "temperature": "A number by which a classifier is made less sure (above 1) or surer (below 1) after training.",
    "interval": "In brackets: where the figure would probably lie with other test rows and other trainings.",
    "runs": "Trainings of one kind with different random numbers; the figures are means over them.",
    "detectable": "The smallest difference that such a comparison would show four times in five.",
    "Holm": "Who compares often finds something by chance: Holm's correction makes every p-value larger accordingly.",
    "verdict": "“Helped” or “harmed” only where the interval leaves zero out and p after correction is small.",
    "evaluator": "A classifier that judges written texts and took no part in choosing them.",
}
"""Word -> its meaning, in the order of the page."""


def words_in(text: str) -> dict[str, str]:
    """Return the words that a text has, with their meanings."""
    return {word: meaning for word, meaning in WORDS.items() if re.search(rf"\b{word}s?\b", text, re.IGNORECASE)}


def verdict_of(comparisons: pd.DataFrame, level: float = 0.95) -> tuple[str, str]:
    """Return the verdict of the first comparison (empty if there is none), and the sentence that says it."""
    accuracies = accuracies_of(comparisons)
    if accuracies.empty:
        return "", NOT_COMPARED
    return str(accuracies.iloc[0]["verdict"]), sentence_of(accuracies.iloc[0], level)


def headline(comparisons: pd.DataFrame) -> str:
    """Return the verdict of the first comparison in a few words; empty if there is none."""
    accuracies = accuracies_of(comparisons)
    if accuracies.empty:
        return ""
    row = accuracies.iloc[0]
    verdict = f": {row['verdict']}," if row["verdict"] == NOT_SHOWN else f" {row['verdict']}:"
    return f"{row['first']}{verdict} {points(row['difference'])} points of accuracy"


def accuracies_of(comparisons: pd.DataFrame) -> pd.DataFrame:
    """Return the comparisons in accuracy."""
    return comparisons[comparisons["metric"] == "accuracy"] if len(comparisons) else comparisons


def sentence_of(row: pd.Series, level: float) -> str:
    """Return what a comparison says, in a sentence."""
    learner = "" if row["learner"] == COMPARED_LEARNERS else str(row["learner"])
    where = [learner, f"{row['size']} rows per label" if row["size"] else "", _source(row["source"])]
    interval = f"{level * 100:.0f} % interval {points(row['low'])} to {points(row['high'])}"
    if row["low"] == row["high"]:  # resamples of rows that are all alike say nothing of others
        interval = "no interval: hardly a test row is read otherwise"
    tells = row["verdict"] == NOT_SHOWN and not pd.isna(row["detectable"])
    power = f"; {100 * row['detectable']:.1f} points would probably have been seen" if tells else ""
    sentence = (
        f"{row['first']} against {row['second']} ({', '.join(filter(None, where))}): {row['verdict']}, "
        f"{points(row['difference'])} points of accuracy ({interval}; p = {row['p_holm']:.3f}"
        f"{' after correction' if row['p_holm'] != row['p_value'] else ''}{power}; {row['rows']:,} test rows, runs: "
        f"{row['runs']})."
    )
    return sentence.replace(" ()", "")


def _source(source: str) -> str:
    return "" if source == ALL else str(source)
