"""The wiring: which pipelines there are, and what they need."""

from __future__ import annotations

import warnings
from pathlib import Path

import pytest
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Pipeline

from emotion_kedro.config.loader import RESERVED

ROOT = Path(__file__).parents[1]
STAGES = ("ingestion", "unification", "sampling", "generation", "synthesis", "classification", "evaluation")
EXPERIMENTS = {
    *("augment", "augment_thirteen", "causal_prompt", "causal_prompt_thirteen", "masked_prompt"),
    *("masked_prompt_thirteen", "chnsenticorp", "chnsenticorp_report_rows", "ocemotion", "ocemotion_report_rows"),
    *("lexicon", "lexicon_thirteen", "attributions", "label_noise", "out_of_domain", "rounds", "search"),
    *(
        "cross_dataset",
        "cross_dataset_plain",
        "goemotions",
        "goemotions_ekman",
        "goemotions_six",
        "goemotions_thirteen",
        "tstr",
    ),
    *("study_dair", "study_edft", "study_edft_thirteen", "study_goemotions", "study_stress"),
    *("study_chnsenticorp", "study_ocemotion", "study_amounts_stress", "study_amounts_edft"),
    *("study_sizes_stress", "study_sizes_goemotions"),
    *("study_unlabelled_stress", "study_unlabelled_edft", "study_unlabelled_goemotions"),
    *("study_rewritten_stress", "study_rewritten_edft", "study_rewritten_goemotions"),
    *("few_rows", "few_rows_all"),
}


@pytest.fixture(scope="module")
def pipelines() -> dict[str, Pipeline]:
    bootstrap_project(ROOT)
    from emotion_kedro.pipeline_registry import register_pipelines

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.filterwarnings("ignore", message=r"register_new_resolver\(\) is deprecated")
        warnings.filterwarnings("ignore", message="One or more dataset names contain '.' characters")
        return register_pipelines()


def test_every_experiment_every_stage_and_both_pages_are_registered(pipelines: dict[str, Pipeline]) -> None:
    assert set(pipelines) >= {"__default__", *EXPERIMENTS, *STAGES, "report", "overview"}
    assert pipelines["__default__"].nodes == pipelines["augment"].nodes


def test_the_whole_job_is_its_stages_and_needs_raw_tables_alone(pipelines: dict[str, Pipeline]) -> None:
    whole = pipelines["augment"]
    assert {node.name for node in whole.nodes} == {node.name for stage in STAGES for node in pipelines[stage].nodes}
    assert {name for name in whole.inputs() if not name.startswith("params:")} == {
        *("raw_folder", "run_log", "reference_report", "reviews")
    }


def test_no_experiment_may_be_called_like_a_part_of_the_default_one(pipelines: dict[str, Pipeline]) -> None:
    parts = {str(node.namespace).split(".")[0] for node in pipelines["augment"].nodes}
    assert {"records", "generator", "classifier", "evaluation"} <= parts <= RESERVED
    assert "recommended" in RESERVED  # a link of the default experiment lies there, among the folders of the others


def test_only_the_machine_is_shared_between_experiments(pipelines: dict[str, Pipeline]) -> None:
    """Each experiment has its own parameters and tables, or takes those of the one that it names."""
    for name in EXPERIMENTS - {"augment"}:
        outside = {
            entry for entry in pipelines[name].inputs() if not entry.removeprefix("params:").startswith(f"{name}.")
        }
        taken = {"split_records", "taxonomy", "candidates"} if name in {"tstr", "search"} else set()
        machine = {"params:device", "params:cache", "params:latest"}
        assert outside <= {*machine, "raw_folder", "reference_report", *taken}, name


def test_generators_and_filters_are_handed_no_test_rows_but_under_guard(pipelines: dict[str, Pipeline]) -> None:
    """What reads split_records as a whole: nodes that divide them themselves."""
    readers = {node.short_name for node in pipelines["study_dair"].nodes if "study_dair.split_records" in node.inputs}
    draws = {name for name in readers if name.startswith(("draw", "train"))}
    assert readers - draws <= {
        *("score_candidates", "compose_rows", "fit_arm", "fit_baselines"),
        *("score_predictions", "compare_runs", "count_equivalent_rows", "measure_text_quality", "write_report"),
        *("list_texts", "write_dataset_card"),
    }


def test_about_a_node_for_each_generator_and_arm(pipelines: dict[str, Pipeline]) -> None:
    nodes = [node.name for node in pipelines["study_dair"].nodes]
    assert sum("fit_arm" in name for name in nodes) == 11
    assert sum(".generator." in name and "draw_" in name for name in nodes) == 8
