from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml

from emotion_kedro.report.reference import KEYS, overview_page, reference_page, reference_table

REFERENCE = Path(__file__).parents[2] / "conf" / "base" / "reference.yml"
SYSTEMS = {
    "S1": {
        "title": "one",
        "experiments": ["invented"],
        "figures": [
            {"what": "real", "reference": ".5", "match": {"experiment": "invented", "arm": "real", "size": 50}},
            {"what": "absent", "reference": ".6", "match": {"experiment": "invented", "arm": "absent"}},
            {"what": "read", "reference": ".7", "match": {"experiment": "invented", "arm": "m", "metric": "fidelity"}},
        ],
    },
    "S2": {"title": "two", "remark": "no figure"},
}


@pytest.fixture
def quality() -> pd.DataFrame:
    names = ["experiment", "arm", "label", "metric", "value", "real", "texts"]
    return pd.DataFrame([("invented", "m", label, "fidelity", 0.8, 0.9, 5) for label in ("joy", "all")], columns=names)


def test_figures_are_joined_to_scores(scores: pd.DataFrame, quality: pd.DataFrame) -> None:
    table = reference_table(SYSTEMS, scores, quality)
    assert table["number"].tolist() == ["S1", "S1", "S1", "S2"]
    np.testing.assert_allclose(table["ours"], [0.6, np.nan, 0.8, np.nan])
    np.testing.assert_allclose(table["low"], [0.55, np.nan, np.nan, np.nan])
    assert reference_table(SYSTEMS, None)["ours"].isna().all()


def test_unknown_key_of_a_match(scores: pd.DataFrame) -> None:
    systems = {"S1": {"title": "one", "figures": [{"what": "x", "reference": "1", "match": {"arms": "real"}}]}}
    with pytest.raises(ValueError, match=r"S1: match has \['arms'\]"):
        reference_table(systems, scores)


def test_the_file_has_all_systems_and_known_keys() -> None:
    systems = yaml.safe_load(REFERENCE.read_text(encoding="utf-8"))
    assert list(systems) == [f"S{number}" for number in range(1, 21)]
    figures = [(entry, figure) for entry in systems.values() for figure in entry.get("figures", ())]
    assert len(figures) == 46
    for entry, figure in figures:
        match = figure.get("match", {})
        assert isinstance(figure["reference"], str)
        assert set(match) <= set(KEYS)
        assert not match or match["experiment"] in entry["experiments"]


def test_pages(scores: pd.DataFrame, comparisons: pd.DataFrame) -> None:
    page = reference_page(SYSTEMS, scores, None, "2026-01-01")
    assert "0.600" in page
    assert "no figure" in page
    overview = overview_page({"invented": scores, "absent": None}, {"invented": comparisons}, "2026-01-01")
    assert "invented: differences" in overview
    assert "absent" not in overview
