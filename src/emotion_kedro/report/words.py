"""What the words of a page mean, for those who meet them for the first time."""

from __future__ import annotations

import re

WORDS = {
    "arm": "One way to make up the training rows: which real rows, and what is added to them.",
    "learner": "The kind of classifier that learns from these rows.",
    "size": "Real train rows per label.",
    "baseline": "What any classifier has to beat: always the commonest label (majority), and counted words (tf-idf).",
    "accuracy": "The share of test rows that get their own label.",
    "F1": "Of a label: high where its rows are found, and few others are taken for it; between 0 and 1.",
    "macro-F1": "The mean of the labels' F1: rare labels count as much as common ones.",
    "log loss": "How surprised the classifier is by the true labels, in nats: 0 is never, and less is better.",
    "ECE": "Expected calibration error: how far stated probabilities are from the share that is right; 0 is best.",
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
