from __future__ import annotations

import json
import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch

from emotion_kedro.config.models import MaskedLanguageModelConfig, SmallEncoderConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.models.device import Device
from emotion_kedro.models.language_models import Reference
from emotion_kedro.models.masked_lms import (
    IGNORED,
    MaskedModel,
    masked_loss,
    open_masked,
    prepare_masked_base,
)
from emotion_kedro.models.tokenizers import train_wordpiece
from emotion_kedro.models.training import TrainingLog
from emotion_kedro.storage.cache import Cache, Work

STEPS = TrainingConfig(steps=30, batch_size=16, learning_rate=3e-3, evaluate_every=10, checkpoint_every=0)
SMALL = SmallEncoderConfig(layers=1, width=32, heads=2, vocabulary=600)
Texts = tuple[list[str], list[str]]
CHINESE = ["房间很干净，下次还住这里。", "屏幕坏了，客服不理人。", "这本书写得真好 very good"]


def config_of(base: str = "scratch", **change: Any) -> MaskedLanguageModelConfig:
    return MaskedLanguageModelConfig(**{"base": base, "scratch": SMALL, "max_tokens": 32, "training": STEPS, **change})


@pytest.fixture(scope="module")
def texts(records: pd.DataFrame) -> Texts:
    rows = records["text"].sample(frac=1.0, random_state=0).tolist()
    return rows[:160], rows[160:]


@pytest.fixture(scope="module")
def trained(
    texts: Texts, taxonomy: TaxonomyConfig, cpu: Device, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MaskedModel, TrainingLog, Path]:
    store = Cache(tmp_path_factory.mktemp("cache")).work("work", "a1")
    model, log = prepare_masked_base(*texts, config_of(), taxonomy=taxonomy, device=cpu, checkpoints=store)
    assert isinstance(model, MaskedModel)
    directory = tmp_path_factory.mktemp("masked_base")
    model.save(directory)
    return model, log, directory


def test_masks_are_those_of_bert_and_depend_on_the_seed_alone(trained: tuple[MaskedModel, TrainingLog, Path]) -> None:
    model = trained[0]
    letter = model.tokenizer.convert_tokens_to_ids("a")
    rows = [{"input_ids": [2, *([letter] * 500), 3]}] * 40
    first, again, other = (model.collator(0.5, seed=seed)(rows) for seed in (5, 5, 6))
    assert torch.equal(first["input_ids"], again["input_ids"])
    assert not torch.equal(first["labels"], other["labels"])
    chosen = first["labels"] != IGNORED
    assert chosen.float().mean().item() == pytest.approx(0.5, abs=0.02)
    assert not chosen[:, [0, -1]].any()
    seen = first["input_ids"][chosen]
    assert (seen == model.tokenizer.mask_token_id).float().mean().item() == pytest.approx(0.8, abs=0.02)
    assert (seen == letter).float().mean().item() == pytest.approx(0.1, abs=0.02)
    # Without a seed of its own it goes by torch's, which the loop seeds at every step.
    drawn = []
    for _ in range(2):
        torch.manual_seed(1)
        drawn.append(model.collator(0.5)(rows)["input_ids"])
    assert torch.equal(*drawn)


def test_only_masked_positions_are_scored_and_as_transformers_scores_them(
    trained: tuple[MaskedModel, TrainingLog, Path], texts: Texts
) -> None:
    model = trained[0]
    model.model.eval()
    batch = dict(
        model.collator(0.15, seed=1)([{"input_ids": row} for row in model.encode(texts[0][:8], max_tokens=32)])
    )
    with torch.inference_mode():
        ours = float(model.loss(batch))
        theirs = model.model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["labels"]
        )
    assert ours == pytest.approx(float(theirs.loss), rel=1e-5)
    through_the_head: list[int] = []
    hook = model.model.cls.register_forward_pre_hook(lambda _, inputs: through_the_head.append(len(inputs[0])))
    masked_loss(model.model, batch)
    hook.remove()
    assert through_the_head == [int((batch["labels"] != IGNORED).sum())]


def test_a_batch_without_anything_to_mask_is_no_lesson(trained: tuple[MaskedModel, TrainingLog, Path]) -> None:
    model = trained[0]
    batch = dict(model.collator(0.15)([{"input_ids": [2, 1, 3]}]))
    assert model.loss(batch).item() == 0.0


def test_a_small_model_learns_the_texts(trained: tuple[MaskedModel, TrainingLog, Path]) -> None:
    model, log, _ = trained
    assert log.steps == STEPS.steps
    losses = [entry["validation"] for entry in log.losses]
    assert losses[-1] < losses[0] < math.log(len(model.tokenizer)) + 1
    assert losses[-1] < 0.8 * math.log(len(model.tokenizer))


def test_the_decoder_is_the_embeddings(trained: tuple[MaskedModel, TrainingLog, Path], cpu: Device) -> None:
    model, _, directory = trained
    opened, _ = open_masked(str(directory), cpu)
    for network in (model.model, opened):
        assert network.cls.predictions.decoder.weight is network.bert.embeddings.word_embeddings.weight
    assert torch.equal(opened.cls.predictions.bias, model.model.cls.predictions.bias)


@pytest.mark.slow
def test_the_directory_fills_masks_in_plain_transformers(trained: tuple[MaskedModel, TrainingLog, Path]) -> None:
    code = (
        "import json, sys; from transformers import pipeline;"
        "answers = pipeline('fill-mask', model=sys.argv[1])('all day we were [MASK]', top_k=3);"
        "assert 'emotion_kedro' not in sys.modules; print(json.dumps([answer['token_str'] for answer in answers]))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(trained[2])], capture_output=True, text=True, check=True, cwd=trained[2]
    )
    assert len(json.loads(done.stdout.strip().splitlines()[-1])) == 3
    assert "Masked language model" in (trained[2] / "README.md").read_text()


def test_an_encoder_without_a_head_is_refused_unless_it_is_trained(
    tiny_encoder: Path, texts: Texts, cpu: Device, taxonomy: TaxonomyConfig, store: Work
) -> None:
    with pytest.raises(ValueError, match=r"no trained masked-LM head \(its weights lack cls\.predictions.*base_model"):
        prepare_masked_base(
            *texts, config_of(str(tiny_encoder), training=None), taxonomy=taxonomy, device=cpu, checkpoints=store
        )
    short = STEPS.model_copy(update={"steps": 2})
    model, log = prepare_masked_base(
        *texts, config_of(str(tiny_encoder), training=short), taxonomy=taxonomy, device=cpu, checkpoints=store
    )
    assert isinstance(model, MaskedModel)
    assert log.steps == 2


def test_a_model_with_a_head_is_only_pointed_to(
    trained: tuple[MaskedModel, TrainingLog, Path],
    texts: Texts,
    cpu: Device,
    taxonomy: TaxonomyConfig,
    store: Work,
) -> None:
    model, log = prepare_masked_base(
        *texts, config_of(str(trained[2]), training=None), taxonomy=taxonomy, device=cpu, checkpoints=store
    )
    assert model == Reference(str(trained[2]))
    assert log.steps == 0


def test_each_chinese_character_is_a_token_and_no_word_of_a_prompt_is_unknown() -> None:
    tokenizer = train_wordpiece(CHINESE, vocabulary=400, required=["正负乐哀怒爱惊惧恶"])
    assert tokenizer.tokenize("房间真好") == ["房", "间", "真", "好"]
    for word in "正负乐哀怒爱惊惧恶":
        assert len(tokenizer.tokenize(word)) == 1
    assert tokenizer.tokenize("龘") == [tokenizer.unk_token]


def test_a_vocabulary_is_no_larger_than_asked_and_has_pieces_of_words(records: pd.DataFrame) -> None:
    tokenizer = train_wordpiece(records["text"].tolist(), vocabulary=150)
    assert len(tokenizer) == 150
    assert max(len(piece.removeprefix("##")) for piece in tokenizer.get_vocab() if not piece.startswith("[")) >= 3


@pytest.mark.slow
def test_the_vocabulary_is_the_same_in_every_process(records: pd.DataFrame, tmp_path: Path) -> None:
    # More characters, each as frequent as the next, than there is room for.
    crowd = ["".join(chr(0x4E00 + (7 * row + column) % 600) for column in range(7)) for row in range(600)]
    (tmp_path / "texts.json").write_text(json.dumps([*CHINESE, *crowd, *records["text"]]))
    code = (
        "import json, sys; from emotion_kedro.models.tokenizers import train_wordpiece;"
        "vocabulary = train_wordpiece(json.load(open(sys.argv[1])), vocabulary=700).get_vocab();"
        "print(json.dumps(sorted(vocabulary, key=vocabulary.get)))"
    )
    root = Path(__file__).parents[2]
    environment = {**os.environ, "PYTHONPATH": str(root / "src")}
    command = [sys.executable, "-c", code, str(tmp_path / "texts.json")]
    first, second = (
        subprocess.run(command, capture_output=True, text=True, check=True, env=environment).stdout for _ in range(2)
    )
    assert first == second
    assert len(json.loads(first)) > 200
