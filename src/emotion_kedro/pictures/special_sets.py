"""The page on special sets: texts without emotion labels, read before and after the training text was widened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from emotion_kedro.measures.resampling import entropy
from emotion_kedro.measures.special_findings import asked_of, verdict
from emotion_kedro.measures.special_sets import ARMS, IN_DOMAIN
from emotion_kedro.pictures.blocks import Block, Column, Examples, Picture, Section, Text, table
from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.numbers import bounds, count, estimate, interval, plain, score, share, signed
from emotion_kedro.pictures.plots import BLUE, GREY, INK, OTHER_COLOURS, VERMILION, WIDTH

if TYPE_CHECKING:
    from matplotlib.figure import Figure

HATCHES = ("", "////", "....")
BINS = 20
FEW_GROUPS = 20


@dataclass(frozen=True)
class SpecialResults:
    """What the page shows."""

    figures: Mapping[str, Any]
    shares: pd.DataFrame
    certainties: pd.DataFrame
    words: pd.DataFrame
    examples: pd.DataFrame
    counts: Mapping[str, Mapping[str, Any]]
    findings: Sequence[Mapping[str, Any]]
    widening_share: float


def special_document(results: SpecialResults) -> Document:
    """Return the page."""
    answer, kind = verdict(results.figures["sets"])
    sections = [
        Section("asked", "What was asked of each set", list(_asked(results))),
        Section("emotions", "What is read in them", list(_emotions(results))),
        Section("confidence", "How sure the classifiers are", list(_confidence(results))),
        Section("words", "Words that go with a reading", list(_words(results))),
        Section("texts", "Most and least certain", [_texts(results)]),
        Section("data", "Data", list(_data(results))),
    ]
    return Document(
        title="Special sets: love letters, stress, jokes",
        question="Are texts of other kinds read better once the generators have seen such texts?",
        answer=answer,
        sentence=_sentence(results),
        sections=sections,
        caution=_caution(results),
        kind=kind,
        drawings={
            "emotions": lambda: plot_emotions(results.shares),
            "confidence": lambda: plot_confidence(results.certainties),
        },
    )


def _sentence(results: SpecialResults) -> str:
    rows = [row for row in asked_of(results.figures["sets"]) if row["metric"] != "confidence"]
    parts = [
        f"{row['what']}: {row['metric']} {score(estimate(row['before']))} before, "
        f"{score(estimate(row['after']))} after ({signed(estimate(row['change']))} {bounds(row['change'], signed)})"
        for row in rows
        if row["change"] is not None
    ]
    inside = results.figures["in_domain"]["accuracy"]
    parts.append(f"in-domain accuracy {signed(estimate(inside))} {bounds(inside, signed)}")
    sentence = "; ".join(parts)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _caution(results: SpecialResults) -> str:
    seeds = len(results.figures["seeds"])
    once = "One training seed: another run of the same training may differ as much. " if seeds == 1 else ""
    small = [one["title"] for one in results.figures["sets"].values() if one["groups"] < FEW_GROUPS]
    few = f"Intervals over fewer than {FEW_GROUPS} groups are rough: {', '.join(small)}. " if small else ""
    return (
        f"{once}{few}The second arm differs from the first by synthetic rows whose generators were widened; a change "
        "may come from the rows as such and not from the widening, which only generators without it could tell apart. "
        "Each question has an interval of its own, and none is corrected for their number."
    )


def _asked(results: SpecialResults) -> Iterator[Block]:
    yield Text(
        "None of these texts has a right emotion, so accuracy is not asked for. Of love letters and jokes the share is "
        "measured that is read as the emotion a reader would look for; of stress posts, how often one under stress has "
        "less joy and love in it than one without (AUC of 1 - p(joy) - p(love); .5 is chance). Intervals draw whole "
        f"letters, posts, or groups of near-duplicates. {share(1 - results.widening_share)} of each set's texts are "
        "judged; the generators have seen the others alone. The answer above rests on the shares and AUCs of love "
        "letters and stress posts: what a joke ought to be read as is open, and more confidence is not better."
    )
    yield table(asked_of(results.figures["sets"]), _QUESTIONS)
    yield table(list(_base_rates(results)), _BASE_RATES, title="Beside in-domain test text")
    yield from _jokes(results)
    yield Text(f"In-domain test rows: {_in_domain(results)}")


def _signed_interval(found: Mapping[str, Any] | None) -> str:
    return interval(found, signed)


_QUESTIONS: list[Column] = [
    ("what", "question", plain),
    ("metric", "figure", plain),
    ("texts", "texts", count),
    ("groups", "groups", count),
    ("before", "before", interval),
    ("after", "after", interval),
    ("change", "change", _signed_interval),
]
_BASE_RATES: list[Column] = [
    ("set", "set", plain),
    ("read_as", "read as", plain),
    ("arm", "arm", plain),
    ("share", "share", interval),
    ("chance", "by chance", share),
    ("true", "true in-domain", share),
    ("beside", "less what is read so in-domain", _signed_interval),
]


def _base_rates(results: SpecialResults) -> Iterator[dict[str, Any]]:
    truth = results.figures["in_domain_shares"]
    for one in results.figures["sets"].values():
        for arm in ARMS if one["expected"] else ():
            yield {
                "set": one["title"],
                "read_as": " or ".join(one["expected"]),
                "arm": arm,
                "share": one["arms"][arm]["share"],
                "chance": len(one["expected"]) / len(truth),
                "true": sum(truth[label] for label in one["expected"]),
                "beside": one["arms"][arm]["share_beside"],
            }


def _jokes(results: SpecialResults) -> Iterator[Text]:
    """Say what the reading of jokes shows, and what it does not."""
    for one in results.figures["sets"].values():
        if one["system"] == "S19" and one["expected"]:
            found = one["arms"]["before"]
            beside = found["confidence_beside"]
            how = "not shown to be surer or less sure of them than"
            if beside["low"] > 0 or beside["high"] < 0:
                how = f"{'surer' if beside['low'] > 0 else 'less sure'} of them than"
            read_as, read = " or ".join(one["expected"]), share(estimate(found["share"]))
            yield Text(
                f"{one['title'].capitalize()} are read as {read_as} in {read} of {count(one['texts'])} cases, and the "
                f"classifier is {how} of in-domain text ({signed(estimate(beside))}). A joke's words tell of quarrels, "
                "fears and mishaps; that it is meant to amuse stands between the lines. The figure says what the words "
                "look like to the classifier, not whether it has understood the joke, and no reader has judged these "
                "jokes one by one."
            )


def _in_domain(results: SpecialResults) -> str:
    comparison = results.figures["in_domain"]
    verdict_ = {"no difference shown": "no difference is shown", "helped": "better after", "harmed": "worse after"}
    return (
        f"{verdict_[comparison['verdict']]}, {_signed_interval(comparison['accuracy'])} of accuracy on "
        f"{count(comparison['rows'])} rows."
    )


def _emotions(results: SpecialResults) -> Iterator[Block]:
    yield Picture("emotions", "Share of texts that are read as each label; in-domain text last", wide=True)
    rows = []
    for (name, arm), part in results.shares.groupby(["set", "arm"], sort=False):
        shares = dict(zip(part["label"], part["share"], strict=True))
        rows.append({"set": name, "arm": arm, "entropy": float(entropy(part["share"])), **shares})
    labels: list[Column] = [(label, label, share) for label in results.figures["labels"]]
    head: list[Column] = [("set", "set", plain), ("arm", "arm", plain)]
    yield table(rows, [*head, *labels, ("entropy", "entropy (1: all alike)", score)], title="Share of texts read as")


def _confidence(results: SpecialResults) -> Iterator[Block]:
    yield Text(
        "Confidence is the probability of the likeliest label. More of it is not better: a classifier is often sure of "
        "texts unlike all it has learned from."
    )
    rows = [
        {"set": one["title"], "arm": arm, **one["arms"][arm]}
        for one in results.figures["sets"].values()
        for arm in ARMS
    ]
    columns: list[Column] = [("set", "set", plain), ("arm", "arm", plain), ("confidence", "mean confidence", interval)]
    yield table(rows, [*columns, ("confidence_beside", "less that in-domain", _signed_interval)])
    yield Picture("confidence", "Confidence, by set: before and after", wide=True)


def _words(results: SpecialResults) -> Iterator[Block]:
    yield Text(
        "Words that are more frequent in the texts read as a label than in the set's other texts (log-odds with a "
        "prior, z-score). They go with the reading; that the classifier rests on them is likely, not shown."
    )
    before = results.words[results.words["arm"] == "before"]
    rows = [
        {"set": name, "label": label, "words": ", ".join(part["word"])}
        for (name, label), part in before.groupby(["set", "label"], sort=False)
    ]
    columns = [("set", "set", plain), ("label", "read as", plain), ("words", "words, most typical first", plain)]
    yield table(rows, columns, title="Before")


def _texts(results: SpecialResults) -> Examples:
    shown = results.examples[results.examples["arm"] == "before"]
    groups = {
        f"{name}, {which} certain": [
            (f"{row.predicted} {score(row.confidence)}", str(row.text)) for row in part.itertuples()
        ]
        for (name, which), part in shown.groupby(["set", "which"], sort=False)
    }
    return Examples(groups, private=True)


def _data(results: SpecialResults) -> Iterator[Block]:
    rows = [{**one, "files": len(one["files"])} for one in results.counts.values()]
    numbers: list[tuple[str, str]] = [
        ("files", "files"),
        ("rows", "rows or letters"),
        ("pieces", "texts"),
        ("usable", "usable"),
        ("kept", "kept under the cap"),
        ("widening", "seen by the generators"),
        ("judged", "judged"),
    ]
    yield table(rows, [("title", "set", plain), *((key, title, count) for key, title in numbers)], title="Texts")
    dropped = [
        {"set": one["title"], "reason": reason, "texts": number}
        for one in results.counts.values()
        for reason, number in one["dropped"].items()
        if number
    ]
    columns = [("set", "set", plain), ("reason", "reason", plain), ("texts", "texts", count)]
    yield table(dropped, columns, title="Dropped")
    data = list(dict.fromkeys((found["name"].rpartition(", ")[2], found["data"]) for found in results.findings))
    arms = [{"arm": arm, "data": trained} for arm, trained in data]
    yield table(arms, [("arm", "arm", plain), ("data", "trained on", plain)], title="Arms")


def plot_emotions(shares: pd.DataFrame) -> Figure:
    """Draw a bar for each set and arm, stacked by the share of texts that are read as each label."""
    from matplotlib.figure import Figure

    rows = list(shares[["set", "arm"]].drop_duplicates().itertuples(index=False, name=None))
    labels = list(dict.fromkeys(shares["label"]))
    wide = shares.pivot(index=["set", "arm"], columns="label", values="share").loc[rows, labels]
    figure = Figure(figsize=(WIDTH, 1.2 + 0.3 * len(rows)), layout="constrained", facecolor="white")
    axes = figure.subplots()
    # The two arms of a set stand close together.
    places = np.array([place + 0.35 * (place // len(ARMS)) for place in range(len(rows))])
    left = np.zeros(len(rows))
    for number, label in enumerate(labels):
        rounds, place = divmod(number, 1 + len(OTHER_COLOURS))
        colour, values = (BLUE, *OTHER_COLOURS)[place], wide[label].to_numpy(dtype=np.float64)
        axes.barh(
            places, values, left=left, height=0.85, color=colour, hatch=HATCHES[rounds % 3], label=label, ec="white"
        )
        left += values
    axes.set_yticks(places, [f"{name}, {arm}" for name, arm in rows])
    axes.invert_yaxis()
    axes.set_xlim(0, 1)
    axes.set_xlabel("share of texts", color=INK)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK, labelsize=9)
    figure.legend(loc="outside upper center", ncols=min(len(labels), 7), frameon=False, fontsize=9)
    return figure


def plot_confidence(certainties: pd.DataFrame) -> Figure:
    """Draw how many of a set's texts are read with which confidence, a panel for each set."""
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(certainties["set"]))
    lines = -(-len(names) // 3)
    figure = Figure(figsize=(WIDTH, 0.8 + 1.5 * lines), layout="constrained", facecolor="white")
    panels = figure.subplots(lines, 3, sharex=True, squeeze=False).ravel()
    bins = np.linspace(0, 1, BINS + 1)
    for axes, name in zip(panels, names, strict=False):
        for arm, colour in zip(ARMS, (BLUE, VERMILION), strict=True):
            found = certainties[(certainties["set"] == name) & (certainties["arm"] == arm)]["confidence"]
            weights = np.full(len(found), 1 / max(len(found), 1))
            axes.hist(found, bins=list(bins), weights=weights, histtype="step", color=colour, label=arm, linewidth=1.4)
        axes.set_title(name, fontsize=10, color=GREY if name == IN_DOMAIN else INK)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(colors=INK, labelsize=8)
    for axes in panels[len(names) :]:
        axes.set_visible(False)
    figure.supxlabel("confidence", fontsize=10, color=INK)
    figure.supylabel("share of texts", fontsize=10, color=INK)
    figure.legend(
        *panels[0].get_legend_handles_labels(), loc="outside upper center", ncols=2, frameon=False, fontsize=9
    )
    return figure
