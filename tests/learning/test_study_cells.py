from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from study_pieces import ARMS, ASKED, options_of, split_of, study_of, written

from emotion_kedro.learning import heads
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.study import cells
from emotion_kedro.learning.study.arms import compose
from emotion_kedro.learning.study.cells import (
    Cell,
    Judge,
    Sides,
    Study,
    cell_identity,
    confirm_cells,
    confirmed_cells,
    describe_cell,
    grid,
    pieces,
    predictions_of,
    resampled,
    run_cells,
    write_texts,
)
from emotion_kedro.learning.study.writers import KINDS, Piece
from emotion_kedro.options.study import ConfirmOptions
from emotion_kedro.schemas import CellPredictions, Cells, Mix

WHOLE = 2 * 2 * len(ARMS)


@pytest.fixture
def split(records: pd.DataFrame) -> pd.DataFrame:
    return split_of(records)


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """A number for each cell that is fitted: its train rows."""
    seen: list[int] = []
    fit = cells._fit_cell

    def counted(rows: pd.DataFrame, *given: Any) -> pd.DataFrame:
        seen.append(len(rows))
        return fit(rows, *given)

    monkeypatch.setattr(cells, "_fit_cell", counted)
    return seen


def run(study: Study) -> dict[Cell, pd.DataFrame]:
    return {cell: table for cell, table, _ in run_cells(study)}


def confirm_options(encoder: Path, **changes: Any) -> ConfirmOptions:
    training = {"steps": 3, "batch_size": 4, "learning_rate": 1e-3}
    classifier = {"kind": "encoder", "base": str(encoder), "max_tokens": 24, "training": training}
    values = {"arms": ["real", "template", "asked"], "sizes": [3], "data_seeds": [0], "seeds": [0, 1]}
    return ConfirmOptions.model_validate({**values, "classifier": classifier, **changes})


def test_the_grid_has_every_arm_at_every_size_and_data_seed_but_where_the_options_say_otherwise(tmp_path: Path) -> None:
    arms = {"late": {"says": "", "add": ["asked"], "sizes": [6]}}
    options = options_of(tmp_path, arms=arms, without=["eda"])
    places = grid(options, (3, 6))
    assert len(places) == len(set(places)) == 2 * (2 * (len(ARMS) - 1) + 1)
    assert {cell.arm for cell in places} == {*ARMS, "late"} - {"eda"}
    assert {cell.size for cell in places if cell.arm == "late"} == {6}
    assert [cell.data_seed for cell in places] == sorted(cell.data_seed for cell in places)


def test_what_writers_see_the_same_rows_for_is_written_once(tmp_path: Path) -> None:
    writers = {"asked": {**ASKED, "rows": 3}, "other": ASKED}
    options = options_of(tmp_path, writers=writers, arms={"other": {"says": "", "add": ["other"], "sizes": [6]}})
    assert pieces(options, (3, 6)) == [
        *(Piece("asked", 3, 0), Piece("other", 6, 0)),
        *(Piece("asked", 3, 1), Piece("other", 6, 1)),
    ]


def test_every_cell_predicts_every_test_row_once_for_each_seed(
    split: pd.DataFrame, cpu: Device, tmp_path: Path
) -> None:
    study = study_of(split, options_of(tmp_path), cpu)
    found = list(run_cells(study))
    table = predictions_of({cell: predictions for cell, predictions, _ in found}, study.sides.test)
    CellPredictions.validate(table)
    test = split[split["split"] == "test"]
    assert len(found) == WHOLE
    assert len(table) == WHOLE * 2 * len(test)
    for _, part in table.groupby(["arm", "n", "data_seed", "seed"]):
        assert part["record_id"].tolist() == test["record_id"].tolist()
        assert part["label"].tolist() == test["label"].tolist()
    np.testing.assert_allclose(table.filter(like="p_").sum(axis=1), 1.0, atol=1e-5)
    described = pd.DataFrame([describe_cell(*one) for one in found])
    Cells.validate(described)
    assert (described["train_rows"] == 4 * described["n"]).all()
    assert described.set_index("arm")["added_rows"].groupby(level=0).max()["template"] == 4
    assert described["seconds"].notna().all()
    assert described["penalty"].between(1e-4, 1e-2).all()


def test_two_runs_are_equal_bit_for_bit(split: pd.DataFrame, cpu: Device, tmp_path: Path) -> None:
    first = run(study_of(split, options_of(tmp_path / "one"), cpu))
    second = run(study_of(split, options_of(tmp_path / "other"), cpu))
    again = run(study_of(split, options_of(tmp_path / "one"), cpu))
    for cell, table in first.items():
        pd.testing.assert_frame_equal(second[cell], table, check_exact=True)
        pd.testing.assert_frame_equal(again[cell], table, check_exact=True)


def test_a_run_that_was_killed_goes_on_with_the_rest(
    split: pd.DataFrame, cpu: Device, tmp_path: Path, fitted: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    counted = cells._fit_cell

    def tired(*given: Any) -> pd.DataFrame:
        if len(fitted) == WHOLE // 2:
            raise KeyboardInterrupt
        return counted(*given)

    monkeypatch.setattr(cells, "_fit_cell", tired)
    with pytest.raises(KeyboardInterrupt):
        run(study_of(split, options_of(tmp_path / "one"), cpu))
    monkeypatch.setattr(cells, "_fit_cell", counted)
    found = run(study_of(split, options_of(tmp_path / "one"), cpu))
    assert len(fitted) == WHOLE
    whole = run(study_of(split, options_of(tmp_path / "other"), cpu))
    assert list(found) == list(whole)
    for cell, table in whole.items():
        pd.testing.assert_frame_equal(found[cell], table, check_exact=True)


TINY_HEADS = {"steps": 20, "batch_size": 8, "penalties": (1e-4, 1e-2)}


@pytest.mark.parametrize(
    ("changes", "again"),
    [
        ({}, 0),
        ({"arms": {"eda": {"says": "other words for it", "add": ["eda"]}}}, 0),
        ({"arms": {"eda": {"says": "", "add": ["eda"], "worth": 7.0}}}, 4),
        ({"arms": {"new": {"says": "", "add": ["asked", "template"], "worth": 7.0}}}, 4),
        ({"without": ("eda", "asked")}, 0),
        ({"eda_strength": 0.5}, 4),
        ({"data_seeds": (0, 1, 2)}, 2 * len(ARMS)),
        ({"template": {"sentence": "I feel {label}"}}, None),
        ({"seeds": (0, 2)}, WHOLE),
        ({"validation_rows": 2}, WHOLE),
        ({"test_rows": 20}, WHOLE),
        ({"heads": {**TINY_HEADS, "steps": 21}}, WHOLE),
        ({"features": {"kind": "characters", "width": 128}}, WHOLE),
    ],
)
def test_cells_run_again_where_their_inputs_changed_and_only_there(
    changes: dict[str, Any], again: int | None, split: pd.DataFrame, cpu: Device, tmp_path: Path, fitted: list[int]
) -> None:
    run(study_of(split, options_of(tmp_path), cpu))
    assert len(fitted) == WHOLE
    fitted.clear()
    run(study_of(split, options_of(tmp_path, **changes), cpu))
    if again is None:
        # The template is in its own arms, and the filter knows it: whatever asks the filter may come out otherwise.
        assert 8 <= len(fitted) <= 5 * 4
    else:
        assert len(fitted) == again


def test_other_texts_of_a_writer_run_its_arms_again(
    split: pd.DataFrame, cpu: Device, tmp_path: Path, fitted: list[int]
) -> None:
    run(study_of(split, options_of(tmp_path), cpu))
    fitted.clear()
    study = study_of(split, options_of(tmp_path), cpu)
    piece = Piece("asked", 3, 1)
    study.texts = {**study.texts, piece: written(study.labels, number=17)}
    run(study)
    assert len(fitted) == sum("asked" in arm.get("add", ()) for arm in ARMS.values())


def test_all_arms_take_equal_steps_batches_and_penalties(
    split: pd.DataFrame, cpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, ...]] = []
    descend = heads._descend

    def counted(features: Any, targets: Any, draws: Any, starts: Any, options: Any, device: Device) -> Any:
        seen.append((draws.shape[1:], options.penalties, options.learning_rate))
        return descend(features, targets, draws, starts, options, device)

    monkeypatch.setattr(heads, "_descend", counted)
    for _ in run_cells(study_of(split, options_of(tmp_path), cpu)):
        pass
    assert set(seen) == {((20, 8), (1e-4, 1e-2), 0.1)}
    # A fit for every cell, and one filter for every size and data seed.
    assert len(seen) == WHOLE + 4


def test_the_penalty_is_chosen_on_no_more_validation_rows_than_train_rows(
    split: pd.DataFrame, cpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(split, options_of(tmp_path), cpu)
    for size, wanted in ((3, 3), (6, 4)):
        rows = study.material(size, 0).validation
        assert rows["label"].value_counts().to_dict() == dict.fromkeys(study.labels, wanted)
        assert set(rows["record_id"]) <= set(split.loc[split["split"] == "validation", "record_id"])
        assert rows["record_id"].tolist() == study.material(size, 1).validation["record_id"].tolist()
    chosen_on: list[int] = []
    choose = cells.choose_penalty
    monkeypatch.setattr(cells, "choose_penalty", lambda *given: chosen_on.append(len(given[2])) or choose(*given))
    run(study)
    assert sorted(set(chosen_on)) == [12, 16]


def test_the_judge_has_no_part_in_any_arm(
    split: pd.DataFrame, cpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    study = study_of(split, options_of(tmp_path / "one"), cpu)
    judge = Judge.of(study)
    assert judge.heads.seeds == (cells.JUDGE_SEED,)
    assert cells.JUDGE_SEED not in {*study.options.seeds, study.options.filter_seed}
    assert judge.reads([]) == []
    assert judge.accuracy() > 0.5
    with_judge = run(study)
    monkeypatch.setattr(Judge, "of", None)
    without = run(study_of(split, options_of(tmp_path / "other"), cpu))
    for cell, table in without.items():
        pd.testing.assert_frame_equal(with_judge[cell], table, check_exact=True)


def test_sides_are_drawn_once_and_unlabelled_texts_are_of_the_train_side(split: pd.DataFrame, tmp_path: Path) -> None:
    sides = Sides.of(split, options_of(tmp_path, test_rows=20, unlabelled_rows=30))
    assert sides.test["label"].value_counts().to_dict() == dict.fromkeys(sorted(split["label"].unique()), 5)
    assert list(sides.unlabelled) == ["record_id", "text", "group"]
    assert len(sides.unlabelled) == 30
    assert set(sides.unlabelled["record_id"]) <= set(sides.train["record_id"])
    every = Sides.of(split, options_of(tmp_path, unlabelled_rows=1000))
    assert len(every.unlabelled) == len(every.train) == 96


def test_sizes_that_no_label_has_are_left_out(split: pd.DataFrame, cpu: Device, tmp_path: Path) -> None:
    assert study_of(split, options_of(tmp_path, sizes=(3, 24, 25)), cpu).sizes == (3, 24)


def test_writers_write_for_each_piece_and_cells_ask_for_it(
    split: pd.DataFrame, cpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown: list[list[str]] = []

    def told(rows: pd.DataFrame, _options: Any, _desk: Any, _name: str, seed: int) -> dict[str, list[str]]:
        shown.append(rows["record_id"].tolist())
        return {"joy": [f"seed {seed}, {len(rows)} rows"]}

    monkeypatch.setitem(KINDS, "asked", told)
    study = study_of(split, options_of(tmp_path, writers={"asked": {**ASKED, "rows": 3}}), cpu)
    found = dict(write_texts(study))
    assert {str(piece) for piece in found} == {f"writer asked, n=3, data seed {seed}" for seed in (0, 1)}
    assert shown == [study.draw(seed).rows(3)["record_id"].tolist() for seed in (0, 1)]
    study.texts = found
    assert study.written("asked", 6, 1)["text"].tolist() == ["seed 1, 12 rows"]
    assert len(list(write_texts(study))) == 2
    assert len(shown) == 2
    study.texts = {}
    with pytest.raises(ValueError, match="writer asked, n=3, data seed 0 was not written; run the node write_texts"):
        study.written("asked", 6, 0)


def test_rows_are_drawn_in_proportion_to_their_weights() -> None:
    rows = pd.DataFrame(
        {
            "text": ["a", "b", "c"],
            "label": ["x", "y", "y"],
            "weight": [1.0, 0.0, 3.0],
            "origin": ["real", "real", "added"],
        }
    )
    mix = resampled(rows, 4000, 0)
    Mix.validate(mix)
    counts = mix["text"].value_counts()
    assert len(mix) == 4000
    assert set(counts.index) == {"a", "c"}
    assert counts["c"] == pytest.approx(3000, abs=4 * (4000 * 0.25 * 0.75) ** 0.5)
    assert set(mix.loc[mix["text"] == "c", "origin"]) == {"synthetic"}
    pd.testing.assert_frame_equal(resampled(rows, 4000, 0), mix)


def test_confirmed_arms_take_equal_steps_over_as_many_rows_and_are_kept(
    split: pd.DataFrame, cpu: Device, tmp_path: Path, tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[tuple[Any, ...]] = []
    fit = cells.fit_classifier

    def counted(lesson: Any, options: Any, **given: Any) -> Any:
        classifier, log = fit(lesson, options, **given)
        Mix.validate(lesson.mix)
        seen.append((lesson.seed, len(lesson.mix), len(lesson.validation), set(lesson.mix["phase"]), log.steps))
        return classifier, log

    monkeypatch.setattr(cells, "fit_classifier", counted)
    confirm = confirm_options(tiny_encoder)
    study = study_of(split, options_of(tmp_path), cpu)
    found = {cell: table for cell, table, _ in confirm_cells(study, confirm)}
    assert list(found) == confirmed_cells(study, confirm) == [Cell(arm, 3, 0) for arm in confirm.arms]
    assert seen == [(seed, 3 * 4, 0, {0}, 3) for _ in confirm.arms for seed in (0, 1)]
    table = predictions_of(found, study.sides.test)
    CellPredictions.validate(table)
    assert len(table) == 3 * 2 * 64
    assert not (tmp_path / "checkpoints").exists() or not list((tmp_path / "checkpoints").glob("*/*"))
    again = {cell: table for cell, table, _ in confirm_cells(study_of(split, options_of(tmp_path), cpu), confirm)}
    assert len(seen) == 6
    for cell in found:
        pd.testing.assert_frame_equal(
            again[cell].reset_index(drop=True), found[cell].reset_index(drop=True), check_exact=True
        )
    anew = {cell: table for cell, table, _ in confirm_cells(study_of(split, options_of(tmp_path / "b"), cpu), confirm)}
    pd.testing.assert_frame_equal(anew[Cell("asked", 3, 0)], found[Cell("asked", 3, 0)], check_exact=True)


def test_a_cell_depends_on_the_files_of_a_model_that_is_a_directory(
    split: pd.DataFrame, cpu: Device, tmp_path: Path, tiny_encoder: Path
) -> None:
    base = tmp_path / "encoder"
    shutil.copytree(tiny_encoder, base)
    study = study_of(split, options_of(tmp_path, features={"kind": "encoder", "base": str(base)}), cpu)
    cell, rows = Cell("real", 3, 0), compose("real", study.material(3, 0))
    before = cell_identity(cell, rows, study)
    assert cell_identity(cell, rows, study) == before
    (base / "vocab.txt").write_text("another one", encoding="utf-8")
    assert cell_identity(cell, rows, study) != before


def test_what_was_kept_of_the_packaged_model_is_still_found(
    split: pd.DataFrame, cpu: Device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name stands in the fingerprint as it is: hours of work hang on it."""
    study = study_of(split, options_of(tmp_path), cpu)
    study.options = options_of(tmp_path, features={"kind": "encoder", "base": "package:minilm"})
    parts: list[Any] = []
    monkeypatch.setattr(cells, "fingerprint", lambda *given: parts.extend(given))
    cell_identity(Cell("real", 3, 0), compose("real", study.material(3, 0)), study)
    assert parts[-2:] == [["package:minilm"], "cpu"]
