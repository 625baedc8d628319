"""The page on a Chinese set: the report's rows and all rows, a masked prompt and a head."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import pandas as pd

from emotion_kedro.pictures import plots
from emotion_kedro.pictures.blocks import Block, Column, Picture, Text, sections_with_tables, table
from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.numbers import count, interval, plain, share, signed
from emotion_kedro.pictures.prompted_arms import (
    arm_tiles,
    arms_table,
    differences_table,
    labels_table,
    named_arms,
    named_rows,
    seeds_caution,
)
from emotion_kedro.pictures.verdict import side_of_zero

ALL, ALL_HEAD = "all_rows", "all_rows_head"
SIDES = {"report_rows": "report's rows", "all_rows": "all rows"}
AGAINST_HEAD = {1: "the prompt does better", -1: "the head does better", 0: "no difference between the two is shown"}


@dataclass(frozen=True)
class ChineseResults:
    """What the page shows."""

    scores: Mapping[str, Any]
    """``labels``, ``epochs``, ``arms``, ``most_frequent`` and ``rows`` of both sides, ``test_in_train``."""
    names: Mapping[str, str]
    """Arm -> what it is called."""
    per_label: pd.DataFrame
    confusion: pd.DataFrame
    changes: Mapping[str, Any]
    words: Mapping[str, str]
    """Label -> the word that stands for it."""
    prompt: str
    base: str
    """What the arms start from, in a sentence."""
    source: str
    file: str
    """Where the report's rows lie."""

    @property
    def first(self) -> str:
        """The arm on the report's rows for the report's own number of epochs."""
        return f"report_rows_{self.scores['epochs'][0]}"


def chinese_document(results: ChineseResults) -> Document:
    """Return the page."""
    labels = list(results.scores["labels"])
    parts = (
        ("accuracy", "Accuracy", _accuracy(results)),
        ("rows", "Which rows", _rows(results)),
        ("labels", "By label", _labels(results)),
    )
    answer, kind = _answer(results)
    return Document(
        title=f"Chinese text: {results.source}, {len(labels)} labels",
        question="Can a masked model read emotion in Chinese, asked in Chinese?",
        answer=answer,
        sentence=_sentence(results),
        caution=_caution(results),
        kind=kind,
        sections=sections_with_tables(parts),
        tiles=arm_tiles(results.scores, results.names),
        drawings={
            "arms": partial(plots.plot_arms, named_arms(results.scores, results.names)),
            "per_label": partial(plots.plot_per_label, named_rows(results.per_label, _on_all(results))),
            "confusion": partial(plots.plot_confusion, results.confusion[results.confusion["arm"] == ALL], labels),
        },
    )


def _on_all(results: ChineseResults) -> dict[str, str]:
    return {arm: results.names[arm] for arm in (ALL, ALL_HEAD)}


def _answer(results: ChineseResults) -> tuple[str, str]:
    """By all rows: the report's hundred test rows are too few to say much."""
    if results.scores["arms"][ALL]["accuracy"]["low"] > results.scores["most_frequent"]["all_rows"]:
        return "Yes, better than always saying one label.", "helped"
    return "Not shown to be better than always saying one label.", "open"


def _sentence(results: ChineseResults) -> str:
    arms, usual = results.scores["arms"], results.scores["most_frequent"]
    head = results.changes[f"{ALL} - {ALL_HEAD}"]["accuracy"]
    return (
        f"On all rows, split so that near-duplicates stay together, it is right in "
        f"{interval(arms[ALL]['accuracy'], share)} of the test rows (always the most frequent label: "
        f"{share(usual['all_rows'])}); against a head on the same encoder, {AGAINST_HEAD[side_of_zero(head)]} "
        f"({interval(head, signed)}). On the report's rows it is right in "
        f"{interval(arms[results.first]['accuracy'], share)} (most frequent label: {share(usual['report_rows'])}). "
        + _more_epochs(results)
    ).strip()


def _more_epochs(results: ChineseResults) -> str:
    epochs = results.scores["epochs"]
    if len(epochs) == 1:
        return ""
    before, after = epochs[:2]
    difference = results.changes[f"report_rows_{after} - report_rows_{before}"]["accuracy"]
    shown = {1: "help", -1: "do harm", 0: "show no difference"}[side_of_zero(difference)]
    return f"There {after} epochs instead of {before} {shown} ({interval(difference, signed)})."


def _caution(results: ChineseResults) -> str:
    arms = results.scores["arms"]
    few = arms[results.first]
    width = 100 * (few["accuracy"]["high"] - few["accuracy"]["low"]) / 2
    return (
        f"{seeds_caution(arms[ALL]['seeds'], [few['rows'], arms[ALL]['rows']])} On the report's {few['rows']} test "
        f"rows that is some {width:.0f} points either way: differences smaller than that say nothing. {results.base}"
    )


def _accuracy(results: ChineseResults) -> Iterator[Block]:
    words = ", ".join(f"{word} ({label})" for label, word in results.words.items())
    yield Text(
        f"The prompt, with … for the text: “{results.prompt}” and a mask. The words: {words}. A label's score is the "
        f"log-likelihood of its word at the mask, over these words alone. {results.base}"
    )
    yield Picture("arms", "Accuracy and macro-F1 of each arm; ticks are seeds")
    yield arms_table(results.scores, results.names)
    yield differences_table(results.changes, results.names)


def _rows(results: ChineseResults) -> Iterator[Block]:
    scores = results.scores
    rows = [
        {"name": name, **scores["rows"][side], "usual": scores["most_frequent"][side]} for side, name in SIDES.items()
    ]
    columns: list[Column] = [
        *(("name", "rows", plain), ("train", "train", count), ("validation", "validation", count)),
        *(("test", "test", count), ("usual", "always the most frequent label", share)),
    ]
    yield table(rows, columns)
    tested = scores["rows"]["report_rows"]["test"]
    yield Text(
        f"The report's rows are the first of the file {results.file}, in the order in which they lie there; copies of "
        f"a set may differ in that order. {count(scores['test_in_train'])} of the {count(tested)} test texts stand in "
        "their train rows as well. All rows: repeats and conflicts are removed, and near-duplicates stay on one side. "
        "The encoder has read no text of either test side."
    )


def _labels(results: ChineseResults) -> Iterator[Block]:
    yield Picture("per_label", "F1 of each label, all rows")
    yield Picture("confusion", "True and predicted labels, all rows")
    yield labels_table(results.per_label, results.names)
