"""The page on the prompted causal model: what it knows, what tuning changes, and whether it keeps to the labels."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from emotion_kedro.pictures import plots
from emotion_kedro.pictures.blocks import Block, Column, Picture, Text, sections_with_tables, table
from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.numbers import count, estimate, interval, plain, rows_of, score, share, signed, yes
from emotion_kedro.pictures.verdict import FEW_SEEDS, Tile, side_of_zero

ARM_NAMES = {
    "untuned": "untuned, label words",
    "calibrated": "untuned, calibrated",
    "tuned": "tuned, label words",
}
ANSWERS = {1: ("Tuned, it can.", "helped"), 0: ("No difference shown.", "open"), -1: ("Tuning did harm.", "harmed")}


@dataclass(frozen=True)
class CausalPromptResults:
    """What the page shows."""

    scores: Mapping[str, Any]
    """``labels``, ``arms`` (scores of each), ``free`` (figures of free answers) and ``most_frequent``."""
    per_label: pd.DataFrame
    confusion: pd.DataFrame
    change: Mapping[str, Any]
    """Tuned less untuned, with intervals."""
    answers: pd.DataFrame
    """Most frequent free answers of each arm."""
    prompt: str
    model: str

    @property
    def labels(self) -> list[str]:
        """The taxonomy."""
        return list(self.scores["labels"])


def causal_prompt_document(results: CausalPromptResults) -> Document:
    """Return the page."""
    parts = (
        ("accuracy", "Accuracy", _accuracy(results)),
        ("free", "Free answers", _free(results)),
        ("labels", "By label", _labels(results)),
    )
    answer, kind = _answer(results)
    return Document(
        title=f"A causal model answers a question: {len(results.labels)} labels",
        question=f"Can {results.model} read emotion by answering a question?",
        answer=answer,
        sentence=_sentence(results),
        caution=_caution(results),
        kind=kind,
        sections=sections_with_tables(parts),
        tiles=_tiles(results),
        drawings={
            "arms": partial(plots.plot_arms, _named(results)),
            "per_label": partial(plots.plot_per_label, results.per_label),
            "confusion": partial(
                plots.plot_confusion, results.confusion[results.confusion["arm"] == "tuned"], results.labels
            ),
        },
    )


def _named(results: CausalPromptResults) -> dict[str, Any]:
    return {"arms": {ARM_NAMES[arm]: found for arm, found in results.scores["arms"].items()}}


def _answer(results: CausalPromptResults) -> tuple[str, str]:
    """Tuned must beat the untuned model and the most frequent label: the former alone may be as bad as guessing."""
    side = side_of_zero(results.change["accuracy"])
    if side > 0 and results.scores["arms"]["tuned"]["accuracy"]["low"] <= results.scores["most_frequent"]:
        return "Not shown to be better than always saying one label.", "open"
    return ANSWERS[side]


def _sentence(results: CausalPromptResults) -> str:
    arms, free = results.scores["arms"], results.scores["free"]
    return (
        f"Scored by the labels' words it is right in {share(estimate(arms['untuned']['accuracy']))} of the test rows "
        f"as it comes and in {share(estimate(arms['tuned']['accuracy']))} after tuning "
        f"({interval(results.change['accuracy'], signed)} in accuracy); always saying the most frequent label gives "
        f"{share(results.scores['most_frequent'])}. Free to say any word, it leaves the label set in "
        f"{share(estimate(free['untuned']['outside']))} of its answers before tuning and in "
        f"{share(estimate(free['tuned']['outside']))} after it."
    )


def _caution(results: CausalPromptResults) -> str:
    seeds = len(results.scores["arms"]["tuned"]["seeds"])
    rows = count(results.scores["arms"]["tuned"]["rows"])
    if seeds == 1:
        return f"One training seed: intervals cover the choice of the {rows} test rows, not training noise."
    few = ", which are few: the intervals may be too narrow" if seeds < FEW_SEEDS else ""
    return (
        f"Intervals cover the choice of the {rows} test rows and {seeds} training seeds{few}. "
        "Free answers are those of the first seed."
    )


def _tiles(results: CausalPromptResults) -> list[Tile]:
    arms, free = results.scores["arms"], results.scores["free"]
    tiles = [
        Tile(f"accuracy, {name}", score(estimate(arms[arm]["accuracy"])), interval(arms[arm]["accuracy"]))
        for arm, name in ARM_NAMES.items()
    ]
    outside = [
        Tile(f"{arm}: no label", share(estimate(found["outside"])), "of the free answers")
        for arm, found in free.items()
    ]
    return [*tiles, *outside]


def _accuracy(results: CausalPromptResults) -> Iterator[Block]:
    yield Text(
        f"The prompt, with … for the text: “{results.prompt}”. A label's score is the log-likelihood of its word as "
        "the answer (the mean over its tokens), over the label set alone. Calibrated: the probabilities are divided by "
        "those of texts without content."
    )
    yield Picture("arms", "Accuracy and macro-F1 of each arm; ticks are seeds")
    rows = [{"arm": ARM_NAMES[arm], **found} for arm, found in results.scores["arms"].items()]
    columns: list[Column] = [
        *(("arm", "arm", plain), ("accuracy", "accuracy", interval), ("macro_f1", "macro-F1", interval)),
        *(("ece", "ECE", score), ("log_loss", "log loss", score)),
        *(("rows", "test rows", count), ("seeds", "seeds", plain)),
    ]
    yield table(rows, columns)


def _free(results: CausalPromptResults) -> Iterator[Block]:
    yield Text(
        "The report's way of scoring takes the most probable next token of the whole vocabulary. That mixes up an "
        "answer that is no label with a label that is wrong; here they are told apart. An answer counts as a label if "
        "it is the first token of that label's word alone."
    )
    rows = [{"arm": arm, **found} for arm, found in results.scores["free"].items()]
    columns: list[Column] = [
        *(("arm", "arm", plain), ("accuracy", "accuracy", interval), ("outside", "outside the label set", interval)),
        *(("accuracy_inside", "right among those inside", score), ("rows", "test rows", count)),
    ]
    yield table(rows, columns)
    answers = [{**row, "answer": repr(row["answer"])} for row in rows_of(results.answers)]
    columns = [
        *(("arm", "arm", plain), ("answer", "answer", plain), ("rows", "rows", count)),
        *(("share", "share", share), ("inside", "in the label set", yes)),
    ]
    yield table(answers, columns, title="Most frequent free answers")


def _labels(results: CausalPromptResults) -> Iterator[Block]:
    yield Picture("per_label", "F1 of each label")
    yield Picture("confusion", "True and predicted labels, tuned")
    columns: list[Column] = [
        *(("arm", "arm", plain), ("label", "label", plain), ("precision", "precision", score)),
        *(("recall", "recall", score), ("f1", "F1", score), ("support", "test rows", count)),
    ]
    yield table(rows_of(results.per_label), columns, folded=True)
