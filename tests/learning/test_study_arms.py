from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from study_pieces import ASKED, options_of, split_of, study_of, written

from emotion_kedro.learning.device import Device
from emotion_kedro.learning.study import arms
from emotion_kedro.learning.study.arms import Material, compose, joined, weighed

SIZE, ADDED, WORTH = 6, 4, 5.0
Build = Callable[..., Material]


@pytest.fixture
def material(records: pd.DataFrame, cpu: Device, tmp_path: Path) -> Build:
    def build(**changes: Any) -> Material:
        study = study_of(split_of(records), options_of(tmp_path, **changes), cpu)
        return study.material(SIZE, 0)

    return build


def added(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["origin"] == "added"]


def reading(material: Material, says: dict[str, list[float]]) -> None:
    """Let the filter of a cell give these probabilities, in the order of the labels."""
    material.__dict__["_filter"] = lambda texts: np.array([says[text] for text in texts])
    object.__setattr__(material, "features", lambda texts: list(texts))


@pytest.mark.parametrize("arm", list(options_of(Path("nowhere")).arms))
def test_no_arm_touches_a_real_row_and_added_rows_of_a_label_weigh_alike(arm: str, material: Build) -> None:
    cell = material()
    table = compose(arm, cell)
    real = table[table["origin"] == "real"]
    assert list(table) == ["text", "label", "weight", "origin"]
    assert real[["text", "label"]].to_numpy().tolist() == cell.rows[["text", "label"]].to_numpy().tolist()
    assert (real["weight"] == 1.0).all()
    new = added(table)
    assert (new["weight"] > 0).all()
    if arm == "real":
        assert new.empty
        return
    weights = new.groupby("label")["weight"].sum()
    assert set(weights.index) <= set(cell.labels)
    if arm == "more_real":
        assert weights.tolist() == [ADDED] * 4
    else:
        np.testing.assert_allclose(weights, WORTH, rtol=1e-12)
    assert (new.groupby("label").size() <= ADDED + (arm == "asked_template")).all()
    pd.testing.assert_frame_equal(compose(arm, material()), table)


def test_oversampling_repeats_rows_of_the_cell_as_many_of_each_label(material: Build) -> None:
    cell = material()
    new = added(compose("oversampled", cell))
    assert new["label"].value_counts().to_dict() == dict.fromkeys(cell.labels, ADDED)
    own = set(cell.rows[["text", "label"]].itertuples(index=False, name=None))
    assert set(new[["text", "label"]].itertuples(index=False, name=None)) <= own


def test_eda_moves_words_of_rows_of_the_cell(material: Build) -> None:
    cell = material()
    new = added(compose("eda", cell))
    assert new["label"].value_counts().to_dict() == dict.fromkeys(cell.labels, ADDED)
    words = {label: set(" ".join(rows["text"]).split()) for label, rows in cell.rows.groupby("label")}
    assert all(set(row.text.split()) <= words[row.label] for row in new.itertuples())


def test_the_template_says_each_label_once(material: Build) -> None:
    template = {"sentence": "I feel {label}", "words": dict.fromkeys(("anger", "fear", "joy", "sadness"), "it")}
    new = added(compose("template", material(template={**template, "words": {**template["words"], "joy": "glad"}})))
    assert new.set_index("label")["text"].to_dict() == {
        **dict.fromkeys(("anger", "fear", "sadness"), "I feel it"),
        "joy": "I feel glad",
    }


def test_more_real_rows_are_the_next_of_the_same_draw_and_count_as_such(material: Build) -> None:
    cell = material()
    table = compose("more_real", cell)
    larger = cell.draw.rows(SIZE + ADDED)
    assert sorted(table["text"]) == sorted(larger["text"])
    assert set(table["weight"]) == {1.0}
    none_left = replace(cell, size=24)
    assert added(compose("more_real", none_left)).empty


def test_a_writers_texts_come_in_its_order_up_to_the_number_of_added_rows(material: Build) -> None:
    cell = material()
    new = added(compose("asked", cell))
    expected = cell.written("asked").groupby("label").head(ADDED)
    assert new[["text", "label"]].to_numpy().tolist() == expected[["text", "label"]].to_numpy().tolist()
    assert set(new["weight"]) == {WORTH / ADDED}


def test_self_training_takes_the_surest_unlabelled_texts_of_each_label(material: Build) -> None:
    cell = material()
    own = str(cell.rows["text"].iloc[0])
    texts = [f"text {number}" for number in range(8)]
    sure = {text: [0.02 * number, 0, 0, 1 - 0.02 * number] for number, text in enumerate(texts[:6])}
    says = {**sure, texts[6]: [0.9, 0.1, 0, 0], texts[7]: [0.3, 0.4, 0.2, 0.1], own: [1.0, 0, 0, 0]}
    cell = replace(cell, unlabelled=pd.DataFrame({"text": [own, *texts], "group": 10_000}))
    reading(cell, says)
    new = added(compose("self_trained", cell))
    assert new.loc[new["label"] == "sadness", "text"].tolist() == texts[:ADDED]
    assert new.loc[new["label"] == "anger", "text"].tolist() == [texts[6]]
    assert new.loc[new["label"] == "fear", "text"].tolist() == [texts[7]]
    np.testing.assert_allclose(new.groupby("label")["weight"].sum(), WORTH)


def test_the_filter_knows_the_rows_of_the_cell_and_the_template_alone(
    material: Build, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[dict[str, Any]] = []
    fit = arms.fit_heads

    def listen(features: Any, targets: Any, weights: Any, **options: Any) -> Any:
        seen.append({"rows": len(features), "weight": weights.sum(), "seeds": options["seeds"]})
        return fit(features, targets, weights, **options)

    monkeypatch.setattr(arms, "fit_heads", listen)
    cell = material()
    for arm in ("asked_agreed", "asked_weighted", "self_trained"):
        compose(arm, cell)
    assert seen == [{"rows": 4 * (SIZE + 1), "weight": 4 * (SIZE + WORTH), "seeds": (1000,)}]


@pytest.mark.parametrize(("tau", "kept"), [(0.0, [True, False, True]), (0.5, [True, False, False])])
def test_agreed_keeps_what_the_filter_reads_as_its_label(material: Build, tau: float, kept: list[bool]) -> None:
    cell = material(filter={"min_words": 1, "max_repetition": 1.0, "tau": tau})
    says = {"sure": [0.1, 0.8, 0.1, 0.0], "other": [0.5, 0.4, 0.1, 0.0], "likeliest": [0.3, 0.4, 0.2, 0.1]}
    reading(cell, says)
    table = pd.DataFrame({"text": list(says), "label": "fear"})
    assert arms.CHECKS["agreed"](table, cell).tolist() == kept


def test_novel_keeps_neither_copies_nor_duplicates_nor_scraps(material: Build) -> None:
    cell = material(filter={"min_words": 3, "max_repetition": 0.5, "tau": 0.0})
    own = str(cell.rows["text"].iloc[0])
    texts = {
        own: False,
        own.upper(): False,
        " ".join(own.split()[:6]): False,
        "quite another thing to say": True,
        "quite another thing to say!": False,
        "too short": False,
        "so so so so so so so so": False,
        "a second thing altogether": True,
    }
    table = pd.DataFrame({"text": list(texts), "label": "joy"})
    assert arms.CHECKS["novel"](table, cell).tolist() == list(texts.values())
    # Duplicates are looked for within a label: which of two labels were right, nobody could say.
    twice = pd.DataFrame({"text": ["a second thing altogether"] * 2, "label": ["joy", "fear"]})
    assert arms.CHECKS["novel"](twice, cell).tolist() == [True, True]


def test_checks_come_before_the_number_and_both_have_to_pass(material: Build) -> None:
    cell = material(arms={"both": {"says": "", "add": ["asked"], "keep": ["agreed", "novel"]}})
    texts = [f"{letter * 9} {letter * 5}" for letter in "abcdef"]
    says = {text: [0.7, 0.1, 0.1, 0.1] for text in texts}
    says[texts[1]] = [0.1, 0.7, 0.1, 0.1]
    table = pd.DataFrame({"text": [texts[0], *texts], "label": "anger"})
    cell = replace(cell, written=lambda _: table)
    reading(cell, says)
    new = added(compose("both", cell))
    assert new["text"].tolist() == [texts[0], *texts[2:5]]
    assert new["weight"].tolist() == [WORTH / 4] * 4


def test_agreement_weighs_in_proportion(material: Build) -> None:
    cell = material()
    table = pd.DataFrame({"text": ["one", "two", "three"], "label": ["anger", "anger", "fear"]})
    cell = replace(cell, written=lambda _: table)
    reading(cell, {"one": [0.6, 0.4, 0, 0], "two": [0.2, 0.8, 0, 0], "three": [0.9, 0.1, 0, 0]})
    assert added(compose("asked_weighted", cell))["weight"].tolist() == pytest.approx([3.75, 1.25, 5.0])


def test_full_rows_weigh_one_or_what_the_filter_gives_them(material: Build) -> None:
    full = {"says": "", "add": ["asked"], "full": True}
    cell = material(arms={"full": full, "full_weighted": {**full, "weigh": "agreement"}})
    table = pd.DataFrame({"text": ["one", "two"], "label": ["anger", "fear"]})
    cell = replace(cell, written=lambda _: table)
    reading(cell, {"one": [0.6, 0.4, 0, 0], "two": [0.2, 0.8, 0, 0]})
    assert added(compose("full", cell))["weight"].tolist() == [1.0, 1.0]
    assert added(compose("full_weighted", cell))["weight"].tolist() == [0.6, 0.8]


def test_sources_share_what_the_added_rows_are_worth(material: Build) -> None:
    cell = material(arms={"shared": {"says": "", "add": ["asked", "template"], "worth": 8.0, "weigh": "agreement"}})
    new = added(compose("shared", cell))
    sentences = new["text"].str.startswith("This text expresses")
    assert new.loc[sentences, "weight"].tolist() == [4.0] * 4
    np.testing.assert_allclose(new[~sentences].groupby("label")["weight"].sum(), 4.0)


def test_real_rows_stand_in_for_labels_of_which_no_check_leaves_a_text(material: Build) -> None:
    cell = material()
    cell = replace(cell, written=lambda _: pd.DataFrame({"text": ["odd", "even"], "label": ["joy", "fear"]}))
    reading(cell, {"odd": [1.0, 0, 0, 0], "even": [1.0, 0, 0, 0]})
    table = compose("asked_agreed", cell)
    assert added(table).empty
    np.testing.assert_allclose(table["weight"], 1.0 + WORTH / (len(table) / 4))
    texts = pd.DataFrame({"text": ["odd", "even"], "label": ["joy", "fear"]})
    half = replace(cell, written=lambda _: texts)
    reading(half, {"odd": [0, 0, 1.0, 0], "even": [1.0, 0, 0, 0]})
    one = compose("asked_agreed", half)
    assert added(one)["label"].tolist() == ["joy"]
    totals = one.groupby("label")["weight"].sum()
    np.testing.assert_allclose(totals, totals.iloc[0])
    both = compose("asked_template", replace(cell, written=lambda _: cell.written("asked").head(0)))
    assert added(both)["weight"].tolist() == [WORTH / 2] * 4


def test_an_arm_is_an_entry_in_the_options(material: Build) -> None:
    """Two writers and the template, one check, another worth: nothing but options."""
    asked = {"says": "", "add": ["asked", "also_asked", "template"], "keep": ["novel"], "worth": 9.0}
    cell = material(writers={"asked": ASKED, "also_asked": {**ASKED, "texts": 3}}, arms={"new": asked})
    own = {"asked": written(cell.labels, number=1), "also_asked": written(cell.labels, number=50, texts=3)}
    new = added(compose("new", replace(cell, written=own.__getitem__)))
    assert new["label"].value_counts().to_dict() == dict.fromkeys(cell.labels, 4 + 2 + 1)
    np.testing.assert_allclose(new.groupby("label")["weight"].sum(), 9.0)
    # Of the second writer's three texts one is a duplicate.
    np.testing.assert_allclose(new["weight"].unique(), [3 / 4, 3 / 2, 3.0])


def test_a_source_is_a_function_under_its_name(material: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(arms.SOURCES, "eda", lambda cell: pd.DataFrame({"text": ["hello"], "label": [cell.labels[0]]}))
    assert added(compose("eda", material()))["text"].tolist() == ["hello"]


def test_weights_and_tables_without_rows() -> None:
    empty = pd.DataFrame({"text": pd.Series([], dtype="str"), "label": pd.Series([], dtype="str")})
    assert weighed(empty, 3.0)["weight"].dtype == np.float64
    rows = pd.DataFrame({"text": ["a"], "label": ["x"], "record_id": ["1"]})
    table = joined(rows, weighed(empty, 3.0))
    assert table.to_numpy().tolist() == [["a", "x", 1.0, "real"]]
