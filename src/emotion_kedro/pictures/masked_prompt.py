"""The page on the prompted masked model: what it knows, what tuning changes, and whether more epochs help."""

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
from emotion_kedro.pictures.prompted_arms import (
    arm_tiles,
    arms_table,
    differences_table,
    labels_table,
    named_arms,
    named_rows,
    seeds_caution,
)
from emotion_kedro.pictures.verdict import Tile, side_of_zero

ARM_NAMES = {
    "untuned": "untuned",
    "tuned_1": "tuned, 1 epoch",
    "tuned_3": "tuned, 3 epochs",
    "tuned_5": "tuned, 5 epochs",
}
TUNING, MORE, STILL_MORE = "tuned_3 - untuned", "tuned_3 - tuned_1", "tuned_5 - tuned_3"
MORE_EPOCHS = {1: "help", -1: "do harm", 0: "show no difference"}


@dataclass(frozen=True)
class MaskedPromptResults:
    """What the page shows."""

    scores: Mapping[str, Any]
    """``labels``, ``arms`` (scores of each), ``free`` (figures of free answers) and ``most_frequent``."""
    per_label: pd.DataFrame
    confusion: pd.DataFrame
    changes: Mapping[str, Any]
    """Differences between arms, with intervals."""
    answers: pd.DataFrame
    """Most frequent free answers."""
    prompt: str
    model: str
    base: str
    """What the arms start from, in a sentence."""


def masked_prompt_document(results: MaskedPromptResults) -> Document:
    """Return the page."""
    labels = list(results.scores["labels"])
    parts = (
        ("accuracy", "Accuracy", _accuracy(results)),
        ("free", "Free answers", _free(results)),
        ("labels", "By label", _labels(results)),
    )
    tested = results.scores["arms"]["tuned_3"]
    answer, kind = _answer(results)
    return Document(
        title=f"A masked language model fills in the answer: {len(labels)} labels",
        question=f"Can {results.model} read emotion by filling in a mask?",
        answer=answer,
        sentence=_sentence(results),
        caution=f"{seeds_caution(tested['seeds'], [tested['rows']])} {results.base}",
        kind=kind,
        sections=sections_with_tables(parts),
        tiles=_tiles(results),
        drawings={
            "arms": partial(plots.plot_arms, named_arms(results.scores, ARM_NAMES)),
            "per_label": partial(plots.plot_per_label, named_rows(results.per_label, ARM_NAMES)),
            "confusion": partial(
                plots.plot_confusion, results.confusion[results.confusion["arm"] == "tuned_3"], labels
            ),
        },
    )


def _answer(results: MaskedPromptResults) -> tuple[str, str]:
    """Tuned must beat the untuned model and the most frequent label: the former alone may be as bad as guessing."""
    side = side_of_zero(results.changes[TUNING]["accuracy"])
    if side <= 0:
        return ("No difference shown.", "open") if side == 0 else ("Tuning did harm.", "harmed")
    if results.scores["arms"]["tuned_3"]["accuracy"]["low"] <= results.scores["most_frequent"]:
        return "Not shown to be better than always saying one label.", "open"
    return "Tuned, it can.", "helped"


def _sentence(results: MaskedPromptResults) -> str:
    arms, changes, free = results.scores["arms"], results.changes, results.scores["free"]
    more = {
        "from one to three": side_of_zero(changes[MORE]["accuracy"]),
        "from three to five": side_of_zero(changes[STILL_MORE]["accuracy"]),
    }
    return (
        f"Scored by the labels' words it is right in {share(estimate(arms['untuned']['accuracy']))} of the test rows "
        f"untuned and in {share(estimate(arms['tuned_3']['accuracy']))} after three epochs "
        f"({interval(changes[TUNING]['accuracy'], signed)} in accuracy); always saying the most frequent label gives "
        f"{share(results.scores['most_frequent'])}. More epochs, "
        + " and ".join(f"{step}, {MORE_EPOCHS[side]}" for step, side in more.items())
        + f". Free to fill in any token, it leaves the label set in {share(estimate(free['untuned']['outside']))} of "
        f"its answers untuned and in {share(estimate(free['tuned_3']['outside']))} after three epochs."
    )


def _tiles(results: MaskedPromptResults) -> list[Tile]:
    outside = [
        Tile(f"{ARM_NAMES[arm]}: no label", share(estimate(found["outside"])), "of the free answers")
        for arm, found in results.scores["free"].items()
    ]
    return [*arm_tiles(results.scores, ARM_NAMES), *outside]


def _accuracy(results: MaskedPromptResults) -> Iterator[Block]:
    yield Text(
        f"The prompt, with … for the text: “{results.prompt}” and a mask for each token of a label's word. A label's "
        "score is the log-likelihood of its word at the masks (the mean over its tokens), over the label set alone. "
        f"{results.base}"
    )
    yield Picture("arms", "Accuracy and macro-F1 of each arm; ticks are seeds")
    yield arms_table(results.scores, ARM_NAMES)
    yield differences_table(results.changes, ARM_NAMES)


def _free(results: MaskedPromptResults) -> Iterator[Block]:
    yield Text(
        "The report's way of scoring takes the most probable token of the whole vocabulary at one mask. That mixes up "
        "an answer that is no label with a label that is wrong; here they are told apart. A word of several tokens "
        "counts by its first, if no other label's word begins so."
    )
    rows = [{"arm": ARM_NAMES[arm], **found} for arm, found in results.scores["free"].items()]
    columns: list[Column] = [
        *(("arm", "arm", plain), ("accuracy", "accuracy", interval), ("outside", "outside the label set", interval)),
        *(("accuracy_inside", "right among those inside", score), ("rows", "test rows", count)),
    ]
    yield table(rows, columns)
    answers = [{**row, "arm": ARM_NAMES[row["arm"]]} for row in rows_of(results.answers)]
    columns = [
        *(("arm", "arm", plain), ("answer", "answer", plain), ("rows", "rows", count)),
        *(("share", "share", share), ("inside", "in the label set", yes)),
    ]
    yield table(answers, columns, title="Most frequent free answers")


def _labels(results: MaskedPromptResults) -> Iterator[Block]:
    yield Picture("per_label", "F1 of each label")
    yield Picture("confusion", "True and predicted labels after three epochs")
    yield labels_table(results.per_label, ARM_NAMES)
