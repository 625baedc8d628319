"""The wiring: which pipelines there are, what they need, and that starting up is light."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
from kedro.pipeline import Pipeline

from emotion_kedro.taxonomy import SIX, THIRTEEN

ROOT = Path(__file__).parents[1]
STAGES = ("ingestion", "unification", "sampling", "generation", "synthesis", "classification", "evaluation")
SYSTEMS = (
    "causal_prompt",
    "causal_prompt_thirteen",
    "masked_prompt",
    "masked_prompt_thirteen",
    "chnsenticorp",
    "ocemotion",
    "lexicon",
    "lexicon_thirteen",
    "attributions",
    "label_noise",
    "special_sets",
    "iteration",
    "tune",
    "cross_dataset",
    "goemotions",
    "goemotions_ekman",
    "goemotions_six",
    "goemotions_thirteen",
    "usability",
    "report",
    "study",
    "study_eit",
    "study_edft",
    "study_edft_thirteen",
    "study_goemotions",
    "study_chnsenticorp",
    "studies",
)


@pytest.fixture(scope="module")
def pipelines() -> dict[str, Pipeline]:
    from emotion_kedro.pipeline_registry import register_pipelines

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return register_pipelines()


def test_every_stage_and_both_whole_jobs_are_registered(pipelines: dict[str, Pipeline]) -> None:
    assert set(pipelines) == {"__default__", "augment", "augment_thirteen", *STAGES, *SYSTEMS}
    assert pipelines["__default__"].nodes == pipelines["augment"].nodes


def test_the_whole_job_is_its_stages_and_needs_raw_tables_alone(pipelines: dict[str, Pipeline]) -> None:
    whole = pipelines["augment"]
    assert {node.name for node in whole.nodes} == {node.name for stage in STAGES for node in pipelines[stage].nodes}
    assert {name for name in whole.inputs() if not name.startswith("params:")} == {"raw_folder", "run_log"}


@pytest.mark.parametrize(
    ("name", "prefix", "labels"), [("augment", "", SIX), ("augment_thirteen", "thirteen.", THIRTEEN)]
)
def test_each_label_has_a_generator_in_its_namespace(
    pipelines: dict[str, Pipeline], name: str, prefix: str, labels: tuple[str, ...]
) -> None:
    trained = {node.namespace for node in pipelines[name].nodes if node.short_name == "train_generator"}
    assert trained == {f"{prefix}generator.{label}" for label in labels}


def test_the_generators_and_the_filter_never_see_the_test_side(pipelines: dict[str, Pipeline]) -> None:
    # What reads split_records as a whole: only nodes that take the sides apart themselves.
    readers = {node.short_name for node in pipelines["augment"].nodes if "split_records" in node.inputs}
    assert readers == {
        *("select_training_texts", "compose_mix", "fit_arm", "fit_filter"),
        *("score_arms", "compare_arms", "measure_synthetic_text"),
    }


def test_every_data_set_is_in_the_catalog(pipelines: dict[str, Pipeline]) -> None:
    from kedro.framework.session import KedroSession
    from kedro.framework.startup import bootstrap_project

    bootstrap_project(ROOT)
    with KedroSession.create(ROOT) as session:
        catalog = session.load_context().catalog
        for name in ("augment", "augment_thirteen", *SYSTEMS):
            kept_in_memory = {
                dataset
                for dataset in pipelines[name].datasets()
                if not dataset.startswith("params:") and type(catalog.get(dataset)).__name__ == "MemoryDataset"
            }
            assert not kept_in_memory


def test_starting_up_imports_neither_torch_nor_transformers() -> None:
    script = (
        "import sys; from emotion_kedro.pipeline_registry import register_pipelines; import emotion_kedro.settings;"
        "register_pipelines(); heavy = {'torch', 'transformers', 'sklearn', 'scipy', 'matplotlib', 'statsmodels'};"
        "print(sorted(heavy & set(sys.modules)))"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=environment, check=True)
    assert done.stdout.strip() == "[]"
