"""A classifier as ONNX answers as it does in torch."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import forked
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from emotion_kedro.app.model import EmotionModel
from emotion_kedro.cli import cli
from emotion_kedro.config.models import EncoderConfig, LinearConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.models.classifiers import TrainingSet, fit_classifier
from emotion_kedro.models.classifiers.exporting import PACKAGES, QUANTISED, WHOLE, open_onnx
from emotion_kedro.models.device import Device
from emotion_kedro.storage.cache import Cache

AVAILABLE = all(importlib.util.find_spec(name) for name in PACKAGES)
LINEAR = LinearConfig.model_validate({"kind": "linear", "features": {"kind": "tfidf"}})


def fitted(
    learner: EncoderConfig | LinearConfig, records: pd.DataFrame, taxonomy: TaxonomyConfig, cpu: Device, folder: Path
) -> EmotionModel:
    training_set = TrainingSet(records.iloc[::2], records.iloc[:0], taxonomy, "x.real", 0)
    classifier, _ = fit_classifier(training_set, learner, cpu, Cache(folder / "cache"))
    classifier.notes["cleaning"] = ["collapse_space"]
    (folder / "model").mkdir()
    classifier.save(folder / "model")
    return EmotionModel(classifier, cpu, folder / "model")


@pytest.mark.slow
@pytest.mark.skipif(not AVAILABLE, reason="the extra onnx is not installed")
def test_the_exported_model_answers_as_torch_does_and_its_card_runs(
    records: pd.DataFrame, taxonomy: TaxonomyConfig, cpu: Device, tiny_encoder: Path, tmp_path: Path
) -> None:
    training = TrainingConfig(steps=80, batch_size=16, learning_rate=2e-3)
    learner = EncoderConfig(base=str(tiny_encoder), max_tokens=16, training=training)
    model = fitted(learner, records, taxonomy, cpu, tmp_path)
    out = tmp_path / "out"
    words = ["export", "--onnx", "--int8", "--model", str(model.path), "--out", str(out)]
    result = CliRunner().invoke(cli, words, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    texts = [*records["text"].iloc[1::2], "a text that is far longer than the model reads " * 9, ""]
    given = model.probabilities(texts)
    assert np.abs(open_onnx(model.classifier, out / WHOLE)(texts) - given).max() < 1e-4
    small = open_onnx(model.classifier, out / QUANTISED)(texts)
    assert (small.argmax(axis=1) == given.argmax(axis=1)).mean() >= 0.95
    assert (out / QUANTISED).stat().st_size < (out / WHOLE).stat().st_size
    card = (out / "README.md").read_text()
    assert "It learned from cleaned texts (`collapse_space`)" in card
    code = re.search(r"```python\n(.*?)```", card, re.DOTALL)
    assert code is not None
    printed = forked.python("-c", code[1], cwd=out)
    assert printed.stdout.strip()[2:-2] in taxonomy.names, printed.stderr
    again = CliRunner().invoke(cli, words)
    assert again.exit_code == 1
    assert "there already" in again.output


def test_what_cannot_be_exported_is_said_in_a_line_and_leaves_nothing(
    records: pd.DataFrame, taxonomy: TaxonomyConfig, cpu: Device, tmp_path: Path
) -> None:
    model = fitted(LINEAR, records, taxonomy, cpu, tmp_path)
    words = ["export", "--onnx", "--model", str(model.path), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 1
    assert "no encoder with a head" in result.output
    assert not (tmp_path / "out").exists()


def test_missing_packages_are_named_with_what_installs_them(monkeypatch: pytest.MonkeyPatch) -> None:
    from emotion_kedro.models.classifiers.exporting import require_onnx

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"onnx, onnxruntime, onnxscript: pip install 'emotion-kedro\[onnx\]'"):
        require_onnx()
