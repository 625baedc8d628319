from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from emotion_kedro.measures.findings import accuracy_finding, describe_rows, finding
from emotion_kedro.measures.usability import findings_on_kind, predicted_labels, share_with_interval

BOOTSTRAP = {"samples": 200, "level": 0.95, "seed": 0}


def predictions(right: int, rows: int = 10) -> pd.DataFrame:
    """A table of two labels in which the first ``right`` of the rows are read rightly."""
    truth = ["joy" if row % 2 else "fear" for row in range(rows)]
    joy = [float((label == "joy") == (row < right)) for row, label in enumerate(truth)]
    return pd.DataFrame(
        {
            "record_id": [f"r{row}" for row in range(rows)],
            "label": truth,
            "source": "invented",
            "arm": "real",
            "seed": 3,
            "p_fear": [1 - share for share in joy],
            "p_joy": joy,
        }
    )


def test_a_finding_holds_what_json_can_hold() -> None:
    found = finding("S6", "EIT>EDFT", figure={"estimate": 0.5}, model="m", data="d", rows=4, seeds=[pd.Series([7])[0]])
    assert found == {
        **{"system": "S6", "name": "EIT>EDFT", "metric": "accuracy", "figure": {"estimate": 0.5}, "rows": 4},
        **{"seeds": [7], "model": "m", "data": "d", "note": ""},
    }
    assert type(found["seeds"][0]) is int


def test_rows_are_described_by_their_sources() -> None:
    records = pd.DataFrame({"source": ["eit"] * 1000 + ["edft"] * 234})
    assert describe_rows(records) == "edft + eit, 1,234 rows"


def test_the_accuracy_of_an_arm_becomes_a_finding() -> None:
    scores, found = accuracy_finding(
        *("S1", "tuned", predictions(7), ("fear", "joy")),
        groups=None,
        bootstrap=BOOTSTRAP,
        bins=5,
        model="m",
        data="d",
    )
    assert found["figure"] == scores["accuracy"]
    assert found["figure"]["estimate"] == pytest.approx(0.7)
    assert (found["rows"], found["seeds"]) == (10, [3])


def test_the_likeliest_label_is_read_off_the_columns() -> None:
    assert predicted_labels(predictions(1, rows=3)).tolist() == ["fear", "fear", "joy"]


def test_a_share_has_wilsons_interval() -> None:
    # Wilson 1927 by hand: n 10, 5 hits, z 1.959964: centre .5, half-width z * sqrt(.025 + z^2/400) / (1 + z^2/10).
    found = share_with_interval(5, 10)
    assert found["estimate"] == 0.5
    assert (found["low"], found["high"]) == (pytest.approx(0.23659, abs=1e-5), pytest.approx(0.76341, abs=1e-5))


def test_a_kind_reports_both_ways_and_every_arm() -> None:
    interval = {"estimate": 0.5, "low": 0.4, "high": 0.6, "level": 0.95, "samples": 10}
    arm: dict[str, Any] = {"accuracy": interval, "rows": 20, "seeds": [0, 1]}
    kind = {
        **{"kind": "encoder", "model": "m", "length": "9 steps", "train_rows": 50},
        "arms": {name: arm for name in ("real", "mixed", "continued", "synthetic")},
        "differences": {name: {"accuracy": interval, "rows": 20} for name in ("mixed", "continued")},
        "usability": {"real_to_synthetic_all": interval, "real_to_synthetic_kept": interval},
        "judged": {"all": 30, "kept": 10},
    }
    found = findings_on_kind(kind, "gpt2")
    assert [(one["system"], one["name"], one["rows"]) for one in found] == [
        ("S9", "encoder: real to synthetic", 30),
        ("S9", "encoder: synthetic to real", 20),
        ("S10", "encoder: real only", 20),
        ("S10", "encoder: mixed", 20),
        ("S10", "encoder: continued", 20),
        ("S10", "encoder: mixed minus real only", 20),
        ("S10", "encoder: continued minus real only", 20),
    ]
    assert {one["model"] for one in found} == {"m; generators gpt2"}
