from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.config.models import LinearConfig
from emotion_kedro.config.taxonomy import LabelConfig, PromptConfig, TaxonomyConfig
from emotion_kedro.metrics.calibration import with_temperature
from emotion_kedro.models.classifiers import TrainingSet, fit_classifier, load_classifier, logistic, temperature_of
from emotion_kedro.models.classifiers.fitting import log_loss, targets_of
from emotion_kedro.models.classifiers.linear import LinearClassifier
from emotion_kedro.models.device import Device
from emotion_kedro.storage.cache import Cache

KINDS = ("encoder", "characters", "tfidf")


def learner_of(kind: str, encoder: Path, **change: object) -> LinearConfig:
    features = {"kind": kind, "base": str(encoder), "width": 512}
    return LinearConfig.model_validate({"kind": "linear", "features": features, **change})


def training_set_of(
    records: pd.DataFrame, taxonomy: TaxonomyConfig, *, validation: bool = True, seed: int = 0
) -> TrainingSet:
    watched = records.iloc[1::4] if validation else records.iloc[:0]
    return TrainingSet(records.iloc[::4], watched, taxonomy, "linear.arm", seed)


@pytest.mark.parametrize("kind", KINDS)
def test_it_reads_texts_that_it_has_not_seen_and_opens_as_it_was_saved(
    kind: str,
    records: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    tiny_encoder: Path,
    cpu: Device,
    cache: Cache,
    tmp_path: Path,
) -> None:
    training_set, learner = training_set_of(records, taxonomy), learner_of(kind, tiny_encoder)
    classifier, log = fit_classifier(training_set, learner, cpu, cache)
    unseen = records.iloc[2::4]
    shares = classifier.probabilities(unseen["text"].tolist(), device=cpu)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0)
    assert (shares.argmax(axis=1) == targets_of(unseen, taxonomy.names)).mean() > 0.8
    watched = classifier.probabilities(training_set.validation["text"].tolist(), device=cpu)
    assert log.losses[-1]["validation"] == pytest.approx(
        log_loss(watched, targets_of(records.iloc[1::4], taxonomy.names))
    )

    folder = tmp_path / "classifier"
    folder.mkdir()
    classifier.save(folder)
    assert not [path.name for path in folder.iterdir() if path.suffix not in {".json", ".safetensors", ".md"}]
    opened = load_classifier(folder, cpu)
    assert isinstance(opened, LinearClassifier)
    assert opened.labels == taxonomy.names
    np.testing.assert_array_equal(opened.probabilities(unseen["text"].tolist(), device=cpu), shares)
    assert json.loads((folder / "classifier.json").read_text())["rows"] == {"real": 48}


def test_the_same_rows_give_the_same_classifier_whatever_the_seed(
    records: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_encoder: Path, cpu: Device, cache: Cache
) -> None:
    learner = learner_of("tfidf", tiny_encoder)
    layers = [
        fit_classifier(training_set_of(records, taxonomy, seed=seed), learner, cpu, cache)[0].layer for seed in (0, 1)
    ]
    np.testing.assert_array_equal(layers[0].weights, layers[1].weights)


def test_the_penalty_with_the_least_validation_loss_is_kept_and_the_strongest_without_rows(
    records: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_encoder: Path, cpu: Device, cache: Cache
) -> None:
    def fit(*penalties: float, validation: bool = True) -> LinearClassifier:
        learner = learner_of("characters", tiny_encoder, penalties=penalties)
        return fit_classifier(training_set_of(records, taxonomy, validation=validation), learner, cpu, cache)[0]

    losses = {penalty: fit(penalty).notes["log"]["losses"][-1]["validation"] for penalty in (1e-5, 1e-3, 10.0)}
    assert fit(*losses).notes["penalty"] == min(losses, key=losses.get)
    assert fit(*losses, validation=False).notes["penalty"] == 10.0


def test_a_weight_counts_as_so_many_rows(
    records: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_encoder: Path, cpu: Device, cache: Cache
) -> None:
    rows = records.iloc[::8]
    learner = learner_of("characters", tiny_encoder, penalties=(1e-2,))

    def fit(table: pd.DataFrame) -> np.ndarray:
        training_set = TrainingSet(table, records.iloc[:0], taxonomy, "linear.arm", 0)
        classifier, _ = fit_classifier(training_set, learner, cpu, cache)
        return classifier.probabilities(records["text"].tolist(), device=cpu)

    twice = rows["label"] == "anger"
    weighed, repeated = fit(rows.assign(weight=np.where(twice, 2.0, 1.0))), fit(pd.concat([rows, rows[twice]]))
    np.testing.assert_allclose(weighed, repeated, atol=1e-3)
    assert np.abs(weighed - fit(rows)).max() > 0.01
    # Weights are relative: with all of them ten times as large nothing changes.
    np.testing.assert_allclose(fit(rows.assign(weight=10.0)), fit(rows), atol=1e-4)


def test_label_embeddings_tell_labels_apart_where_there_are_few_rows(
    records: pd.DataFrame, tiny_encoder: Path, cpu: Device, cache: Cache, tmp_path: Path
) -> None:
    """A row a label and words that name it: what the words say is not lost, and it is saved with the weights."""
    words = {
        "anger": ("furious", "shouting", "unfair"),
        "fear": ("scared", "haunted", "hiding"),
        "joy": ("laughing", "sunshine", "dancing"),
        "sadness": ("crying", "lonely", "grief"),
    }
    labels = {label: LabelConfig(words=said) for label, said in words.items()}
    taxonomy = TaxonomyConfig(labels=labels, prompt=PromptConfig(template="all day we were {label}"))
    rows = records.groupby("label").head(1)
    training_set = TrainingSet(rows, records.iloc[:0], taxonomy, "linear.arm", 0)

    def fit(**change: object) -> LinearClassifier:
        learner = learner_of("encoder", tiny_encoder, penalties=(1e-2,), **change)
        return fit_classifier(training_set, learner, cpu, cache)[0]

    def right(classifier: LinearClassifier) -> float:
        shares = classifier.probabilities(records["text"].tolist(), device=cpu)
        return float((shares.argmax(axis=1) == targets_of(records, taxonomy.names)).mean())

    blended = fit(label_embeddings=True)
    assert right(blended) > right(fit()) + 0.1
    blended.save(tmp_path)
    assert right(load_classifier(tmp_path, cpu)) == right(blended)


def test_a_penalty_means_the_same_of_two_labels_as_of_more() -> None:
    random = np.random.default_rng(0)
    targets = np.arange(30) % 2
    features = random.normal(size=(30, 5)) + np.eye(2, 5)[targets]
    rows = logistic._Rows(features, targets, random.uniform(0.5, 2.0, 30), 2)
    plain, blended = (logistic._fit_all(rows, [0.05])[0], logistic._fit_blended(rows, [0.05], np.zeros((2, 5)))[0])
    np.testing.assert_allclose(blended.layer.probabilities(features), plain.layer.probabilities(features), atol=1e-3)


def test_a_blended_regression_is_the_plain_one_but_for_what_it_takes_of_the_embeddings() -> None:
    random = np.random.default_rng(0)
    targets = np.arange(30) % 3
    features = random.normal(size=(30, 5)) + 2 * np.eye(3, 5)[targets]
    rows = logistic._Rows(features, targets, random.uniform(0.5, 2.0, 30), 4)
    plain = logistic._fit_all(rows, [0.05])[0]
    nothing = logistic._fit_blended(rows, [0.05], np.zeros((4, 5)))[0]
    np.testing.assert_allclose(nothing.layer.probabilities(features), plain.layer.probabilities(features), atol=1e-3)
    blended = logistic._fit_blended(rows, [0.05, 1e-3], np.eye(4, 5))
    assert [fit.penalty for fit in blended] == [0.05, 1e-3]
    # Along its own embedding a label's weights are hardly held back.
    assert (np.diag(blended[0].layer.weights)[:3] > np.diag(plain.layer.weights)[:3]).all()
    assert blended[0].loss < plain.loss
    assert blended[0].layer.bias[3] == logistic.NEVER


@pytest.mark.parametrize("present", [("joy",), ("joy", "fear"), ("joy", "fear", "anger")])
def test_labels_without_rows_are_never_read(
    records: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    tiny_encoder: Path,
    cpu: Device,
    cache: Cache,
    present: tuple[str, ...],
) -> None:
    rows = records[records["label"].isin(present)]
    training_set = TrainingSet(rows, records.iloc[:0], taxonomy, "linear.arm", 0)
    classifier, _ = fit_classifier(training_set, learner_of("tfidf", tiny_encoder), cpu, cache)
    shares = classifier.probabilities(rows["text"].tolist(), device=cpu)
    assert shares.shape == (len(rows), 4)
    assert (shares.argmax(axis=1) == targets_of(rows, taxonomy.names)).all()
    absent = [taxonomy.names.index(label) for label in set(taxonomy.names) - set(present)]
    assert shares[:, absent].max() < 1e-9


def test_a_temperature_is_in_the_weights_and_is_saved_with_them(
    records: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_encoder: Path, cpu: Device, cache: Cache, tmp_path: Path
) -> None:
    texts = records.iloc[2::4]["text"].tolist()
    # One of the validation rows is read wrongly: without that there is nothing to calibrate by.
    wrong = records.assign(label=records["label"].where(records.index != records.index[1], taxonomy.names[-1]))
    assert wrong["label"].iloc[1] != records["label"].iloc[1]
    training_set = training_set_of(wrong, taxonomy)
    plain, scaled = (
        fit_classifier(training_set, learner_of("tfidf", tiny_encoder, temperature=temperature), cpu, cache)[0]
        for temperature in (False, True)
    )
    scaled.save(tmp_path)
    opened = load_classifier(tmp_path, cpu)
    temperature = temperature_of(opened)
    assert temperature != 1.0 == temperature_of(plain)
    expected = with_temperature(plain.probabilities(texts, device=cpu), temperature)
    np.testing.assert_allclose(opened.probabilities(texts, device=cpu), expected, atol=1e-9)
