"""Few rows, used in pairs: an encoder that was tuned to bring texts of a label together, and a linear head on it.

SetFit's method (Tunstall et al. 2022, arXiv 2209.11055): a sentence encoder learns from pairs of texts, of which there
are many more than texts; then a logistic regression is fitted to the end on its mean vectors. Here the pairs are all
those of a batch, and each text is compared with all others at once (:func:`contrastive_loss`) where SetFit takes the
squared error of each cosine.

A classifier of ``transformers`` reads the first token's state, not the mean. One more block whose attention is the same
for all tokens puts the mean there, so that the fitted classifier is an ordinary ``BertForSequenceClassification``
(:func:`with_head`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from emotion_kedro.config.models import ContrastiveConfig, FeatureConfig
from emotion_kedro.models.classifiers import TrainingSet
from emotion_kedro.models.classifiers.encoder import EncoderClassifier
from emotion_kedro.models.classifiers.fitting import notes_of, tune
from emotion_kedro.models.classifiers.logistic import Layer, best_fit
from emotion_kedro.models.device import Device
from emotion_kedro.models.features import MeanEncoder, mean_of
from emotion_kedro.models.language_models import open_name
from emotion_kedro.models.training import TrainingLog
from emotion_kedro.storage.cache import Cache

if TYPE_CHECKING:
    import torch

TEMPERATURE = 0.1
"""By which cosines are divided: that of Khosla et al."""
MEAN_SCALE = 2.0**10
"""So many times the mean vector stands beside the first token's own state, which a block always adds."""
POOLER_SCALE = 2.0**-10
"""The pooler's tanh changes nothing of numbers so small."""


class ContrastiveClassifier(EncoderClassifier):
    """A tuned encoder with its head, as any other encoder with a head."""

    @classmethod
    def fit(  # type: ignore[override]
        cls, training_set: TrainingSet, learner: ContrastiveConfig, device: Device, cache: Cache
    ) -> tuple[ContrastiveClassifier, TrainingLog]:
        """Tune the encoder that ``learner.base`` names, then fit its head; the validation rows choose the penalty.

        Raises:
            ValueError: if the base is no BERT.
        """
        encoder = _open(learner, device)
        notes = notes_of(training_set, learner)
        classifier = cls(encoder.model, encoder.tokenizer, training_set.labels, learner.max_tokens, notes)
        log = _tune(classifier, training_set, learner, device, cache)
        encoder.model.eval()
        fit, entry = best_fit(
            training_set, lambda texts: centred(encoder.vectors(encoder.encode(texts))), learner.penalties
        )
        log.losses.append({**entry, "step": float(log.steps)})
        classifier.model = with_head(encoder.model, fit.layer, training_set.labels).to(device.place)
        classifier.notes["log"] = log.as_dict()
        return classifier, log


def contrastive_loss(vectors: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    """Return the supervised contrastive loss of a batch (Khosla et al. 2020, arXiv 2004.11362), a scalar in nats.

    Each row has to find those of its label among all others, by their cosines; rows whose label no other has are left
    out.

    Args:
        vectors: of length 1, (rows, width).
        targets: class index of each row, (rows,).
    """
    import torch

    itself = torch.eye(len(vectors), dtype=torch.bool, device=vectors.device)
    with torch.autocast(vectors.device.type, enabled=False):  # a cosine over a temperature has no room in 8 bits
        vectors = vectors.float()
        logits = (vectors @ vectors.T / TEMPERATURE).masked_fill(itself, float(torch.finfo(vectors.dtype).min))
    partners = (targets[:, None] == targets) & ~itself
    counts = partners.sum(dim=1)
    log_shares = (logits.log_softmax(dim=1) * partners).sum(dim=1) / counts.clamp(min=1)
    # A batch without a pair has a loss of 0, and a gradient of 0 as well.
    return -log_shares.sum() / (counts > 0).sum().clamp(min=1)


def with_head(encoder: Any, layer: Layer, labels: Sequence[str]) -> Any:
    """Return a ``BertForSequenceClassification`` that does what the head does on the encoder's mean vectors.

    A block is added. Its queries and keys are 0, so that every token attends to all alike: the first one's state
    becomes the mean of all, scaled up against what it was, and its layer norm takes the place of
    :func:`centred`. The pooler scales that down to where its tanh is straight, and the classifier's weights up again.

    Args:
        encoder: a ``BertModel``.
        layer: fitted on :func:`centred` mean vectors.
        labels: the label of each class index.
    """
    import torch

    model, width = _longer(encoder, labels), encoder.config.hidden_size
    block, pooler = model.bert.encoder.layer[-1], model.bert.pooler.dense
    with torch.no_grad():
        for module in (block, pooler):
            for name, value in module.named_parameters():
                value.fill_(1.0 if name.endswith("LayerNorm.weight") else 0.0)
        block.attention.self.value.weight.copy_(torch.eye(width))
        block.attention.output.dense.weight.copy_(MEAN_SCALE * torch.eye(width))
        pooler.weight.copy_(POOLER_SCALE * torch.eye(width))
        model.classifier.weight.copy_(torch.from_numpy(layer.weights / (POOLER_SCALE * np.sqrt(width))))
        model.classifier.bias.copy_(torch.from_numpy(layer.bias))
    return model


def _longer(encoder: Any, labels: Sequence[str]) -> Any:
    """Return a classifier with the encoder's weights and one more block; that, pooler and head are as they come."""
    from transformers import BertConfig, BertForSequenceClassification

    settings = {
        **encoder.config.to_dict(),
        "num_hidden_layers": encoder.config.num_hidden_layers + 1,
        "id2label": dict(enumerate(labels)),
        "label2id": {label: index for index, label in enumerate(labels)},
        # Else it is set by the first loss, whenever that is.
        "problem_type": "single_label_classification",
    }
    model = BertForSequenceClassification(BertConfig(**settings))
    model.bert.load_state_dict(encoder.state_dict(), strict=False)
    return model


def centred(vectors: NDArray[np.float32]) -> NDArray[np.float64]:
    """Return each vector minus the mean of its own numbers, at length 1: a layer norm but for the scale."""
    apart = vectors.astype(np.float64) - vectors.mean(axis=1, keepdims=True)
    rows: NDArray[np.float64] = apart / np.linalg.norm(apart, axis=1, keepdims=True)
    return rows


def _open(learner: ContrastiveConfig, device: Device) -> MeanEncoder:
    config = FeatureConfig(base=learner.base, max_tokens=learner.max_tokens)
    encoder = MeanEncoder(open_name(learner.base), config, device)
    if encoder.model.config.model_type != "bert":
        kind = encoder.model.config.model_type
        raise ValueError(f"{learner.base} is a model of type {kind}; contrastive learners start from a BERT")
    if encoder.model.pooler is not None:
        # It is not read, and the classifier that is made in the end has another.
        encoder.model.pooler.requires_grad_(False)
    return encoder


def _tune(
    classifier: ContrastiveClassifier,
    training_set: TrainingSet,
    learner: ContrastiveConfig,
    device: Device,
    cache: Cache,
) -> TrainingLog:
    def loss(rows: dict[str, Any]) -> Any:
        mask = rows["attention_mask"]
        states = classifier.model(input_ids=rows["input_ids"], attention_mask=mask).last_hidden_state
        return contrastive_loss(mean_of(states.float(), mask), rows["labels"])

    # There is no head yet whose loss could be watched.
    unwatched = replace(training_set, validation=training_set.validation.iloc[:0])
    return tune(classifier, unwatched, learner, device, cache, loss=loss)
