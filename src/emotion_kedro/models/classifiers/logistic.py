"""Logistic regressions fitted to the end: what a linear learner is made of, and the head of a contrastive one."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from threadpoolctl import threadpool_limits

from emotion_kedro.metrics.losses import losses_of
from emotion_kedro.models.classifiers import TrainingSet
from emotion_kedro.models.classifiers.fitting import log_loss, targets_of

ITERATIONS = 1000
NEVER = -30.0
"""Logit of a label without training rows: a probability of about 1e-13."""
BLEND_PENALTY = 0.01
"""Penalty on the share of a label's embedding, for one of 1 on a coefficient. Small, but not 0: with few rows the share
would grow without end."""

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Layer:
    """What a fit leaves: ``softmax(features @ weights.T + bias)`` are the probabilities."""

    weights: Floats
    """(labels, width)."""
    bias: Floats
    """(labels,)."""

    def probabilities(self, features: Any) -> Floats:
        """Return softmax probabilities, (rows, labels), of dense or sparse features, (rows, width)."""
        return softmax(np.asarray(features @ self.weights.T, dtype=np.float64) + self.bias, axis=1)


@dataclass(frozen=True)
class _Rows:
    """What a regression is fitted on."""

    features: Any
    """Dense or sparse, (rows, width)."""
    targets: NDArray[np.int64]
    """Class index of each row, (rows,)."""
    weights: Floats
    """What each row counts in the loss, (rows,)."""
    labels: int
    """How many there are; some may have no row."""


@dataclass(frozen=True)
class Fit:
    """A regression under one penalty."""

    penalty: float
    layer: Layer
    steps: int
    loss: float
    """Mean log loss of the train rows, by weight."""


def best_fit(
    training_set: TrainingSet,
    features: Callable[[list[str]], Any],
    penalties: Sequence[float],
    directions: Floats | None = None,
) -> tuple[Fit, dict[str, float]]:
    """Fit a regression for every penalty; return that with the least log loss on the validation rows, and its losses.

    Without validation rows the strongest penalty is taken: it comes closest to telling labels apart by their class
    means.

    Args:
        training_set: rows with their weights, and validation rows.
        features: texts -> dense or sparse numbers, (texts, width).
        penalties: weights of half the squared coefficients against the mean loss of a row.
        directions: embeddings of the labels, (labels, width), that are blended into their weights; None: none are.

    Returns:
        The fit; and ``step``, ``train`` and, where there are validation rows, ``validation``, as a training log has
        them.
    """
    table, validation, labels = training_set.rows, training_set.validation, training_set.labels
    weights = table["weight"].to_numpy(dtype=np.float64)
    rows = _Rows(features(table["text"].tolist()), targets_of(table, labels), weights, len(labels))
    # Thousands of small products: two threads take two to three times as long, and beside other work twenty times.
    with threadpool_limits(1):
        fits = _fit_all(rows, penalties) if directions is None else _fit_blended(rows, penalties, directions)
    if validation.empty:
        return fits[0], {"step": float(fits[0].steps), "train": fits[0].loss}
    checked, targets = features(validation["text"].tolist()), targets_of(validation, labels)
    losses = [log_loss(fit.layer.probabilities(checked), targets) for fit in fits]
    fit = fits[int(np.argmin(losses))]
    return fit, {"step": float(fit.steps), "train": fit.loss, "validation": min(losses)}


def _fit_all(rows: _Rows, penalties: Sequence[float]) -> list[Fit]:
    """Return a fit for every penalty, the strongest first; each starts from the one before it."""
    from sklearn.linear_model import LogisticRegression

    present = np.unique(rows.targets)
    ordered = sorted(set(penalties), reverse=True)
    if len(present) == 1:
        empty = _layer(np.zeros((1, rows.features.shape[1])), np.zeros(1), present, rows.labels)
        return [Fit(ordered[0], empty, 0, 0.0)]
    model = LogisticRegression(max_iter=ITERATIONS, warm_start=True)
    fits = []
    # Of two labels scikit-learn has one vector, the difference of theirs, whose square is twice theirs together.
    vectors = 2.0 if len(present) == 2 else 1.0
    for penalty in ordered:
        model.set_params(C=vectors / (penalty * rows.weights.sum()))
        model.fit(rows.features, rows.targets, sample_weight=rows.weights)
        layer = _layer(model.coef_, model.intercept_, present, rows.labels)
        fits.append(_fit_of(penalty, layer, int(np.max(model.n_iter_)), rows))
    return fits


def _fit_of(penalty: float, layer: Layer, steps: int, rows: _Rows) -> Fit:
    given = layer.probabilities(rows.features)[np.arange(len(rows.targets)), rows.targets]
    return Fit(penalty, layer, steps, float(np.average(losses_of(given), weights=rows.weights)))


def _layer(coefficients: Any, intercepts: Any, present: NDArray[np.int64], labels: int) -> Layer:
    """Return a row for each label: scikit-learn has one for both of two, and none for a label without rows."""
    if len(present) == 2 and len(coefficients) == 1:
        coefficients, intercepts = (np.concatenate([-values / 2, values / 2]) for values in (coefficients, intercepts))
    weights, bias = np.zeros((labels, coefficients.shape[1])), np.full(labels, NEVER)
    weights[present], bias[present] = coefficients, intercepts
    return Layer(weights, bias)


def _fit_blended(rows: _Rows, penalties: Sequence[float], directions: Floats) -> list[Fit]:
    """Return a fit for every penalty, the strongest first, in which a label's weights are ``w_k + a_k t_k``.

    LP++ (Huang et al. 2024, arXiv 2404.02285): ``t_k`` is the embedding of the label's text, ``w_k`` and its share
    ``a_k`` are learned together. There the learning stops early; here ``w_k`` is held back by the penalty, ``a_k`` by
    little, and the loss, which is convex, is brought to its minimum.
    """
    from scipy.optimize import minimize

    present = np.unique(rows.targets)
    blended = _Blended.of(rows, directions[present].astype(np.float64), present)
    values, fits = np.zeros(len(present) * (directions.shape[1] + 2)), []
    for penalty in sorted(set(penalties), reverse=True):
        fitted = minimize(
            blended.loss, values, (penalty,), method="L-BFGS-B", jac=True, options={"maxiter": ITERATIONS}
        )
        values = fitted.x
        weights, blend, bias = blended.parts(values)
        layer = _layer(weights + blend[:, None] * blended.directions, bias, present, rows.labels)
        fits.append(_fit_of(penalty, layer, int(fitted.nit), rows))
    return fits


@dataclass(frozen=True)
class _Blended:
    """The loss of a regression whose labels' weights hold a share of the labels' embeddings."""

    features: Floats
    directions: Floats
    """(labels with rows, width)."""
    said: Floats
    """How far each row lies in each direction, (rows, labels with rows)."""
    hits: NDArray[np.bool_]
    """Whether a label is the row's, (rows, labels with rows)."""
    shares: Floats
    """What each row counts, (rows, 1); adding up to 1."""

    @classmethod
    def of(cls, rows: _Rows, directions: Floats, present: NDArray[np.int64]) -> _Blended:
        features = np.asarray(rows.features, dtype=np.float64)
        hits, shares = rows.targets[:, None] == present, rows.weights / rows.weights.sum()
        return cls(features, directions, features @ directions.T, hits, shares[:, None])

    def parts(self, values: Floats) -> tuple[Floats, Floats, Floats]:
        """Return weights, (labels, width), the embeddings' shares, (labels,), and bias, (labels,)."""
        labels, width = self.directions.shape
        weights, blend, bias = np.split(values, [labels * width, labels * (width + 1)])
        return weights.reshape(labels, width), blend, bias

    def loss(self, values: Floats, penalty: float) -> tuple[float, Floats]:
        """Return the loss, by weight and with its penalties, and its slope."""
        weights, blend, bias = self.parts(values)
        given = softmax(self.features @ weights.T + self.said * blend + bias, axis=1)
        blend_penalty = BLEND_PENALTY * penalty
        loss = (self.shares[:, 0] * losses_of(given[self.hits])).sum()
        loss += (penalty * (weights**2).sum() + blend_penalty * (blend**2).sum()) / 2
        error = (given - self.hits) * self.shares
        slopes = (error.T @ self.features + penalty * weights, (error * self.said).sum(axis=0) + blend_penalty * blend)
        return float(loss), np.concatenate([slopes[0].ravel(), slopes[1], error.sum(axis=0)])
