from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.config.models import ContrastiveConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.models.classifiers import TrainingSet, fit_classifier, load_classifier
from emotion_kedro.models.classifiers import contrastive as module
from emotion_kedro.models.classifiers.contrastive import ContrastiveClassifier, centred, contrastive_loss, with_head
from emotion_kedro.models.classifiers.fitting import log_loss, targets_of
from emotion_kedro.models.classifiers.logistic import Layer
from emotion_kedro.models.device import Device
from emotion_kedro.storage.cache import Cache

TRAINING = {"steps": 24, "batch_size": 12, "learning_rate": 3e-3, "checkpoint_every": 0}


def learner_of(encoder: Path, **training: Any) -> ContrastiveConfig:
    return ContrastiveConfig.model_validate({"base": str(encoder), "training": {**TRAINING, **training}})


def training_set_of(records: pd.DataFrame, taxonomy: TaxonomyConfig, **change: Any) -> TrainingSet:
    rows = {"rows": records.iloc[::4], "validation": records.iloc[1::4], **change}
    return TrainingSet(taxonomy=taxonomy, name="few.real.contrastive", seed=3, **rows)


def read(classifier: Any, records: pd.DataFrame, device: Device) -> np.ndarray:
    shares: np.ndarray = classifier.probabilities(records["text"].tolist(), device=device)
    return shares


def test_it_reads_texts_it_has_not_seen_and_transformers_opens_it_without_this_package(
    records: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_encoder: Path, cpu: Device, cache: Cache, tmp_path: Path
) -> None:
    from transformers import pipeline

    training_set, unseen = training_set_of(records, taxonomy), records.iloc[2::4]
    classifier, log = fit_classifier(training_set, learner_of(tiny_encoder), cpu, cache)
    shares = read(classifier, unseen, cpu)
    np.testing.assert_allclose(shares.sum(axis=1), 1.0, atol=1e-6)
    assert (shares.argmax(axis=1) == targets_of(unseen, taxonomy.names)).mean() > 0.9
    watched = read(classifier, training_set.validation, cpu)
    loss = log_loss(watched, targets_of(training_set.validation, taxonomy.names))
    assert (log.steps, log.validation_loss) == (24, pytest.approx(loss, abs=0.01))

    classifier.save(tmp_path)
    opened = load_classifier(tmp_path, cpu)
    assert isinstance(opened, ContrastiveClassifier)
    np.testing.assert_array_equal(read(opened, unseen, cpu), shares)
    answers = pipeline("text-classification", model=str(tmp_path))(unseen["text"].tolist())
    assert [answer["label"] for answer in answers] == [taxonomy.names[index] for index in shares.argmax(axis=1)]
    np.testing.assert_allclose([answer["score"] for answer in answers], shares.max(axis=1), atol=1e-5)


def test_the_head_on_the_first_token_is_the_head_on_the_mean(
    records: pd.DataFrame, labels: tuple[str, ...], tiny_encoder: Path
) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    encoder, tokenizer = AutoModel.from_pretrained(tiny_encoder).eval(), AutoTokenizer.from_pretrained(tiny_encoder)
    random = np.random.default_rng(0)
    layer = Layer(random.normal(size=(4, 32)) * 5, random.normal(size=4))
    batch = tokenizer(records["text"].iloc[:40].tolist(), padding=True, return_tensors="pt")
    with torch.no_grad():
        states = encoder(**batch).last_hidden_state
        logits = with_head(encoder, layer, labels).eval()(**batch).logits
    mask = batch["attention_mask"].unsqueeze(-1)
    means = ((states * mask).sum(dim=1) / mask.sum(dim=1)).numpy()
    np.testing.assert_allclose(logits.numpy(), centred(means) @ layer.weights.T + layer.bias, atol=0.02)


def test_rows_count_by_their_weight_in_the_pairs_and_in_the_head(
    records: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    tiny_encoder: Path,
    cpu: Device,
    cache: Cache,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Rows under a wrong label that weigh next to nothing teach nothing."""
    seen: list[int] = []
    loss = module.contrastive_loss
    monkeypatch.setattr(
        module, "contrastive_loss", lambda vectors, targets: seen.extend(targets.tolist()) or loss(vectors, targets)
    )
    rows = records.iloc[::4]
    wrong = rows[rows["label"] == "fear"].assign(label="joy", weight=1e-6)
    kept = rows[rows["label"] != "joy"].assign(weight=1.0)
    training_set = training_set_of(records, taxonomy, rows=pd.concat([kept, wrong], ignore_index=True))
    classifier, _ = fit_classifier(training_set, learner_of(tiny_encoder), cpu, cache)
    assert taxonomy.names.index("joy") not in seen
    fear = records[records["label"] == "fear"]
    assert (read(classifier, fear, cpu).argmax(axis=1) == taxonomy.names.index("fear")).mean() > 0.9


def test_the_loss_is_that_of_finding_the_texts_of_the_same_label() -> None:
    import torch

    vectors = torch.nn.functional.normalize(torch.tensor([[1.0, 0.5], [1.0, -0.4], [0.6, 1.0], [0.5, -1.0]]), dim=1)
    vectors.requires_grad_()
    loss = contrastive_loss(vectors, torch.tensor([0, 0, 1, 2]))
    cosines = (vectors @ vectors.T).detach().numpy() / module.TEMPERATURE
    expected = [np.log(np.exp(np.delete(cosines[row], row)).sum()) - cosines[row, 1 - row] for row in (0, 1)]
    assert float(loss.detach()) == pytest.approx(np.mean(expected), rel=1e-4)
    # On a GPU with bf16 as well: there is no room for cosines over a temperature in it.
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert float(contrastive_loss(vectors.detach(), torch.tensor([0, 0, 1, 2]))) == float(loss.detach())
    alone = contrastive_loss(vectors, torch.tensor([0, 1, 2, 3]))
    alone.backward()
    assert float(alone.detach()) == 0.0
    assert not vectors.grad.any()


def test_a_base_that_is_no_bert_is_refused(
    records: pd.DataFrame, taxonomy: TaxonomyConfig, tiny_gpt2: Path, cpu: Device, cache: Cache
) -> None:
    with pytest.raises(ValueError, match="of type gpt2; contrastive learners start from a BERT"):
        fit_classifier(training_set_of(records, taxonomy), learner_of(tiny_gpt2), cpu, cache)
