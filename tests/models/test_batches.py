from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from emotion_kedro.models.training import by_length, pad, plan_batches

LENGTHS = np.random.default_rng(5).integers(3, 60, size=103)
MANY = np.random.default_rng(6).integers(3, 60, size=4000)


def waste(batches: list[np.ndarray]) -> int:
    """Padding tokens that the batches need."""
    return sum(int(MANY[rows].max() * len(rows) - MANY[rows].sum()) for rows in batches)


@pytest.mark.parametrize(("batch_size", "per_pass"), [(8, 13), (1, 103), (103, 1), (200, 1)])
def test_every_row_comes_once_a_pass(batch_size: int, per_pass: int) -> None:
    plan = plan_batches(LENGTHS, steps=2 * per_pass, batch_size=batch_size, seed=0)
    for number in range(2):
        rows = np.concatenate(plan[number * per_pass : (number + 1) * per_pass])
        assert sorted(rows.tolist()) == list(range(103))


@pytest.mark.parametrize("steps", [1, 12, 13, 14, 40])
def test_as_many_batches_as_steps(steps: int) -> None:
    assert len(plan_batches(LENGTHS, steps=steps, batch_size=8, seed=0)) == steps


def test_passes_over_more_rows_than_a_pool_holds_are_whole() -> None:
    # 2 rows a batch and 6 batches a pool: 103 rows are eight pools, one of three batches, and a single row.
    plan = plan_batches(LENGTHS, steps=52, batch_size=2, seed=0)
    assert Counter(len(rows) for rows in plan) == {2: 51, 1: 1}
    assert sorted(np.concatenate(plan).tolist()) == list(range(103))


def test_rows_of_like_length_go_together() -> None:
    plan = plan_batches(MANY, steps=500, batch_size=8, seed=0)
    order = np.random.default_rng(0).permutation(4000)
    assert waste(plan) < waste([order[start : start + 8] for start in range(0, 4000, 8)]) / 4


def test_of_few_rows_any_two_meet_and_none_weighs_more_for_its_length() -> None:
    lengths = np.arange(52)
    met, weight = np.eye(52, dtype=bool), np.zeros(52)
    for batch in plan_batches(lengths, steps=400, batch_size=16, seed=0):
        met[np.ix_(batch, batch)] = True
        weight[batch] += 1 / len(batch)
    assert met.all()
    assert weight[-5:].mean() == pytest.approx(weight.mean(), rel=0.2)


def test_the_seed_decides_the_plan() -> None:
    first, again, other = (
        [rows.tolist() for rows in plan_batches(LENGTHS, steps=20, batch_size=8, seed=seed)] for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_passes_differ() -> None:
    plan = [rows.tolist() for rows in plan_batches(LENGTHS, steps=26, batch_size=8, seed=0)]
    assert {tuple(sorted(rows)) for rows in plan[:13]} != {tuple(sorted(rows)) for rows in plan[13:]}


def test_a_longer_plan_begins_like_a_shorter_one() -> None:
    short, long = (plan_batches(LENGTHS, steps=steps, batch_size=8, seed=0) for steps in (10, 30))
    assert all((one == other).all() for one, other in zip(short, long, strict=False))


def test_nothing_to_train_on_is_an_error() -> None:
    with pytest.raises(ValueError, match="no texts to train on"):
        plan_batches(np.empty(0, dtype=int), steps=1, batch_size=8, seed=0)


def test_by_length_takes_the_longest_first() -> None:
    batches = by_length([range(length) for length in (2, 9, 5, 9, 1)], 2)
    assert [rows.tolist() for rows in batches] == [[1, 3], [2, 0], [4]]


def test_by_length_of_nothing_is_nothing() -> None:
    assert by_length([], 4) == []


def test_pad_fills_on_the_right() -> None:
    ids, mask = pad([[5, 6, 7], [8]], padding=0)
    assert ids.tolist() == [[5, 6, 7], [8, 0, 0]]
    assert mask.tolist() == [[1, 1, 1], [1, 0, 0]]


def test_pad_adds_no_column_to_rows_of_one_length() -> None:
    ids, mask = pad([[1, 2], [3, 4], [5, 6]], padding=9)
    assert ids.shape == mask.shape == (3, 2)
    assert 9 not in ids
