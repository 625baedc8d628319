from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from emotion_kedro.config.models import FeatureConfig
from emotion_kedro.models import features as module
from emotion_kedro.models.device import Device
from emotion_kedro.models.features import EncoderFeatures, MeanEncoder, TfidfFeatures, open_features
from emotion_kedro.storage.cache import Cache

CHARACTERS = FeatureConfig(kind="characters", width=256)


@pytest.fixture
def options(tiny_encoder: Path) -> FeatureConfig:
    return FeatureConfig(base=str(tiny_encoder), max_tokens=32)


@pytest.fixture(scope="module")
def texts(records: pd.DataFrame) -> list[str]:
    return records["text"].tolist()[:40]


def refuse(*_: Any, **__: Any) -> None:
    raise KeyboardInterrupt


def lengths(rows: np.ndarray) -> np.ndarray:
    return np.linalg.norm(rows, axis=1)


def test_a_row_is_the_mean_state_at_length_one(
    options: FeatureConfig, texts: list[str], tiny_encoder: Path, tmp_path: Path, cpu: Device
) -> None:
    import torch
    from transformers import AutoModel, AutoTokenizer

    rows = open_features(options, Cache(tmp_path), cpu)(texts)
    assert rows.shape == (40, 32)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(lengths(rows), 1.0, rtol=1e-6)
    model, tokenizer = AutoModel.from_pretrained(tiny_encoder).eval(), AutoTokenizer.from_pretrained(tiny_encoder)
    with torch.inference_mode():
        mean = model(**tokenizer(texts[7], return_tensors="pt")).last_hidden_state[0].mean(dim=0)
    np.testing.assert_allclose(rows[7], (mean / mean.norm()).numpy(), atol=1e-6)


def test_a_row_is_the_same_whatever_is_beside_it(
    options: FeatureConfig, texts: list[str], tmp_path: Path, cpu: Device
) -> None:
    long = " ".join(texts[:3])
    beside = open_features(options, Cache(tmp_path / "one"), cpu)([texts[0], long, texts[0]])
    alone = open_features(options, Cache(tmp_path / "other"), cpu)([texts[0]])
    np.testing.assert_allclose(beside[0], alone[0], atol=1e-6)
    np.testing.assert_array_equal(beside[0], beside[2])


def test_a_text_is_cut_to_its_first_tokens(options: FeatureConfig, tmp_path: Path, cpu: Device) -> None:
    short = options.model_copy(update={"max_tokens": 5})
    rows = open_features(short, Cache(tmp_path), cpu)(["crying again with grief", "crying again with joy"])
    np.testing.assert_array_equal(rows[0], rows[1])


def test_without_a_cache_nothing_is_kept_from_call_to_call(
    options: FeatureConfig, texts: list[str], cpu: Device
) -> None:
    features = open_features(options, None, cpu)
    rows = features(texts)
    assert features.known == {}  # type: ignore[attr-defined]
    np.testing.assert_allclose(features(texts), rows)


def test_the_next_run_computes_nothing_again(
    options: FeatureConfig, texts: list[str], tmp_path: Path, cpu: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = open_features(options, Cache(tmp_path), cpu)
    rows = first(texts)
    monkeypatch.setattr(module, "MeanEncoder", refuse)
    monkeypatch.setattr(MeanEncoder, "vectors", refuse)
    np.testing.assert_array_equal(first(texts), rows)
    again = open_features(options, Cache(tmp_path), cpu)
    np.testing.assert_array_equal(again(texts[::-1]), rows[::-1])
    with pytest.raises(KeyboardInterrupt):
        again([*texts, "a new one"])


def test_a_run_that_is_killed_goes_on(
    options: FeatureConfig, texts: list[str], tmp_path: Path, cpu: Device, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PART", 10)
    compute = MeanEncoder.vectors
    calls: list[int] = []
    power = 2

    def counted(self: MeanEncoder, encoded: list[list[int]]) -> np.ndarray:
        if len(calls) == power:
            raise KeyboardInterrupt
        calls.append(len(encoded))
        return compute(self, encoded)

    monkeypatch.setattr(MeanEncoder, "vectors", counted)
    with pytest.raises(KeyboardInterrupt):
        open_features(options, Cache(tmp_path), cpu)(texts)
    (folder,) = (tmp_path / "features").iterdir()
    assert len(list(folder.glob("*.safetensors"))) == 2
    power = 4
    rows = open_features(options, Cache(tmp_path), cpu)(texts)
    assert calls == [10, 10, 10, 10]
    monkeypatch.setattr(MeanEncoder, "vectors", compute)
    np.testing.assert_allclose(rows, open_features(options, Cache(tmp_path / "new"), cpu)(texts), atol=1e-6)


def test_no_texts_have_no_rows(options: FeatureConfig, tmp_path: Path, cpu: Device) -> None:
    assert open_features(options, Cache(tmp_path), cpu)([]).shape == (0, 32)
    assert open_features(CHARACTERS, Cache(tmp_path), cpu)([]).shape == (0, 256)


def test_an_encoder_that_lacks_weights_is_refused(tiny_encoder: Path, tmp_path: Path, cpu: Device) -> None:
    from safetensors.torch import load_file, save_file

    broken = tmp_path / "broken"
    shutil.copytree(tiny_encoder, broken)
    tensors = load_file(broken / "model.safetensors")
    gone = next(name for name in tensors if name.endswith("layer.1.output.dense.weight"))
    del tensors[gone]
    save_file(tensors, broken / "model.safetensors", metadata={"format": "pt"})
    features = open_features(FeatureConfig(base=str(broken)), Cache(tmp_path), cpu)
    with pytest.raises(ValueError, match=r"lacks 1 weights of its encoder, .*layer\.1\.output\.dense\.weight"):
        features(["a text"])


def test_characters_are_counted_text_by_text(texts: list[str], tmp_path: Path, cpu: Device) -> None:
    features = open_features(CHARACTERS, Cache(tmp_path / "none"), cpu)
    rows = features(texts)
    assert rows.shape == (40, 256)
    assert rows.dtype == np.float32
    np.testing.assert_allclose(lengths(rows), 1.0, rtol=1e-6)
    np.testing.assert_array_equal(features([texts[3]])[0], rows[3])
    assert not (tmp_path / "none").exists()
    assert not isinstance(features, EncoderFeatures)


@pytest.mark.parametrize("kind", ["encoder", "characters"])
def test_a_blank_text_is_refused(options: FeatureConfig, tmp_path: Path, cpu: Device, kind: str) -> None:
    features = open_features(options.model_copy(update={"kind": kind}), Cache(tmp_path), cpu)
    with pytest.raises(ValueError, match="text 1 is blank"):
        features(["joy", " \n"])


def test_words_are_counted_and_characters_where_no_spaces_part_them() -> None:
    counted = TfidfFeatures.fit(FeatureConfig(kind="tfidf", ngrams=(1, 2)), ["I can't sleep!", "很高兴 ok"])

    assert set(counted.vocabulary) == {
        *("i", "can", "t", "sleep", "!", "i can", "can t", "t sleep", "sleep !"),
        *("很", "高", "兴", "ok", "很 高", "高 兴", "兴 ok"),
    }
