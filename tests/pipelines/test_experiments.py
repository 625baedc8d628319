"""Every experiment, end to end on the sample with tiny models: what it leaves for its question."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import yaml
from project_folder import ROOT, Project

from emotion_kedro.config.evaluation import EvaluationConfig
from emotion_kedro.metrics.scores import score_table
from emotion_kedro.report.reference import reference_table

pytestmark = pytest.mark.slow
together = pytest.mark.xdist_group("experiments")
on_augment = pytest.mark.xdist_group("augment")

REPORTING = "08_reporting"
RESULTS = f"{REPORTING}/results"
STUDIES = ("study_dair", "study_chnsenticorp")
PROMPTS = ("causal_prompt", "masked_prompt", "lexicon", "few_rows", "cross_dataset", "goemotions")
CHINESE = ("chnsenticorp", "chnsenticorp_report_rows", "ocemotion_report_rows")
ANALYSES = ("attributions", "rounds", "label_noise", "out_of_domain")
LEARNERS = {
    "causal_prompt": {"untuned", "untuned, free", "calibrated", "tuned", "tuned, free"},
    "masked_prompt": {"untuned", "untuned, free", "epochs_1", "epochs_3", "epochs_3, free"},
    "lexicon": {"plain", "label_words", "mined_words"},
    "few_rows": {"linear", "linear_labels", "contrastive", "encoder"},
    "cross_dataset": {"classifier"},
    "goemotions": {"encoder"},
    "chnsenticorp": {"masked_lm", "head"},
    "chnsenticorp_report_rows": {"epochs_3", "head"},
    "ocemotion_report_rows": {"epochs_3", "epochs_5", "head"},
}
ARMS = {
    "cross_dataset": {"eit", "edft", "eabot", "all"},
    "few_rows": {"real", "words"},
    "attributions": {"real"},
    "rounds": {"round_0", "round_1", "round_2"},
    "out_of_domain": {"real", "widened"},
}


@pytest.fixture(scope="module")
def done(new_project: Callable[[], Project]) -> Project:
    """A project in which they have run in one process: starting one takes longer than most of them."""
    project = new_project()
    project.kedro("run", f"--pipelines={','.join([*PROMPTS, *CHINESE, *ANALYSES, *STUDIES])}")
    return project


@pytest.fixture(scope="module")
def usable(augmented: tuple[Project, str]) -> Project:
    """The project of the default experiment, with those that work on its tables, and the pages over all."""
    project, _ = augmented
    project.kedro("run", "--pipelines=tstr,search")
    project.kedro("run", "--pipelines=report,overview")
    return project


def scores(project: Project, experiment: str) -> pd.DataFrame:
    """Return the scores without those of the baselines, which every experiment with arms has."""
    table = project.csv(f"{RESULTS}/{experiment}.csv")
    assert (table["experiment"] == experiment).all()
    accuracy = table[table["metric"] == "accuracy"]
    assert accuracy["value"].between(accuracy["low"], accuracy["high"]).all()
    return table[table["arm"] != "baseline"]


def compared(project: Project, experiment: str) -> set[tuple[str, str]]:
    table = project.csv(f"{RESULTS}/{experiment}_comparisons.csv")
    return set(zip(table["first"], table["second"], strict=True))


def pairs(*learners: tuple[str, str]) -> set[tuple[str, str]]:
    return {(f"real/{first}", f"real/{second}") for first, second in learners}


def analysis(project: Project, name: str) -> dict[str, pd.DataFrame]:
    """Return the tables of the analysis after which its experiment is named."""
    folder = project.path / "data" / REPORTING / name / name
    return {file.stem: pd.read_parquet(file) for file in folder.glob("*.parquet")}


# --- learners, sources, languages -----------------------------------------------------------------------------------


@together
@pytest.mark.parametrize("experiment", [*PROMPTS, *CHINESE])
def test_every_learner_has_scores_and_a_page(experiment: str, done: Project) -> None:
    table = scores(done, experiment)
    assert set(table["learner"]) == LEARNERS[experiment]
    assert set(table["arm"]) == ARMS.get(experiment, {"real"})
    page = (done.path / f"data/{REPORTING}/{experiment}/report.html").read_text(encoding="utf-8")
    assert all(learner in page for learner in LEARNERS[experiment])


@together
@pytest.mark.parametrize(
    ("experiment", "expected"),
    [
        ("causal_prompt", pairs(("calibrated", "untuned"), ("tuned", "untuned"))),
        ("masked_prompt", pairs(("epochs_3", "epochs_1"))),
        ("lexicon", pairs(("label_words", "plain"), ("mined_words", "plain"))),
        ("chnsenticorp", pairs(("masked_lm", "head"))),
        ("chnsenticorp_report_rows", pairs(("epochs_3", "head"))),
        ("ocemotion_report_rows", pairs(("epochs_5", "epochs_3"), ("epochs_3", "head"))),
        ("goemotions", set()),
    ],
)
def test_learners_are_compared_as_the_experiment_says(
    experiment: str, expected: set[tuple[str, str]], done: Project
) -> None:
    assert compared(done, experiment) == expected


@together
def test_a_free_answer_is_a_label_or_nothing_and_has_no_probabilities(done: Project) -> None:
    table = done.table(f"{REPORTING}/causal_prompt/predictions.parquet")
    free, read = (table[table["learner"] == learner] for learner in ("untuned, free", "untuned"))
    labels = set(table["label"])
    assert set(free["predicted"]) <= {"", *labels}
    assert set(read["predicted"]) <= labels
    assert (free.filter(regex="^p_") == 0).all(axis=None)
    metrics = scores(done, "causal_prompt").groupby("learner")["metric"].agg(set)
    assert metrics["untuned"] >= {"accuracy", "macro_f1", "log_loss"}


@together
def test_seeds_are_those_of_the_design_and_untuned_models_have_one(done: Project) -> None:
    lexicon = done.table(f"{REPORTING}/lexicon/runs.parquet")
    assert set(lexicon["seed"]) == {0, 1}
    assert (lexicon.groupby("learner")["seed"].nunique() == 2).all()
    runs = done.table(f"{REPORTING}/causal_prompt/runs.parquet")
    assert set(zip(runs["learner"], runs["seed"], runs["steps"], strict=True)) == {
        *(("untuned", 0, 0), ("calibrated", 0, 0), ("tuned", 0, 4), ("tuned", 1, 4))
    }


@together
def test_every_arm_of_one_source_is_tested_on_each(done: Project) -> None:
    table = scores(done, "cross_dataset")
    sources = {"eit", "edft", "eabot", "all"}
    assert set(zip(table["arm"], table["source"], strict=True)) == {(arm, on) for arm in sources for on in sources}
    for source in sources - {"all"}:
        rows = done.table(f"07_synthetic/cross_dataset/rows/{source}.parquet")
        records = done.table("05_model_input/cross_dataset/split_records.parquet")
        own = set(records.loc[(records["split"] == "train") & (records["source"] == source), "text"])
        assert set(rows["text"]) == own


@together
def test_few_rows_are_of_the_official_split_and_words_join_them(done: Project) -> None:
    records = done.table("05_model_input/few_rows/split_records.parquet")
    assert records["split"].value_counts().to_dict() == {"train": 48, "test": 24, "validation": 18}
    rows = done.table("07_synthetic/few_rows/rows/words.parquet")
    added = rows[(rows["origin"] == "added") & (rows["size"] == 3) & (rows["data_seed"] == 0)]
    assert added["label"].value_counts().to_dict() == dict.fromkeys(set(records["label"]), 15)
    assert "i feel happy" in set(added["text"])
    runs = done.table(f"{REPORTING}/few_rows/runs.parquet").groupby("learner")["size"].agg(set)
    assert (runs["linear"], runs["contrastive"]) == ({0, 3}, {3})
    assert compared(done, "few_rows") >= {("words/contrastive", "words/encoder"), ("real/linear_labels", "real/linear")}


@together
def test_the_reports_rows_are_its_rows(done: Project) -> None:
    records = done.table("05_model_input/chnsenticorp_report_rows/split_records.parquet")
    test = records[records["split"] == "test"]
    assert len(test) == 40
    assert test["record_id"].str.rsplit(":", n=1).str[1].astype(int).between(101, 140).all()
    texts = done.document("06_models/chnsenticorp_report_rows/base_logs/characters.json")["texts"]
    train = int((records["split"] == "train").sum())
    assert texts > train, "the base reads unlabelled text too"


@together
def test_chinese_is_asked_in_chinese(done: Project) -> None:
    prompt = (done.newest("06_models/ocemotion_report_rows/classifier/real") / "prompt.json").read_text(
        encoding="utf-8"
    )
    assert "请分析" in json.loads(prompt)["question"]
    assert (done.newest("06_models/chnsenticorp/base/characters") / "model.safetensors").is_file()


@together
def test_goemotions_has_its_28_labels(done: Project) -> None:
    taxonomy = done.document("03_primary/goemotions/taxonomy.json")
    assert len(taxonomy["labels"]) == 28
    confusion = done.table(f"{REPORTING}/goemotions/label_scores.parquet")
    assert set(confusion["label"]) <= set(taxonomy["labels"])


# --- analyses -------------------------------------------------------------------------------------------------------


@together
@pytest.mark.parametrize(
    ("experiment", "tables"),
    [
        ("attributions", {"accuracy", "completeness", "concentration", "differences", "heaviest_words", "words"}),
        ("rounds", {"rounds", "uncertain", "candidates"}),
        ("label_noise", {"agreement", "keyword_rule", "label_pairs", "learned_rules", "merging_scores"}),
        ("out_of_domain", {"shares", "figures", "certainties", "extremes", "typical_words"}),
    ],
)
def test_an_analysis_leaves_its_tables_and_they_are_on_the_page(
    experiment: str, tables: set[str], done: Project
) -> None:
    left = analysis(done, experiment)
    assert set(left) >= tables
    assert not [name for name in tables if left[name].empty]
    page = (done.path / f"data/{REPORTING}/{experiment}/report.html").read_text(encoding="utf-8")
    assert all(name.replace("_", " ") in page for name in tables)


@together
def test_analyses_with_arms_of_their_own_are_scored_like_any_others(done: Project) -> None:
    for experiment in ("attributions", "rounds", "out_of_domain"):
        assert set(scores(done, experiment)["arm"]) == ARMS[experiment]
    assert compared(done, "rounds") == {("round_1", "round_0"), ("round_2", "round_0")}
    assert compared(done, "out_of_domain") == {("widened", "real")}
    assert not (done.path / f"data/{RESULTS}/label_noise.csv").exists(), "there are no arms"


@together
def test_generators_see_their_share_of_unlabelled_text_and_classifiers_read_the_rest(done: Project) -> None:
    texts = done.table("02_intermediate/out_of_domain/unlabelled_texts.parquet")
    certain = analysis(done, "out_of_domain")["certainties"]
    sets = {"love_letters", "reddit_titles", "twitter", "dreaddit", "jokes"}
    assert set(certain["set"]) == {"in-domain", *sets}
    read = certain.loc[certain["set"].isin(sets), "record_id"]
    assert set(read) == set(texts.loc[texts["split"] == "test", "record_id"])
    assert set(texts["split"]) == {"train", "test"}


@together
def test_what_goes_back_are_texts_of_the_train_rows(done: Project) -> None:
    records = done.table("05_model_input/rounds/split_records.parquet")
    tables = analysis(done, "rounds")
    assert tables["rounds"]["round"].tolist() == [0, 1, 2]
    assert tables["rounds"]["best"].sum() == 1
    assert not set(tables["candidates"]["text"]) & set(records.loc[records["split"] != "train", "text"])


# --- sizes and generators -------------------------------------------------------------------------------------------


@together
def test_a_study_has_every_arm_and_learner_at_its_sizes_and_draws(done: Project) -> None:
    table = scores(done, "study_dair")
    sizes = table.groupby(["learner", "arm"])["size"].agg(set).unstack("learner")
    once = {"words_generated_light", "words_generated_last", "words_generated_first", "words_rest"}
    arms = {"real", "words", "generated", "words_generated", "eda", "self_trained", "more_real", *once}
    assert sizes["encoder"].to_dict() == {arm: {3} if arm in once else {3, 6} for arm in arms}
    few = {"real", "words", "words_generated", "more_real"}
    assert sizes["contrastive"].dropna().to_dict() == {arm: {3} for arm in few}
    assert sizes["linear"].dropna().to_dict() == {arm: {3, 6} for arm in few}
    assert sizes["encoder_smoothed"].dropna().to_dict() == {"words": {3}, "words_generated": {3}}
    first = {"words_generated_first": {3}}
    assert sizes["encoder_averaged"].dropna().to_dict() == {"words": {3}, "words_generated": {3}, **first}
    assert sizes["encoder_longer"].dropna().to_dict() == {"real": {6}}
    chinese = scores(done, "study_chnsenticorp")
    assert set(chinese["arm"]) == arms - once
    assert set(chinese["size"]) == {3, 6}
    assert set(chinese["runs"]) == {2}


@together
def test_a_study_compares_at_every_size_and_counts_what_text_is_worth(done: Project) -> None:
    table = done.csv(f"{RESULTS}/study_dair_comparisons.csv")
    question = table[(table["first"] == "words_generated") & (table["second"] == "words")]
    assert set(zip(question["learner"], question["size"], strict=True)) == {
        *(("encoder", 3), ("encoder", 6), ("linear", 3), ("linear", 6)),
        *(("contrastive", 3), ("encoder_smoothed", 3), ("encoder_averaged", 3)),
    }
    assert ("real/encoder_longer", "real/encoder") in compared(done, "study_dair")
    equivalent = done.table(f"{REPORTING}/study_dair/equivalent_rows.parquet")
    assert set(equivalent["arm"]) >= {"words", "more_real"}


@together
def test_words_are_sentences_templates_and_descriptions(done: Project) -> None:
    rows = done.table("07_synthetic/study_dair/rows/words.parquet")
    added = rows[(rows["origin"] == "added") & (rows["size"] == 3) & (rows["data_seed"] == 0)]
    anger = set(added.loc[added["label"] == "anger", "text"])
    assert {"i feel angry", "This text expresses anger", "wanting to shout at whoever is to blame"} <= anger
    candidates = done.table("07_synthetic/study_dair/candidates.parquet")
    texts = candidates[candidates["label"] == "anger"].groupby("generator")["text"].agg(list)
    assert all(text.startswith("i feel ") for text in texts["opened"])
    assert not any(text.startswith("i feel ") for text in texts["rest"])
    decisions = done.table("07_synthetic/study_dair/decisions.parquet")
    assert not set(decisions["candidate_id"]) - set(candidates["candidate_id"])


@together
def test_more_real_rows_are_the_next_ones_and_no_arm_learns_from_held_out_text(done: Project) -> None:
    records = done.table("05_model_input/study_chnsenticorp/split_records.parquet")
    held_out = set(records.loc[records["split"] != "train", "text"])
    folder = done.path / "data/07_synthetic/study_chnsenticorp/rows"
    rows = {file.stem: pd.read_parquet(file) for file in folder.glob("*.parquet")}
    assert not [arm for arm, table in rows.items() if held_out & set(table["text"])]
    for _, table in rows["more_real"].groupby(["size", "data_seed"]):
        real, added = (set(table.loc[table["origin"] == origin, "text"]) for origin in ("real", "added"))
        assert added
        assert not added & real


@together
def test_larger_sizes_add_rows_and_replace_none(done: Project) -> None:
    rows = done.table("07_synthetic/study_chnsenticorp/rows/real.parquet")
    assert rows.groupby(["size", "data_seed", "label"]).size().groupby("size").unique().map(list).to_dict() == {
        3: [3],
        6: [6],
    }
    for _, table in rows.groupby("data_seed"):
        assert set(table.loc[table["size"] == 3, "text"]) < set(table.loc[table["size"] == 6, "text"])


# --- on the tables of augment, and over all -------------------------------------------------------------------------


@on_augment
def test_synthetic_text_is_learned_from_by_each_kind_of_classifier(usable: Project) -> None:
    table = scores(usable, "tstr")
    assert set(zip(table["arm"], table["learner"], strict=True)) == {
        (arm, learner)
        for arm in ("real", "mixed", "continued", "synthetic")
        for learner in ("encoder", "masked_lm", "causal_lm")
    }
    assert compared(usable, "tstr") == {("mixed", "real"), ("continued", "real")}
    quality = usable.table(f"{REPORTING}/tstr/text_quality.parquet")
    assert {"fidelity"} <= set(quality["metric"])
    taken = usable.table("07_synthetic/augment/candidates.parquet")
    decisions = usable.table("07_synthetic/tstr/decisions.parquet")
    assert set(decisions["candidate_id"]) <= set(taken["candidate_id"])


@on_augment
def test_tuned_settings_are_tested_beside_those_before(usable: Project) -> None:
    assert set(scores(usable, "search")["arm"]) == {"default", "tuned"}
    assert compared(usable, "search") == {("tuned", "default")}
    tables = analysis(usable, "search")
    assert len(tables["trials"]) == 3
    assert not tables["settings"].empty


@on_augment
def test_an_archive_has_all_that_figures_are_made_of_and_no_text(usable: Project, tmp_path: Path) -> None:
    archive, names = tmp_path / "archive", ("augment", "tstr", "search")
    printed = usable.kedro("archive", *names, "--out", str(archive))
    assert "the predictions of augment, search, tstr" in printed
    for name in names:  # the second has its rows from the first, the third arms of its own
        tables = {file.stem: pd.read_parquet(file) for file in (archive / name).glob("*.parquet")}
        assert not any("text" in table for table in tables.values())
        given = json.loads((archive / name / "parameters.json").read_text(encoding="utf-8"))
        evaluation = EvaluationConfig.model_validate(given["evaluation"])
        groups = tables["groups"].set_index("record_id")["group"]
        made = score_table(tables["predictions"], groups, evaluation, given["score_by"])
        pd.testing.assert_frame_equal(made, tables["scores"][made.columns], check_dtype=False)
    assert "is there already" in usable.kedro("archive", "--out", str(archive), fails=True)


@on_augment
def test_the_reference_page_has_our_figures_of_what_has_run(usable: Project) -> None:
    figures = usable.csv(f"{RESULTS}/reference.csv")
    filled = figures[figures["ours"].notna()]
    assert set(filled["number"]) == {"S9", "S10", "S15"}
    assert len(filled) == 5
    page = (usable.path / f"data/{RESULTS}/reference.md").read_text(encoding="utf-8")
    assert all(f"| S{number} " in page for number in range(1, 21))
    overview = (usable.path / f"data/{RESULTS}/overview.md").read_text(encoding="utf-8")
    for name in ("augment", "tstr", "search"):
        assert f"## {name}: scores" in overview
        assert f"## {name}: differences" in overview


@together
def test_every_figure_that_is_matched_is_found_once_its_experiment_has_run(done: Project) -> None:
    ran = [*PROMPTS, *CHINESE]
    written = yaml.safe_load((ROOT / "conf/base/reference.yml").read_text(encoding="utf-8"))
    figures = reference_table(written, pd.concat([done.csv(f"{RESULTS}/{name}.csv") for name in ran]))
    figures = figures[figures["experiment"].isin(ran)]
    assert set(figures["number"]) == {"S1", "S6", "S12", "S13", "S16", "S17"}
    # The tiny one leaves the third length out; what has no figure in any but the environment report.
    only_there = ["labels kept whole, 1 epoch", "report's rows, free answer", "report's rows, 3 epochs, free answer"]
    assert figures.loc[figures["ours"].isna(), "what"].tolist() == ["5 epochs", *only_there]
