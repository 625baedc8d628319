"""The page on the rounds in which uncertain texts were fed back into the generators."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pandas as pd

from emotion_kedro.pictures import plots
from emotion_kedro.pictures.blocks import Block, Column, Examples, Picture, Section, Text, sections_with_tables, table
from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.numbers import count, interval, score, share, signed, yes
from emotion_kedro.pictures.verdict import FEW_SEEDS, side_of_zero

ANSWERS = {1: ("Yes.", "helped"), -1: ("No: it did harm.", "harmed"), 0: ("No difference shown.", "open")}


def iteration_document(figures: Mapping[str, Any], examples: pd.DataFrame) -> Document:
    """Return the page.

    Args:
        figures: of :func:`emotion_kedro.measures.rounds.describe_rounds`.
        examples: ``label, text, probability`` of kept candidates of the last round.
    """
    rounds = figures["rounds"]
    answer, sentence, kind = _answer(figures)
    parts = (("rounds", "The rounds", _rounds(figures)), ("text", "The text of each round", _text(figures)))
    return Document(
        title="Uncertain texts back into the generators",
        question="Does repeating the loop help the classifier?",
        answer=answer,
        sentence=sentence,
        caution=_caution(len(rounds[0]["seeds"])),
        kind=kind,
        sections=[*sections_with_tables(parts), *_examples(examples, rounds[-1]["round"])],
        drawings={"rounds": partial(plots.plot_rounds, rounds)},
    )


def _answer(figures: Mapping[str, Any]) -> tuple[str, str, str]:
    rounds, best, difference = figures["rounds"], figures["best"], figures["difference"]
    rows = f"{rounds[0]['rows']:,} test rows"
    if difference is None:
        last = len(rounds) - 1
        tried = "the one round" if last == 1 else f"none of {last} rounds"
        gained = "did not gain" if last == 1 else "gained"
        return "No gain on validation.", f"On the validation rows {tried} {gained} on round 0, real text alone.", "open"
    answer, kind = ANSWERS[side_of_zero(difference["accuracy"])]
    seeds = len(difference["seeds"])
    sentence = (
        f"Round {best}, the best on the validation rows, less round 0 (real text alone): "
        f"{interval(difference['accuracy'], signed)} of accuracy ({rows}, {seeds} seed{'s' if seeds > 1 else ''}; "
        "paired, 95 % interval)."
    )
    return answer, sentence, kind


def _caution(seeds: int) -> str:
    text = "The best of several rounds looks better on the validation rows than it is; the test rows had no part in it."
    if seeds < FEW_SEEDS:
        text += f" With {seeds} seed{'s' if seeds > 1 else ''} the intervals know little of how trainings differ."
    return text


def _rounds(figures: Mapping[str, Any]) -> Iterator[Block]:
    yield Text(
        "Every round fits the classifier anew, with as many optimiser steps, on the real train records and the "
        "synthetic ones of that round."
    )
    yield Picture("rounds", "Accuracy of each round, with intervals")
    rows = [{**entry, "fed": sum(entry.get("uncertain", {}).values())} for entry in figures["rounds"]]
    columns: list[Column] = [
        *(("round", "round", count), ("best", "best on validation", yes), ("fed", "uncertain texts fed back", count)),
        *(("synthetic", "synthetic rows", count), ("steps", "steps", count)),
        *(("validation", "validation accuracy", interval), ("validation_log_loss", "validation log loss", score)),
        *(("test", "test accuracy", interval), ("macro_f1", "test macro-F1", interval)),
    ]
    yield table(rows, columns)


def _text(figures: Mapping[str, Any]) -> Iterator[Block]:
    yield Text(
        "Passed: the share of candidates that passed every check. Fidelity: the share that the classifier of round 0, "
        "which did not filter, reads as its label. Diversity stands beside that of as many real texts of the same "
        "lengths."
    )
    rows = [{"round": entry["round"], **entry["text"]} for entry in figures["rounds"] if entry["text"]]
    columns: list[Column] = [
        *(("round", "round", count), ("drawn", "drawn", count), ("kept", "kept", count), ("yield", "passed", share)),
        *(("fidelity_all", "fidelity, all", share), ("distinct_2", "distinct-2", score)),
        *(("real_distinct_2", "of real text", score), ("self_bleu", "self-BLEU", score)),
        *(("real_self_bleu", "of real text", score), ("nearest_similarity", "nearest train text", score)),
        *(("exact_copies", "exact copies", count), ("near_copies", "near copies", count)),
    ]
    yield table(rows, columns)


def _examples(examples: pd.DataFrame, number: int) -> list[Section]:
    if examples.empty:
        return []
    texts = {
        str(label): [(score(row.probability), str(row.text)) for row in rows.itertuples()]
        for label, rows in examples.groupby("label")
    }
    return [Section("examples", f"Examples of round {number}, drawn at random", [Examples(texts)])]
