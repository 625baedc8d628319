"""A held-out row is planted in every place where something could learn from it; each place has to refuse it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from study_pieces import ASKED, options_of, split_of, study_of

from emotion_kedro.learning.device import Device
from emotion_kedro.learning.study import arms, costs
from emotion_kedro.learning.study.arms import compose
from emotion_kedro.learning.study.cells import Judge, Sides, Study, confirm_cells, run_cells, write_texts
from emotion_kedro.learning.study.writers import KINDS, Piece, write
from emotion_kedro.options.study import ConfirmOptions, StudyOptions
from emotion_kedro.text.draws import RANK, Draw
from emotion_kedro.text.held_out import HeldOut, LeakError
from emotion_kedro.text.templates import template_texts

SIZE = 3
TRAINING = {"steps": 1, "batch_size": 2, "learning_rate": 1e-3}
TUNING = {"base": "nobody", "tuning": "full", "training": TRAINING}
EXAMPLES = {"request": "{label}: {examples}", "examples": 2}
WRITERS: dict[str, Any] = {
    "asked": ASKED,
    "per_label": {"kind": "per_label", "tuning": TUNING},
    "conditioned": {"kind": "conditioned", "tuning": TUNING},
    "with_examples": {**ASKED, "asking": EXAMPLES},
    "with_prefix": {**ASKED, "asking": {**ASKED["asking"], "prefix_words": 3}},
    "warmed_up": {"kind": "per_label", "unlabelled": TRAINING, "tuning": {**TUNING, "base": "scratch"}},
}


@dataclass(frozen=True)
class Leak:
    """A study, and the row that has no business in it."""

    study: Study
    row: pd.DataFrame

    @property
    def planted(self) -> Study:
        """The study with the row first in all its draws."""
        return self.drawing(rank=0)

    def drawing(self, *, rank: int) -> Study:
        """The study with the row at a place of all its draws."""
        for seed in self.study.options.data_seeds:
            ranked = self.study.draw(seed).ranked
            self.study._draws[seed] = Draw(seed, pd.concat([self.row.assign(**{RANK: rank}), ranked]))
        return self.study

    @property
    def train(self) -> pd.DataFrame:
        """The train side with the row."""
        return pd.concat([self.study.sides.train, self.row], ignore_index=True)

    @property
    def unlabelled(self) -> pd.DataFrame:
        """The unlabelled texts with the row's."""
        return pd.concat([self.study.sides.unlabelled, self.row[["record_id", "text", "group"]]], ignore_index=True)

    @property
    def options(self) -> StudyOptions:
        """The study's options."""
        return self.study.options


def _in_train_side(leak: Leak) -> object:
    return replace(leak.study, sides=replace(leak.study.sides, train=leak.train))


def _in_arm(arm: str) -> Callable[[Leak], object]:
    return lambda leak: compose(arm, leak.planted.material(SIZE, 0))


def _in_writer(name: str) -> Callable[[Leak], object]:
    return lambda leak: write(
        name, leak.planted.draw(0).rows(SIZE), leak.options.writers[name], leak.study.desk, seed=0
    )


def _in_base(leak: Leak) -> object:
    desk = replace(leak.study.desk, unlabelled=leak.unlabelled)
    rows = leak.study.draw(0).rows(SIZE)
    return write("warmed_up", rows, leak.options.writers["warmed_up"], desk, seed=0)


def _in_self_training(leak: Leak) -> object:
    return compose("self_trained", replace(leak.study.material(SIZE, 0), unlabelled=leak.unlabelled))


def _in_filter(leak: Leak) -> object:
    return leak.planted.material(SIZE, 0).agreement(["what does it read in this"])


def _in_more_real(leak: Leak) -> object:
    return compose("more_real", leak.drawing(rank=SIZE).material(SIZE, 0))


def _in_judge(leak: Leak) -> object:
    leak.study.sides = replace(leak.study.sides, train=leak.train)
    return Judge.of(leak.study)


def _in_fine_tuning(leak: Leak) -> object:
    classifier = {"kind": "encoder", "base": "nobody", "training": TRAINING}
    options = {"arms": ["template", "real"], "sizes": [SIZE], "data_seeds": [0], "classifier": classifier}
    return list(confirm_cells(leak.planted, ConfirmOptions.model_validate(options)))


def _in_probe(leak: Leak) -> object:
    rows = leak.planted.draw(0).rows(SIZE)
    return costs.probe_writer(rows, leak.options.writers["per_label"], leak.study.desk)


PLACES: dict[str, tuple[Callable[[Leak], object], str]] = {
    "train side": (_in_train_side, "the train side"),
    "cells": (lambda leak: list(run_cells(leak.planted)), "the real rows of the arm real"),
    **{f"arm {arm}": (_in_arm(arm), f"the real rows of the arm {arm}") for arm in options_of(Path("nowhere")).arms},
    **{f"writer {name}": (_in_writer(name), f"the train rows of the writer {name}") for name in WRITERS},
    "writing": (lambda leak: list(write_texts(leak.planted)), "the train rows of the writer asked"),
    "unlabelled texts of a base": (_in_base, "the unlabelled texts of the writer warmed_up"),
    "unlabelled texts of self-training": (_in_self_training, "the unlabelled texts of self-training"),
    "filter": (_in_filter, "the rows of the filter"),
    "further real rows": (_in_more_real, "the further real rows"),
    "judge": (_in_judge, "the rows of the judge"),
    "fine-tuning": (_in_fine_tuning, "the real rows of the arm real"),
    "probe of a writer": (_in_probe, "the train rows of the writer probe"),
}


@pytest.fixture
def study(records: pd.DataFrame, cpu: Device, tmp_path: Path) -> Study:
    return study_of(split_of(records), options_of(tmp_path, writers=WRITERS), cpu)


@pytest.fixture(autouse=True)
def nothing_is_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard comes before the work: a writer that is asked at all has failed the test."""
    for kind in KINDS:
        monkeypatch.setitem(KINDS, kind, lambda *_: pytest.fail("a writer was shown a held-out row"))


@pytest.mark.parametrize("what", ["test", "validation", "near-duplicate"])
@pytest.mark.parametrize("place", list(PLACES))
def test_a_held_out_row_is_refused_in_every_place(place: str, what: str, study: Study) -> None:
    side = study.sides.validation if what == "validation" else study.sides.test
    row = side.iloc[[5]].assign(split="train")
    record = str(row["record_id"].iloc[0])
    if what == "near-duplicate":
        row = row.assign(record_id="planted:0", text="in words that are nowhere else")
    else:
        row = row.assign(record_id="planted:0", text=row["text"].str.upper() + " ...", group=10_000)
    work, named = PLACES[place]
    how = "a near-duplicate of it" if what == "near-duplicate" else "its text"
    with pytest.raises(LeakError, match=re.escape(f"held-out record {record} ({how}) stands in {named}.")):
        work(Leak(study, row))


def test_the_places_are_the_sources_and_writers_there_are() -> None:
    """A new source or kind of writer has to be put to this test."""
    covered = {source for arm in options_of(Path("nowhere")).arms.values() for source in arm.add}
    assert set(arms.SOURCES) <= covered
    assert {writer["kind"] for writer in WRITERS.values()} == set(KINDS)


def test_every_validation_row_is_guarded_whether_a_cell_has_it_or_not(records: pd.DataFrame, tmp_path: Path) -> None:
    options = options_of(tmp_path, validation_rows=1, test_rows=20)
    sides = Sides.of(split_of(records), options)
    guard = sides.held_out(options)
    assert guard.copies(sides.validation["text"].tolist()).all()
    assert guard.copies(sides.test["text"].tolist()).all()
    guard.refuse(sides.train, "the train side")


@pytest.mark.parametrize("arm", ["asked", "asked_weighted", "asked_template"])
def test_a_writers_text_that_is_a_held_out_one_is_no_training_row(arm: str, study: Study) -> None:
    """However it came past the writer's own check: from a table that was saved under another split, say."""
    held = study.sides.test.iloc[[5]]
    study.texts = {**study.texts, Piece("asked", SIZE, 0): held[["text", "label"]]}
    record = str(held["record_id"].iloc[0])
    with pytest.raises(LeakError, match=rf"record {record} \(its text\) stands in the training rows of the arm {arm}"):
        compose(arm, study.material(SIZE, 0))


def test_a_template_that_is_a_held_out_text_is_refused(study: Study) -> None:
    text = template_texts(study.labels)["text"].iloc[1]
    guard = HeldOut(pd.DataFrame({"record_id": ["test:9"], "text": [text], "group": [1_000_000]}))
    with pytest.raises(LeakError, match=r"record test:9 \(its text\) stands in the training rows of the arm template"):
        compose("template", replace(study.material(SIZE, 0), held_out=guard))


@pytest.mark.parametrize("name", list(WRITERS))
@pytest.mark.parametrize("side", ["test", "validation"])
def test_a_writer_that_says_a_held_out_text_word_for_word_is_not_listened_to(
    name: str, side: str, study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = str((study.sides.test if side == "test" else study.sides.validation)["text"].iloc[5])
    said = [held, f"{held.upper()}!", f"{held} too", "zebras run over green hills"]
    options = study.options.writers[name]
    monkeypatch.setitem(KINDS, options.kind, lambda *_: {"joy": said})
    rows = study.draw(0).rows(SIZE)
    for _ in ("written", "kept"):
        assert write(name, rows, options, study.desk, seed=0)["text"].tolist() == said[3:]


def test_accidents_that_make_a_held_out_text_are_thrown_away(study: Study, monkeypatch: pytest.MonkeyPatch) -> None:
    held = str(study.sides.test["text"].iloc[5])
    made = pd.DataFrame({"text": [f"{held}.", "another one"], "label": ["joy", "joy"]})
    monkeypatch.setattr(arms, "eda_texts", lambda *_, **__: made)
    table = compose("eda", study.material(SIZE, 0))
    added = table[table["origin"] == "added"]
    assert added[["text", "weight"]].to_numpy().tolist() == [["another one", study.options.worth]]
