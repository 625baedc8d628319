"""The loop alone, with models that only say what they are told: what goes back to the generators, and when it ends."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.learning.device import Device
from emotion_kedro.options import ClassificationOptions, GenerationOptions, SynthesisOptions
from emotion_kedro.options.iteration import IterationOptions
from emotion_kedro.pipelines.iteration import rounds
from emotion_kedro.pipelines.iteration.rounds import Loop, Models

LABELS = ("fear", "joy")
TRAINING = {"steps": 5, "learning_rate": 0.1}


class Told:
    """A classifier that is as sure of ``joy`` as the number in a text says, and as right as its round allows."""

    labels = LABELS

    def __init__(self, right: float = 1.0) -> None:
        self.right = right

    def probabilities(self, texts: list[str], *, device: Device) -> np.ndarray:
        joy = np.array([float(text.split()[1]) for text in texts])
        joy[: round(len(joy) * (1 - self.right))] = 1 - joy[: round(len(joy) * (1 - self.right))]
        return np.column_stack([1 - joy, joy])

    def save(self, directory: Path) -> None:
        (directory / "right").write_text(str(self.right))


class Stage:
    """Stands in for all models; keeps what it was given."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, right: list[float]) -> None:
        self.right = right
        self.fed: list[tuple[str, list[str], str, int]] = []
        self.judged: list[pd.DataFrame] = []
        self.draws = 0
        for name in ("fit_classifier", "train_generator", "load_generator", "draw_candidates", "load_classifier"):
            monkeypatch.setattr(rounds, name, getattr(self, name))

    def fit_classifier(self, lesson: Any, options: Any, **_: Any) -> tuple[Told, Any]:
        log = SimpleNamespace(steps=options.training.steps)
        if "judge" in lesson.name:
            self.judged.append(lesson.mix)
            return Told(), log
        return Told(self.right[int(lesson.name.rpartition("_")[2])]), log

    def load_classifier(self, *_: Any) -> Told:
        return Told()

    def train_generator(self, base: Path, texts: Any, *, label: str, options: Any, **_: Any) -> tuple[Any, None]:
        self.fed.append((label, texts.train, f"{base.parent.name}/{base.name}", options.seed))
        return SimpleNamespace(save=lambda directory: None), None

    def load_generator(self, directory: Path, *_: Any) -> Any:
        return SimpleNamespace(label=directory.name)

    def draw_candidates(self, generator: Any, sieve: Any, options: Any, **_: Any) -> pd.DataFrame:
        self.draws += 1
        texts = [f"written 0.{options.seed}{self.draws}", "turned 0.5"]
        return pd.DataFrame(
            {
                "candidate_id": [f"{generator.label}:1", f"{generator.label}:2"],
                "text": texts,
                "label": generator.label,
                "kept": [True, False],
                "reason": ["kept", "too short"],
            }
        )


@pytest.fixture
def records() -> pd.DataFrame:
    sure = [0.05, 0.45, 0.3, 0.49, 0.95, 0.52, 0.7, 0.6]
    train = [(f"train {value}", LABELS[value > 0.5], "train") for value in sure]
    other = [
        (f"{side} {value}", LABELS[value > 0.5], side)
        for side in ("validation", "test")
        for value in (0.1, 0.2, 0.8, 0.9)
    ]
    table = pd.DataFrame([*train, *other], columns=["text", "label", "split"])
    ids = [f"made:{row}" for row in range(len(table))]
    return table.assign(record_id=ids, source="made", group=range(len(table)))


def loop(records: pd.DataFrame, folder: Path, **changes: Any) -> Loop:
    for name in ("base", "fear", "joy", "filter"):
        (folder / name).mkdir(exist_ok=True)
    options = {"feedback": TRAINING, "uncertain_share": 0.5, "judge_steps": 3, "patience": 1, **changes}
    return Loop(
        records,
        LABELS,
        Models(folder / "base", {label: folder / label for label in LABELS}, folder / "filter"),
        IterationOptions.model_validate(options),
        GenerationOptions.model_validate({"base": "scratch", "training": TRAINING}),
        SynthesisOptions(quota=1),
        ClassificationOptions.model_validate({"classifier": {"base": "none", "training": TRAINING}}),
        Device("cpu", "test", half=False),
        str(folder / "checkpoints"),
    )


def test_the_least_certain_texts_and_the_last_synthetic_ones_go_back(
    records: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(monkeypatch, [0.5, 0.75, 1.0])
    found, _ = loop(records, tmp_path, rounds=2).run()
    uncertain = {"fear": ["train 0.45", "train 0.49"], "joy": ["train 0.52", "train 0.6"]}
    assert stage.fed == [
        ("fear", uncertain["fear"], f"{tmp_path.name}/fear", 1),
        ("joy", uncertain["joy"], f"{tmp_path.name}/joy", 1),
        ("fear", [*uncertain["fear"], "written 0.11"], "generators_1/fear", 2),
        ("joy", [*uncertain["joy"], "written 0.12"], "generators_1/joy", 2),
    ]
    assert [one.facts["synthetic"] for one in found] == [0, 2, 2]
    assert [one.facts["real"] for one in found] == [8, 8, 8]


def test_no_train_text_is_judged_by_a_classifier_that_was_fitted_on_it(
    records: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(monkeypatch, [0.5, 0.75, 1.0])
    loop(records, tmp_path, rounds=2).run()
    assert len(stage.judged) == 4
    for one, other in (stage.judged[:2], stage.judged[2:]):
        real = [set(mix.loc[mix["origin"] == "real", "text"]) for mix in (one, other)]
        assert not real[0] & real[1]
        assert real[0] | real[1] == set(records.loc[records["split"] == "train", "text"])
    # In the second round the twins, like the classifier that they stand for, have the first round's synthetic text.
    assert [(mix["origin"] == "synthetic").sum() for mix in stage.judged] == [0, 0, 2, 2]


@pytest.mark.parametrize(
    ("right", "patience", "ran"),
    [([0.5, 0.75, 0.75, 1.0], 1, 3), ([0.5, 0.75, 0.75, 1.0], 2, 4), ([0.5, 0.25, 1.0, 1.0], 1, 2)],
)
def test_the_loop_ends_when_validation_stops_gaining(
    right: list[float], patience: int, ran: int, records: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stage(monkeypatch, right)
    found, _ = loop(records, tmp_path, rounds=3, patience=patience).run()
    assert [one.facts["score"] for one in found] == right[:ran]


def test_test_rows_are_predicted_and_decide_nothing(
    records: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stage(monkeypatch, [0.5, 0.75, 1.0])
    turned = records["label"].where(records["split"] != "test", records["label"].map({"joy": "fear", "fear": "joy"}))
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    found, _ = loop(records, tmp_path / "a").run()
    other, _ = loop(records.assign(label=turned), tmp_path / "b").run()
    assert [one.facts for one in found] == [one.facts for one in other]
    assert set(found[1].predictions["record_id"]) == set(records.loc[records["split"] == "test", "record_id"])


def test_a_loop_that_was_cut_off_goes_on_with_the_next_round(
    records: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(monkeypatch, [0.5, 0.75, 1.0])

    def lose_power(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    drawing = stage.draw_candidates
    monkeypatch.setattr(rounds, "draw_candidates", lambda *a, **k: drawing(*a, **k) if a[2].seed == 1 else lose_power())
    with pytest.raises(KeyboardInterrupt):
        loop(records, tmp_path).run()
    fed = len(stage.fed)
    monkeypatch.setattr(rounds, "draw_candidates", drawing)
    found, _ = loop(records, tmp_path).run()
    # The generators of the round that was cut off were saved, and are not tuned again.
    assert (fed, len(stage.fed)) == (4, 4)
    assert [one.facts["score"] for one in found] == [0.5, 0.75, 1.0]
    again, memory = loop(records, tmp_path).run()
    assert len(again) == 3
    assert (memory.classifier(2) / "right").read_text() == "1.0"
    assert sorted(path.name for path in memory.directory.iterdir()) == ["generators_2", "round_0", "round_1", "round_2"]
