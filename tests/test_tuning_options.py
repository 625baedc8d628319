from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from emotion_kedro.options.iteration import IterationOptions
from emotion_kedro.options.tune import TuneOptions

FEEDBACK = {"steps": 1, "learning_rate": 0.1}


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"max_epochs": 6}, "max_epochs"),
        ({"max_epochs": 0}, "max_epochs"),
        ({"learning_rate": (0.0, 0.1)}, "learning_rate"),
        ({"taus": (0.5, 1.1)}, "taus"),
        ({"taus": ()}, "taus"),
        ({"synthetic_shares": (-0.5,)}, "synthetic_shares"),
        ({"metric": "test accuracy"}, "metric"),
        ({"trial": 3}, "trial"),
    ],
)
def test_a_search_out_of_range_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        TuneOptions.model_validate({"storage": "s", "learning_rate": (0.1, 0.2), **changes})


def test_the_lowest_rate_comes_first() -> None:
    with pytest.raises(ValidationError, match=r"goes from 0\.2 to 0\.1; give the lowest first"):
        TuneOptions(storage="s", learning_rate=(0.2, 0.1))
    assert TuneOptions(storage="s", learning_rate=(0.1, 0.1)).learning_rate == (0.1, 0.1)


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"rounds": 0}, "rounds"),
        ({"uncertain_share": 0.0}, "uncertain_share"),
        ({"folds": 1}, "folds"),
        ({"patience": 0}, "patience"),
        ({"min_gain": -0.1}, "min_gain"),
        ({"certainty": "guess"}, "certainty"),
        ({"feedback": {"learning_rate": 0.1}}, "feedback"),
    ],
)
def test_a_loop_out_of_range_is_refused(changes: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError, match=field):
        IterationOptions.model_validate({"feedback": FEEDBACK, **changes})
