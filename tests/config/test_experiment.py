"""What an experiment's file may say, and what is written out of it."""

from __future__ import annotations

from typing import Any

import pytest

from emotion_kedro.config.experiment import ArmConfig, DesignConfig, Experiment
from emotion_kedro.config.filters import NovelFilter
from emotion_kedro.config.loader import with_default
from emotion_kedro.config.resolution import resolve

INGESTION: dict[str, Any] = {
    "cleaning": ["collapse_space"],
    "sources": {"diary": {"file": "diary.csv", "text_column": "entry", "label_column": "mood"}},
}
TAXONOMIES: dict[str, Any] = {"moods": {"labels": {"glad": None, "low": {"words": ["low", "gloomy"]}}}}
WORDS = {"kind": "linear", "features": {"kind": "tfidf"}}
DIARY: dict[str, Any] = {
    "question": "Which mood was it?",
    "records": {"sources": ["diary"], "taxonomy": "moods", "cap": 50},
    "generators": {"template": {"kind": "template"}},
    "learners": {"words": WORDS},
    "arms": {"real": {}, "template": {"add": ["template"]}},
    "compare": [["template", "real"]],
}


def resolved(**changes: Any) -> Experiment:
    return resolve("diary", {**DIARY, **changes}, ingestion=INGESTION, taxonomies=TAXONOMIES)


def test_defaults_sources_and_taxonomy_are_written_out() -> None:
    experiment = resolved(arms={"real": {}, "template": {"add": ["template"], "filters": ["novel"]}})
    assert experiment.ingestion is not None
    assert list(experiment.ingestion.sources) == ["diary"]
    assert experiment.unification is not None
    assert experiment.unification.taxonomy.names == ("glad", "low")
    assert experiment.sampling is not None
    assert experiment.sampling.cap == 50
    assert experiment.filters == {"novel": NovelFilter().model_dump(mode="json")}
    assert experiment.design == DesignConfig()
    assert Experiment.model_validate(experiment.model_dump(mode="json")) == experiment


def test_labels_of_the_data_and_labels_written_out_are_taxonomies_too() -> None:
    of_data = resolved(records={"sources": ["diary"], "taxonomy": "from_data"})
    assert of_data.unification is not None
    assert of_data.unification.taxonomy == "from_data"
    assert of_data.ingestion is not None
    assert of_data.ingestion.known_labels is None
    written = resolved(records={"sources": ["diary"], "taxonomy": {"labels": {"up": None, "down": None}}})
    assert written.unification is not None
    assert written.unification.taxonomy.names == ("up", "down")


def test_a_label_that_the_experiment_maps_is_known() -> None:
    experiment = resolved(records={"sources": ["diary"], "taxonomy": "moods", "label_map": {"merry": "glad"}})
    assert experiment.unification is not None
    assert experiment.unification.label_map == {"merry": "glad"}
    assert experiment.ingestion is not None
    assert experiment.ingestion.known_labels == {"glad", "low", "merry"}


def test_where_a_source_names_its_label_set_no_other_matters() -> None:
    def known(source: dict[str, str], sets: dict[str, Any]) -> Any:
        sources = {"diary": {**INGESTION["sources"]["diary"], **source}}
        made = resolve("diary", DIARY, ingestion={**INGESTION, "sources": sources}, taxonomies={**TAXONOMIES, **sets})
        return made.ingestion.known_labels if made.ingestion else None

    wider: dict[str, Any] = {"wider": {"labels": {"glad": None, "calm": None}}}
    further = {**wider, "further": {"labels": {"one": None, "two": None}}}
    assert known({}, further) == {"glad", "low", "calm", "one", "two"}
    assert known({"taxonomy": "wider"}, wider) == known({"taxonomy": "wider"}, further) == {"glad", "low", "calm"}
    with pytest.raises(ValueError, match="taxonomy of the source diary has wide; did you mean wider"):
        known({"taxonomy": "wide"}, wider)


def test_the_experiments_own_spelling_of_a_label_stands_for_those_of_all_sets() -> None:
    reviews = {"reviews": {"labels": {"GLAD ": None, "poor": None}}}
    made = resolve("diary", DIARY, ingestion=INGESTION, taxonomies={**TAXONOMIES, **reviews})
    assert made.ingestion is not None
    assert made.ingestion.known_labels == {"glad", "low", "poor"}


def test_a_models_texts_are_cleaned_by_the_steps_that_all_sources_have_in_common() -> None:
    def steps(*own: list[str] | None) -> tuple[str, ...]:
        sources = {
            f"diary_{place}": {**INGESTION["sources"]["diary"], "cleaning": each} for place, each in enumerate(own)
        }
        ingestion = {"cleaning": ["unescape_html", "drop_links", "collapse_space"], "sources": sources}
        records = {**DIARY["records"], "sources": list(sources)}
        return resolve("diary", {**DIARY, "records": records}, ingestion=ingestion, taxonomies=TAXONOMIES).cleaning

    assert steps(None) == ("unescape_html", "drop_links", "collapse_space")
    assert steps(None, ["collapse_space", "lower", "unescape_html"]) == ("unescape_html", "collapse_space")
    assert steps(["lower", "collapse_space"], ["lower"]) == ("lower",)
    assert steps([], None) == ()


def test_a_source_may_stand_in_the_experiment() -> None:
    source = {"file": "/elsewhere/notes.jsonl", "text_column": "text", "label_column": "mood"}
    experiment = resolved(records={"sources": {"notes": source}, "taxonomy": "moods"})
    assert experiment.ingestion is not None
    assert list(experiment.ingestion.sources) == ["notes"]


def test_an_environment_takes_an_arm_away_by_null() -> None:
    experiment = resolved(arms={"real": {}, "template": None}, compare=[])
    assert list(experiment.arms) == ["real"]


def test_a_cap_of_null_takes_all_rows() -> None:
    experiment = resolved(records={"sources": ["diary"], "taxonomy": "moods", "cap": None})
    assert experiment.sampling is not None
    assert experiment.sampling.cap is None


def test_the_default_experiment_has_the_catalogs_entries_without_a_namespace() -> None:
    catalog = {"{experiment}.scores": {"filepath": "data/{experiment}/scores.parquet", "versioned": True}, "raw": {}}
    assert with_default(catalog) == {
        **catalog,
        "scores": {"filepath": "data/augment/scores.parquet", "versioned": True},
    }


def test_an_order_is_for_learners_that_take_steps() -> None:
    last = {"add": ["template"], "order": "continue"}
    arms = {"real": {}, "last": last}
    with pytest.raises(ValueError, match=r"arms\.last\.order is continue, and the learner words .* takes all rows at"):
        resolved(arms=arms, compare=[["last", "real"]])
    for few in ([], ["real"]):
        learners = {"words": {**WORDS, "only": {"arms": few}}}
        assert resolved(arms=arms, learners=learners, compare=[]).arms["last"].order == "continue"


def test_the_rows_of_one_source_are_no_draw_of_all_sources() -> None:
    arms = {"real": {}, "diary": {"rows": {"source": "diary"}}}
    assert resolved(arms=arms, compare=[]).arms["diary"].rows.source == "diary"
    with pytest.raises(ValueError, match=r"arms\.diary\.rows is one source, .* design\.sizes has to be 0, all rows"):
        resolved(arms=arms, compare=[], design={"sizes": [8]})
    arms["diary"]["sizes"] = [0]
    assert resolved(arms=arms, compare=[], design={"sizes": [8, 0]}).arms["diary"].sizes == (0,)


@pytest.mark.parametrize("order", ["begin", "continue"])
def test_rows_in_steps_of_their_own_have_no_weight_against_others(order: str) -> None:
    with pytest.raises(ValueError, match=f"augmentation_weight has no effect with order: {order}"):
        ArmConfig(add=("template",), order=order, augmentation_weight=5.0)
