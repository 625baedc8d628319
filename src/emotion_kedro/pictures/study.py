"""The page of a study of one set: how much added text helps at each number of real rows."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from emotion_kedro.pictures import curves
from emotion_kedro.pictures.blocks import Block, Column, Picture, Text, table
from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.numbers import (
    DASH,
    count,
    duration,
    interval,
    missing,
    p_value,
    plain,
    score,
    share,
    signed,
)
from emotion_kedro.pictures.study_pages import drawings_of, filled, study_pages
from emotion_kedro.pictures.study_words import (
    FEW_ROWS,
    REAL,
    YARDSTICKS,
    Figures,
    answer_of,
    confirmed_sentence,
    reading_of,
    run_out_sentence,
    tuned_words,
    words_at,
)

__all__ = ["caution_of", "drawings_of", "study_document", "study_pages"]

QUESTION = "Does added text help, and at which size?"
FOLDED_FROM = 30  # rows of a table
FEW_DATA_SEEDS = 10
FEW_ADDED = 5  # added rows per label: with fewer, the worth of one says more of its weight than of its words
QUALITY = {
    "distinct_2": ("distinct-2", score),
    "self_bleu": ("self-BLEU", score),
    "vendi": ("Vendi", count),
    "longest_shared_ngram": ("longest n-gram shared with train", count),
    "nearest_similarity": ("similarity to the nearest train text", score),
}
_signed_interval = partial(interval, written=signed)


def study_document(
    figures: Figures,
    cost: Sequence[Mapping[str, Any]],
    setting: Mapping[str, str],
    *,
    name: str = "study",
    generated: Collection[str] = (),
    yardsticks: Collection[str] = YARDSTICKS,
) -> Document:
    """Return the page of one set.

    Args:
        figures: what the measures of the study found: `cells`, `differences`, `exchange`, `quality`, `relation`,
            `confirmed` (its `layers` says in words which were trained) and what they are about; `note` is a caution of
            its own.
        cost: `part`, `units`, `unit`, `seconds_per_unit` and `seconds`, as a probe estimated them, and, where they
            are known; `spent` in the figures is what was really spent.
        setting: what the study was about; `data` (the set in words) stands in the title if it is there.
        name: of the study; its pictures are called `<name>_curves` and so on, so that those of several studies can
            lie in one folder.
        generated: the arms whose text a language model wrote.
        yardsticks: the arms that add real rows; they are shown, but no answer counts them as added text.
    """
    figures = {**figures, "yardsticks": list(yardsticks)}
    kind, answer, sentence = answer_of(figures)
    parts = (
        ("sizes", "At each size", _sizes(figures, name)),
        ("curves", "The curves", _curves(figures, name)),
        ("arms", "Every arm at every size", _cells(figures["cells"])),
        ("differences", "Differences", _differences(figures["differences"], figures["level"])),
        ("exchange", "What an added row is worth", _exchange(figures)),
        ("text", "The added text", _quality(figures, name)),
        ("confirmed", "Confirmed by fine-tuning", _confirmed(figures)),
        ("cost", "What it cost", _cost(cost, figures.get("spent", ()))),
        ("limits", "Limits", _limits(figures)),
    )
    drawings = {
        f"{name}_overview": partial(curves.plot_heat_map, figures),
        f"{name}_curves": partial(curves.plot_curves, figures, generated),
        f"{name}_gains": partial(curves.plot_gains, figures, generated),
    }
    if figures["quality"] and any(not missing(one["spearman"]) for one in figures["relation"]):
        drawings[f"{name}_relation"] = partial(curves.plot_relation, figures)
    return Document(
        title=f"Added text and the number of real rows: {setting.get('data', figures['taxonomy'])}",
        question=QUESTION,
        answer=answer,
        sentence=sentence,
        sections=filled(parts),
        caution=caution_of(figures),
        kind=kind,
        drawings=drawings,
    )


def caution_of(figures: Figures) -> str:
    """Say what the intervals cover, that few seeds make them narrow, and what else the study notes."""
    data, seeds = len(figures["data_seeds"]), len(figures["seeds"])
    drawn = f"{data} draws of the real rows" if data > 1 else "one draw of the real rows"
    starts = f"{seeds} initialisations" if seeds > 1 else "one initialisation"
    few = " So few draws make them somewhat too narrow." if data < FEW_DATA_SEEDS else ""
    covered = f"{count(figures['test_rows'])} test rows, {drawn} and {starts}.{few}"
    return f"Intervals ({figures['level']:.0%}) cover {covered} {figures.get('note') or ''}".strip()


def _sizes(figures: Figures, name: str) -> Iterator[Block]:
    yield Text(
        "Colour and number: points of accuracy more (blue) or less (red) than the arm set against. A ring: the "
        "interval leaves zero out. A filled dot: so it does, and Holm's correction keeps the difference."
    )
    yield Picture(f"{name}_overview", "Every arm at every size: difference in points of accuracy", wide=True)
    for size in figures["sizes"]:
        yield Text(words_at(figures, size))


def _curves(figures: Figures, name: str) -> Iterator[Block]:
    yield Text(
        "Real text alone (grey, with the band of its interval) and the template stand in every panel; the arm that the "
        "panel is named after has its interval as a band."
    )
    yield Picture(f"{name}_curves", "Accuracy over real rows per label", wide=True)
    yield Picture(f"{name}_gains", "The same as differences to real text alone", wide=True)
    yield Text(run_out_sentence(figures))


def _cells(cells: Sequence[Mapping[str, Any]], title: str = "Accuracy, macro-F1 and ECE") -> Iterator[Block]:
    columns: list[Column] = [
        *(("arm", "arm", plain), ("n", "real rows per label", count), ("accuracy", "accuracy", interval)),
        *(("macro_f1", "macro-F1", interval), ("ece", "ECE", interval), ("train_rows", "train rows", count)),
        *(("added_rows", "added rows", count), ("runs", "runs", count)),
    ]
    yield table(cells, columns, title=title, folded=len(cells) > FOLDED_FROM)


def _differences(differences: Sequence[Mapping[str, Any]], level: float) -> Iterator[Block]:
    """Yield a table for each arm that others are set against."""
    if differences:
        yield Text("A difference in ECE below zero: better calibrated than the arm set against.")
    for against in dict.fromkeys(one["against"] for one in differences):
        rows = [_difference_row(one, level) for one in differences if one["against"] == against]
        columns: list[Column] = [
            *(("arm", "arm", plain), ("n", "real rows per label", count), ("accuracy", "accuracy", _signed_interval)),
            *(("macro_f1", "macro-F1", _signed_interval), ("ece", "ECE", _signed_interval), ("p", "p", p_value)),
            *(("p_holm", "p after Holm", p_value), ("significant", "McNemar significant", plain)),
            *(("up", "data seeds up", plain), ("reading", "reads as", plain)),
        ]
        title = f"Against {'real text alone' if against == REAL else f'the {against}'}"
        yield table(rows, columns, title=title, folded=len(rows) > FOLDED_FROM)


def _difference_row(one: Mapping[str, Any], level: float) -> dict[str, Any]:
    mcnemar = one.get("mcnemar") or {}
    return {
        **one,
        "significant": f"{mcnemar['significant']} of {mcnemar['runs']} runs" if mcnemar else DASH,
        "up": DASH if missing(one.get("seeds_up")) else f"{one['seeds_up']} of {one['seeds']}",
        "reading": reading_of(one, level),
    }


def _exchange(figures: Figures) -> Iterator[Block]:
    rows = figures["exchange"]
    if not rows:
        return
    yield Text(
        "How many real rows per label real text alone would need for the accuracy that an arm has with fewer, read off "
        "its curve; one added row is worth the rows so gained, divided by the rows added. That is per text, at the "
        "weight that the study gives it: the added texts of a label weigh together the same whatever their number, "
        "save where an arm lets each count as a real row, so that each is worth the more the fewer they are. Where the "
        "accuracy lies above or below all of the curve, or no row was added, there is no such number. Below zero: the "
        "arm does what fewer real rows do without it."
    )
    known = [
        row
        for row in rows
        if not missing(row["worth"]) and row["arm"] not in figures["yardsticks"] and row["added_rows"] >= FEW_ADDED
    ]
    if known:
        best = max(known, key=lambda row: row["worth"])
        yield Text(
            f"The most that a row is worth: {best['arm']} at {count(best['n'])} real rows per label does what "
            f"{_equal_to(best)} do alone, so that each of its added texts, at its weight, counts for "
            f"{best['worth']:.2g} real ones. It is the largest of {count(len(known))}, and so likely flattered; arms "
            f"with fewer than {FEW_ADDED} added rows per label are left out of it."
        )
    columns: list[Column] = [
        *(("arm", "arm", plain), ("n", "real rows per label", count), ("accuracy", "accuracy", score)),
        *(("equal_to", "does what so many do alone", plain), ("added_rows", "added per label", count)),
        ("worth", "one added row is worth", _worth),
    ]
    written = [{**row, "equal_to": _equal_to(row)} for row in rows]
    yield table(written, columns, title="What an added row is worth", folded=len(rows) > FOLDED_FROM)


def _equal_to(row: Mapping[str, Any]) -> str:
    """Write 31 [25, 40]; an end of the interval that lies beyond the curve is left open."""
    found = row["equal_to"]
    if found is None:
        return f"{row['beyond']} the curve" if row.get("beyond") else DASH
    low, high = (None if missing(found.get(end)) else count(round(found[end])) for end in ("low", "high"))
    return f"{count(round(found['estimate']))} [{low or 'below the curve'}, {high or 'above the curve'}]"


def _worth(value: Any) -> str:
    return DASH if missing(value) else f"{value:.3f}".replace("-", "−")


def _quality(figures: Figures, name: str) -> Iterator[Block]:
    rows = figures["quality"]
    if rows:
        yield Text(
            "Fidelity: how often a judge that took no part in filtering reads a text as the label it was written for; "
            f"the judge itself is right on {share(figures['judge'].get('accuracy'))} of the real test rows. In "
            "brackets: the same figure of as many held-out real texts of the same lengths, which is what to read it "
            "against."
        )
    columns: list[Column] = [
        *(("arm", "arm", plain), ("n", "real rows per label", count), ("rows", "texts", count)),
        ("fidelity", "fidelity", share),
        *((key, title, str) for key, (title, _) in QUALITY.items()),
        ("copies", "copies of train", share),
    ]
    yield table(
        [_beside_real(row) for row in rows], columns, title="Measures of the added text", folded=len(rows) > FOLDED_FROM
    )
    yield from _relation(figures, name)


def _beside_real(row: Mapping[str, Any]) -> dict[str, Any]:
    written = {key: f"{write(row.get(key))} ({write(row.get(f'real_{key}'))})" for key, (_, write) in QUALITY.items()}
    return {**row, **written}


def _relation(figures: Figures, name: str) -> Iterator[Block]:
    known = [one for one in figures["relation"] if not missing(one["spearman"])]
    if known:
        most = max(known, key=lambda one: abs(one["spearman"]))
        yield Text(
            f"With the gain over real text alone {most['measure']} goes together most: rank correlation "
            f"{signed(most['spearman'])} over {count(most['points'])} pairs of arm and size, of up to {FEW_ROWS} real "
            "rows per label. It is the strongest of several, the pairs share arms and real rows, and what goes "
            "together need not be cause and effect."
        )
        yield Picture(f"{name}_relation", "Gain over real text alone and the measures of the added text", wide=True)
    columns: list[Column] = [
        *(("measure", "measure", plain), ("spearman", "rank correlation with the gain", signed)),
        ("points", "pairs of arm and size", count),
    ]
    yield table(figures["relation"], columns, title="Relation to the gain")


def _confirmed(figures: Figures) -> Iterator[Block]:
    again = figures.get("confirmed")
    if again:
        yield Text(confirmed_sentence(figures))
        yield from _cells(again["cells"], title="Fine-tunes of the encoder")
        yield from _differences(again["differences"], figures["level"])
    else:
        yield Text("No cell has been confirmed by fine-tunes of the encoder: all figures are of frozen features.")


def _cost(cost: Sequence[Mapping[str, Any]], spent: Sequence[Mapping[str, Any]]) -> Iterator[Block]:
    if cost:
        total = {"part": "all", "seconds": sum(one["seconds"] for one in cost)}
        yield Text(
            "Worked out before the last run, for what was not there yet: a probe ran a few units of each part, and the "
            f"time of one unit times the number of units gave {duration(total['seconds'])} in all."
        )
        columns: list[Column] = [
            *(("part", "part", plain), ("units", "units", count), ("unit", "unit", plain)),
            *(("seconds_per_unit", "seconds a unit", _seconds), ("seconds", "estimated", duration)),
        ]
        yield table([*cost, total], columns, title="Estimated")
    if spent:
        total = {"part": "all", "seconds": sum(one["seconds"] for one in spent)}
        columns = [
            *(("part", "part", plain), ("units", "units", count), ("unit", "unit", plain)),
            ("seconds", "spent", duration),
        ]
        yield Text("What was made in whichever run, each piece timed as it was made; encoding of texts comes on top.")
        yield table([*spent, total], columns, title="Spent")


def _seconds(value: Any) -> str:
    return DASH if missing(value) else f"{value:.3g}"


def _limits(figures: Figures) -> Iterator[Block]:
    yield Text(
        "Frozen features: the encoder does not move, a linear head is fitted on what it makes of a text. What added "
        f"text does to an encoder that is tuned is another question, answered only where {tuned_words(figures)} stand "
        "above."
    )
    yield Text(
        f"Few draws: {len(figures['data_seeds'])} draws of the real rows and {len(figures['seeds'])} initialisations. "
        "A bootstrap over few sees less than all of their spread, and the intervals are somewhat too narrow: in a "
        "simulation of five draws with two runs each, intervals called 95 % held the truth in 83 % to 92 % of repeats."
    )
    yield Text(
        "Calibration: the ECE of few rows is larger than that of many, and a resample has fewer different rows than "
        "the test side, so that the interval of an ECE lies somewhat high. In the difference of two arms most of that "
        "falls away."
    )
    yield Text(
        "One test split: every cell is tested on the same rows of one set. The largest of many differences is likely "
        "flattered by chance; what an arm is worth elsewhere has to be seen elsewhere."
    )
