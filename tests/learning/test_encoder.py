from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from emotion_kedro.learning.checkpoints import Checkpoints
from emotion_kedro.learning.classifiers import Lesson, fit_classifier, load_classifier
from emotion_kedro.learning.classifiers.encoder import EncoderClassifier
from emotion_kedro.learning.classifiers.lessons import plan_of
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.mixes import compose_mix
from emotion_kedro.learning.training import TrainingLog
from emotion_kedro.options import AugmentationOptions, ClassifierOptions, TrainingOptions

FEW = TrainingOptions(steps=6, batch_size=8, learning_rate=2e-3, evaluate_every=3, checkpoint_every=3)
CONTINUE = AugmentationOptions(how="continue", continue_share=0.25, continue_rate=0.1)


@pytest.fixture(scope="module")
def train(records: pd.DataFrame) -> pd.DataFrame:
    return records.iloc[::2].reset_index(drop=True)


@pytest.fixture(scope="module")
def test(records: pd.DataFrame) -> pd.DataFrame:
    return records.iloc[1::2].reset_index(drop=True)


def lesson_of(
    train: pd.DataFrame,
    labels: tuple[str, ...],
    *,
    synthetic: pd.DataFrame | None = None,
    validation: pd.DataFrame | None = None,
    augmentation: AugmentationOptions | None = None,
    seed: int = 0,
) -> Lesson:
    augmentation = augmentation or AugmentationOptions()
    mix = compose_mix("arm", real=train, synthetic=synthetic, augmentation=augmentation)
    watched = train.iloc[:0] if validation is None else validation
    return Lesson(mix, watched, labels, "classifier.arm", seed, augmentation)


def options_of(base: Path, training: TrainingOptions = FEW, **change: Any) -> ClassifierOptions:
    return ClassifierOptions(base=str(base), max_tokens=32, training=training, **change)


def fit(
    lesson: Lesson, options: ClassifierOptions, device: Device, store: Checkpoints
) -> tuple[EncoderClassifier, TrainingLog]:
    classifier, log = fit_classifier(lesson, options, device=device, checkpoints=store)
    assert isinstance(classifier, EncoderClassifier)
    return classifier, log


def state(classifier: EncoderClassifier) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in classifier.model.state_dict().items()}


@pytest.fixture(scope="module")
def fitted(
    train: pd.DataFrame,
    test: pd.DataFrame,
    labels: tuple[str, ...],
    tiny_encoder: Path,
    cpu: Device,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[EncoderClassifier, TrainingLog]:
    training = TrainingOptions(steps=60, batch_size=16, learning_rate=3e-3, evaluate_every=20)
    lesson = lesson_of(train, labels, validation=test.iloc[::4])
    store = Checkpoints(tmp_path_factory.mktemp("checkpoints"), "work", "a1")
    return fit(lesson, options_of(tiny_encoder, training), cpu, store)


@pytest.fixture(scope="module")
def saved(fitted: tuple[EncoderClassifier, TrainingLog], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("classifier")
    fitted[0].save(directory)
    return directory


def test_labels_that_can_be_told_apart_are(
    fitted: tuple[EncoderClassifier, TrainingLog], test: pd.DataFrame, labels: tuple[str, ...], cpu: Device
) -> None:
    probabilities = fitted[0].probabilities(test["text"].tolist(), device=cpu)
    assert probabilities.shape == (96, 4)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(96))
    predicted = np.array(labels)[probabilities.argmax(axis=1)]
    assert (predicted == test["label"]).mean() > 0.9


def test_the_validation_loss_is_the_mean_cross_entropy(
    fitted: tuple[EncoderClassifier, TrainingLog], test: pd.DataFrame, labels: tuple[str, ...], cpu: Device
) -> None:
    watched = test.iloc[::4]
    probabilities = fitted[0].probabilities(watched["text"].tolist(), device=cpu)
    given = [row[labels.index(label)] for row, label in zip(probabilities, watched["label"], strict=True)]
    losses = fitted[1].losses
    assert [entry["step"] for entry in losses] == [20, 40, 60]
    assert losses[-1]["validation"] == pytest.approx(-np.log(given).mean(), rel=1e-4)
    assert losses[-1]["validation"] < 0.5 < losses[0]["validation"]


def test_probabilities_do_not_depend_on_the_other_texts(
    fitted: tuple[EncoderClassifier, TrainingLog], records: pd.DataFrame, cpu: Device
) -> None:
    texts = records["text"].tolist()
    together = fitted[0].probabilities(texts, device=cpu)
    for row in (0, 70, 191):
        alone = fitted[0].probabilities([texts[row]], device=cpu)[0]
        assert together[row] == pytest.approx(alone, abs=1e-6)


def test_long_and_empty_texts_get_probabilities_too(fitted: tuple[EncoderClassifier, TrainingLog], cpu: Device) -> None:
    assert [len(ids) for ids in fitted[0].encode(["crying " * 500, ""])] == [32, 2]
    assert np.isfinite(fitted[0].probabilities(["crying " * 500, ""], device=cpu)).all()


def test_a_saved_classifier_opens_as_it_was(
    fitted: tuple[EncoderClassifier, TrainingLog], saved: Path, labels: tuple[str, ...], test: pd.DataFrame, cpu: Device
) -> None:
    opened = load_classifier(saved, cpu)
    texts = test["text"].tolist()
    assert opened.labels == labels
    assert np.array_equal(opened.probabilities(texts, device=cpu), fitted[0].probabilities(texts, device=cpu))


def test_the_directory_says_what_it_is(saved: Path, tiny_encoder: Path) -> None:
    config = json.loads((saved / "config.json").read_text())
    assert config["id2label"] == {"0": "anger", "1": "fear", "2": "joy", "3": "sadness"}
    notes = json.loads((saved / "classifier.json").read_text())
    assert (notes["kind"], notes["seed"], notes["rows"]) == ("encoder", 0, {"real": 96})
    card = (saved / "README.md").read_text()
    assert card.startswith("---\npipeline_tag: text-classification\n")
    assert "60 optimiser steps of 16 texts" in card


PLAIN = """
import json, sys
sys.modules["emotion_kedro"] = None  # importing it fails
from transformers import pipeline
results = pipeline("text-classification", model=sys.argv[1], device="cpu")(json.loads(sys.argv[2]))
print(json.dumps(results))
"""


def test_transformers_opens_the_directory_without_this_package(
    fitted: tuple[EncoderClassifier, TrainingLog], saved: Path, tmp_path: Path, cpu: Device
) -> None:
    texts = ["she was crying and lonely again", "we were dancing and laughing", "shouting and unfair", "he was hiding"]
    moved = shutil.copytree(saved, tmp_path / "moved")
    done = subprocess.run(
        [sys.executable, "-I", "-c", PLAIN, str(moved), json.dumps(texts)], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr[-3000:]
    results = json.loads(done.stdout.splitlines()[-1])
    probabilities = fitted[0].probabilities(texts, device=cpu)
    assert [entry["label"] for entry in results] == [fitted[0].labels[place] for place in probabilities.argmax(axis=1)]
    assert [entry["score"] for entry in results] == pytest.approx(probabilities.max(axis=1), abs=1e-5)


def test_an_interrupted_fit_ends_where_an_undisturbed_one_does(
    train: pd.DataFrame,
    labels: tuple[str, ...],
    tiny_encoder: Path,
    cpu: Device,
    store: Checkpoints,
    cut_off: Checkpoints,
) -> None:
    lesson, options = lesson_of(train, labels, validation=train[:8], seed=4), options_of(tiny_encoder)
    with pytest.raises(KeyboardInterrupt):
        fit(lesson, options, cpu, cut_off)
    resumed = fit(lesson, options, cpu, store)
    whole = fit(lesson, options, cpu, Checkpoints(store.directory.parent, "whole", "a1"))
    assert resumed[1].losses == whole[1].losses
    assert all(torch.equal(value, state(whole[0])[name]) for name, value in state(resumed[0]).items())


def test_the_seed_decides_the_head_and_the_batches(
    train: pd.DataFrame, labels: tuple[str, ...], tiny_encoder: Path, cpu: Device, tmp_path: Path
) -> None:
    def head(seed: int, name: str) -> torch.Tensor:
        store = Checkpoints(tmp_path, name, "a1")
        lesson = lesson_of(train, labels, seed=seed)
        return state(fit(lesson, options_of(tiny_encoder), cpu, store)[0])["classifier.weight"]

    first = head(1, "first")
    assert torch.equal(first, head(1, "again"))
    assert not torch.equal(first, head(2, "other"))


# --- the same number of steps for every arm -----------------------------------------------------------------------


def synthetic_of(records: pd.DataFrame, rows: int) -> pd.DataFrame:
    part = records.iloc[:rows]
    return part.assign(record_id="synthetic:" + part["record_id"])


@pytest.mark.parametrize(
    ("real", "synthetic", "augmentation"),
    [
        (96, 0, AugmentationOptions()),
        (10, 0, AugmentationOptions()),
        (10, 50, AugmentationOptions()),
        (10, 50, CONTINUE),
        (96, 3, CONTINUE),
        (96, 0, CONTINUE),
    ],
)
def test_arms_take_the_same_steps_whatever_their_rows(
    train: pd.DataFrame,
    labels: tuple[str, ...],
    tiny_encoder: Path,
    cpu: Device,
    store: Checkpoints,
    real: int,
    synthetic: int,
    augmentation: AugmentationOptions,
) -> None:
    extra = synthetic_of(train, synthetic) if synthetic else None
    lesson = lesson_of(train.iloc[:real], labels, synthetic=extra, augmentation=augmentation)
    classifier, log = fit(lesson, options_of(tiny_encoder), cpu, store)
    assert log.steps == 6
    assert classifier.notes["log"]["steps"] == 6
    assert sum(classifier.notes["rows"].values()) == real + synthetic


def test_continue_comes_to_the_synthetic_rows_last_and_slower(
    train: pd.DataFrame, labels: tuple[str, ...], tiny_encoder: Path
) -> None:
    lesson = lesson_of(train.iloc[:40], labels, synthetic=synthetic_of(train, 30), augmentation=CONTINUE)
    options = options_of(tiny_encoder, FEW.model_copy(update={"steps": 20}))
    plan, rates = plan_of(lesson, options, np.arange(70))
    assert rates == [1.0] * 15 + [0.1] * 5
    origins = [set(lesson.mix["origin"].iloc[rows]) for rows in plan]
    assert origins == [{"real"}] * 15 + [{"synthetic"}] * 5
    # Five batches of 8 are all 40 real rows, four are all 30 synthetic ones.
    assert sorted(np.concatenate(plan[:5]).tolist()) == list(range(40))
    assert sorted(np.concatenate(plan[15:19]).tolist()) == list(range(40, 70))


def test_mix_shuffles_both_kinds_of_rows_at_one_rate(
    train: pd.DataFrame, labels: tuple[str, ...], tiny_encoder: Path
) -> None:
    lesson = lesson_of(train.iloc[:40], labels, synthetic=synthetic_of(train, 40))
    plan, rates = plan_of(lesson, options_of(tiny_encoder, FEW.model_copy(update={"steps": 10})), np.ones(80))
    assert rates == [1.0] * 10
    assert sorted(np.concatenate(plan).tolist()) == list(range(80))
    assert sum(lesson.mix["origin"].iloc[rows].nunique() for rows in plan) > 15


# --- what moves ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frozen", "still"),
    [(0, ()), (1, ("bert.embeddings.", "bert.encoder.layer.0.")), (2, ("bert.embeddings.", "bert.encoder."))],
)
def test_frozen_layers_do_not_move(
    train: pd.DataFrame,
    labels: tuple[str, ...],
    tiny_encoder: Path,
    cpu: Device,
    store: Checkpoints,
    frozen: int,
    still: tuple[str, ...],
) -> None:
    from transformers import AutoModelForSequenceClassification

    before = AutoModelForSequenceClassification.from_pretrained(tiny_encoder, num_labels=4).state_dict()
    after = state(fit(lesson_of(train, labels), options_of(tiny_encoder, frozen_layers=frozen), cpu, store)[0])
    unmoved = {name for name, value in after.items() if torch.equal(value, before[name])}
    assert unmoved == {name for name in after if name.startswith(still)}


def test_more_frozen_layers_than_there_are_is_an_error(
    train: pd.DataFrame, labels: tuple[str, ...], tiny_encoder: Path, cpu: Device, store: Checkpoints
) -> None:
    with pytest.raises(ValueError, match=r"frozen_layers is 3, but .* has 2 layers"):
        fit(lesson_of(train, labels), options_of(tiny_encoder, frozen_layers=3), cpu, store)


def test_the_head_has_a_rate_of_its_own(
    train: pd.DataFrame, labels: tuple[str, ...], tiny_encoder: Path, cpu: Device, tmp_path: Path
) -> None:
    # One step of Adam moves each weight that has a gradient by its rate, and its decay is in proportion.
    training = TrainingOptions(steps=1, learning_rate=1e-3, weight_decay=0.0, checkpoint_every=1)
    lesson = lesson_of(train, labels, seed=3)
    heads, bodies = [], []
    for rate in (1.0, 5.0):
        store = Checkpoints(tmp_path, f"rate{rate}", "a1")
        after = state(fit(lesson, options_of(tiny_encoder, training, head_rate=rate), cpu, store)[0])
        heads.append(after["classifier.weight"])
        bodies.append(after["bert.encoder.layer.1.output.dense.weight"])
    assert torch.equal(*bodies)
    # From the same start, five steps' length less one.
    assert (heads[1] - heads[0]).abs().median().item() == pytest.approx(4e-3, rel=1e-2)


# --- what cannot be fitted ----------------------------------------------------------------------------------------


def without(base: Path, directory: Path, part: str) -> Path:
    """Copy a model, less the weights whose name contains ``part``."""
    from safetensors.torch import load_file, save_file

    shutil.copytree(base, directory)
    weights = load_file(base / "model.safetensors")
    save_file(
        {name: value for name, value in weights.items() if part not in name},
        directory / "model.safetensors",
        metadata={"format": "pt"},
    )
    return directory


def test_an_encoder_that_lacks_weights_is_refused(
    train: pd.DataFrame, labels: tuple[str, ...], tiny_encoder: Path, cpu: Device, store: Checkpoints, tmp_path: Path
) -> None:
    base = without(tiny_encoder, tmp_path / "base", "layer.1.attention.self.query")
    with pytest.raises(ValueError, match=r"lacks 2 weights of its encoder, bert\.encoder\.layer\.1\.attention"):
        fit(lesson_of(train, labels), options_of(base), cpu, store)


def test_an_encoder_may_lack_a_pooler(
    train: pd.DataFrame, labels: tuple[str, ...], tiny_encoder: Path, cpu: Device, store: Checkpoints, tmp_path: Path
) -> None:
    base = without(tiny_encoder, tmp_path / "base", "pooler")
    assert fit(lesson_of(train, labels), options_of(base), cpu, store)[1].steps == 6


def test_a_label_without_rows_is_a_warning(
    train: pd.DataFrame,
    labels: tuple[str, ...],
    tiny_encoder: Path,
    cpu: Device,
    store: Checkpoints,
    caplog: pytest.LogCaptureFixture,
) -> None:
    lesson = lesson_of(train[train["label"] != "joy"], labels)
    with caplog.at_level(logging.WARNING):
        classifier, _ = fit(lesson, options_of(tiny_encoder), cpu, store)
    assert "classifier.arm: no training rows for joy" in caplog.text
    assert classifier.probabilities(["laughing"], device=cpu).shape == (1, 4)
