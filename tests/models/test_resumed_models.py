"""A training that goes on from any of its steps, the last included, saves the same folder to the last byte.

But for the seconds that it took.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from emotion_kedro.augmentation.generators import GenerationContext, no_rows, train_generator
from emotion_kedro.config.augmentation import generator_config
from emotion_kedro.config.models import MaskedLanguageModelConfig, learner_config
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.leak_guard import LeakGuard
from emotion_kedro.models.classifiers import TrainingSet, fit_classifier
from emotion_kedro.models.device import Device
from emotion_kedro.models.masked_lms import prepare_masked_base
from emotion_kedro.storage.cache import Cache, Work

STEPS = 3
TRAINING = {"steps": STEPS, "batch_size": 8, "learning_rate": 1e-2, "evaluate_every": 2, "checkpoint_every": 0}
SCRATCH = {"layers": 1, "width": 32, "heads": 2, "vocabulary": 400, "training": TRAINING}
LEARNERS: dict[str, dict[str, Any]] = {
    "encoder": {"kind": "encoder"},
    "encoder with frozen layers": {"kind": "encoder", "frozen_layers": 1},
    "encoder with patience": {"kind": "encoder", "training": {**TRAINING, "evaluate_every": 1, "patience": 1}},
    "encoder with a lexicon": {"kind": "encoder", "lexicon": {"words": "mined", "per_label": 2, "least_count": 2}},
    "masked_lm": {"kind": "masked_lm"},
    "causal_lm": {"kind": "causal_lm"},
    "causal_lm, whole prompt": {"kind": "causal_lm", "prompt_loss": "full"},
    "contrastive": {"kind": "contrastive"},
}
GENERATORS: dict[str, dict[str, Any]] = {
    "all of a model": {"tuning": "full"},
    "its last layers": {"tuning": "last_layers", "last_layers": 1},
    "adapters": {"tuning": "lora"},
    "after a warm-up": {"tuning": "full", "warm_up": TRAINING},
    "adapters from scratch": {"tuning": "lora", "base": "scratch", "scratch": SCRATCH},
    "conditional": {"kind": "conditional", "tuning": "lora", "warm_up": TRAINING},
}
Make = Callable[[Cache], Any]


@pytest.fixture(scope="module")
def bases(tiny_encoder: Path, tiny_gpt2: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    from transformers import AutoTokenizer, BertForMaskedLM

    masked = tmp_path_factory.mktemp("tiny_masked_lm")
    BertForMaskedLM.from_pretrained(tiny_encoder).save_pretrained(masked)
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(masked)
    return {"encoder": tiny_encoder, "contrastive": tiny_encoder, "masked_lm": masked, "causal_lm": tiny_gpt2}


def assert_every_resumed_run_is_equal(
    make: Make, root: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Train once and keep a copy of each checkpoint; then go on from the first of all works, the second, ..."""
    caplog.set_level("INFO", "emotion_kedro")
    save, taken = Work.save, root / "checkpoints"

    def keep(work: Work, step: int, *state: Any) -> None:
        save(work, step, *state)
        place = (work.directory / f"{step:09d}").relative_to(root / "whole" / "work")
        shutil.copytree(work.directory / place.name, taken / f"{step}" / place)

    with monkeypatch.context() as patch:
        patch.setattr(Work, "save", keep)
        undisturbed = contents_of(make(Cache(root / "whole")), root / "undisturbed")
    assert len(undisturbed) > 3
    steps = sorted(int(path.name) for path in taken.iterdir())
    assert steps[0] == 1
    for step in steps:
        shutil.copytree(taken / f"{step}", root / f"{step}" / "work")
        caplog.clear()
        resumed = contents_of(make(Cache(root / f"{step}")), root / f"resumed {step}")
        assert caplog.text.count(f"goes on from step {step} of") == len(list((taken / f"{step}").rglob("state")))
        assert resumed.keys() == undisturbed.keys()
        assert [name for name, content in resumed.items() if content != undisturbed[name]] == [], f"step {step}"


def contents_of(model: Any, directory: Path) -> dict[str, bytes]:
    """Save a model; return every file of its folder, without the seconds that a training took."""
    directory.mkdir()
    model.save(directory)
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): without_times(path) for path in files}


def without_times(file: Path) -> bytes:
    if file.name not in {"classifier.json", "generator.json"}:
        return file.read_bytes()

    def rest_of(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: rest_of(part) for key, part in value.items() if key != "seconds"}
        return [rest_of(part) for part in value] if isinstance(value, list) else value

    return json.dumps(rest_of(json.loads(file.read_text(encoding="utf-8")))).encode()


@pytest.mark.parametrize("name", LEARNERS)
def test_a_classifier_that_goes_on_is_the_undisturbed_one(
    name: str,
    records: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    bases: dict[str, Path],
    cpu: Device,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    values = {"training": TRAINING, "max_tokens": 24, **LEARNERS[name]}
    learner = learner_config({**values, "base": str(bases[values["kind"]])})
    rows = {"rows": records.iloc[::8], "validation": records.iloc[1::24]}

    def make(cache: Cache) -> Any:
        training_set = TrainingSet(**rows, taxonomy=taxonomy, name="experiment.arm.learner", seed=3)
        return fit_classifier(training_set, learner, cpu, cache)[0]

    assert_every_resumed_run_is_equal(make, tmp_path, monkeypatch, caplog)


@pytest.mark.parametrize("name", GENERATORS)
def test_a_generator_that_goes_on_is_the_undisturbed_one(
    name: str,
    records: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    tiny_gpt2: Path,
    cpu: Device,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    values = {"kind": "fine_tuned", "base": str(tiny_gpt2), "training": TRAINING, "max_tokens": 24, "texts": 6}
    config = generator_config({**values, "lora": {"rank": 2, "alpha": 4}, **GENERATORS[name]})
    rows = records.assign(group=range(len(records)))

    def make(cache: Cache) -> Any:
        context = GenerationContext(
            rows=rows.iloc[::12].reset_index(drop=True),
            taxonomy=taxonomy,
            data_seed=1,
            device=cpu,
            cache=cache,
            guard=LeakGuard(rows.iloc[1::12]),
            validation=rows.iloc[1::24].reset_index(drop=True),
            further_rows=no_rows(),
            unlabelled=no_rows(),
        )
        return train_generator(config, context)[0]

    assert_every_resumed_run_is_equal(make, tmp_path, monkeypatch, caplog)


@pytest.mark.parametrize("base", ["scratch", "pretrained"])
def test_a_base_that_goes_on_is_the_undisturbed_one(
    base: str,
    records: pd.DataFrame,
    taxonomy: TaxonomyConfig,
    bases: dict[str, Path],
    cpu: Device,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    scratch = {name: value for name, value in SCRATCH.items() if name != "training"}
    name = base if base == "scratch" else str(bases["masked_lm"])
    config = MaskedLanguageModelConfig.model_validate(
        {"base": name, "scratch": scratch, "max_tokens": 24, "training": TRAINING}
    )
    texts, validation = records["text"].iloc[::4].tolist(), records["text"].iloc[1::24].tolist()

    def make(cache: Cache) -> Any:
        work = cache.work("base", "a1")
        return prepare_masked_base(texts, validation, config, taxonomy=taxonomy, device=cpu, checkpoints=work)[0]

    assert_every_resumed_run_is_equal(make, tmp_path, monkeypatch, caplog)
