from __future__ import annotations

import numpy as np
import pytest

from emotion_kedro.learning.device import Device
from emotion_kedro.learning.heads import Heads, choose_penalty, fit_heads
from emotion_kedro.options import HeadOptions

LABELS = ("a", "b", "c")
OPTIONS = HeadOptions(steps=40, batch_size=16, penalties=(1e-4, 1e-2))


@pytest.fixture(scope="module")
def rows() -> tuple[np.ndarray, np.ndarray]:
    """90 rows of width 8 and length 1 around three centres, and their classes."""
    rng = np.random.default_rng(0)
    targets = np.repeat(np.arange(3), 30)
    features = np.eye(8)[targets] + rng.normal(scale=0.15, size=(90, 8))
    return (features / np.linalg.norm(features, axis=1, keepdims=True)).astype(np.float32), targets


def fit(
    rows: tuple[np.ndarray, np.ndarray],
    device: Device,
    *,
    weights: np.ndarray | None = None,
    options: HeadOptions = OPTIONS,
    seeds: tuple[int, ...] = (0, 1),
) -> Heads:
    features, targets = rows
    weights = np.ones(len(targets)) if weights is None else weights
    return fit_heads(features, targets, weights, labels=LABELS, options=options, seeds=seeds, device=device)


def test_classes_that_lie_apart_are_learned(rows: tuple[np.ndarray, np.ndarray], cpu: Device) -> None:
    heads = fit((rows[0][::2], rows[1][::2]), cpu)
    given = heads.probabilities(rows[0][1::2])
    assert given.shape == (2, 2, 45, 3)
    np.testing.assert_allclose(given.sum(axis=-1), 1.0)
    assert (given.argmax(axis=-1) == rows[1][1::2]).all()


def test_one_step_is_adam_on_the_penalised_log_loss(rows: tuple[np.ndarray, np.ndarray], cpu: Device) -> None:
    """Against torch's own gradient and optimiser, three steps, a batch of the one row that has a weight."""
    import torch

    weights = np.zeros(90)
    weights[40] = 2.0
    options = HeadOptions(steps=3, batch_size=4, learning_rate=0.2, penalties=(0.3,))
    heads = fit(rows, cpu, weights=weights, options=options, seeds=(5,))
    start = np.random.default_rng([5, 1]).normal(scale=0.01, size=(8, 3)).astype(np.float32)
    weight, bias = torch.tensor(start, requires_grad=True), torch.zeros(3, requires_grad=True)
    optimiser = torch.optim.Adam([weight, bias], lr=0.2)
    seen, target = torch.tensor(rows[0][[40]]), torch.tensor([1])
    for step in range(3):
        optimiser.param_groups[0]["lr"] = 0.2 * (1 - step / 3)
        optimiser.zero_grad()
        loss = torch.nn.functional.cross_entropy(seen @ weight + bias, target) + 0.3 * (weight**2).sum() / 2
        loss.backward()
        optimiser.step()
    np.testing.assert_allclose(heads.weights[0, 0], weight.detach().numpy(), atol=1e-5)
    np.testing.assert_allclose(heads.biases[0, 0], bias.detach().numpy(), atol=1e-5)


def test_rows_without_a_weight_never_matter(rows: tuple[np.ndarray, np.ndarray], cpu: Device) -> None:
    features, targets = rows
    weights = np.tile([1.0, 0.0, 0.5], 30)
    spoilt = features.copy()
    spoilt[1::3] = np.nan
    kept = weights > 0
    whole = fit((spoilt, targets), cpu, weights=weights)
    without = fit((features[kept], targets[kept]), cpu, weights=weights[kept])
    np.testing.assert_array_equal(whole.weights, without.weights)
    np.testing.assert_array_equal(whole.biases, without.biases)


def test_a_weight_says_how_often_a_row_is_seen(cpu: Device) -> None:
    """One point with two labels: a head without penalty gives the shares of the weights."""
    features = np.ones((2, 1), dtype=np.float32)
    options = HeadOptions(steps=400, batch_size=256, learning_rate=0.1, penalties=(0.0,))
    heads = fit((features, np.array([0, 1])), cpu, weights=np.array([3.0, 1.0]), options=options, seeds=(0,))
    np.testing.assert_allclose(heads.probabilities(features)[0, 0, 0], [0.75, 0.25, 0.0], atol=0.02)


def test_seeds_and_penalties_do_not_touch_each_other(rows: tuple[np.ndarray, np.ndarray], cpu: Device) -> None:
    together = fit(rows, cpu, seeds=(3, 1, 2))
    np.testing.assert_array_equal(fit(rows, cpu, seeds=(1,)).weights[0], together.weights[1])
    alone = fit(rows, cpu, options=OPTIONS.model_copy(update={"penalties": (1e-2,)}), seeds=(1,))
    np.testing.assert_array_equal(alone.weights[0, 0], together.weights[1, 1])
    assert not np.allclose(together.weights[0], together.weights[1])
    assert not np.allclose(together.weights[0, 0], together.weights[0, 1])


def test_two_runs_are_equal(rows: tuple[np.ndarray, np.ndarray], cpu: Device) -> None:
    np.testing.assert_array_equal(fit(rows, cpu).weights, fit(rows, cpu).weights)


def test_the_penalty_is_chosen_by_log_loss_for_each_seed() -> None:
    """Two seeds of two penalties, on one number: sure and right, sure and wrong, unsure."""
    weights = np.array([[4.0, 1.0], [-4.0, 0.0]], dtype=np.float32)[:, :, None, None] * np.array([1.0, -1.0])
    heads = Heads(weights.astype(np.float32), np.zeros((2, 2, 2), np.float32), ("a", "b"), (0, 1), (0.1, 0.2))
    features = np.array([[1.0], [-1.0]], dtype=np.float32)
    assert choose_penalty(heads, features, np.array([0, 1])).tolist() == [0, 1]
    assert choose_penalty(heads, features, np.array([1, 0])).tolist() == [1, 0]
    assert choose_penalty(heads, features[:0], np.array([], dtype=int)).tolist() == [0, 0]


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (np.zeros(90), "no rows with a weight"),
        (np.full(90, -1.0), "negative or no number"),
        (np.full(90, np.nan), "negative or no number"),
        (np.ones(89), "90 rows of features, 90 targets and 89 weights"),
    ],
)
def test_weights_that_mean_nothing_are_refused(
    rows: tuple[np.ndarray, np.ndarray], cpu: Device, weights: np.ndarray, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        fit(rows, cpu, weights=weights)


def test_a_target_without_a_label_is_refused(rows: tuple[np.ndarray, np.ndarray], cpu: Device) -> None:
    with pytest.raises(ValueError, match="targets go from -1 to 2, but there are 3 labels"):
        fit((rows[0], np.where(rows[1] == 0, -1, rows[1])), cpu)
