"""Draws of a design: what is written and measured for each, what is shared, and what no generator may see."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.augmentation import draws, generators
from emotion_kedro.augmentation.draws import (
    Draw,
    DrawContexts,
    Scoring,
    assert_written_for,
    draw_for,
    reviewed_candidates,
    score_draws,
)
from emotion_kedro.config.augmentation import GENERATORS, generator_config
from emotion_kedro.config.experiment import ArmConfig, DesignConfig
from emotion_kedro.config.filters import filter_configs
from emotion_kedro.config.models import learner_config
from emotion_kedro.data.leak_guard import LeakError
from emotion_kedro.data.splitting import UNGROUPED
from emotion_kedro.pipelines import generation, synthesis
from emotion_kedro.pipelines.synthesis.nodes import draw_candidates, score_candidates
from emotion_kedro.schemas.candidates import Candidates, ScoredCandidates

TRAINING = {"steps": 2, "batch_size": 4, "learning_rate": 1e-3}
LINEAR = {"kind": "linear", "features": {"kind": "characters", "width": 256}, "penalties": [0.01]}
DECODING = {"min_new_tokens": 3, "max_new_tokens": 6, "batch_size": 4}
TUNED = {"base": "nobody", "training": TRAINING, "decoding": DECODING, "max_tokens": 24, "texts": 4}
SETTINGS: dict[str, dict[str, Any]] = {
    "fine_tuned": {**TUNED, "unlabelled": TRAINING},
    "conditional": TUNED,
    "prompted": {"base": "nobody", "request": "Say {label}."},
    "self_training": {"learner": LINEAR},
}
ALL = [Draw(3, 0), Draw(6, 0), Draw(3, 1), Draw(6, 1)]


def config_of(kind: str, **changes: Any) -> Any:
    return generator_config({"kind": kind, "texts": 4, **SETTINGS.get(kind, {}), **changes})


def test_candidates_of_every_draw_have_ids_of_their_own(contexts: DrawContexts) -> None:
    table = draw_for("again", config_of("oversampling"), contexts, ALL)
    Candidates.validate(table)
    assert table.groupby(["size", "data_seed"], sort=False).size().to_dict() == {(d.size, d.data_seed): 16 for d in ALL}
    assert table["candidate_id"].str.fullmatch(r"again:\w+:[36]:[01]:[1-4]:[0-9a-f]{8}").all()
    pd.testing.assert_frame_equal(draw_for("again", config_of("oversampling"), contexts, ALL), table)
    Candidates.validate(draw_for("again", config_of("oversampling"), contexts, []))


def test_sizes_share_what_was_written_for_the_rows_that_they_share(contexts: DrawContexts) -> None:
    table = draw_for("again", config_of("oversampling", rows=3), contexts, ALL)
    texts = {
        draw: table.loc[(table["size"] == draw.size) & (table["data_seed"] == draw.data_seed), "text"].tolist()
        for draw in ALL
    }
    assert texts[Draw(3, 0)] == texts[Draw(6, 0)] != texts[Draw(3, 1)]


def test_further_rows_are_the_next_of_the_same_subsample(contexts: DrawContexts) -> None:
    context = contexts.context(Draw(3, 1), config_of("more_real"))
    both = pd.concat([context.rows, context.further_rows])["record_id"]
    larger = contexts.rows(Draw(7, 1))["record_id"]
    assert sorted(both) == sorted(larger)
    whole = replace(contexts, design=DesignConfig())
    assert whole.context(whole.draws()[0], config_of("more_real")).further_rows.empty
    assert whole.rows(whole.draws()[0])["record_id"].tolist() != []


# --- scores -------------------------------------------------------------------------------------------------------


def scoring_of(filters: dict[str, Any] | None = None, **arms: dict[str, Any]) -> Scoring:
    configs = {name: ArmConfig.model_validate({"add": ["again"], **arm}) for name, arm in arms.items()}
    return Scoring(configs, filter_configs(filters or {}), {"linear": learner_config(LINEAR)})


def test_the_classifier_is_fitted_once_a_draw_and_only_where_an_arm_asks(
    contexts: DrawContexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[tuple[int, int]] = []
    fit = draws.fit_agreement_classifier

    def counted(rows: pd.DataFrame, *given: Any, **named: Any) -> Any:
        fitted.append((len(rows), named["seed"]))
        return fit(rows, *given, **named)

    monkeypatch.setattr(draws, "fit_agreement_classifier", counted)
    table = draw_for("again", config_of("oversampling"), contexts, ALL)
    plain = score_draws(table, contexts, scoring_of(novel={"filters": ["novel"]}))
    assert fitted == []
    assert (plain["train_similarity"] == 1.0).all()
    arms = {
        "agreed": {"filters": ["label_agreement"], "sizes": [6]},
        "weighted": {"weights": "agreement", "sizes": [6]},
    }
    scored = score_draws(table, contexts, scoring_of(**arms))
    ScoredCandidates.validate(scored)
    assert fitted == [(24, 1000), (24, 1000)]
    assert scored["probability"].notna().tolist() == (scored["size"] == 6).tolist()
    # Two words of a text give its label away, and the classifier has seen these very texts.
    read = scored[scored["size"] == 6]
    assert (read["predicted"] == read["label"]).mean() > 0.9
    np.testing.assert_array_equal(
        score_draws(table, contexts, scoring_of(**arms))["probability"], scored["probability"]
    )
    assert len(fitted) == 2


def test_one_classifier_reads_for_all_filters() -> None:
    stricter = {"strict": {"kind": "label_agreement", "tau": 0.9}}
    used = {"filters": ["label_agreement", "strict"]}
    assert scoring_of(stricter, one=used).agreement.seed == 1000
    other = {"strict": {"kind": "label_agreement", "seed": 7}}
    with pytest.raises(ValueError, match="may differ in tau only"):
        _ = scoring_of(other, one=used).agreement
    assert scoring_of(other, one={"filters": ["strict"]}).agreement.seed == 7
    with pytest.raises(ValueError, match="differ in shingle"):
        _ = scoring_of({"n": {"kind": "novel", "shingle": 3}}, one={"filters": ["n", "novel"]}).shingle


# --- leaks --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["test", "validation", "near-duplicate"])
@pytest.mark.parametrize("kind", list(GENERATORS))
def test_no_generator_sees_a_held_out_row(
    kind: str, what: str, contexts: DrawContexts, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The guard comes before the work: a generator that is fitted at all has failed the test."""
    monkeypatch.setattr(generators, "_implementation", lambda _: pytest.fail("a generator was shown a held-out row"))
    held_out = contexts.split_records[contexts.split_records["split"] == ("test" if what == "test" else "validation")]
    row = held_out.iloc[[5]].assign(record_id="planted:0")
    if what == "near-duplicate":
        row = row.assign(text="in words that are nowhere else")
    else:
        row = row.assign(text=row["text"].str.upper() + " ...", group=10_000)
    config = config_of(kind)
    context = contexts.context(Draw(3, 0), config)
    places = {"rows": "the train rows of the generator g"}
    if config.reads_unlabelled:
        places["unlabelled"] = "the unlabelled texts of the generator g"
    if config.reads_further_rows:
        places["further_rows"] = "the further real rows of the generator g"
    for place, description in places.items():
        planted = replace(context, **{place: pd.concat([getattr(context, place), row], ignore_index=True)})
        with pytest.raises(LeakError, match=f"held-out record .* stands in {description}"):
            generators.draw_candidates(config, planted, name="g")
        if config.needs_training:
            with pytest.raises(LeakError, match=f"stands in {description}"):
                generators.train_generator(config, planted, name="g")


@pytest.mark.parametrize("learns", ["filter", "self_training"])
def test_no_classifier_of_candidates_sees_a_held_out_row(learns: str, contexts: DrawContexts) -> None:
    row = contexts.split_records[contexts.split_records["split"] == "test"].iloc[[5]]
    row = row.assign(record_id="planted:0")
    leaky = replace(contexts, split_records=pd.concat([contexts.split_records, row.assign(split="train")]))
    if learns == "filter":
        table = draw_for("again", config_of("oversampling"), contexts, ALL[:1])
        scoring = scoring_of(one={"filters": ["label_agreement"]})
        draw = Draw(0, 0)
        table = table.assign(size=draw.size, data_seed=draw.data_seed)
        with pytest.raises(LeakError, match="stands in the rows of the filter"):
            score_draws(table, leaky, scoring)
    else:
        context = replace(contexts.context(ALL[0], config_of("self_training")), rows=leaky.train)
        fitted = GENERATORS["self_training"].load()(config_of("self_training")).fit(context)
        with pytest.raises(LeakError, match="stands in the rows of the classifier of self-training"):
            fitted.sample("joy", 3, 0)


def test_unlabelled_texts_that_copy_held_out_ones_are_left_out(contexts: DrawContexts) -> None:
    held = str(contexts.split_records.loc[contexts.split_records["split"] == "test", "text"].iloc[3])
    texts = pd.DataFrame(
        {
            "record_id": ["u:1", "u:2", "u:3"],
            "text": [held.upper(), "something else", "for the end"],
            "group": ["a", "b", "c"],
        }
    ).assign(split=["train", "train", "test"])
    assert replace(contexts, unlabelled_texts=texts).unlabelled["record_id"].tolist() == ["u:2"]
    # Of a plain split the rows may stand on both sides, other texts may not.
    plain = replace(contexts, split_records=contexts.split_records.assign(group=UNGROUPED), unlabelled_texts=texts)
    assert plain.unlabelled["record_id"].tolist() == ["u:2"]
    assert len(contexts.unlabelled) == 60


# --- pipelines ----------------------------------------------------------------------------------------------------


def test_the_stages_have_a_node_for_each_generator(tiny_gpt2: Path) -> None:
    configs = {
        "kept": config_of("fine_tuned", base=str(tiny_gpt2)),
        "drawn": config_of("conditional", base=str(tiny_gpt2)),
        "again": config_of("oversampling"),
    }
    trained = generation.create_pipeline(configs, ["kept", "again"], unlabelled=True)
    assert [node.name for node in trained.nodes] == ["generator.kept.train_kept"]
    assert trained.all_outputs() == {"generator.kept.model", "generator.kept.log"}
    assert "unlabelled_texts" in trained.inputs()
    drawing = synthesis.create_pipeline(configs, ["kept"])
    assert {node.name for node in drawing.nodes} == {
        *(f"generator.{name}.draw_{name}" for name in configs),
        "generator.score_candidates",
    }
    assert "generator.kept.model" in drawing.inputs()
    assert "generator.drawn.model" not in drawing.inputs()
    assert drawing.outputs() == {"candidates"}
    assert not synthesis.create_pipeline({}).nodes


def test_the_nodes_take_parameters_as_they_come(
    split: pd.DataFrame,
    contexts: DrawContexts,
    tiny_gpt2: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from emotion_kedro.pipelines.generation.nodes import train_generator

    raw = {
        "kept": config_of("fine_tuned", base=str(tiny_gpt2), unlabelled=None).model_dump(mode="json"),
        "named": {"kind": "template"},
    }
    arms = {"both": {"add": ["kept", "named"], "filters": ["novel", "label_agreement"]}}
    design = {"validation_rows": 4}
    taxonomy = contexts.taxonomy.model_dump(mode="json")
    common = (design, "cpu", str(tmp_path / "cache"))
    model, log = train_generator(split, taxonomy, raw["kept"], *common, name="kept")  # type: ignore[arg-type]
    assert [entry["label"] for entry in log] == list(contexts.taxonomy.names)
    directory = tmp_path / "model"
    directory.mkdir()
    model.save(directory)
    kept = draw_candidates(split, taxonomy, raw["kept"], [None], *common, directory, name="kept")  # type: ignore[arg-type]
    named = draw_candidates(split, taxonomy, raw["named"], [None], *common, name="named")  # type: ignore[arg-type]
    scored = score_candidates(split, taxonomy, raw, arms, {}, {"linear": LINEAR}, *common, kept, named)  # type: ignore[arg-type]
    ScoredCandidates.validate(scored)
    assert len(scored) == len(kept) + len(named)
    assert scored.loc[scored["generator"] == "named", "probability"].isna().all()
    assert scored.loc[scored["generator"] == "kept", "probability"].notna().all()
    # What a person edited stays a candidate of its draw.
    text, label = str(kept["text"].iloc[0]), str(kept["label"].iloc[0])
    decision = {"decision": "edit", "edited_text": "what they meant", "time": "2026-01-01T00:00:00"}
    reviews = pd.DataFrame([{"text": text, "label": label, **decision}]).astype("str")
    edited = reviewed_candidates(contexts, kept, reviews)
    assert edited["text"].iloc[0] == "what they meant"
    assert_written_for(contexts, edited)
    held_out = str(split.loc[split["split"] == "test", "text"].iloc[0])
    copied = reviewed_candidates(contexts, kept, reviews.assign(edited_text=f"{held_out}s"))
    assert copied["candidate_id"].tolist() == kept["candidate_id"].tolist()[1:]
    with pytest.raises(LeakError, match="was not written for"):
        assert_written_for(contexts, edited.assign(text=kept["text"]))
    # Other code: what was made from the same rows still is.
    monkeypatch.setattr("emotion_kedro.storage.identity._code", lambda: "of tomorrow")
    draw_candidates(split, taxonomy, raw["kept"], [None], *common, directory, name="kept")  # type: ignore[arg-type]
    assert_written_for(contexts, kept)
    # A new split: what yesterday's rows made is neither sampled from, nor scored.
    train = split["split"] == "train"
    changed = split.drop(split.index[train][:1])
    with pytest.raises(LeakError, match=r"generator kept in .* was trained on other rows .*--pipelines=<experiment>"):
        draw_candidates(changed, taxonomy, raw["kept"], [None], *common, directory, name="kept")  # type: ignore[arg-type]
    with pytest.raises(LeakError, match=r"candidate kept:\S+ was not written for .*--pipelines=<experiment>"):
        score_candidates(changed, taxonomy, raw, arms, {}, {"linear": LINEAR}, *common, kept, named)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="the design has 4 draws"):
        train_generator(split, taxonomy, raw["kept"], contexts.design, *common[1:], name="kept")
