"""Every environment: it fits together, its catalog is whole, and it names the models it needs before any work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from kedro.framework.project import pipelines
from kedro.framework.session import KedroSession
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Pipeline

from emotion_kedro.hooks.project import models_of
from emotion_kedro.models.pretrained import MissingWeightsError, require

ROOT = Path(__file__).parents[1]
together = pytest.mark.xdist_group("environments")
HUB_MODELS = {"gpt2", "bert-base-uncased", "bert-base-chinese"}
OF_THE_REPORT = {
    "causal_prompt": {"gpt2"},
    "masked_prompt": {"bert-base-uncased"},
    "cross_dataset": {"gpt2"},
    "lexicon": {"bert-base-uncased"},
    "chnsenticorp": {"bert-base-chinese"},
    "rounds": {"gpt2", "bert-base-uncased"},
    "augment": {"gpt2", "bert-base-uncased"},
}


@pytest.fixture(scope="module", params=["base", "real", "report"])
def environment(request: pytest.FixtureRequest) -> Iterator[tuple[str, dict[str, Pipeline], Any]]:
    bootstrap_project(ROOT)
    with KedroSession.create(ROOT, env=None if request.param == "base" else request.param) as session:
        catalog = session.load_context().catalog
        yield request.param, dict(pipelines), catalog


@together
@pytest.mark.slow
def test_models_are_offline_ones_but_for_the_reports_environment(
    environment: tuple[str, dict[str, Pipeline], Any],
) -> None:
    name, registered, catalog = environment
    needed = {key: set(models_of(pipeline, catalog)) for key, pipeline in registered.items()}
    packaged = {key: {model for model in models if model.startswith("package:")} for key, models in needed.items()}
    if name == "report":
        for key, models in OF_THE_REPORT.items():
            assert needed[key] == models, key
    else:
        assert not any(models & HUB_MODELS for models in needed.values())
        assert packaged["augment"] == {"package:minilm", "package:smollm2"}
    assert needed["label_noise"] == set()


@together
@pytest.mark.slow
def test_every_data_set_is_in_the_catalog(environment: tuple[str, dict[str, Pipeline], Any]) -> None:
    _, registered, catalog = environment
    names = {name for pipeline in registered.values() for name in pipeline.datasets()}
    of_pipelines = {name for name in names if not name.startswith("params:")}
    assert not {name for name in of_pipelines if type(catalog.get(name)).__name__ == "MemoryDataset"}


@pytest.mark.slow
def test_another_base_model_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """``globals.encoder`` reaches every experiment that puts a head on an encoder."""
    from emotion_kedro.config.loader import ProjectConfigLoader

    loader = ProjectConfigLoader(str(ROOT / "conf"), base_env="base", default_run_env="local")
    loader["globals"] = {**loader["globals"], "encoder": "some/encoder"}
    loader._globals_oc = None
    experiments = loader.experiments()
    using = {name for name, experiment in experiments.items() if "some/encoder" in experiment.models()}
    assert {"augment", "cross_dataset", "lexicon", "goemotions", "study_dair", "tstr"} <= using


@pytest.mark.parametrize("environment_name", ["base", "real", "report", "cluster"])
def test_no_run_writes_outside_of_its_data_folder(environment_name: str) -> None:
    """So none changes the pages of ``docs/``: those are copied there by who looked at them."""
    from emotion_kedro.config.loader import ProjectConfigLoader

    loader = ProjectConfigLoader(
        str(ROOT / "conf"), env=environment_name, base_env="base", default_run_env="local", runtime_params={}
    )
    root = loader["globals"]["data_root"]
    files = {name: entry["filepath"] for name, entry in loader["catalog"].items() if "filepath" in entry}
    assert len(files) > 50
    assert {name for name, file in files.items() if not file.startswith(f"{root}/")} == {"reference_report"}
    assert not [file for file in files.values() if ".." in Path(file).parts]


def test_without_a_hub_the_models_that_are_missing_are_named_with_what_to_do() -> None:
    with pytest.raises(MissingWeightsError) as caught:
        require(sorted(HUB_MODELS))
    for model in HUB_MODELS:
        assert f"hf download {model}" in caught.value.message
