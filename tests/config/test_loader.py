from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from omegaconf import OmegaConf

from emotion_kedro import settings
from emotion_kedro.config.loader import ExperimentError, ProjectConfigLoader, latest_folder

CONF = Path(__file__).parents[2] / "conf"
DIARY = """\
diary:
  question: Is it read?
  records: {sources: {diary: {file: d.csv, text_column: entry, label_column: mood}}, taxonomy: from_data}
  learners: {words: {kind: linear, features: {kind: tfidf}}}
  arms: {real: {}}
"""


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    shutil.copytree(CONF, tmp_path / "conf", ignore=shutil.ignore_patterns("local"))
    # One of the project's own is enough, and is read sooner than all.
    for file in (tmp_path / "conf/base/experiments").glob("*.yml"):
        if file.stem != "augment":
            file.unlink()
    (tmp_path / "conf/local/experiments").mkdir(parents=True)
    return tmp_path / "conf"


def loader(conf: Path, diary: str = DIARY, **given: Any) -> ProjectConfigLoader:
    (conf / "local/experiments/diary.yml").write_text(diary)
    return ProjectConfigLoader(str(conf), **settings.CONFIG_LOADER_ARGS, **given)


def test_an_experiment_of_ones_own_is_among_the_parameters_with_its_defaults(conf: Path) -> None:
    diary = loader(conf)["parameters"]["diary"]
    assert diary["learners"]["words"]["features"]["kind"] == "tfidf"
    assert set(diary["ingestion"]["sources"]) == {"diary"}
    assert diary["design"]["data_seeds"]


def test_names_that_would_clash_are_taken(conf: Path) -> None:
    # Of experiments, of arms of the default one, of stages, pages and parts of pipelines, and of all labels there are.
    assert loader(conf).taken_names() >= {"augment", "diary", "real", "sampling", "report", "generator", "from_data"}
    for name in ("generator", "results", "cache"):
        with pytest.raises(ExperimentError, match="its name is that of another pipeline"):
            loader(conf, DIARY.replace("diary:\n  question", f"{name}:\n  question")).experiments()
    for name in ("diary_comparisons", "diary_recommendation", "2nd"):
        with pytest.raises(ExperimentError, match="its name has to be of letters, digits and _, a letter first, and"):
            loader(conf, DIARY.replace("diary:\n  question", f"{name}:\n  question")).experiments()


def test_a_run_has_its_own_experiments_those_they_start_from_and_the_default_one(conf: Path) -> None:
    later = "later:\n  <<: *diary\n  records: {from_experiment: diary}\n"
    other = DIARY.replace("diary:\n  question", "other:\n  question")
    whole = loader(conf, DIARY.replace("diary:\n", "diary: &diary\n", 1) + later + other)
    mentioned = {"augment", "diary", "later", "other"}
    for names, left in (
        (["later"], {"augment", "diary", "later"}),
        (["sampling"], {"augment"}),
        (["diary", "report"], mentioned),  # a page is of all
    ):
        whole.limit_to(names)
        assert whole["parameters"].keys() & mentioned == left
        assert whole.experiments_of_run().keys() & mentioned == left
    assert set(whole.experiments()) >= mentioned


def test_the_base_environment_alone_can_be_run(conf: Path) -> None:
    assert "augment" in loader(conf, env="base").experiments()


@pytest.mark.parametrize(
    ("wrong", "right", "said"),
    [
        ("arms:", "arm:", "arm: there is no such key; did you mean arms?"),
        ("real: {}", "real: {add: [gpt]}", "arms.real.add has gpt; there are: none"),
    ],
)
def test_what_does_not_fit_is_named_with_its_file(conf: Path, wrong: str, right: str, said: str) -> None:
    with pytest.raises(ExperimentError) as error:
        loader(conf, DIARY.replace(wrong, right)).experiments()
    assert f"the experiment diary ({conf}/local/experiments/diary.yml) cannot be read" in error.value.message
    assert said in error.value.message
    assert "function-after" not in error.value.message


def test_an_experiment_is_read_once_for_pipelines_and_parameters(conf: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading YAML is most of what ``kedro registry list`` takes."""
    texts: list[str] = []
    load = OmegaConf.load
    monkeypatch.setattr(OmegaConf, "load", lambda file: (texts.append(file.getvalue()), load(file))[1])
    project = loader(conf)
    assert project["parameters"]["diary"] == project.experiments()["diary"].model_dump(mode="json")
    assert texts.count(DIARY) == 1


def test_an_environment_and_the_command_line_change_key_by_key(conf: Path) -> None:
    (conf / "local/parameters.yml").write_text("ingestion: {sources: {eit: {file: mine.csv}}}\n")
    (conf / "local/experiments/augment.yml").write_text("augment: {arms: {synthetic: null}, design: {seeds: [7]}}\n")
    given = {"device": "cpu", "augment": {"records": {"cap": 5}}}
    parameters = loader(conf, runtime_params=given)["parameters"]
    assert parameters["device"] == "cpu"
    source = parameters["ingestion"]["sources"]["eit"]
    assert (source["file"], source["label_map"]) == ("mine.csv", {"happy": "joy"})
    augment = parameters["augment"]
    assert "synthetic" not in augment["arms"]
    assert set(augment["arms"]) >= {"real", "augmented"}
    assert (augment["design"]["seeds"], augment["sampling"]["cap"]) == ([7], 5)


def test_a_parameter_of_the_command_line_is_one_that_there_is(conf: Path) -> None:
    given = {"raw_root": "/elsewhere", "diary": {"records": {"cap": 5}}}
    assert loader(conf, runtime_params=given).experiments()["diary"].sampling.cap == 5  # type: ignore[union-attr]
    with pytest.raises(ExperimentError, match=r"--params has dairy; .*did you mean diary\?"):
        loader(conf, runtime_params={"dairy": {"records": {"cap": 5}}}).experiments()


def test_the_newest_models_of_the_default_experiment_lie_in_the_folder_itself(conf: Path) -> None:
    loaded = loader(conf)
    catalog, root = loaded["catalog"], loaded["parameters"]["latest"]
    for name, prefix in (("augment", ""), ("{experiment}", "{experiment}.")):
        folder = latest_folder(root, name)
        assert catalog[f"{prefix}recommended_model"]["filepath"] == f"{folder}/recommended"
        model = catalog[f"{prefix}classifier.{{arm}}.model"]
        assert os.path.normpath(f"{model['filepath']}/../{model['latest']}") == f"{folder}/{{arm}}"


def test_an_arm_may_not_take_the_place_of_another_experiments_models(conf: Path) -> None:
    taken = "augment: {arms: {diary: {}}}\n"
    with pytest.raises(ExperimentError, match="an arm of augment is called diary, as an experiment is"):
        loader(conf, DIARY + taken).experiments()
    with pytest.raises(ExperimentError, match="an arm may not be called recommended"):
        loader(conf, DIARY.replace("real: {}", "recommended: {}")).experiments()
    with pytest.raises(ExperimentError, match="recommend has nobody; there are: real"):
        loader(conf, DIARY + "  recommend: [nobody]\n").experiments()
