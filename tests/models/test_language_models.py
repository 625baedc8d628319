from __future__ import annotations

import shutil
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file, save_file

from emotion_kedro.config.training import ScratchConfig, TrainingConfig
from emotion_kedro.models import language_models
from emotion_kedro.models.device import Device
from emotion_kedro.models.language_models import (
    LanguageModel,
    Reference,
    fit_language_model,
    load_language_model,
    new_language_model,
    open_directory,
    open_name,
    resolve,
)
from emotion_kedro.models.pretrained import PackagedWeights
from emotion_kedro.models.tokenizers import train_byte_level
from emotion_kedro.storage.cache import Work

TEXTS = ["we were laughing", "nobody saw that she was crying and lonely until the last bus came", "scared"]


@pytest.fixture(scope="module")
def language_model(tiny_gpt2: Path, cpu: Device) -> LanguageModel:
    return load_language_model(str(tiny_gpt2), cpu)


def test_texts_are_framed_by_the_boundary(language_model: LanguageModel) -> None:
    boundary = language_model.boundary
    encoded = language_model.encode(TEXTS, max_tokens=64)
    assert boundary == language_model.tokenizer.get_vocab()["<|endoftext|>"]
    for ids, text in zip(encoded, TEXTS, strict=True):
        assert (ids[0], ids[-1], ids.count(boundary)) == (boundary, boundary, 2)
        assert language_model.tokenizer.decode(ids[1:-1]) == text


def test_a_text_that_is_cut_has_no_boundary_at_its_end(language_model: LanguageModel) -> None:
    boundary = language_model.boundary
    (whole,), (cut,) = (language_model.encode([TEXTS[1]], max_tokens=tokens) for tokens in (64, 6))
    assert cut == whole[:6]
    assert cut[-1] != boundary
    assert language_model.encode([TEXTS[1]], max_tokens=len(whole)) == [whole]


def test_an_empty_text_is_two_boundaries(language_model: LanguageModel) -> None:
    assert language_model.encode([""], max_tokens=8) == [[language_model.boundary] * 2]


def test_the_boundary_is_the_end_token_where_there_is_no_end_of_text() -> None:
    class Tokenizer:
        eos_token_id = 7

        def get_vocab(self) -> dict[str, int]:
            return {"</s>": 7}

    assert LanguageModel(None, Tokenizer()).boundary == 7


def cross_entropies(language_model: LanguageModel, ids: list[int]) -> list[float]:
    """Negative log-probability of every token after the first, text by text, without any padding."""
    with torch.no_grad():
        logits = language_model.model.eval()(torch.tensor([ids])).logits[0].double()
    return [-logits[place].log_softmax(dim=-1)[token].item() for place, token in enumerate(ids[1:])]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 64])
def test_the_mean_loss_is_per_token_whatever_the_batches(
    language_model: LanguageModel, cpu: Device, batch_size: int
) -> None:
    encoded = language_model.encode(TEXTS, max_tokens=64)
    assert len({len(ids) for ids in encoded}) == 3
    values = [value for ids in encoded for value in cross_entropies(language_model, ids)]
    assert language_model.mean_loss(encoded, device=cpu, batch_size=batch_size) == pytest.approx(
        sum(values) / len(values), rel=1e-5
    )


def test_a_saved_model_opens_as_it_was(tmp_path: Path, language_model: LanguageModel, cpu: Device) -> None:
    language_model.save(tmp_path)
    opened = open_directory(tmp_path, cpu)
    encoded = opened.encode(TEXTS, max_tokens=64)
    assert encoded == language_model.encode(TEXTS, max_tokens=64)
    ids = torch.tensor([encoded[1]])
    with torch.no_grad():
        assert torch.equal(opened.model.eval()(ids).logits, language_model.model.eval()(ids).logits)


def test_a_model_without_some_of_its_weights_is_refused(tmp_path: Path, tiny_gpt2: Path, cpu: Device) -> None:
    shutil.copytree(tiny_gpt2, tmp_path / "cut")
    weights = load_file(tmp_path / "cut/model.safetensors")
    del weights["transformer.ln_f.weight"]
    save_file(weights, tmp_path / "cut/model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ValueError, match=r"lacks 1 weights of a language model, transformer\.ln_f\.weight among them"):
        load_language_model(str(tmp_path / "cut"), cpu)


def test_a_reference_leads_to_the_model_it_names(tmp_path: Path, tiny_gpt2: Path, cpu: Device) -> None:
    Reference(str(tiny_gpt2)).save(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["reference.json"]
    assert resolve(tmp_path) == str(tiny_gpt2)
    assert open_directory(tmp_path, cpu).model.config.n_embd == 32


def test_a_directory_without_a_reference_is_itself(tiny_gpt2: Path) -> None:
    assert resolve(tiny_gpt2) == str(tiny_gpt2)


def test_a_name_of_no_package_is_opened_as_it_is() -> None:
    assert open_name("gpt2") == "gpt2"


def test_quantised_weights_are_converted_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights = PackagedWeights("invented==1", "invented", "", "invented.gguf", "0123456789abcdef")
    monkeypatch.setitem(language_models.PACKAGED, "package:invented", weights)
    monkeypatch.setattr(language_models, "packaged_weights", lambda name: tmp_path)
    monkeypatch.setenv("EMOTION_KEDRO_CACHE", str(tmp_path / "cache"))
    converted = []

    def convert(directory: Path, file: str, target: Path) -> None:
        converted.append((directory, file))
        target.mkdir(parents=True)

    monkeypatch.setattr(language_models, "_dequantise", convert)
    opened = {open_name("package:invented") for _ in range(2)}
    # Other weights of the same name are another folder.
    assert opened == {str(tmp_path / "cache" / "invented-0123456789ab")}
    assert converted == [(tmp_path, "invented.gguf")]


def test_the_tokenizer_spells_any_text(records: pd.DataFrame) -> None:
    tokenizer = train_byte_level(records["text"].tolist(), vocabulary=300)
    text = " a 🎂 for “Zoë”,  übermorgen\n"
    assert len(tokenizer) == 300
    assert tokenizer.decode(tokenizer(text)["input_ids"]) == text


def test_the_same_texts_give_the_same_tokenizer(records: pd.DataFrame) -> None:
    # A run that goes on from a checkpoint trains its tokenizer again: other ids would make the weights senseless.
    made = {train_byte_level(records["text"].tolist(), vocabulary=400).backend_tokenizer.to_str() for _ in range(3)}
    assert len(made) == 1


def test_a_model_from_scratch_learns(records: pd.DataFrame, cpu: Device, store: Work) -> None:
    training = TrainingConfig(steps=40, batch_size=8, learning_rate=5e-3, evaluate_every=20)
    texts = records["text"].tolist()
    scratch = ScratchConfig(layers=2, width=32, heads=2, vocabulary=300)
    language_model = new_language_model(texts[::2], scratch, max_tokens=24, device=cpu)
    encoded, watched = (language_model.encode(part, max_tokens=24) for part in (texts[::2], texts[1::20]))
    given = {"name": "base", "device": cpu, "checkpoints": store, "seed": 0}
    log = fit_language_model(language_model, encoded, watched, training=training, **given)
    config = language_model.model.config
    assert (config.n_layer, config.n_embd, config.vocab_size) == (2, 32, 300)
    assert log.steps == 40
    assert [entry["step"] for entry in log.losses] == [20, 40]
    assert log.losses[-1]["validation"] < 4.0 < torch.tensor(300.0).log().item()
    assert language_model.mean_loss(watched, device=cpu, batch_size=3) == pytest.approx(
        log.losses[-1]["validation"], rel=1e-5
    )
