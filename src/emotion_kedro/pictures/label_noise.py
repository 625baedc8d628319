"""The page on two sources that label the same texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from emotion_kedro.measures.merging import GROUPED
from emotion_kedro.options.label_noise import LabelNoiseOptions
from emotion_kedro.pictures.blocks import Block, Column, Picture, Table, Text, sections_with_tables, table
from emotion_kedro.pictures.document import Document
from emotion_kedro.pictures.label_noise_plots import plot_merging, plot_rules
from emotion_kedro.pictures.numbers import count, estimate, interval, missing, plain, rows_of, score, share, signed

if TYPE_CHECKING:
    pass

__all__ = ["NoiseResults", "noise_document"]

SOME_PIECES = 15
SLIGHT = 0.2
"""Kappa below this is slight at most (Landis and Koch 1977, Biometrics 33)."""


@dataclass(frozen=True)
class NoiseResults:
    """What was measured: figures and tables of the pipeline ``label_noise``."""

    agreement: Mapping[str, Any]
    confusion: pd.DataFrame
    rules: Mapping[str, Any]
    explained: pd.DataFrame
    merging: Mapping[str, Any]
    leakage: pd.DataFrame

    @property
    def gains(self) -> list[Mapping[str, Any]]:
        """Skill on the doubted labels minus that on the trusted ones, of every learned rule; none: not compared."""
        found = [one["skill"] for one in self.rules["learned"]["differences"]]
        return [one for one in found if one is not None and not missing(one["low"])]

    @property
    def lies_in_words(self) -> bool:
        """Whether rules of every size and kind read the doubted labels better: no size is picked for its figure."""
        return bool(self.gains) and all(one["low"] > 0 for one in self.gains)

    def scored(self, strategy: str, tested: str, arm: str) -> Mapping[str, Any] | None:
        """Return the accuracy of an arm under a split on a set of test rows; None if there is no such figure."""
        wanted = {"split_strategy": strategy, "tested": tested, "arm": arm}
        return _figure(self.merging["scores"], wanted)

    def moved(self, strategy: str, tested: str, against: str) -> Mapping[str, Any] | None:
        """Return what merging changed under a split on a set of test rows; None if there is no such figure."""
        wanted = {"split_strategy": strategy, "tested": tested, "against": against, "arm": self.merging["merged"]}
        return _figure(self.merging["differences"], wanted)


def _figure(rows: Sequence[Mapping[str, Any]], wanted: Mapping[str, Any]) -> Mapping[str, Any] | None:
    return next((row["accuracy"] for row in rows if wanted.items() <= row.items()), None)


def noise_document(results: NoiseResults, options: LabelNoiseOptions) -> Document:
    """Return the page."""
    ours, theirs = options.trusted.upper(), options.doubted.upper()
    drawings: dict[str, Any] = {
        "rules": partial(plot_rules, results.rules["learned"]["rules"], {"trusted": ours, "doubted": theirs}),
        "merging": partial(plot_merging, results.merging["scores"]),
    }
    parts = (
        ("agreement", f"The same texts under {ours}'s and {theirs}'s labels", _agreement(results, options)),
        ("patterns", "A rule that is written down", _patterns(results, options)),
        ("learned", "A rule that is learned", _learned(results, options)),
        ("merging", "What merging does to scores", _merging(results, options)),
        ("leakage", "Test rows that were trained on", _leakage(results)),
    )
    return Document(
        title=f"{theirs}'s labels: a study of label noise",
        question=f"Do {theirs}'s labels say what {ours}'s say of the same texts, and can a few words predict them?",
        answer=_answer(results, options),
        sentence=_sentence(results, options),
        sections=sections_with_tables(parts),
        caution=(
            f"What is seen holds for the rows of {theirs} that were read; how the rest of the set was labelled it "
            "cannot say. That a few words predict labels does not prove how they were made, and nobody has read the "
            f"texts anew: {ours}'s labels are a comparison, not the truth."
        ),
        drawings=drawings,
    )


def _answer(results: NoiseResults, options: LabelNoiseOptions) -> str:
    shared = results.agreement["all"]
    if not shared["texts"]:
        return "The two tables share no text under one label each: labels cannot be compared."
    if not results.gains:
        return f"On {count(shared['texts'])} shared texts too little to tell."
    agree = shared["kappa"]
    apart = not missing(estimate(agree)) and agree["high"] < SLIGHT
    first = "The two hardly agree" if apart else "The two agree in part"
    words = f"; a few words read {options.doubted.upper()}'s labels better than {options.trusted.upper()}'s"
    return f"{first}{words if results.lies_in_words else ''}."


def _sentence(results: NoiseResults, options: LabelNoiseOptions) -> str:
    ours, theirs, shared = options.trusted.upper(), options.doubted.upper(), results.agreement["all"]
    parts = []
    if shared["texts"]:
        parts.append(
            f"Of {count(shared['texts'])} shared texts {share(estimate(shared['agreement']))} have the same label "
            f"(kappa {interval(shared['kappa'])})"
        )
    written = results.rules["written"][0]
    parts.append(
        f"the written patterns explain {share(estimate(written['share']))} of {theirs}'s labels "
        f"({share(written['by_chance']['estimate'])} if these are dealt out anew)"
    )
    shared_rows = f"{options.trusted}, texts shared with {options.doubted}"
    for strategy in options.merging.strategies:
        change, relabelled = (
            results.moved(strategy, tested, options.trusted) for tested in (options.trusted, shared_rows)
        )
        parts.append(
            f"{theirs} added to training changes accuracy on {ours}'s test rows under the {strategy} split by "
            f"{interval(change, signed)}, on those that {theirs} has too by {interval(relabelled, signed)}"
        )
    return "; ".join(parts) + "."


def _agreement(results: NoiseResults, options: LabelNoiseOptions) -> Iterator[Block]:
    ours, theirs, counts = options.trusted.upper(), options.doubted.upper(), results.agreement["counts"]
    yield Text(
        f"{ours} has {count(counts['trusted'])} different texts, {theirs} {count(counts['doubted'])}, and "
        f"{count(counts['shared'])} stand in both; {count(counts['several_labels'])} of these are left out here "
        "because one of the two has them under several labels. Texts are compared in small letters, without "
        f"punctuation. A label that {ours} does not know, such as {options.keywords.otherwise}, counts as a "
        "disagreement in the first row; the second looks at the texts whose labels are both among the six that it "
        "knows. Kappa is 0 where two labellings agree as often as chance would have them, 1 where they always do."
    )
    rows = [
        {"texts_of": title, **results.agreement[key]}
        for key, title in (("all", "all shared texts"), ("comparable", "both labels among the six"))
        if results.agreement[key]["texts"]
    ]
    columns: list[Column] = [
        *(("texts_of", "", plain), ("texts", "texts", count), ("agreement", "same label", interval)),
        *(("by_chance", "by chance", score), ("kappa", "Cohen's kappa", interval)),
    ]
    yield table(rows, columns, title="Agreement")
    yield _confusion(results.confusion, ours, theirs)


def _confusion(pairs: pd.DataFrame, ours: str, theirs: str) -> Table:
    if pairs.empty:
        return Table([], [])
    grid = pairs.pivot(index="trusted", columns="doubted", values="texts").fillna(0).astype(int)
    grid = grid[grid.sum().sort_values(ascending=False, kind="stable").index]
    rows = [
        [str(label), *(count(int(value)) for value in row), count(int(row.sum()))] for label, row in grid.iterrows()
    ]
    sums = ["all", *(count(int(value)) for value in grid.sum()), count(int(grid.to_numpy().sum()))]
    columns = [f"{ours} \\ {theirs}", *map(str, grid.columns), "all"]
    return Table(columns, [*rows, sums], title=f"{ours}'s label down, {theirs}'s across")


def _patterns(results: NoiseResults, options: LabelNoiseOptions) -> Iterator[Block]:
    rule, theirs = options.keywords, options.doubted.upper()
    words = "; ".join(f"{label}: {', '.join(pieces)}" for label, pieces in rule.patterns.items())
    yield Text(
        f"The rule looks for pieces of words ({words}). It explains a label if the text contains one of that label's "
        f"pieces, and {rule.otherwise} if the text contains none at all. The patterns were written after looking at "
        f"{theirs}'s rows: that they fit is no test of the idea, which is what the next section is for. By chance: "
        f"the same labels dealt out to the texts at random, {count(rule.shuffles)} times, with the range that "
        f"{share(results.rules['written'][0]['by_chance']['level'])} of these shares lie in. Beyond chance: 0 as by "
        "chance, 1 everything."
    )
    rows = [
        {**one, "keyword_rows": one["with_keyword"]["rows"], "keyword_share": one["with_keyword"]["share"]}
        for one in results.rules["written"]
    ]
    columns: list[Column] = [
        *(("labels_of", "labels of", plain), ("rows", "rows", count), ("explained", "explained", count)),
        *(
            ("share", "share", interval),
            ("by_chance", "by chance", interval),
            ("beyond_chance", "beyond chance", score),
        ),
        *(("keyword_rows", "rows with a pattern", count), ("keyword_share", "of these explained", interval)),
    ]
    yield table(rows, columns, title="Labels that the patterns explain")
    columns = [
        *(("labels_of", "labels of", plain), ("label", "label", plain)),
        *(("rows", "rows", count), ("explained", "explained", count), ("share", "share", share)),
    ]
    yield table(rows_of(results.explained), columns, title="By label", folded=True)


def _learned(results: NoiseResults, options: LabelNoiseOptions) -> Iterator[Block]:
    learned, asked, theirs = results.rules["learned"], options.learned, options.doubted.upper()
    yield Text(
        "A decision tree that asks which pieces a text contains, learned without the patterns above and read out of "
        f"fold: {asked.folds} folds, near-duplicates in the same one. A tree of 16 leaves asks for 15 pieces at most; "
        "several sizes stand here, and none is picked for its figure. The two sources' labels are not equally many "
        "and even, so accuracies do not compare; errors removed does better, though it cannot make up for all of "
        "that: the share of the errors of always saying the commonest label that are gone, 0 for no skill, below 0 "
        "for worse than that, 1 for no error left."
    )
    yield Text(_compared(results, options))
    names = {"doubted": options.doubted, "trusted": options.trusted}
    rows = [{**one, "labels_of": names[one["labels_of"]]} for one in learned["rules"]]
    columns: list[Column] = [
        *(("pieces", "pieces", plain), ("leaves", "leaves", count), ("labels_of", "labels of", plain)),
        *(("rows", "texts", count), ("accuracy", "accuracy", interval), ("commonest", "commonest label", score)),
        ("skill", "errors removed", interval),
    ]
    yield Picture("rules", "Errors removed, by size of the rule")
    yield table(rows, columns, title="Learned rules, out of fold")
    columns = [("pieces", "pieces", plain), ("leaves", "leaves", count), ("skill", "difference", _signed_interval)]
    yield table(
        learned["differences"], columns, title=f"Errors removed: {theirs}'s labels minus {options.trusted.upper()}'s"
    )
    rows = [
        {**one, "labels_of": names[one["labels_of"]], "asked_for": _pieces(one["asked_for"])}
        for one in learned["asked_for"]
    ]
    columns = [("pieces", "pieces", plain), ("labels_of", "labels of", plain), ("asked_for", "it asks for", plain)]
    yield table(rows, columns, title="What the rule asks for when it learns from all texts (_ begins or ends a word)")


def _signed_interval(found: Any) -> str:
    return interval(found, signed)


def _pieces(pieces: list[str]) -> list[str]:
    return [piece.replace(" ", "_") for piece in pieces[:SOME_PIECES]]


def _compared(results: NoiseResults, options: LabelNoiseOptions) -> str:
    ours, theirs = options.trusted.upper(), options.doubted.upper()
    if not results.rules["learned"]["compared"]:
        return (
            f"Fewer than {options.learned.least_texts} texts are shared, so the rule reads {theirs}'s labels alone and "
            "there is nothing to compare it with."
        )
    if not results.lies_in_words:
        return f"It is not shown, for every size, that few words read {theirs}'s labels better than {ours}'s."
    known = results.scored(GROUPED, f"{options.trusted}, texts shared with {options.doubted}", options.trusted)
    return (
        f"Rules of every size read {theirs}'s labels better than {ours}'s labels of the same texts. {ours}'s hang on "
        "words too, but on more of them than so short a rule, learned from so few texts, can hold: the classifier of "
        f"the next section, taught {ours}'s other texts, reads {score(estimate(known))} of {ours}'s labels of these "
        "texts rightly."
    )


def _merging(results: NoiseResults, options: LabelNoiseOptions) -> Iterator[Block]:
    ours, theirs, seeds = options.trusted.upper(), options.doubted.upper(), len(options.merging.split_seeds)
    yield Text(
        f"Training rows are {ours}'s, {theirs}'s or both, with repeats and texts under several labels kept. The plain "
        "split shuffles rows; the grouped one keeps a text, and what is nearly the same, on one side. The same rows "
        f"are tested in every arm. Classifiers answer in the labels they were taught, so one that was taught {ours}'s "
        f"alone can be right on few of {theirs}'s rows. The arm “commonest label” learns nothing. Intervals are over "
        f"rows (groups of them) and {count(seeds)} splits; train rows of different splits overlap, which they do not "
        "know of. The penalty was not tuned, and is not made for a source of a few hundred rows."
    )
    yield Text(_beside_commonest(results, options))
    yield Picture("merging", "Accuracy by train rows and split")
    columns: list[Column] = [
        *(("tested", "tested on", plain), ("split_strategy", "split", plain), ("arm", "trained on", plain)),
        *(("accuracy", "accuracy", interval), ("rows", "test rows, all splits", count)),
    ]
    yield table(results.merging["scores"], columns, title="Accuracy")
    rows = [{**one, "split_strategy": one["split_strategy"] or "between"} for one in results.merging["differences"]]
    columns = [
        *(("tested", "tested on", plain), ("split_strategy", "split", plain), ("arm", "trained on", plain)),
        *(("against", "instead of", plain), ("accuracy", "difference in accuracy", _signed_interval)),
    ]
    yield table(rows, columns, title="Differences, on the same rows and splits")
    yield Text(
        "Between: the same arm under the two splits, on whatever rows each tested. Many differences stand here: one "
        "whose interval only just leaves out zero is a lead, not a result."
    )


def _beside_commonest(results: NoiseResults, options: LabelNoiseOptions) -> str:
    """Set the arms' accuracy on the doubted source's rows beside that of always saying its commonest label."""
    doubted, parts = options.doubted, []
    for strategy in options.merging.strategies:
        arms = (results.merging["commonest"], doubted, results.merging["merged"], options.trusted)
        always, alone, both, other = (interval(results.scored(strategy, doubted, arm)) for arm in arms)
        parts.append(f"{strategy} split: {always}; trained on {doubted} {alone}, on both {both}, on the other {other}")
    return (
        f"On {doubted.upper()}'s test rows a score says little beside that of always giving its commonest label. "
        f"{'. '.join(part[0].upper() + part[1:] for part in parts)}."
    )


def _leakage(results: NoiseResults) -> Iterator[Block]:
    yield Text(
        "Test rows whose text stands among the arm's train rows, mean over the splits; near includes the exact ones."
    )
    columns: list[Column] = [
        *(("tested", "tested on", plain), ("split_strategy", "split", plain), ("arm", "trained on", plain)),
        *(("rows", "test rows", count), ("same", "same label", count), ("other", "other label", count)),
        *(("near", "near or exact", count), ("near_share", "share", share)),
    ]
    yield table(rows_of(results.leakage), columns)
