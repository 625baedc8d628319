"""The pages on the rounds and on the search: what they answer, and what they do not claim."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.options import TrainingOptions
from emotion_kedro.pictures import plots
from emotion_kedro.pictures.document import document_html, document_markdown
from emotion_kedro.pictures.iteration import iteration_document
from emotion_kedro.pictures.tune import tune_document


def span(estimate: float, low: float, high: float) -> dict[str, float]:
    return {"estimate": estimate, "low": low, "high": high, "level": 0.95, "samples": 200}


def arm(estimate: float) -> dict[str, Any]:
    around = span(estimate, estimate - 0.02, estimate + 0.02)
    return {"accuracy": around, "macro_f1": around, "log_loss": 0.4, "steps": 90, "real": 1200, "synthetic": 300}


def tuning(low: float, high: float, seeds: int = 1) -> dict[str, Any]:
    difference = {"accuracy": span((low + high) / 2, low, high), "rows": 1234, "seeds": list(range(seeds))}
    return {"arms": {"default": arm(0.8), "tuned": arm(0.82)}, "difference": difference}


TRIALS = [
    {
        **{"trial": number, "learning_rate": 3e-4, "epochs": 2, "synthetic_share": 0.25, "tau": 0.5, "score": -loss},
        **{"log_loss": loss, "accuracy": 0.7, "steps": 50, "real_rows": 400, "synthetic_rows": 100},
    }
    for number, loss in enumerate([0.9, 0.7, 0.8])
]
BEST = {
    **{"trial": 1, "score": -0.7, "metric": "log_loss", "importance": {}},
    "settings": {"learning_rate": 3e-4, "epochs": 2, "synthetic_share": 0.25, "tau": 0.5},
}
DEFAULT = TrainingOptions(steps=90, learning_rate=1e-4)


@pytest.mark.parametrize(
    ("low", "high", "answer", "kind"),
    [
        (0.01, 0.03, "Yes.", "helped"),
        (-0.01, 0.03, "No difference shown.", "open"),
        (0.0, 0.03, "No difference shown.", "open"),
        (-0.03, -0.01, "No: it did harm.", "harmed"),
    ],
)
def test_tuning_helped_only_where_the_interval_leaves_out_zero(low: float, high: float, answer: str, kind: str) -> None:
    page = tune_document(TRIALS, BEST, tuning(low, high), default=DEFAULT)
    assert (page.answer, page.kind) == (answer, kind)
    assert "1,234 test rows, 1 seed;" in page.sentence


def test_a_single_seed_is_cautioned_and_many_are_not() -> None:
    few, many = (tune_document(TRIALS, BEST, tuning(0, 1, seeds), default=DEFAULT).caution for seeds in (1, 5))
    assert "With 1 seed the interval knows little" in few
    assert "knows little" not in many


def test_the_trials_stand_in_a_table_with_the_warning_that_the_best_is_flattered() -> None:
    text = document_markdown(tune_document(TRIALS, BEST, tuning(0, 1), default=DEFAULT))
    assert "Trial 1 was best by log loss. The score of the best of 3 trials flatters it" in text
    assert "| 1 | 0.0003 | 2 | 0.25 | 0.5 | 50 | 400 | 100 | .700 | .700 |" in text
    assert "fANOVA" not in text
    with_shares = {**BEST, "importance": {"tau": 0.75, "epochs": 0.25}}
    text = document_markdown(tune_document(TRIALS, with_shares, tuning(0, 1), default=DEFAULT))
    assert "| tau | 75.0% |" in text


@pytest.mark.parametrize(("metric", "best"), [("log_loss", [0.9, 0.7, 0.7]), ("accuracy", [0.7, 0.7, 0.7])])
def test_the_line_of_the_trials_is_the_best_so_far(metric: str, best: list[float]) -> None:
    (axes,) = plots.plot_trials(TRIALS, metric).axes
    line, points = axes.get_lines()
    assert line.get_ydata().tolist() == best
    assert list(points.get_ydata()) == [trial[metric] for trial in TRIALS]


def rounds(best: int, low: float = 0.0, high: float = 0.0) -> dict[str, Any]:
    text = dict.fromkeys(("drawn", "kept"), 50.0) | dict.fromkeys(("yield", "fidelity_all", "distinct_2"), 0.5)
    entries = [
        {
            **{"round": number, "best": number == best, "synthetic": 40 * (number > 0), "steps": 90, "rows": 300},
            **{"validation": span(0.6, 0.5, 0.7), "test": span(0.5 + number / 10, 0.4, 0.9), "seeds": [0]},
            **{"macro_f1": span(0.5, 0.4, 0.6), "validation_log_loss": 1.0},
            "text": text if number else None,
            **({"uncertain": {"joy": 7, "fear": 5}} if number else {}),
        }
        for number in range(3)
    ]
    difference = {"accuracy": span((low + high) / 2, low, high), "seeds": [0]} if best else None
    return {"rounds": entries, "best": best, "difference": difference}


EXAMPLES = pd.DataFrame({"label": ["joy"], "text": ["<b>dancing</b>"], "probability": [0.9]})


@pytest.mark.parametrize(
    ("figures", "answer", "kind"),
    [
        (rounds(0), "No gain on validation.", "open"),
        (rounds(1, -0.02, 0.04), "No difference shown.", "open"),
        (rounds(2, 0.01, 0.04), "Yes.", "helped"),
        (rounds(2, -0.04, -0.01), "No: it did harm.", "harmed"),
    ],
)
def test_the_loop_helped_only_where_the_interval_leaves_out_zero(
    figures: dict[str, Any], answer: str, kind: str
) -> None:
    page = iteration_document(figures, EXAMPLES)
    assert (page.answer, page.kind) == (answer, kind)


def test_the_rounds_are_tabled_with_what_was_fed_back_and_texts_are_escaped() -> None:
    page = iteration_document(rounds(1, -0.02, 0.04), EXAMPLES)
    text = document_markdown(page)
    assert "| 1 | yes | 12 | 40 | 90 | .600 [.500, .700] | 1.000 | .600 [.400, .900] | .500 [.400, .600] |" in text
    assert "Round 1, the best on the validation rows, less round 0" in text
    assert "&lt;b&gt;dancing&lt;/b&gt;" in document_html(page)


def test_both_sides_of_each_round_are_drawn() -> None:
    (axes,) = plots.plot_rounds(rounds(1)["rounds"]).axes
    validation, test = axes.get_lines()
    assert validation.get_ydata() == pytest.approx([0.6, 0.6, 0.6])
    assert test.get_ydata() == pytest.approx([0.5, 0.6, 0.7])
    assert np.allclose(test.get_xdata() - validation.get_xdata(), 0.16)
