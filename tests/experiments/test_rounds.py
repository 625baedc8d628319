"""The loop alone, with models that only say what they are told: what goes back to the generators, and when it ends."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.augmentation.generators import KeptGenerator
from emotion_kedro.augmentation.generators.fine_tuned import FineTuned, LabelModels
from emotion_kedro.config.analyses import RoundsConfig
from emotion_kedro.config.augmentation import generator_config
from emotion_kedro.config.experiment import DesignConfig
from emotion_kedro.config.filters import default_filters
from emotion_kedro.config.models import learner_config
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.datasets import TableFolder
from emotion_kedro.experiments import rounds
from emotion_kedro.experiments.round_rules import best_round, has_stalled, least_certain, margins
from emotion_kedro.experiments.rounds import analyse
from emotion_kedro.experiments.run import prediction_columns
from emotion_kedro.metrics.scores import validation_score
from emotion_kedro.models.device import Device
from emotion_kedro.schemas.runs import Predictions, Runs
from emotion_kedro.storage.cache import Cache

LABELS = ("fear", "joy")
TRAINING = {"steps": 5, "learning_rate": 0.1}


class FakeClassifier:
    """As sure of ``joy`` as the number in a text says, and as right as its round allows."""

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
        self.fed: list[tuple[int, str, list[str], int]] = []
        self.readers: list[pd.DataFrame] = []
        self.fits = 0
        self.draws = 0
        for name in ("fit_classifier", "fit_arm", "train_generator", "load_classifier", "draw_for", "score_draws"):
            monkeypatch.setattr(rounds, name, getattr(self, name))
        monkeypatch.setattr(FineTuned, "tune", lambda tuner, *given: self.tune(tuner.config, *given))

    def fit_classifier(self, training_set: Any, *_: Any) -> tuple[FakeClassifier, None]:
        self.readers.append(training_set.rows)
        return FakeClassifier(), None

    def fit_arm(self, name: str, arm: Any, rows: pd.DataFrame, learners: Any, context: Any) -> Any:
        self.fits += 1
        right = self.right[int(name.rpartition("_")[2])]
        tested = context.design_splits.test
        truth = np.array([LABELS.index(label) for label in tested["label"]])
        # Of the validation and of the test rows the same share is right.
        split = tested["text"].str.split().str[0]
        place = tested.groupby(split).cumcount() / split.groupby(split).transform("size")
        predicted = np.where(place < right, truth, 1 - truth)
        read = prediction_columns(np.eye(2)[predicted], LABELS)
        keys = {"experiment": "rounds", "arm": name, "learner": "one", "size": 0, "data_seed": 0, "seed": 0}
        table = pd.concat([tested[["record_id", "source", "label"]].reset_index(drop=True), read], axis=1)
        counts = rows["origin"].value_counts()
        log = {"train_rows": counts["real"], "added_rows": counts.get("added", 0), "steps": 5}
        return SimpleNamespace(
            classifier=FakeClassifier(right), predictions=table.assign(**keys), runs=pd.DataFrame([{**keys, **log}])
        )

    def load_classifier(self, *_: Any) -> FakeClassifier:
        return FakeClassifier()

    def train_generator(self, config: Any, context: Any, *, name: str) -> tuple[KeptGenerator, list[Any]]:
        directories = {
            label: context.cache.save_directory("first", label, lambda path: (path / "round").write_text("0"))
            for label in LABELS
        }
        models = LabelModels(config, context.device, lambda label: None, directories, directories["joy"])
        return KeptGenerator(models, "rows"), []

    def tune(self, config: Any, label: str, base: Any, context: Any) -> tuple[Any, dict[str, Any]]:
        # The number of the round that the model comes from, and what it is tuned on now.
        before = int((base.directory / "round").read_text())
        texts = context.rows.loc[context.rows["label"] == label, "text"].tolist()
        self.fed.append((before, label, texts, context.seed_of(config)))
        return SimpleNamespace(save=lambda directory: (directory / "round").write_text(str(before + 1))), {}

    def draw_for(self, name: str, config: Any, contexts: Any, draws: list[Any], fitted: Any = None) -> pd.DataFrame:
        self.draws += len(draws)
        rows = [
            (f"{label}:{number}", f"{text} 0.{config.seed} seen {label}", label, name, 0, 0)
            for label in LABELS
            for number, text in enumerate(("written", "turned"))
            if draws
        ]
        return pd.DataFrame(rows, columns=["candidate_id", "text", "label", "generator", "size", "data_seed"])

    def score_draws(self, candidates: pd.DataFrame, *_: Any) -> pd.DataFrame:
        sure = np.where(candidates["text"].str.startswith("written"), 0.9, 0.1)
        figures = {"words": 4, "repetition": 0.0, "train_similarity": 0.0}
        return candidates.assign(**figures, predicted=candidates["label"], probability=sure)


@pytest.fixture
def split_records() -> pd.DataFrame:
    sure = [0.05, 0.45, 0.3, 0.49, 0.95, 0.52, 0.7, 0.6]
    train = [(f"train {value}", LABELS[value > 0.5], "train") for value in sure]
    other = [
        (f"{split} {value}", LABELS[value > 0.5], split)
        for split in ("validation", "test")
        for value in (0.1, 0.2, 0.8, 0.9)
    ]
    table = pd.DataFrame([*train, *other], columns=["text", "label", "split"])
    ids = [f"made:{row}" for row in range(len(table))]
    return table.assign(record_id=ids, source="made", group=range(len(table)))


def run(split_records: pd.DataFrame, folder: Path, design: DesignConfig | None = None, **changes: Any) -> Any:
    parameters = {"feedback": TRAINING, "uncertain_share": 0.5, "reader_steps": 3, "filters": ["label_agreement"]}
    return analyse(
        RoundsConfig.model_validate({**parameters, **changes}),
        taxonomy=TaxonomyConfig.from_labels(LABELS),
        device=Device("cpu", "test", half=False),
        cache=Cache(folder / "cache"),
        name="rounds",
        design=design or DesignConfig(),
        learners={"one": learner_config({"kind": "encoder", "base": "none", "training": TRAINING})},
        generators={"per_label": generator_config({"kind": "fine_tuned", "base": "scratch", "training": TRAINING})},
        filters=default_filters(),
        split_records=split_records,
    )


def test_the_least_certain_texts_and_the_last_added_ones_go_back(
    split_records: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(monkeypatch, [0.5, 0.75, 1.0])
    tables, predictions, runs = run(split_records, tmp_path, rounds=2)
    uncertain = {"fear": ["train 0.45", "train 0.49"], "joy": ["train 0.52", "train 0.6"]}
    fed = [(before, label, sorted(texts[:2]), texts[2:], seed) for before, label, texts, seed in stage.fed]
    assert fed == [
        (0, "fear", uncertain["fear"], [], 1),
        (0, "joy", uncertain["joy"], [], 1),
        (1, "fear", uncertain["fear"], ["written 0.1 seen fear"], 2),
        (1, "joy", uncertain["joy"], ["written 0.1 seen joy"], 2),
    ]
    facts = tables["rounds"].set_index("round")
    assert facts["added_rows"].tolist() == [0, 2, 2]
    assert facts["train_rows"].tolist() == [8, 8, 8]
    assert facts["best"].tolist() == [False, False, True]
    assert facts["validation_accuracy"].tolist() == [0.5, 0.75, 1.0]
    assert tables["uncertain"].groupby("round")["texts"].sum().to_dict() == {1: 4, 2: 4}
    assert tables["candidates"]["reason"].value_counts().to_dict() == {"kept": 4, "classifier unsure": 4}
    assert not tables["candidates"]["candidate_id"].duplicated().any()
    assert predictions.groupby("arm")["record_id"].nunique().to_dict() == {f"round_{number}": 4 for number in range(3)}
    assert len(runs) == 3


def test_no_train_text_is_read_by_a_classifier_that_was_fitted_on_it(
    split_records: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(monkeypatch, [0.5, 0.75, 1.0])
    run(split_records, tmp_path, rounds=2)
    assert len(stage.readers) == 4
    for first, second in (stage.readers[:2], stage.readers[2:]):
        real = [set(rows.loc[rows["origin"] == "real", "text"]) for rows in (first, second)]
        assert not real[0] & real[1]
        assert real[0] | real[1] == set(split_records.loc[split_records["split"] == "train", "text"])
    # In the second round the twins, like the classifier that they stand for, have the first round's added text.
    assert [(rows["origin"] == "added").sum() for rows in stage.readers] == [0, 0, 2, 2]


@pytest.mark.parametrize(
    ("right", "patience", "ran"),
    [([0.5, 0.75, 0.75, 1.0], 1, 3), ([0.5, 0.75, 0.75, 1.0], 2, 4), ([0.5, 0.25, 1.0, 1.0], 1, 2)],
)
def test_the_loop_ends_when_validation_stops_gaining(
    right: list[float],
    patience: int,
    ran: int,
    split_records: pd.DataFrame,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Stage(monkeypatch, right)
    tables, _, _ = run(split_records, tmp_path, rounds=3, patience=patience)
    assert tables["rounds"]["validation_accuracy"].tolist() == right[:ran]


def test_test_rows_are_predicted_and_decide_nothing(
    split_records: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stage(monkeypatch, [0.5, 0.75, 1.0])
    other = split_records["label"].map({"joy": "fear", "fear": "joy"})
    turned = split_records.assign(label=split_records["label"].where(split_records["split"] != "test", other))
    first, second = (run(table, tmp_path / name)[0] for name, table in (("a", split_records), ("b", turned)))
    pd.testing.assert_frame_equal(first["rounds"], second["rounds"])


def test_validation_rows_that_have_no_say_are_no_test_rows(
    split_records: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Stage(monkeypatch, [0.5, 0.75, 1.0])
    _, predictions, _ = run(split_records, tmp_path, DesignConfig(validation_rows=1))
    tested = split_records.loc[split_records["split"] == "test", "record_id"]
    assert set(predictions["record_id"]) == set(tested)


def test_a_loop_that_was_cut_off_goes_on_where_it_was(
    split_records: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(monkeypatch, [0.5, 0.75, 1.0])

    def lose_power(name: str, config: Any, *arguments: Any) -> Any:
        if config.seed == 2:
            raise KeyboardInterrupt
        return stage.draw_for(name, config, *arguments)

    monkeypatch.setattr(rounds, "draw_for", lose_power)
    with pytest.raises(KeyboardInterrupt):
        run(split_records, tmp_path)
    counts = (len(stage.fed), len(stage.readers), stage.fits)
    assert counts == (4, 4, 2)
    monkeypatch.setattr(rounds, "draw_for", stage.draw_for)
    tables, _, _ = run(split_records, tmp_path)
    # Of the rounds before nothing is made again, nor are the generators of the round that was cut off.
    assert (len(stage.fed), len(stage.readers), stage.fits) == (4, 4, 3)
    assert tables["rounds"]["validation_accuracy"].tolist() == [0.5, 0.75, 1.0]


@pytest.mark.parametrize("changes", [{"validation_rows": None}, {"seed": 3}])
def test_other_validation_rows_make_other_fits(
    changes: dict[str, Any], split_records: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(monkeypatch, [0.5, 0.75])
    first = {"validation_rows": 1, "seed": 0}
    run(split_records, tmp_path, DesignConfig.model_validate(first), rounds=1)
    run(split_records, tmp_path, DesignConfig.model_validate({**first, **changes}), rounds=1)
    assert stage.fits == 4


@pytest.mark.slow
def test_with_real_models_every_round_writes_and_is_tested(
    records: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_encoder: Path, cpu: Device, tmp_path: Path
) -> None:
    training = {"steps": 2, "batch_size": 8, "learning_rate": 1e-3}
    scratch = {"layers": 1, "width": 16, "heads": 2, "vocabulary": 300, "training": training}
    decoding = {"min_new_tokens": 4, "max_new_tokens": 6}
    generator = {"kind": "fine_tuned", "base": "scratch", "scratch": scratch, "training": training, "texts": 4}
    splits = ["train", "train", "validation", "test"]
    arguments: dict[str, Any] = {
        "taxonomy": taxonomy,
        "device": cpu,
        "cache": Cache(tmp_path / "cache"),
        "name": "rounds",
        "design": DesignConfig(seeds=(0, 1)),
        "learners": {"encoder": learner_config({"kind": "encoder", "base": str(tiny_encoder), "training": training})},
        "generators": {"per_label": generator_config({**generator, "decoding": decoding})},
        "filters": default_filters(),
        "split_records": records.assign(
            group=range(len(records)), split=[splits[row % 4] for row in range(len(records))]
        ),
    }
    config = RoundsConfig.model_validate({"feedback": training, "rounds": 2, "patience": 2, "filters": []})
    tables, predictions, runs = analyse(config, **arguments)
    TableFolder(filepath=str(tmp_path / "tables")).save(tables)
    Predictions.validate(predictions)
    Runs.validate(runs)
    assert tables["rounds"]["candidates"].tolist()[0] == 0
    assert (tables["rounds"]["candidates"].iloc[1:] > 0).all()
    assert tables["rounds"]["added_rows"].tolist() == tables["rounds"]["kept"].tolist()
    assert runs.groupby("arm")["seed"].nunique().to_dict() == {f"round_{number}": 2 for number in range(3)}
    assert set(predictions["record_id"]) == set(records["record_id"].iloc[3::4])
    # The candidates of the second round come from other generators.
    assert set(tables["candidates"]["text"][tables["candidates"]["round"] == 2]) - set(
        tables["candidates"]["text"][tables["candidates"]["round"] == 1]
    )


# --- choosing -----------------------------------------------------------------------------------------------------

READINGS = [[0.5, 0.3, 0.2], [0.45, 0.44, 0.11], [1.0, 0.0, 0.0], [0.34, 0.33, 0.33]]


def test_the_margin_is_between_the_two_likeliest_labels() -> None:
    assert margins(READINGS) == pytest.approx([0.2, 0.01, 1.0, 0.01])


def test_the_least_sure_share_of_each_label_is_chosen_and_of_equal_ones_the_earlier() -> None:
    labels = pd.Series(["joy", "fear", "joy", "joy", "fear", "joy", "joy", "love"], index=range(10, 18))
    sure = [0.9, 0.2, 0.1, 0.5, 0.1, 0.4, 0.8, 0.99]
    # 0.4 of 5 joy rows are 2, of 2 fear rows 1; the only love row is taken however sure it is.
    assert np.flatnonzero(least_certain(labels, sure, 0.4)).tolist() == [2, 4, 5, 7]
    assert least_certain(labels, sure, 1.0).all()
    assert least_certain(pd.Series(["joy"] * 4), [0.5] * 4, 0.5).tolist() == [True, True, False, False]


def test_the_score_is_the_mean_over_seeds_and_more_is_better() -> None:
    given = {0: [0.8, 0.5 + 1e-9], 1: [0.4, 0.25]}
    rows = [
        {"label": label, "seed": seed, "p_fear": value if label == "fear" else 1 - value}
        for seed, pair in given.items()
        for label, value in zip(LABELS, pair, strict=True)
    ]
    table = pd.DataFrame(rows).assign(p_joy=lambda table: 1 - table["p_fear"])
    table["predicted"] = np.where(table["p_fear"] > table["p_joy"], "fear", "joy")
    assert validation_score(table, "accuracy") == 0.5
    assert validation_score(table, "log_loss") == pytest.approx(np.log([0.8, 0.5, 0.4, 0.25]).mean())


@pytest.mark.parametrize(
    ("scores", "min_gain", "best"),
    [
        ([0.5, 0.6, 0.55], 0.0, 1),
        ([0.5, 0.5, 0.5], 0.0, 0),
        ([0.5, 0.51, 0.52], 0.05, 0),
        # Small gains on the last best add up to one that counts.
        ([0.5, 0.53, 0.5625], 0.05, 2),
        ([-0.9, -0.7, -0.8], 0.0, 1),
    ],
)
def test_a_later_round_is_best_if_it_gains_more_than_the_least(scores: list[float], min_gain: float, best: int) -> None:
    assert best_round(scores, min_gain) == best


@pytest.mark.parametrize(
    ("scores", "patience", "stalled"),
    [([0.5], 1, False), ([0.5, 0.5], 1, True), ([0.5, 0.4, 0.6], 2, False), ([0.5, 0.6, 0.6, 0.1], 2, True)],
)
def test_the_loop_has_stalled_after_so_many_rounds_without_a_better_one(
    scores: list[float], patience: int, stalled: bool
) -> None:
    assert has_stalled(scores, min_gain=0.0, patience=patience) == stalled
