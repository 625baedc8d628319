"""The page on words that the tokenizer keeps whole."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pandas as pd

from emotion_kedro.pictures.blocks import Block, Section, Text, sections_with_tables, table
from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.numbers import bounds, count, estimate, p_value, plain, rows_of, score, share, signed, yes
from emotion_kedro.pictures.verdict import FEW_SEEDS, reading, side_of_zero

QUESTION = "Does it help to keep emotion words whole?"
ARMS = {"label_words": "the labels", "mined_words": "words mined in the train texts"}
ANSWERS = {1: "helped", -1: "did harm", 0: "no difference shown"}
SHOWN_WORDS = 200
BERT_VOCABULARY = "MiniLM has the vocabulary of bert-base-uncased, so the same holds for that model."


def lexicon_document(
    findings: Sequence[Mapping[str, Any]],
    comparison: Mapping[str, Any],
    words: pd.DataFrame,
    use: pd.DataFrame,
    *,
    labels: Sequence[str],
    frozen: bool,
) -> Document:
    """Return the page of a comparison of tokenizers.

    Args:
        findings: the accuracies of the arms and the differences.
        comparison: arm -> its difference from ``plain``.
        words: the lexicons, a row a word.
        use: texts that have one of them, by arm and side of the split.
        labels: the taxonomy.
        frozen: whether the embeddings were not trained.
    """
    parts = (
        ("accuracy", "Accuracy", _accuracy(findings, comparison, words)),
        (
            "vocabulary",
            "What the vocabulary has already",
            _vocabulary(words, use, model=findings[0]["model"], frozen=frozen),
        ),
        ("words", "The words", _words(words)),
    )
    sections: list[Section] = sections_with_tables(parts)
    return Document(
        title=f"Emotion words kept whole, {len(labels)} labels",
        question=QUESTION,
        answer=" ".join(f"{_short(arm).capitalize()}: {_answer(comparison[arm], words, arm)}." for arm in ARMS),
        sentence=" ".join(_sentence(comparison[arm], arm) for arm in ARMS),
        sections=sections,
        caution=_caution(comparison),
    )


def _short(arm: str) -> str:
    return {"label_words": "labels", "mined_words": "mined words"}[arm]


def _answer(found: Mapping[str, Any], words: pd.DataFrame, arm: str) -> str:
    if not _new(words, arm):
        return "nothing to keep whole"
    return ANSWERS[side_of_zero(found["accuracy"])]


def _new(words: pd.DataFrame, arm: str) -> int:
    return int((words["new"] & (words["arm"] == arm)).sum())


def _sentence(found: Mapping[str, Any], arm: str) -> str:
    accuracy = found["accuracy"]
    return (
        f"Keeping {ARMS[arm]} whole, accuracy changes by {signed(estimate(accuracy))} {bounds(accuracy, signed)} "
        f"({count(found['rows'])} test rows, {len(found['seeds'])} seeds)."
    )


def _caution(comparison: Mapping[str, Any]) -> str:
    seeds = max(len(found["seeds"]) for found in comparison.values())
    if seeds == 1:
        return "There is one training seed: intervals cover the choice of test rows only, not training noise."
    few = ", which are few: if runs differ a lot the intervals are too narrow" if seeds < FEW_SEEDS else ""
    return f"Intervals cover the choice of test rows and {seeds} training seeds{few}."


def _accuracy(
    findings: Sequence[Mapping[str, Any]], comparison: Mapping[str, Any], words: pd.DataFrame
) -> Iterator[Block]:
    arms = [{**found, "interval": bounds(found["figure"])} for found in findings if found["metric"] == "accuracy"]
    yield table(
        [{**found, "accuracy": estimate(found["figure"]), "seeds": len(found["seeds"])} for found in arms],
        [
            ("name", "arm", plain),
            ("accuracy", "accuracy", score),
            ("interval", "interval", plain),
            ("rows", "test rows", count),
            ("seeds", "seeds", count),
        ],
    )
    yield Text("All arms have the same rows, the same number of optimiser steps and the same seeds.")
    parts = [
        (arm, part, comparison[arm] if part == "all test rows" else comparison[arm]["with_new_word"])
        for arm in ARMS
        for part in ("all test rows", "test rows with a new word")
    ]
    yield table(
        [_difference(arm, part, found, new=_new(words, arm)) for arm, part, found in parts if found is not None],
        [
            ("arm", "arm", plain),
            ("part", "on", plain),
            ("rows", "rows", count),
            ("difference", "difference in accuracy", signed),
            ("interval", "interval", plain),
            ("reading", "reading", plain),
        ],
        title="Minus the plain tokenizer, same rows and seeds",
    )
    tests = [{**test, "arm": _short(arm)} for arm in ARMS for test in comparison[arm]["mcnemar"]]
    yield table(
        tests,
        [
            ("arm", "arm", plain),
            ("seed", "seed", count),
            ("only_first", "only plain right", count),
            ("only_second", "only this right", count),
            ("p_value", "p (McNemar)", p_value),
            ("p_holm", "p (Holm, all of these)", p_value),
        ],
        title="Seed by seed",
        folded=True,
    )


def _difference(arm: str, part: str, found: Mapping[str, Any], *, new: int) -> dict[str, Any]:
    accuracy = found["accuracy"]
    return {
        "arm": _short(arm),
        "part": part,
        "rows": found["rows"],
        "difference": estimate(accuracy),
        "interval": bounds(accuracy, signed),
        "reading": reading(accuracy) if new else "no word is new: the same classifier again",
    }


def _vocabulary(words: pd.DataFrame, use: pd.DataFrame, *, model: str, frozen: bool) -> Iterator[Block]:
    rows = [
        {**row, "arm": _short(row["arm"]), "share": row["with_word"] / max(row["texts"], 1)} for row in rows_of(use)
    ]
    yield table(
        [
            {
                "arm": _short(arm),
                "words": int((words["arm"] == arm).sum()),
                "new": _new(words, arm),
            }
            for arm in ARMS
        ],
        [("arm", "lexicon", plain), ("words", "words", count), ("new", "not in the vocabulary", count)],
    )
    total, new = int((words["arm"] == "label_words").sum()), _new(words, "label_words")
    if new == 0:
        yield Text(
            f"All {total} labels are single tokens of the vocabulary already. A tokenizer that keeps them whole cuts "
            "every text as before, so this arm is the plain one again, and a gain that is measured with this "
            "vocabulary cannot come from whole words." + (f" {BERT_VOCABULARY}" if model == "package:minilm" else "")
        )
    else:
        yield Text(f"{new} of {total} labels were in pieces.")
    yield Text(
        "A new word's embedding starts as the mean of its pieces"
        + (", and stays so: the embeddings are frozen." if frozen else ", and is trained with the rest.")
    )
    yield table(
        rows,
        [
            ("arm", "lexicon", plain),
            ("side", "side", plain),
            ("texts", "texts", count),
            ("with_word", "with a word of it", count),
            ("share", "share", share),
            ("with_new_word", "with a new word", count),
        ],
        title="Texts that have such words",
    )


def _words(words: pd.DataFrame) -> Iterator[Block]:
    columns = [
        ("word", "word", plain),
        ("pieces", "pieces", plain),
        ("new", "new", yes),
        ("label", "most typical of", plain),
        ("z", "z", lambda value: plain(value) if pd.isna(value) else f"{value:.1f}"),
        ("texts", "train texts", count),
    ]
    for arm in ARMS:
        there = words[words["arm"] == arm]
        # The new ones are what the arm is about.
        shown = there.sort_values(["new", "label", "z"], ascending=[False, True, False], kind="stable")
        title = f"{_short(arm).capitalize()} ({len(there)}"
        title += f", {SHOWN_WORDS} shown)" if len(there) > SHOWN_WORDS else ")"
        yield table(rows_of(shown.head(SHOWN_WORDS)), columns, title=title, folded=arm != "label_words")
    yield Text(
        "z is the log-odds ratio with an informative Dirichlet prior over its standard deviation (Monroe, Colaresi "
        "and Quinn 2008), counted in the train rows."
    )
