"""The page on GoEmotions: how well its labels are told apart, and what became of rows with several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import pandas as pd

from emotion_kedro.measures.goemotions import ELEVEN_OF_THIRTEEN, NAMES, NOT_THE_OFFICIAL_SPLIT
from emotion_kedro.pictures import plots
from emotion_kedro.pictures.blocks import Block, Column, Picture, Text, sections_with_tables, table
from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.numbers import count, interval, plain, rows_of, score
from emotion_kedro.pictures.verdict import FEW_SEEDS

RULES = {
    "drop": "a row with several labels is dropped",
    "first": "a row with several labels counts under the first of them",
    "agree": "a row with several labels is kept where the map makes all of them the same, and dropped otherwise",
}
CONFUSIONS = 12  # pairs of labels in a table


def goemotions_document(
    *,
    taxonomy: str,
    label_maps: Mapping[str, Mapping[str, str]],
    scores: Mapping[str, Any],
    label_scores: pd.DataFrame,
    confusion: pd.DataFrame,
    ingestion_report: Mapping[str, Any],
    unification_report: Mapping[str, Any],
    sampling_report: Mapping[str, Any],
) -> Document:
    """Return the page; the arguments are the data sets of a GoEmotions system that have these names.

    ``label_maps`` gives for each source in use the labels that stand for others.
    """
    real, labels = scores["arms"]["real"], scores["labels"]
    commonest = scores["commonest"]
    parts = (
        ("scores", "Scores", _scores(real, commonest, label_scores)),
        ("confusion", "What is taken for what", _confusions(confusion)),
        ("rows", "The rows", _rows(ingestion_report, unification_report, sampling_report, label_maps)),
    )
    drawn = confusion[["label", "predicted", "rows", "arm"]]
    return Document(
        title=f"GoEmotions, {NAMES.get(taxonomy, taxonomy)}",
        question=f"How well are the {len(labels)} labels told apart?",
        answer=f"Accuracy {score(real['accuracy']['estimate'])}.",
        sentence=(
            f"Accuracy {interval(real['accuracy'])}, macro-F1 {interval(real['macro_f1'])} on {count(real['rows'])} "
            f"test rows; always saying {commonest['label']}, the commonest label of the train rows, gives an accuracy "
            f"of {score(commonest['accuracy'])}."
        ),
        caution=" ".join([*([ELEVEN_OF_THIRTEEN] if taxonomy == "eleven" else []), NOT_THE_OFFICIAL_SPLIT]),
        sections=sections_with_tables(parts),
        drawings={
            "per_label": partial(plots.plot_per_label, label_scores),
            "confusion": partial(plots.plot_confusion, drawn, labels),
        },
    )


def _scores(real: Mapping[str, Any], commonest: Mapping[str, Any], label_scores: pd.DataFrame) -> Iterator[Block]:
    seeds = len(real["seeds"])
    covered = "test rows alone, not of the training" if seeds == 1 else f"test rows and of {seeds} training seeds"
    few = ", which are few" if 1 < seeds < FEW_SEEDS else ""
    yield Text(f"Intervals are for another choice of {covered}{few}.")
    columns: list[Column] = [
        *(("name", "", plain), ("accuracy", "accuracy", interval), ("macro_f1", "macro-F1", interval)),
        *(("ece", "ECE", score), ("log_loss", "log loss", score), ("rows", "test rows", count)),
    ]
    yield table([{**real, "name": "classifier"}], columns)
    yield Text(f"Always {commonest['label']}: accuracy {score(commonest['accuracy'])}.")
    yield Picture("per_label", "F1 of each label")
    columns = [
        *(("label", "label", plain), ("precision", "precision", score), ("recall", "recall", score)),
        *(("f1", "F1", score), ("support", "test rows", count)),
    ]
    yield table(rows_of(label_scores), columns, title="Each label", folded=True)


def _confusions(confusion: pd.DataFrame) -> Iterator[Block]:
    yield Picture("confusion", "True label down, predicted label across; colour: share of the true label's rows")
    totals = confusion.groupby("label")["rows"].transform("sum")
    wrong = confusion.assign(share=confusion["rows"] / totals.where(totals > 0))
    wrong = wrong[(wrong["label"] != wrong["predicted"]) & (wrong["rows"] > 0)]
    wrong = wrong.sort_values(["rows", "label", "predicted"], ascending=[False, True, True]).head(CONFUSIONS)
    columns: list[Column] = [
        *(("label", "true", plain), ("predicted", "predicted", plain)),
        *(("rows", "rows, mean over seeds", count), ("share", "share of the label", score)),
    ]
    yield table(rows_of(wrong), columns, title="The most frequent mistakes")


def _rows(
    ingestion: Mapping[str, Any],
    unification: Mapping[str, Any],
    sampling: Mapping[str, Any],
    label_maps: Mapping[str, Mapping[str, str]],
) -> Iterator[Block]:
    for source, report in ingestion.items():
        several = report.get("several_labels")
        if several:
            yield Text(
                f"{source}: {count(several['rows'])} of {count(report['rows'])} rows have several labels; "
                f"{RULES[several['rule']]}: {count(several['kept'])} kept, "
                f"{count(several['rows'] - several['kept'])} dropped."
            )
        moved = label_maps.get(source, {})
        if moved:
            yield Text(f"Mapped: {', '.join(f'{name} to {target}' for name, target in moved.items())}.")
    for source, labels in unification["dropped"].items():
        named = ", ".join(f"{label} {count(rows)}" for label, rows in labels.items())
        yield Text(f"{source}: outside of the taxonomy, and dropped: {named}.")
    yield Text(
        f"Of {count(unification['kept'])} unified rows {count(sampling['conflicts']['rows'])} fell out for texts under "
        f"several labels, {count(sampling['repeats']['rows'])} as repeats, {count(sampling['capped'])} to the cap."
    )
    sides = sampling["counts"]
    found = [
        {"label": label, **{side: sides[side].get(source, {}).get(label, 0) for side in sides}, "unified": rows}
        for source, labels in unification["labels"].items()
        for label, rows in labels.items()
    ]
    columns: list[Column] = [
        *(("label", "label", plain), ("unified", "unified rows", count), ("train", "train", count)),
        *(("validation", "validation", count), ("test", "test", count)),
    ]
    yield table(found, columns, folded=len(found) > 13)
