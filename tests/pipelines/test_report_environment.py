"""Every pipeline of the environment ``report``, with small stand-ins for the models that it takes from a hub."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from huggingface_hub import constants
from project_folder import ROOT, Project, make_project
from safetensors.torch import load_file
from stand_in_hub import OF_CHINESE, OF_UNCASED, put_in_cache, small_bert, small_gpt2

from emotion_kedro.config.loader import ProjectConfigLoader, overridden
from emotion_kedro.models.device import Device
from emotion_kedro.models.language_models import load_language_model
from emotion_kedro.models.masked_lms import open_masked
from emotion_kedro.models.pretrained import require

pytestmark = pytest.mark.slow

RUN = ("augment", "tstr", "chnsenticorp_report_rows")
"""They take all three models, as generator, asked, filled in and with a head."""
SAMPLE = "data/01_raw/sample"
UNUSED = ("bert.pooler.", "cls.seq_relationship.")
# Whatever an experiment says of these, they are small here.
SMALL: dict[str, Any] = {
    **{"steps": 2, "epochs": 1, "max_epochs": 1, "cap": 4, "texts": 12, "added_rows": 3, "sizes": [2]},
    **{"seeds": [0], "data_seeds": [0]},
    **{"bootstrap_samples": 50, "requests": 1, "unlabelled_rows": 40},
    **{"trials": 2, "startup_trials": 1, "rounds": 1, "reader_steps": 2, "draws": 1, "least_count": 1},
}
# What models that have learned nothing write passes no usual filter.
LENIENT = {
    **{"length": {"min_words": 1}, "repetition": {"max_share": 1.0}, "label_agreement": {"tau": 0.0}},
    "novel": {"near_copy": 1.0, "near_duplicate": 1.0},
}


@dataclass(frozen=True)
class ReportProject(Project):
    """A project whose models lie in a hub's cache, and in no other place."""

    hub: Path

    def environment(self) -> dict[str, str]:
        return {**super().environment(), "HF_HOME": str(self.hub), "HF_HUB_CACHE": str(self.hub / "hub")}

    def python(self, *words: str, **_: Any) -> subprocess.CompletedProcess[str]:
        """Run a program in an interpreter of its own: where the cache is, is read when the library is loaded."""
        how: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True, "timeout": 600}
        command = [sys.executable, *words]
        return subprocess.run(command, cwd=self.path, env=self.environment(), check=False, **how)


def sample_texts(*names: str) -> list[str]:
    files = [file for name in names for file in sorted((ROOT / SAMPLE / name).glob("*.?sv"))]
    return [line for file in files for line in file.read_text("utf-8").splitlines()]


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a cache that holds the three models of the report, small, and nothing else."""
    home = tmp_path_factory.mktemp("hub")
    asked = (ROOT / "conf/base/taxonomies.yml").read_text("utf-8")
    english = [*sample_texts("eit", "edft"), *(f" {word}" for word in re.findall(r"\w+", asked))]
    words = sorted(set(re.findall(r"[a-z]+", " ".join(english).lower())))
    ascii_ = [chr(code) for code in range(33, 127)]
    pieces = [*ascii_, *(f"##{letter}" for letter in ascii_)]
    characters = sorted({*"".join(sample_texts("chnsenticorp", "ocemotion")), *asked} - {*ascii_, *" \t\n"})
    folders = {name: tmp_path_factory.mktemp(name) for name in ("gpt2", "bert-base-uncased", "bert-base-chinese")}
    small_gpt2(folders["gpt2"], english)
    small_bert(folders["bert-base-uncased"], [*pieces, *words], OF_UNCASED, lower=True, decoder=False)
    small_bert(folders["bert-base-chinese"], [*pieces, *characters], OF_CHINESE, lower=False, decoder=True)
    for name, folder in folders.items():
        put_in_cache(home / "hub", name, folder)
    return home


def shrunk(experiments: Mapping[str, Any]) -> dict[str, Any]:
    """Return what makes the experiments small."""
    changes = {name: small_part(experiment) for name, experiment in experiments.items()}
    for name, change in changes.items():
        change["filters"] = overridden(change.get("filters", {}), LENIENT)
        records, written = change.setdefault("records", {}), experiments[name]["records"]
        strategy = written.get("split", {}).get("strategy")
        if strategy == "rows":
            records["split"] = {"train": [1, 30], "test": [101, 140]}
        elif "sources" in written:
            # Each label needs a test row, which a plain split leaves to chance.
            times = 4 if strategy == "plain" else 1 if len(written["sources"]) > 1 else 2
            records["cap"] = times * SMALL["cap"]
        if "unlabelled" in written:
            records.setdefault("unlabelled", {})["cap"] = 20
    return changes


def small_part(value: Any) -> dict[str, Any]:
    """Return those entries that SMALL changes, changed, at every depth."""
    if not isinstance(value, Mapping):
        return {}
    plain = {key: inner for key, inner in value.items() if key in SMALL and not isinstance(inner, Mapping)}
    small = {key: SMALL[key] for key, inner in plain.items() if inner not in (None, 0, [0])}
    inside = {key: small_part(inner) for key, inner in value.items() if key not in small}
    return {**{key: change for key, change in inside.items() if change}, **small}


@pytest.fixture(scope="module")
def experiments() -> dict[str, Any]:
    """Those of the environment, as they stand in files."""
    names = {"base_env": "base", "default_run_env": "local", "runtime_params": {}}
    return ProjectConfigLoader(str(ROOT / "conf"), env="report", **names)["experiments"]


@pytest.fixture(scope="module")
def project(hub: Path, experiments: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> ReportProject:
    folder = tmp_path_factory.mktemp("project")
    make_project(folder, encoder=Path(), language_model=Path(), masked_lm=Path())
    shutil.rmtree(folder / "conf" / "local")  # no model but those that the environment names
    scale = folder / "conf/report/experiments/scale.yml"
    small = overridden(yaml.safe_load(scale.read_text("utf-8")), shrunk(experiments))
    scale.write_text(yaml.safe_dump(small, allow_unicode=True), "utf-8")
    return ReportProject(folder, hub)


def test_models_are_read_by_the_names_of_their_published_weights(
    hub: Path, cpu: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Weights under a name that is not understood would be drawn at random, some of them without an error."""
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(hub / "hub"))
    opened = {name: open_masked(name, cpu)[0] for name in ("bert-base-uncased", "bert-base-chinese")}
    opened["gpt2"] = load_language_model("gpt2", cpu).model
    require([*opened])
    for name, model in opened.items():
        [file] = (hub / "hub").glob(f"models--{name}/snapshots/*/model.safetensors")
        published = {key: value for key, value in load_file(file).items() if not key.startswith(UNUSED)}
        values = {key.removeprefix("transformer."): value for key, value in model.state_dict().items()}
        for key, value in published.items():
            if not key.endswith("attn.bias"):  # GPT-2's masks
                assert values[key.replace("gamma", "weight").replace("beta", "bias")].equal(value), key


def test_pipelines_run(project: ReportProject, experiments: dict[str, Any]) -> None:
    """Those of RUN; with ``ALL_OF_REPORT=1`` all that take a model (``label_noise`` takes none)."""
    others = sorted({*experiments} - {*RUN, "label_noise"}) if os.environ.get("ALL_OF_REPORT") else []
    last = [["report", "overview"]] if others else []
    for names in (RUN, *(others[start : start + 7] for start in range(0, len(others), 7)), *last):
        project.kedro("run", f"--pipelines={','.join(names)}", "--env=report", f"--params=raw_root={SAMPLE}")
    for name in (*RUN, *others):
        scores = pd.read_csv(project.path / f"data/report/08_reporting/results/{name}.csv")
        assert scores.loc[scores["metric"] == "accuracy", "value"].notna().all(), name
