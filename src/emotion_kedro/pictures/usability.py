"""The page on generated text for each kind of classifier: what it teaches, and both ways of adding it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from emotion_kedro.pictures import plots
from emotion_kedro.pictures.blocks import Block, Column, Picture, Text, sections_with_tables, table
from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.numbers import count, interval, p_value, plain, score, share, signed
from emotion_kedro.pictures.verdict import reading, side_of_zero

HARDLY_LEARNED = 0.15  # macro-F1 of an arm that says nearly always the same
WAYS = {"mixed": "shuffled in", "continued": "further steps at a lower rate"}


def usability_document(kinds: Sequence[Mapping[str, Any]], text: Mapping[str, Any]) -> Document:
    """Return the page.

    Args:
        kinds: what ``measure_kind`` found for each kind of classifier.
        text: the row for all labels of :func:`emotion_kedro.measures.synthetic_text.describe_synthetic_text`.
    """
    parts = (
        ("added", "Both ways of adding it", _added(kinds)),
        ("usability", "Usability, both ways", _usability(kinds)),
        ("text", "The text", _text(text)),
    )
    drawn = {"arms": {f"{kind['kind']}: {arm}": found for kind in kinds for arm, found in kind["arms"].items()}}
    answer, sentence = _answer(kinds)
    return Document(
        title="Generated text for every kind of classifier",
        question="Does it help, and which way of adding it?",
        answer=answer,
        sentence=sentence,
        sections=sections_with_tables(parts),
        caution=_caution(kinds),
        drawings={"arms": partial(plots.plot_arms, drawn)},
    )


def _answer(kinds: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Say which of the differences an interval tells from zero; with several asked, say how many."""
    found = [
        (
            f"{kind['kind']}, {WAYS[way]}: {interval(difference['accuracy'], signed)}",
            side_of_zero(difference["accuracy"]),
        )
        for kind in kinds
        for way, difference in kind["differences"].items()
    ]
    better, worse = ([name for name, side in found if side == sign] for sign in (1, -1))
    asked = f"{len(found)} differences were asked for, each with a 95 % interval of its own"
    if not better and not worse:
        return "No difference shown.", f"None of the intervals leaves out zero ({asked})."
    parts = [f"helped: {'; '.join(better)}" if better else "", f"harmed: {'; '.join(worse)}" if worse else ""]
    sentence = ". ".join(part[0].upper() + part[1:] for part in parts if part)
    return f"{len(better)} of {len(found)} up, {len(worse)} down.", f"{sentence} ({asked})."


def _caution(kinds: Sequence[Mapping[str, Any]]) -> str:
    """Say what a reader must not take from the differences: single seeds, and kinds that have hardly learned yet."""
    single = [kind["kind"] for kind in kinds if len(kind["arms"]["real"]["seeds"]) == 1]
    green = [kind["kind"] for kind in kinds if kind["arms"]["real"]["macro_f1"]["estimate"] < HARDLY_LEARNED]
    parts = []
    if single:
        parts.append(f"One seed for {', '.join(single)}: the intervals cover the test rows only, not training noise.")
    if green:
        parts.append(
            f"On real text alone {', '.join(green)} has hardly left chance in these few steps: that the same steps on "
            "text that is easier to learn do more is no sign that synthetic text helps a model trained to its end."
        )
    return " ".join(parts)


def _added(kinds: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    yield Text("Every arm of a kind took the same number of optimiser steps, and is tested on the same rows.")
    yield Picture("arms", "Accuracy and macro-F1 of each kind and arm; ticks are seeds")
    rows = [
        {"kind": kind["kind"], "arm": arm, "model": kind["model"], **found, "seed_count": len(found["seeds"])}
        for kind in kinds
        for arm, found in kind["arms"].items()
    ]
    columns: list[Column] = [
        *(("kind", "kind", plain), ("model", "model", plain), ("arm", "arm", plain)),
        *(("accuracy", "accuracy", interval), ("macro_f1", "macro-F1", interval), ("ece", "ECE", score)),
        *(("rows", "test rows", count), ("seed_count", "seeds", count)),
    ]
    yield table(rows, columns)
    differences = [
        {
            "kind": kind["kind"],
            "way": WAYS[way],
            **found,
            "reading": reading(found["accuracy"]),
            "p": min(test["p_holm"] for test in found["mcnemar"]),
        }
        for kind in kinds
        for way, found in kind["differences"].items()
    ]
    signed_interval = partial(interval, written=signed)
    columns = [
        *(("kind", "kind", plain), ("way", "synthetic text", plain), ("accuracy", "accuracy", signed_interval)),
        *(("macro_f1", "macro-F1", signed_interval), ("p", "least McNemar p after Holm", p_value)),
        ("reading", "reads as", plain),
    ]
    yield table(differences, columns, title="Against real text alone")


def _usability(kinds: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    rows = [
        {
            "kind": kind["kind"],
            "real": kind["arms"]["real"]["accuracy"],
            **kind["usability"],
            "synthetic": kind["arms"]["synthetic"]["accuracy"],
            "judged": kind["judged"]["all"],
        }
        for kind in kinds
    ]
    yield Text(
        "Trained on one kind of text and tested on the other. The filter chose the kept candidates, so that their "
        "figure flatters the generators; the synthetic classifier saw no real text."
    )
    columns: list[Column] = [
        *(("kind", "kind", plain), ("real", "real to real", interval)),
        ("real_to_synthetic_all", "real to synthetic, all", interval),
        ("real_to_synthetic_kept", "real to synthetic, kept", interval),
        *(("synthetic", "synthetic to real", interval), ("judged", "candidates judged", count)),
    ]
    yield table(rows, columns)


def _text(text: Mapping[str, Any]) -> Iterator[Block]:
    columns: list[Column] = [
        *(("drawn", "drawn", count), ("kept", "kept", count), ("yield", "passed", share)),
        *(("fidelity_all", "fidelity, all", share), ("distinct_2", "distinct-2", score)),
        *(("real_distinct_2", "of real text", score), ("self_bleu", "self-BLEU", score)),
        *(("real_self_bleu", "of real text", score), ("exact_copies", "exact copies", count)),
        ("near_copies", "near copies", count),
    ]
    yield table([text] if text else [], columns)
