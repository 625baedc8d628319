from __future__ import annotations

import json
import logging
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from emotion_kedro.config.models import EncoderConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.metrics.calibration import with_temperature
from emotion_kedro.models.classifiers import TrainingSet, fit_classifier, load_classifier
from emotion_kedro.models.classifiers.encoder import EncoderClassifier, loss_of
from emotion_kedro.models.classifiers.fitting import log_loss, phases_of, plan_of, targets_of, weighted_rows
from emotion_kedro.models.device import Device
from emotion_kedro.models.training import TrainingLog
from emotion_kedro.storage.cache import Cache

FEW = TrainingConfig(steps=6, batch_size=8, learning_rate=2e-3, evaluate_every=3, checkpoint_every=0)


@pytest.fixture(scope="module")
def train(records: pd.DataFrame) -> pd.DataFrame:
    return records.iloc[::2].reset_index(drop=True)


@pytest.fixture(scope="module")
def test(records: pd.DataFrame) -> pd.DataFrame:
    return records.iloc[1::2].reset_index(drop=True)


def training_set_of(
    train: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    *,
    added: pd.DataFrame | None = None,
    order: str = "mix",
    validation: pd.DataFrame | None = None,
    seed: int = 0,
) -> TrainingSet:
    rows = train.assign(origin="real", phase=0)
    if added is not None:
        phase = {"mix": 0, "begin": -1, "continue": 1}[order]
        rows = pd.concat([rows, added.assign(origin="added", phase=phase)], ignore_index=True)
    watched = train.iloc[:0] if validation is None else validation
    return TrainingSet(rows, watched, taxonomy, "classifier.arm", seed)


def learner_of(base: Path, training: TrainingConfig = FEW, **change: Any) -> EncoderConfig:
    return EncoderConfig(base=str(base), max_tokens=32, training=training, **change)


def fit(
    training_set: TrainingSet, learner: EncoderConfig, device: Device, cache: Cache
) -> tuple[EncoderClassifier, TrainingLog]:
    classifier, log = fit_classifier(training_set, learner, device, cache)
    assert isinstance(classifier, EncoderClassifier)
    return classifier, log


def state(classifier: EncoderClassifier) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in classifier.model.state_dict().items()}


@pytest.fixture(scope="module")
def fitted(
    train: pd.DataFrame,
    test: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    tiny_encoder: Path,
    cpu: Device,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[EncoderClassifier, TrainingLog]:
    training = TrainingConfig(steps=60, batch_size=16, learning_rate=3e-3, evaluate_every=20)
    training_set = training_set_of(train, taxonomy, validation=test.iloc[::4])
    cache = Cache(tmp_path_factory.mktemp("cache"))
    return fit(training_set, learner_of(tiny_encoder, training), cpu, cache)


@pytest.fixture(scope="module")
def saved(fitted: tuple[EncoderClassifier, TrainingLog], tmp_path_factory: pytest.TempPathFactory) -> Path:
    directory = tmp_path_factory.mktemp("classifier")
    fitted[0].save(directory)
    return directory


def test_labels_that_can_be_told_apart_are(
    fitted: tuple[EncoderClassifier, TrainingLog], test: pd.DataFrame, taxonomy: TaxonomyConfig, cpu: Device
) -> None:
    probabilities = fitted[0].probabilities(test["text"].tolist(), device=cpu)
    assert probabilities.shape == (96, 4)
    assert probabilities.sum(axis=1) == pytest.approx(np.ones(96))
    predicted = np.array(taxonomy.names)[probabilities.argmax(axis=1)]
    assert (predicted == test["label"]).mean() > 0.9


def test_the_validation_loss_is_the_mean_cross_entropy(
    fitted: tuple[EncoderClassifier, TrainingLog], test: pd.DataFrame, taxonomy: TaxonomyConfig, cpu: Device
) -> None:
    watched = test.iloc[::4]
    probabilities = fitted[0].probabilities(watched["text"].tolist(), device=cpu)
    given = [row[taxonomy.names.index(label)] for row, label in zip(probabilities, watched["label"], strict=True)]
    losses = fitted[1].losses
    assert [entry["step"] for entry in losses] == [20, 40, 60]
    assert losses[-1]["validation"] == pytest.approx(-np.log(given).mean(), rel=1e-4)
    assert losses[-1]["validation"] < 0.5 < losses[0]["validation"]


@pytest.mark.parametrize("smoothing", [0.0, 0.2])
def test_the_training_loss_is_the_cross_entropy_with_smoothed_targets(
    fitted: tuple[EncoderClassifier, TrainingLog], cpu: Device, smoothing: float
) -> None:
    classifier, texts, targets = fitted[0], ["so happy today", "why me", "leave"], np.array([0, 1, 0])
    batch = {**classifier.batch(classifier.encode(texts)), "labels": torch.from_numpy(targets)}
    classifier.model.eval()
    spread = np.eye(len(classifier.labels))[targets] * (1 - smoothing) + smoothing / len(classifier.labels)
    expected = -(spread * np.log(classifier.probabilities(texts, device=cpu))).sum(axis=1).mean()
    with torch.inference_mode():
        assert float(loss_of(classifier, batch, smoothing)) == pytest.approx(expected, rel=1e-4)


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
    fitted: tuple[EncoderClassifier, TrainingLog],
    saved: Path,
    taxonomy: TaxonomyConfig,
    test: pd.DataFrame,
    cpu: Device,
) -> None:
    opened = load_classifier(saved, cpu)
    texts = test["text"].tolist()
    assert opened.labels == taxonomy.names
    assert np.array_equal(opened.probabilities(texts, device=cpu), fitted[0].probabilities(texts, device=cpu))


def test_the_directory_says_what_it_is(saved: Path, tiny_encoder: Path) -> None:
    config = json.loads((saved / "config.json").read_text())
    assert config["id2label"] == {"0": "anger", "1": "fear", "2": "joy", "3": "sadness"}
    notes = json.loads((saved / "classifier.json").read_text())
    assert (notes["kind"], notes["seed"], notes["rows"]) == ("encoder", 0, {"real": 96})
    card = (saved / "README.md").read_text()
    assert card.startswith("---\npipeline_tag: text-classification\n")
    assert "60 optimiser steps of 16 texts" in card


def test_the_seed_decides_the_head_and_the_batches(
    train: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_encoder: Path, cpu: Device, tmp_path: Path
) -> None:
    def head(seed: int, name: str) -> torch.Tensor:
        cache = Cache(tmp_path / name)
        training_set = training_set_of(train, taxonomy, seed=seed)
        return state(fit(training_set, learner_of(tiny_encoder), cpu, cache)[0])["classifier.weight"]

    first = head(1, "first")
    assert torch.equal(first, head(1, "again"))
    assert not torch.equal(first, head(2, "other"))


# --- the same number of steps for every arm -----------------------------------------------------------------------


def added_of(records: pd.DataFrame, rows: int) -> pd.DataFrame:
    part = records.iloc[:rows]
    return part.assign(record_id="added:" + part["record_id"])


def planned(training_set: TrainingSet, *, steps: int) -> tuple[list[np.ndarray], list[float]]:
    phases = phases_of(training_set, FEW.model_copy(update={"steps": steps}))
    lengths = np.ones(len(training_set.rows))
    plan = plan_of(training_set.rows, phases, lengths, batch_size=FEW.batch_size, seed=0)
    return plan, [phase.rate for phase in phases for _ in range(phase.steps)]


def test_continue_comes_to_the_added_rows_last_and_slower(train: pd.DataFrame, taxonomy: TaxonomyConfig) -> None:
    training_set = training_set_of(train.iloc[:40], taxonomy, added=added_of(train, 30), order="continue")
    plan, rates = planned(training_set, steps=25)
    assert rates == [1.0] * 20 + [0.1] * 5
    origins = [set(training_set.rows["origin"].iloc[rows]) for rows in plan]
    assert origins == [{"real"}] * 20 + [{"added"}] * 5
    # Five batches of 8 are all 40 real rows, four are all 30 added ones.
    assert sorted(np.concatenate(plan[:5]).tolist()) == list(range(40))
    assert sorted(np.concatenate(plan[20:24]).tolist()) == list(range(40, 70))


def test_begin_comes_to_the_added_rows_first(train: pd.DataFrame, taxonomy: TaxonomyConfig) -> None:
    training_set = training_set_of(train.iloc[:40], taxonomy, added=added_of(train, 30), order="begin")
    plan, rates = planned(training_set, steps=21)
    assert rates == [1.0] * 21
    origins = [set(training_set.rows["origin"].iloc[rows]) for rows in plan]
    assert origins == [{"added"}] * 10 + [{"real"}] * 11
    assert sorted(np.concatenate(plan[:4]).tolist()) == list(range(40, 70))


def test_mix_shuffles_both_kinds_of_rows_at_one_rate(train: pd.DataFrame, taxonomy: TaxonomyConfig) -> None:
    training_set = training_set_of(train.iloc[:40], taxonomy, added=added_of(train, 40))
    plan, rates = planned(training_set, steps=10)
    assert rates == [1.0] * 10
    assert sorted(np.concatenate(plan).tolist()) == list(range(80))
    assert sum(training_set.rows["origin"].iloc[rows].nunique() for rows in plan) > 15


# --- weights ------------------------------------------------------------------------------------------------------


def test_rows_are_drawn_by_weight_only_where_weights_differ(train: pd.DataFrame, taxonomy: TaxonomyConfig) -> None:
    training = FEW.model_copy(update={"steps": 500})
    even = training_set_of(train.iloc[:40].assign(weight=0.5), taxonomy)
    assert weighted_rows(even, phases_of(even, training), 8) is even.rows
    uneven = training_set_of(train.iloc[:2].assign(weight=[3.0, 1.0]), taxonomy)
    rows = weighted_rows(uneven, phases_of(uneven, training), 8)
    assert len(rows) == 4000
    assert rows["text"].value_counts().to_dict() == dict(zip(train["text"].iloc[:2], (3000, 1000), strict=True))
    # None is left out whose weight says once, and none comes more than once too often.
    many = training_set_of(train.iloc[:40].assign(weight=[*[0.25] * 30, *[2.0] * 10]), taxonomy)
    times = weighted_rows(many, phases_of(many, training.model_copy(update={"steps": 20})), 8)["text"].value_counts()
    shares = (160 * many.rows.set_index("text")["weight"] / many.rows["weight"].sum())[times.index]
    assert len(times) == 40
    assert (times - shares).abs().max() < 1
    # The draw of a phase leaves the other as it is, whose rows weigh the same.
    later = training_set_of(
        train.iloc[:2].assign(weight=[3.0, 1.0]), taxonomy, added=train.iloc[:5].assign(weight=9.0), order="continue"
    )
    counts = weighted_rows(later, phases_of(later, training), 8)["phase"].value_counts()
    assert counts.to_dict() == {0: 3200, 1: 5}


def test_the_length_in_epochs_is_that_of_the_rows_before_the_draw(
    train: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_encoder: Path, cpu: Device, cache: Cache
) -> None:
    training = TrainingConfig(epochs=2, batch_size=8, learning_rate=1e-3)
    weights = np.where(train["label"].iloc[:20] == "anger", 1.0, 2.0)
    weights[0] = 5.0
    training_set = training_set_of(train.iloc[:20].assign(weight=weights), taxonomy)
    classifier, log = fit(training_set, learner_of(tiny_encoder, training), cpu, cache)
    assert log.steps == 6
    assert classifier.notes["rows"] == {"real": 20}


def test_rows_that_cannot_be_fitted_on_are_refused(
    train: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_encoder: Path, cpu: Device, cache: Cache
) -> None:
    with pytest.raises(ValueError, match="rows with awe, which the taxonomy does not have"):
        fit(training_set_of(train.assign(label="awe"), taxonomy), learner_of(tiny_encoder), cpu, cache)


# --- what moves ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("frozen", "still"),
    [(0, ()), (1, ("bert.embeddings.", "bert.encoder.layer.0.")), (2, ("bert.embeddings.", "bert.encoder."))],
)
def test_frozen_layers_do_not_move(
    train: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    tiny_encoder: Path,
    cpu: Device,
    cache: Cache,
    frozen: int,
    still: tuple[str, ...],
) -> None:
    from transformers import AutoModelForSequenceClassification

    before = AutoModelForSequenceClassification.from_pretrained(tiny_encoder, num_labels=4).state_dict()
    after = state(fit(training_set_of(train, taxonomy), learner_of(tiny_encoder, frozen_layers=frozen), cpu, cache)[0])
    unmoved = {name for name, value in after.items() if torch.equal(value, before[name])}
    assert unmoved == {name for name in after if name.startswith(still)}


def test_more_frozen_layers_than_there_are_is_an_error(
    train: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_encoder: Path, cpu: Device, cache: Cache
) -> None:
    with pytest.raises(ValueError, match=r"frozen_layers is 3, but .* has 2 layers"):
        fit(training_set_of(train, taxonomy), learner_of(tiny_encoder, frozen_layers=3), cpu, cache)


def test_the_head_has_a_rate_of_its_own(
    train: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_encoder: Path, cpu: Device, tmp_path: Path
) -> None:
    # One step of Adam moves each weight that has a gradient by its rate, and its decay is in proportion.
    training = TrainingConfig(steps=1, learning_rate=1e-3, weight_decay=0.0, checkpoint_every=0)
    training_set = training_set_of(train, taxonomy, seed=3)
    heads, bodies = [], []
    for rate in (1.0, 5.0):
        cache = Cache(tmp_path / f"rate{rate}")
        after = state(fit(training_set, learner_of(tiny_encoder, training, head_rate=rate), cpu, cache)[0])
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
    train: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_encoder: Path, cpu: Device, cache: Cache, tmp_path: Path
) -> None:
    base = without(tiny_encoder, tmp_path / "base", "layer.1.attention.self.query")
    with pytest.raises(ValueError, match=r"lacks 2 weights of its encoder, bert\.encoder\.layer\.1\.attention"):
        fit(training_set_of(train, taxonomy), learner_of(base), cpu, cache)


def test_an_encoder_may_lack_a_pooler(
    train: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_encoder: Path, cpu: Device, cache: Cache, tmp_path: Path
) -> None:
    base = without(tiny_encoder, tmp_path / "base", "pooler")
    assert fit(training_set_of(train, taxonomy), learner_of(base), cpu, cache)[1].steps == 6


def test_a_label_without_rows_is_a_warning(
    train: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    tiny_encoder: Path,
    cpu: Device,
    cache: Cache,
    caplog: pytest.LogCaptureFixture,
) -> None:
    training_set = training_set_of(train[train["label"] != "joy"], taxonomy)
    with caplog.at_level(logging.WARNING):
        classifier, _ = fit(training_set, learner_of(tiny_encoder), cpu, cache)
    assert "classifier.arm: no training rows for joy" in caplog.text
    assert classifier.probabilities(["laughing"], device=cpu).shape == (1, 4)


# --- calibration --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def calibrated(
    train: pd.DataFrame,
    test: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    tiny_encoder: Path,
    cpu: Device,
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[EncoderClassifier, EncoderClassifier]:
    """The same classifier as training leaves it, and by a temperature."""
    training_set = training_set_of(train, taxonomy, validation=test.iloc[::4])
    cache = Cache(tmp_path_factory.mktemp("cache"))
    plain, scaled = (
        fit(training_set, learner_of(tiny_encoder, temperature=temperature), cpu, cache)[0]
        for temperature in (False, True)
    )
    return plain, scaled


def test_the_temperature_lowers_the_validation_loss_and_changes_no_answer(
    calibrated: tuple[EncoderClassifier, EncoderClassifier], test: pd.DataFrame, cpu: Device
) -> None:
    plain, scaled = (each.probabilities(test["text"].tolist(), device=cpu) for each in calibrated)
    notes = calibrated[1].notes["calibration"]
    np.testing.assert_allclose(scaled, with_temperature(plain, notes["temperature"]), atol=1e-5)
    np.testing.assert_array_equal(scaled.argmax(axis=1), plain.argmax(axis=1))
    watched = log_loss(scaled[::4], targets_of(test.iloc[::4], calibrated[1].labels))
    assert notes["loss"] == pytest.approx(watched, rel=1e-4)
    assert notes["loss"] < notes["loss_before"] == pytest.approx(calibrated[1].notes["log"]["losses"][-1]["validation"])


def test_plain_transformers_gives_the_calibrated_probabilities(
    calibrated: tuple[EncoderClassifier, EncoderClassifier], test: pd.DataFrame, cpu: Device, tmp_path: Path
) -> None:
    from transformers import pipeline

    calibrated[1].save(tmp_path)
    texts = test["text"].tolist()[:8]
    read = pipeline("text-classification", model=str(tmp_path), device=-1, top_k=None)(texts)
    given = [[{each["label"]: each["score"] for each in row}[label] for label in calibrated[1].labels] for row in read]
    np.testing.assert_allclose(given, calibrated[1].probabilities(texts, device=cpu), atol=1e-5)
    assert "- probabilities are calibrated by a temperature of" in (tmp_path / "README.md").read_text()


def test_without_validation_rows_there_is_no_temperature_and_the_card_says_so(
    train: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_encoder: Path, cpu: Device, cache: Cache, tmp_path: Path
) -> None:
    training_set = training_set_of(train, taxonomy)
    plain, calibrated = (
        fit(training_set, learner_of(tiny_encoder, temperature=temperature), cpu, cache)[0]
        for temperature in (False, True)
    )
    assert state_equal(plain, calibrated)
    calibrated.save(tmp_path)
    assert "not calibrated: there were no validation rows" in (tmp_path / "README.md").read_text()


def state_equal(first: EncoderClassifier, second: EncoderClassifier) -> bool:
    return all(torch.equal(value, state(second)[name]) for name, value in state(first).items())
