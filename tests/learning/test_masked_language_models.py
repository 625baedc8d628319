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
from killing import kill_in_the_middle

from emotion_kedro.learning.checkpoints import Checkpoints
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.generators import Texts
from emotion_kedro.learning.language_models import Reference
from emotion_kedro.learning.masked_language_models import (
    IGNORED,
    MaskedModel,
    mask_tokens,
    masked_loss,
    open_masked,
    prepare_masked_base,
)
from emotion_kedro.learning.training import TrainingLog
from emotion_kedro.learning.vocabularies import train_wordpiece
from emotion_kedro.options import MaskedLanguageModelOptions, SmallEncoderOptions, TrainingOptions
from emotion_kedro.text.prompts import PROMPTS

STEPS = TrainingOptions(steps=30, batch_size=16, learning_rate=3e-3, evaluate_every=10, checkpoint_every=5)
SMALL = SmallEncoderOptions(layers=1, width=32, heads=2, vocabulary=600)
CHINESE = ["房间很干净，下次还住这里。", "屏幕坏了，客服不理人。", "这本书写得真好 very good"]


def options(base: str = "scratch", **change: Any) -> MaskedLanguageModelOptions:
    return MaskedLanguageModelOptions(**{"base": base, "scratch": SMALL, "max_tokens": 32, "training": STEPS, **change})


@pytest.fixture(scope="module")
def texts(records: pd.DataFrame) -> Texts:
    rows = records["text"].sample(frac=1.0, random_state=0).tolist()
    return Texts(rows[:160], rows[160:])


@pytest.fixture(scope="module")
def trained(
    texts: Texts, cpu: Device, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MaskedModel, TrainingLog, Path]:
    store = Checkpoints(tmp_path_factory.mktemp("checkpoints"), "work", "a1")
    model, log = prepare_masked_base(texts, options(), device=cpu, checkpoints=store)
    assert isinstance(model, MaskedModel)
    directory = tmp_path_factory.mktemp("masked_base")
    model.save(directory)
    return model, log, directory


@pytest.mark.parametrize(("open_tokens", "masked"), [(20, 3), (10, 2), (4, 1), (1, 1), (0, 0)])
def test_as_many_tokens_of_a_row_are_masked_as_its_share_says(open_tokens: int, masked: int) -> None:
    ids = torch.arange(10, 34)[None]
    candidates = (torch.arange(24) < open_tokens)[None]
    seen, targets = mask_tokens(ids, candidates, share=0.15, mask=4, vocabulary=1000)
    chosen = targets != IGNORED
    assert int(chosen.sum()) == masked
    assert not (chosen & ~candidates).any()
    assert torch.equal(targets[chosen], ids[chosen])
    assert torch.equal(seen[~chosen], ids[~chosen])


def test_of_the_chosen_tokens_eight_in_ten_are_hidden_and_one_is_replaced() -> None:
    ids = torch.full((400, 100), 7)
    generator = torch.Generator().manual_seed(0)
    seen, targets = mask_tokens(
        ids, torch.ones_like(ids, dtype=torch.bool), share=0.5, mask=4, vocabulary=10**6, generator=generator
    )
    found = seen[targets != IGNORED]
    assert len(found) == 20_000
    assert (found == 4).float().mean().item() == pytest.approx(0.8, abs=0.01)
    assert (found == 7).float().mean().item() == pytest.approx(0.1, abs=0.01)


def test_masks_depend_on_the_seed_alone(trained: tuple[MaskedModel, TrainingLog, Path], texts: Texts) -> None:
    model = trained[0]
    rows = model.encode(texts.train[:8], max_tokens=32)
    batches = []
    for seed in (5, 5, 6):
        torch.manual_seed(seed)
        batches.append(model.masked_batch(rows, 0.15))
    assert torch.equal(batches[0]["input_ids"], batches[1]["input_ids"])
    assert torch.equal(batches[0]["targets"], batches[1]["targets"])
    assert not torch.equal(batches[0]["targets"], batches[2]["targets"])


def test_special_tokens_are_never_masked(trained: tuple[MaskedModel, TrainingLog, Path]) -> None:
    model = trained[0]
    batch = model.masked_batch(model.encode(["laughing again", "i was crying and lonely"], max_tokens=32), 1.0)
    true = batch["input_ids"].clone()
    true[batch["targets"] != IGNORED] = batch["targets"][batch["targets"] != IGNORED]
    special = torch.isin(true, torch.tensor(model.tokenizer.all_special_ids))
    assert torch.equal(special, batch["targets"] == IGNORED)


def test_only_masked_positions_are_scored_and_as_transformers_scores_them(
    trained: tuple[MaskedModel, TrainingLog, Path], texts: Texts
) -> None:
    model = trained[0]
    model.model.eval()
    batch = model.masked_batch(model.encode(texts.train[:8], max_tokens=32), 0.15, torch.Generator().manual_seed(1))
    with torch.inference_mode():
        ours = float(model.loss(batch))
        theirs = model.model(
            input_ids=batch["input_ids"], attention_mask=batch["attention_mask"], labels=batch["targets"]
        )
    assert ours == pytest.approx(float(theirs.loss), rel=1e-5)
    through_the_head: list[int] = []
    hook = model.model.cls.register_forward_pre_hook(lambda _, inputs: through_the_head.append(len(inputs[0])))
    masked_loss(model.model, batch)
    hook.remove()
    assert through_the_head == [int((batch["targets"] != IGNORED).sum())]


def test_a_batch_without_anything_to_mask_is_no_lesson(trained: tuple[MaskedModel, TrainingLog, Path]) -> None:
    model = trained[0]
    batch = model.masked_batch([[2, 1, 3]], 0.15)
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
    for one in (model.model, opened):
        assert one.cls.predictions.decoder.weight is one.bert.embeddings.word_embeddings.weight
    assert torch.equal(opened.cls.predictions.bias, model.model.cls.predictions.bias)


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


def test_a_killed_training_ends_where_an_undisturbed_one_ends(
    trained: tuple[MaskedModel, TrainingLog, Path], texts: Texts, cpu: Device, tmp_path: Path
) -> None:
    (tmp_path / "texts.json").write_text(json.dumps([list(texts.train), list(texts.validation)]))
    (tmp_path / "options.json").write_text(options().model_dump_json())
    kill_in_the_middle(
        """
import json, sys
from pathlib import Path
import emotion_kedro.learning.training as training
from emotion_kedro.learning.checkpoints import Checkpoints
from emotion_kedro.learning.device import Device
from emotion_kedro.learning.generators import Texts
from emotion_kedro.learning.masked_language_models import prepare_masked_base
from emotion_kedro.options import MaskedLanguageModelOptions

folder = Path(sys.argv[1])
options = MaskedLanguageModelOptions.model_validate_json((folder / "options.json").read_text())
store = Checkpoints(folder, "work", "a1")
step = training._Run.step
def counted(run):
    if run.log.steps == 17:
        (folder / "sign").touch()
        import time; time.sleep(60)
    step(run)
training._Run.step = counted
prepare_masked_base(
    Texts(*json.loads((folder / "texts.json").read_text())), options,
    device=Device("cpu", "test", half=False), checkpoints=store,
)
""",
        str(tmp_path),
        sign=tmp_path / "sign",
    )
    store = Checkpoints(tmp_path, "work", "a1")
    found = store.load()
    assert found is not None
    assert found[0] == 15
    model, log = prepare_masked_base(texts, options(), device=cpu, checkpoints=store)
    assert isinstance(model, MaskedModel)
    assert log.losses == trained[1].losses
    for name, value in trained[0].model.state_dict().items():
        assert torch.equal(value, model.model.state_dict()[name]), name


def test_an_encoder_without_a_head_is_refused_unless_it_is_trained(
    tiny_encoder: Path, texts: Texts, cpu: Device, store: Checkpoints
) -> None:
    with pytest.raises(
        ValueError, match=r"no trained masked-LM head \(its weights lack cls\.predictions.*prepare_mask"
    ):
        prepare_masked_base(texts, options(str(tiny_encoder), training=None), device=cpu, checkpoints=store)
    short = STEPS.model_copy(update={"steps": 2})
    model, log = prepare_masked_base(texts, options(str(tiny_encoder), training=short), device=cpu, checkpoints=store)
    assert isinstance(model, MaskedModel)
    assert log.steps == 2


def test_a_model_with_a_head_is_only_pointed_to(
    trained: tuple[MaskedModel, TrainingLog, Path], texts: Texts, cpu: Device, store: Checkpoints
) -> None:
    model, log = prepare_masked_base(texts, options(str(trained[2]), training=None), device=cpu, checkpoints=store)
    assert model == Reference(str(trained[2]))
    assert log.steps == 0


def test_a_model_from_scratch_has_to_be_trained(texts: Texts, cpu: Device, store: Checkpoints) -> None:
    with pytest.raises(ValueError, match="scratch, which knows nothing yet"):
        prepare_masked_base(texts, options(training=None), device=cpu, checkpoints=store)


def test_each_chinese_character_is_a_token_and_no_word_of_a_prompt_is_unknown() -> None:
    tokenizer = train_wordpiece(CHINESE, vocabulary=400)
    assert tokenizer.tokenize("房间真好") == ["房", "间", "真", "好"]
    for prompt in PROMPTS.values():
        for text in (prompt.question, prompt.answer, *prompt.verbalisers.values()):
            assert tokenizer.unk_token not in tokenizer.tokenize(text)
    for word in "正负乐哀怒爱惊惧恶":
        assert len(tokenizer.tokenize(word)) == 1
    assert tokenizer.tokenize("龘") == [tokenizer.unk_token]


def test_a_vocabulary_is_no_larger_than_asked_and_has_pieces_of_words(records: pd.DataFrame) -> None:
    tokenizer = train_wordpiece(records["text"].tolist(), vocabulary=300)
    assert len(tokenizer) == 300
    assert max(len(piece.removeprefix("##")) for piece in tokenizer.get_vocab() if not piece.startswith("[")) >= 3


def test_the_vocabulary_is_the_same_in_every_process(records: pd.DataFrame, tmp_path: Path) -> None:
    (tmp_path / "texts.json").write_text(json.dumps([*CHINESE, *records["text"]]))
    code = (
        "import json, sys; from emotion_kedro.learning.vocabularies import train_wordpiece;"
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
    assert len(json.loads(first)) > 300
