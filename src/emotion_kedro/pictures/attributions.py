"""The page on where the feeling of a text sits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from emotion_kedro.pictures.blocks import Block, Coloured, ColouredLine, Column, Picture, Section, Text, table
from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.numbers import bounds, count, estimate, plain, score, share, signed
from emotion_kedro.pictures.plots import BLUE, FAINT, GREEN, GREY, INK, ORANGE, PURPLE, VERMILION, WIDTH
from emotion_kedro.pictures.verdict import reading, side_of_zero

if TYPE_CHECKING:
    from matplotlib.figure import Figure

QUESTION = "Does the feeling of a text sit in a few words?"
EXAMPLE = "example"
CHOOSERS = {
    "attribution": "highest attribution",
    "attention": "most attention (last layer)",
    "rollout": "most attention (rollout)",
    "log-odds": "most typical by log-odds",
    "random": "random words",
}
COLOURS = {"attribution": VERMILION, "attention": PURPLE, "rollout": ORANGE, "log-odds": GREEN, "random": BLUE}
TITLES = {"masked": "these words masked", "alone": "these words alone"}
COMPARED_AT = 3
NOT_BY_COUNTING = "for words typical by log-odds that is not shown"
Rows = Sequence[Mapping[str, Any]]


def attributions_document(
    masking: Mapping[str, Any], words: pd.DataFrame, texts: pd.DataFrame, *, labels: Sequence[str], per_label: int
) -> Document:
    """Return the page of an analysis of attributions.

    Args:
        masking: accuracies, differences, concentration, words and completeness.
        words: a row a word with its weights.
        texts: a row a text: label, predicted label, its probability, and the text itself.
        labels: the taxonomy.
        per_label: test rows of each label that are shown with their words coloured, in HTML alone.
    """
    sections = [
        Section("masking", "Without the heaviest words", list(_masking(masking))),
        Section("weight", "How the weight is spread", list(_weight(masking))),
        Section("texts", "Texts, word by word", list(_texts(words, texts, labels, per_label))),
    ]
    found = {(row["chooser"], row["way"], row["words"]): row for row in masking["differences"]}
    answer, sentence = _answer(masking, found)
    return Document(
        title="Where the feeling sits",
        question=QUESTION,
        answer=answer,
        sentence=sentence,
        sections=sections,
        caution="One fitted classifier is looked at: intervals cover the choice of test rows and of random words, not "
        "training noise. Attribution and attention say what this classifier leans on, not what readers do.",
        drawings={"accuracy_by_words": lambda: plot_accuracy(masking["accuracy"])},
    )


def _answer(masking: Mapping[str, Any], found: Mapping[tuple[str, str, int], Mapping[str, Any]]) -> tuple[str, str]:
    words = compared_words(masking)
    by_model, by_count = found["attribution", "masked", words], found["log-odds", "masked", words]
    sides = side_of_zero(by_model["figure"]), side_of_zero(by_count["figure"])
    answer = {
        (-1, -1): "More than in others, by either way of finding them.",
        (-1, 0): f"In those that this classifier leans on, more than in others; {NOT_BY_COUNTING}.",
        (-1, 1): f"In those that this classifier leans on, more than in others; {NOT_BY_COUNTING}.",
        (0, -1): "In words typical by log-odds, more than in others; for those of highest attribution it is not shown.",
    }.get(sides, "That is not shown.")
    accuracy = {(row["chooser"], row["way"], row["words"]): row["figure"] for row in masking["accuracy"]}
    whole = accuracy["all words", "", None]
    parts = [
        f"With all words accuracy is {score(estimate(whole))} {bounds(whole)}",
        f"without the {words} of highest attribution {score(estimate(accuracy['attribution', 'masked', words]))}",
        f"without {words} random ones {score(estimate(accuracy['random', 'masked', words]))}",
        f"with those {words} of highest attribution alone {score(estimate(accuracy['attribution', 'alone', words]))}",
    ]
    difference = f"{signed(estimate(by_model['figure']))} {bounds(by_model['figure'], signed)}"
    return answer, f"{'; '.join(parts)}. Highest attribution minus random: {difference}; texts have " + (
        f"{masking['mean_words']:.1f} words on average."
    )


def compared_words(masking: Mapping[str, Any]) -> int:
    """Return the number of words that the answer is about: three if it was measured, else the largest."""
    there = sorted({row["words"] for row in masking["differences"]})
    return COMPARED_AT if COMPARED_AT in there else int(there[-1])


def _masking(masking: Mapping[str, Any]) -> Iterator[Block]:
    yield Picture("accuracy_by_words", "Accuracy by number of words; bands are the intervals", wide=True)
    yield Text(
        "Each chosen word is replaced by one mask token, whatever its length; or it and the other chosen ones are all "
        "that is left of the text. Punctuation, digits and emoji are never chosen. Words are chosen by the "
        "classifier's own attributions or attention on that text, by how typical they are of any label in the train "
        "texts (which knows nothing of the classifier), or at random."
    )
    whole = next(row for row in masking["accuracy"] if row["words"] is None)
    yield Text(f"All words: accuracy {score(estimate(whole['figure']))} {bounds(whole['figure'])}.")
    for way, title in TITLES.items():
        yield _crossed(masking["accuracy"], way, f"Accuracy, {title}")
    columns = [
        ("chosen", "words", plain),
        ("words", "number", count),
        ("difference", "difference", signed),
        ("interval", "interval", plain),
        ("reading", "reading", plain),
    ]
    for way, title in TITLES.items():
        rows = [_difference(row) for row in masking["differences"] if row["way"] == way]
        yield table(rows, columns, title=f"Minus as many random words, {title}", folded=way == "alone")
    yield from _alone(masking["alone_minus_all"])
    yield Text(
        "That words of high attribution hurt most when they go is partly so by construction: they were chosen by the "
        "classifier that is then asked. The words chosen by log-odds are the independent check. The answer above rests "
        f"on {compared_words(masking)} words masked, settled before looking; the other intervals are each by itself, "
        "and among so many some miss zero by chance."
    )


def _alone(found: Mapping[str, Any] | None) -> Iterator[Block]:
    """Say whether the context of the heaviest words adds anything."""
    if found is None:
        return
    figure = found["figure"]
    yield Text(
        f"The {found['words']} words of highest attribution alone against the whole text: accuracy "
        f"{signed(estimate(figure))} {bounds(figure, signed)}. Which words these are was found with the whole text at "
        "hand, so this does not show that the rest is of no use."
    )


def _difference(row: Mapping[str, Any]) -> dict[str, Any]:
    figure = row["figure"]
    return {
        "chosen": CHOOSERS[row["chooser"]],
        "words": row["words"],
        "difference": estimate(figure),
        "interval": bounds(figure, signed),
        "reading": reading(figure),
    }


def _crossed(rows: Rows, way: str, title: str) -> Block:
    """Return a table with a row for each chooser and a column for each number of words."""
    there = [row for row in rows if row["way"] == way]
    counts = sorted({row["words"] for row in there})
    lines = [
        {
            "chosen": name,
            **{
                str(row["words"]): f"{score(estimate(row['figure']))} {bounds(row['figure'])}"
                for row in there
                if row["chooser"] == chooser
            },
        }
        for chooser, name in CHOOSERS.items()
    ]
    columns: list[Column] = [("chosen", "words", plain), *((str(number), f"{number}", str) for number in counts)]
    return table(lines, columns, title=title)


def _weight(masking: Mapping[str, Any]) -> Iterator[Block]:
    names = {"attribution": "attribution (absolute)", "attention": "attention", "rollout": "attention rollout"}
    yield table(
        [{**row, "measure": names[row["measure"]]} for row in masking["concentration"]],
        [
            ("measure", "weight", plain),
            ("words", "heaviest words", count),
            ("share", "share of all weight", share),
            ("even", "if all weighed the same", share),
        ],
        title="Share of a text's weight on its heaviest words, mean over texts",
    )
    whole = masking["completeness"]
    yield Text(
        f"Integrated gradients should add up to the change in log-odds from the masked text to the text: over "
        f"{count(whole['texts'])} texts they miss it by {whole['gap']:.3f} nats on average, "
        f"{share(whole['ratio'])} of the mean change."
    )
    labels: dict[str, list[str]] = {}
    for row in masking["words"]:
        labels.setdefault(row["label"], []).append(f"{row['word']} ({row['mean']:.2f})")
    yield table(
        [{"label": label, "words": ", ".join(there)} for label, there in labels.items()],
        [("label", "predicted", plain), ("words", "words of highest mean attribution, in nats", plain)],
        title="Heaviest words of each label (in two test texts at least)",
    )


def _texts(words: pd.DataFrame, texts: pd.DataFrame, labels: Sequence[str], per_label: int) -> Iterator[Block]:
    by_text = {str(record): part for record, part in words.groupby("record_id")}
    own = texts[texts["source"] == EXAMPLE]
    if len(own):
        yield Coloured("Sentences written for this page", [_line(row, by_text) for row in _rows(own)])
    shown = [_line(row, by_text) for label in labels for row in _rows(_typical(texts, label).head(per_label))]
    if shown:
        yield Coloured("Test rows, read rightly", shown, private=True)
    yield Text("Weights are attributions, as a share of the heaviest word's in the same text.")


def _typical(texts: pd.DataFrame, label: str) -> pd.DataFrame:
    """Return the test rows of a label that were read rightly, those of middling certainty first."""
    right = texts[(texts["label"] == label) & (texts["predicted"] == label)]
    distance = (right["probability"] - right["probability"].median()).abs()
    return right.loc[distance.sort_values(kind="stable").index]


def _rows(table: pd.DataFrame) -> Iterator[Any]:
    return table.itertuples(index=False)


def _line(row: Any, by_text: Mapping[str, pd.DataFrame]) -> ColouredLine:
    caption = f"{row.predicted} ({score(row.probability)})"
    words = by_text.get(row.record_id)
    if words is None:
        return ColouredLine(caption, [(row.text, 0.0)])
    return ColouredLine(caption, pieces_of(row.text, words))


def pieces_of(text: str, words: pd.DataFrame) -> list[tuple[str, float]]:
    """Cut a text into its words, each with what follows up to the next, and their weights in -1..1.

    Args:
        text: the text.
        words: its words in order: ``start``, ``end`` and ``attribution``.
    """
    starts = [int(start) for start in words["start"]]
    heaviest = float(words["attribution"].abs().max()) or 1.0
    weights = [float(weight) / heaviest for weight in words["attribution"]]
    ends = [*starts[1:], len(text)]
    pieces = [(text[start:end].strip(), weight) for start, end, weight in zip(starts, ends, weights, strict=True)]
    before = text[: starts[0]].strip()
    return [(before, 0.0), *pieces] if before else pieces


def plot_accuracy(rows: Rows) -> Figure:
    """Draw accuracy over the number of words masked, and of words alone, a line for each way of choosing them."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH + 1.6, 3.6), layout="constrained", facecolor="white")
    panels = figure.subplots(1, len(TITLES), sharey=True)
    whole = next(row for row in rows if row["words"] is None)["figure"]
    for axes, (way, title) in zip(panels, TITLES.items(), strict=True):
        axes.axhline(whole["estimate"], color=GREY, linestyle=":", linewidth=1.2, label="all words")
        for chooser, colour in COLOURS.items():
            line = sorted(
                (row for row in rows if (row["chooser"], row["way"]) == (chooser, way)), key=lambda row: row["words"]
            )
            places = [row["words"] for row in line]
            ends = [[row["figure"][end] for row in line] for end in ("low", "estimate", "high")]
            axes.fill_between(places, ends[0], ends[2], color=colour, alpha=0.12, linewidth=0)
            axes.plot(places, ends[1], color=colour, marker=".", label=CHOOSERS[chooser])
            axes.set_xticks(places)
        axes.set_title(title, color=INK, fontsize=11)
        axes.set_xlabel("words", color=INK)
        axes.grid(color=FAINT, linewidth=0.7)
        axes.spines[["top", "right"]].set_visible(False)
    panels[0].set_ylabel("accuracy", color=INK)
    handles, names = panels[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside upper center", ncols=3, frameon=False, fontsize=9)
    return figure
