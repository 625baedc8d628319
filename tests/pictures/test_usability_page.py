from __future__ import annotations

from typing import Any

from emotion_kedro.pictures.usability import usability_document


def interval(estimate: float, low: float, high: float) -> dict[str, float]:
    return {"estimate": estimate, "low": low, "high": high, "level": 0.95, "samples": 100}


def kind(name: str, *, seeds: list[int], macro_f1: float, change: tuple[float, float, float]) -> dict[str, Any]:
    arm = {
        **{"accuracy": interval(0.5, 0.4, 0.6), "macro_f1": interval(macro_f1, macro_f1, macro_f1)},
        **{"ece": 0.1, "rows": 9, "seeds": seeds},
    }
    difference = {"accuracy": interval(*change), "macro_f1": interval(*change), "mcnemar": [{"p_holm": 0.2}]}
    return {
        **{"kind": name, "model": "m", "length": "9 steps", "train_rows": 9, "judged": {"all": 9, "kept": 9}},
        "arms": dict.fromkeys(("real", "mixed", "continued", "synthetic"), arm),
        "differences": {"mixed": difference, "continued": {**difference, "accuracy": interval(0.0, -0.1, 0.1)}},
        "usability": {"real_to_synthetic_all": interval(0.5, 0.4, 0.6), "real_to_synthetic_kept": None},
    }


def test_no_interval_clear_of_zero_is_no_difference() -> None:
    document = usability_document([kind("encoder", seeds=[0, 1], macro_f1=0.5, change=(0.02, -0.01, 0.05))], {})
    assert document.answer == "No difference shown."
    assert document.caution == ""


def test_a_gain_is_named_and_its_limits_with_it() -> None:
    kinds = [
        kind("encoder", seeds=[0, 1], macro_f1=0.5, change=(-0.04, -0.06, -0.02)),
        kind("masked_prompt", seeds=[0], macro_f1=0.05, change=(0.27, 0.22, 0.33)),
    ]
    document = usability_document(kinds, {})
    assert document.answer == "1 of 4 up, 1 down."
    assert "Helped: masked_prompt, shuffled in: +.270 [+.220, +.330]" in document.sentence
    assert "arm" not in document.caution
    assert "One seed for masked_prompt" in document.caution
    assert "On real text alone masked_prompt has hardly left chance" in document.caution
