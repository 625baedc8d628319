"""Arms: what is added to a cell's real rows, which of it is kept, and what it counts.

An arm is put together from parts by its options: sources (:data:`SOURCES`, and every writer), then checks
(:data:`CHECKS`), then a weight. A new source or check is a function here under its name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd

from emotion_kedro.learning.device import Device
from emotion_kedro.learning.features import Features
from emotion_kedro.learning.heads import choose_penalty, fit_heads
from emotion_kedro.options.study import ArmOptions, StudyOptions
from emotion_kedro.text.draws import Draw
from emotion_kedro.text.eda import eda_texts
from emotion_kedro.text.filters import KEPT, TextFilter, mark_duplicates
from emotion_kedro.text.held_out import HeldOut
from emotion_kedro.text.templates import template_texts

COLUMNS = ["text", "label"]


@dataclass(frozen=True)
class Material:
    """What the arms of one cell draw on: its train rows, and what may be made from them."""

    labels: tuple[str, ...]
    draw: Draw
    size: int
    options: StudyOptions
    validation: pd.DataFrame
    """Rows that choose penalties, and nothing else."""
    unlabelled: pd.DataFrame
    held_out: HeldOut
    features: Features
    written: Callable[[str], pd.DataFrame]
    """A writer's name -> its texts for this cell."""
    device: Device

    @cached_property
    def rows(self) -> pd.DataFrame:
        """The real train rows."""
        return self.draw.rows(self.size)

    @cached_property
    def templates(self) -> pd.DataFrame:
        """A text per label that says the label."""
        template = self.options.template
        words = {label: template.words.get(label, label) for label in self.labels}
        return template_texts(self.labels, template.sentence, words=words)

    def agreement(self, texts: list[str]) -> np.ndarray:
        """Return what the filter reads in texts, (texts, labels): a head of another seed, on this cell's rows alone.

        The filter knows the template too: with ten rows a label there is little else to know.
        """
        return self._filter(self.features(texts))

    @cached_property
    def _filter(self) -> Callable[[np.ndarray], np.ndarray]:
        self.held_out.refuse(self.rows, "the rows of the filter")
        table = joined(self.rows, weighed(self.templates, self.options.worth))
        heads = fit_heads(
            self.features(table["text"].tolist()),
            self.targets(table),
            table["weight"].to_numpy(),
            labels=self.labels,
            options=self.options.heads,
            seeds=(self.options.filter_seed,),
            device=self.device,
        )
        chosen = int(
            choose_penalty(heads, self.features(self.validation["text"].tolist()), self.targets(self.validation))[0]
        )
        return lambda features: heads.probabilities(features)[0, chosen]

    def targets(self, table: pd.DataFrame) -> np.ndarray:
        """Return the class index of each row."""
        return pd.Categorical(table["label"], categories=list(self.labels)).codes.astype(np.int64)


def _repeats(material: Material) -> pd.DataFrame:
    """Rows of the cell again, drawn with replacement: as many of each label."""
    parts = [
        rows.sample(material.options.added_rows, replace=True, random_state=material.draw.seed)
        for _, rows in material.rows.groupby("label")
    ]
    return pd.concat(parts)[COLUMNS]


def _eda(material: Material) -> pd.DataFrame:
    """Rows of the cell with small accidents; one that came out as a held-out text by chance is thrown away."""
    options = material.options
    made = eda_texts(material.rows, options.added_rows, strength=options.eda_strength, seed=material.draw.seed)
    return made[~material.held_out.same(made["text"].tolist())]


def _template(material: Material) -> pd.DataFrame:
    return material.templates


def _more_real(material: Material) -> pd.DataFrame:
    """The next real rows of the same draw: what else a text could have been paid for."""
    further = material.draw.rows(material.size + material.options.added_rows, after=material.size)
    material.held_out.refuse(further, "the further real rows")
    return further[COLUMNS]


def _unlabelled(material: Material) -> pd.DataFrame:
    """Unlabelled texts of the train side under the label that the filter reads in them, the surest of each label.

    Self-training (Yarowsky 1995, "Unsupervised word sense disambiguation rivaling supervised methods").
    """
    material.held_out.refuse(material.unlabelled, "the unlabelled texts of self-training")
    texts = material.unlabelled["text"].tolist()
    read = material.agreement(texts)
    table = pd.DataFrame(
        {"text": texts, "label": np.array(material.labels)[read.argmax(axis=1)], "sure": read.max(axis=1)}
    )
    table = table[~table["text"].isin(material.rows["text"])].sort_values("sure", ascending=False, kind="stable")
    return table.groupby("label").head(material.options.added_rows)[COLUMNS]


SOURCES: dict[str, Callable[[Material], pd.DataFrame]] = {
    "repeats": _repeats,
    "eda": _eda,
    "template": _template,
    "more_real": _more_real,
    "unlabelled": _unlabelled,
}
"""Sources of added rows that need no writer: cell -> ``text, label``."""


def _agreed(added: pd.DataFrame, material: Material) -> pd.Series:
    """Keep what the filter reads as its label (LAMBADA, Anaby-Tavor et al. 2020, arXiv 1911.03118).

    With ``tau`` 0 it still has to be the likeliest label; it only need not be likelier than some threshold.
    """
    read, own = material.agreement(added["text"].tolist()), material.targets(added)
    sure = read[np.arange(len(added)), own] >= material.options.filter.tau
    return pd.Series((read.argmax(axis=1) == own) & sure, index=added.index)


def _novel(added: pd.DataFrame, material: Material) -> pd.Series:
    """Keep what is neither a copy of a train text nor of another added one, nor too short, nor a loop."""
    options = material.options.filter
    measured = TextFilter.build(material.rows["text"].tolist(), options).measure(added["text"].tolist())
    kept = pd.Series(False, index=added.index)
    for label in material.labels:
        own = (added["label"] == label).to_numpy()
        kept[own] = (mark_duplicates(measured[own].reset_index(drop=True), [], options)["reason"] == KEPT).to_numpy()
    return kept


CHECKS: dict[str, Callable[[pd.DataFrame, Material], pd.Series]] = {"agreed": _agreed, "novel": _novel}
"""Checks: added rows, cell -> whether each is kept."""


def compose(arm: str, material: Material) -> pd.DataFrame:
    """Return the training rows of an arm: ``text, label, weight, origin`` (``real`` or ``added``).

    A real row weighs 1. The added rows of a label weigh together as much as ``worth`` real ones, whatever their
    number; several sources share that. Of a label of which nothing is left, the real rows weigh so much more: met less
    often than other labels, it would be said less often, which is no matter of text.

    Raises:
        LeakError: if a held-out row is among them.
    """
    options = material.options.arms[arm]
    material.held_out.refuse(material.rows, f"the real rows of the arm {arm}")
    parts = [_added(name, options, material) for name in options.add]
    table = joined(material.rows, *parts)
    if options.add and not options.full:
        share = worth_of(options, material.options)
        for part in parts:
            table = _with_stand_ins(table, sorted(set(material.rows["label"]) - set(part["label"])), share)
    material.held_out.refuse(table["text"].tolist(), f"the training rows of the arm {arm}")
    return table


def _added(source: str, options: ArmOptions, material: Material) -> pd.DataFrame:
    made = SOURCES[source](material) if source in SOURCES else material.written(source)
    made = made[COLUMNS].reset_index(drop=True)
    # A sentence that says the label is right by its making, and there is one of it.
    for check in () if source == "template" else options.keep:
        if len(made):
            made = made[CHECKS[check](made, material)].reset_index(drop=True)
    made = made.groupby("label").head(material.options.added_rows).reset_index(drop=True)
    trust = None
    if options.weigh == "agreement" and source != "template" and len(made):
        trust = material.agreement(made["text"].tolist())[np.arange(len(made)), material.targets(made)]
    if options.full:
        return made.assign(weight=1.0 if trust is None else trust)
    return weighed(made, worth_of(options, material.options), trust)


def worth_of(arm: ArmOptions, study: StudyOptions) -> float:
    """Return how many real rows the added rows of a label from one of the arm's sources count as."""
    return (arm.worth or study.worth) / len(arm.add)


def _with_stand_ins(table: pd.DataFrame, labels: list[str], worth: float) -> pd.DataFrame:
    """Return the table in which the real rows of some labels weigh ``worth`` more together."""
    real = (table["origin"] == "real") & table["label"].isin(labels)
    rows = table["label"].map(table.loc[real, "label"].value_counts())
    return table.assign(weight=table["weight"].mask(real, table["weight"] + worth / rows))


def weighed(table: pd.DataFrame, worth: float, trust: np.ndarray | None = None) -> pd.DataFrame:
    """Return the rows with weights that add up to ``worth`` for each label, in proportion to ``trust`` where given."""
    shares = pd.Series(1.0 if trust is None else trust, index=table.index, dtype="float64")
    return table.assign(weight=worth * shares / shares.groupby(table["label"]).transform("sum"))


def joined(rows: pd.DataFrame, *added: pd.DataFrame) -> pd.DataFrame:
    """Return real rows and added ones as one table, ``text, label, weight, origin``."""
    real = rows[COLUMNS].assign(weight=1.0, origin="real")
    parts = [part[[*COLUMNS, "weight"]].assign(origin="added") for part in added]
    return pd.concat([real, *parts], ignore_index=True)
