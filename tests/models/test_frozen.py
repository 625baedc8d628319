"""The states of frozen blocks: the same losses, gradients and steps as without them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
import torch

from emotion_kedro.config.training import TrainingConfig
from emotion_kedro.models import frozen
from emotion_kedro.models.device import Device, unread_mask
from emotion_kedro.models.frozen import MEMORY, FrozenPart, KeptStates, blocks_of
from emotion_kedro.models.language_models import LanguageModel
from emotion_kedro.models.training import Task, pad, plan_batches
from emotion_kedro.models.training.loop import Training

Batch = dict[str, torch.Tensor]
VOCABULARY, WIDTH, LAYERS, LOWER = 90, 32, 4, 3
SIZES = {"vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_hidden_layers": LAYERS, "num_attention_heads": 4}
CHANCE = np.random.default_rng(0)
ENCODED = [CHANCE.integers(1, VOCABULARY, size=length).tolist() for length in (3, 9, 5, 12, 7, 4, 9, 6, 11, 5, 8, 10)]
VALIDATION = [CHANCE.integers(1, VOCABULARY, size=length).tolist() for length in (4, 8, 6)]
STEPS = TrainingConfig(steps=8, batch_size=4, learning_rate=1e-2, evaluate_every=2, checkpoint_every=0)


class Tokenizer:
    eos_token_id = 0

    def get_vocab(self) -> dict[str, int]:
        return {"</s>": 0}


@pytest.fixture(autouse=True)
def _empty_memory() -> Iterator[None]:
    MEMORY.clear()
    yield
    MEMORY.clear()


def model_of(kind: str) -> Any:
    """A model that has learned nothing, always the same; GPT-2 and BERT draw dropout."""
    from transformers import (
        BertConfig,
        BertForSequenceClassification,
        GPT2Config,
        GPT2LMHeadModel,
        LlamaConfig,
        LlamaForCausalLM,
        Qwen2Config,
        Qwen2ForCausalLM,
    )

    torch.manual_seed(0)
    wide = {"initializer_range": 0.2, "max_position_embeddings": 64, "pad_token_id": 0}
    if kind == "gpt2":
        ends = {"bos_token_id": 0, "eos_token_id": 0, "initializer_range": 0.2}
        return GPT2LMHeadModel(
            GPT2Config(vocab_size=VOCABULARY, n_positions=64, n_embd=WIDTH, n_layer=LAYERS, n_head=4, **ends)
        )
    if kind == "llama":
        return LlamaForCausalLM(LlamaConfig(**SIZES, **wide, intermediate_size=64, num_key_value_heads=2))
    if kind == "qwen2":  # asks its configuration for the kind of attention of each layer
        return Qwen2ForCausalLM(Qwen2Config(**SIZES, **wide, intermediate_size=64, num_key_value_heads=2))
    return BertForSequenceClassification(BertConfig(**SIZES, **wide, intermediate_size=64, num_labels=3))


def upper_blocks_trained(kind: str) -> Any:
    model = model_of(kind)
    model.base_model.requires_grad_(False)
    if kind != "bert":
        model.requires_grad_(False)
    for block in blocks_of(model)[LOWER:]:
        block.requires_grad_(True)
    return model


def adapted(kind: str) -> Any:
    from peft import LoraConfig, get_peft_model

    model = model_of(kind)
    names = [
        name
        for name, module in model.named_modules()
        if f".{LOWER}." in name and type(module).__name__ in {"Linear", "Conv1D"}
    ]
    torch.manual_seed(1)
    return get_peft_model(
        model,
        LoraConfig(task_type="CAUSAL_LM", r=4, lora_dropout=0.1, target_modules=names, fan_in_fan_out=kind == "gpt2"),
    )


def classify(model: Any, batch: Batch) -> Any:
    mask = unread_mask(model, batch["attention_mask"], causal=False)
    return model(**{**batch, "attention_mask": mask})


def task_of(model: Any, device: Device, *, keep: bool) -> tuple[Task, KeptStates]:
    """Batches and loss of a language model, or of a classifier, with or without the states."""
    plan = plan_batches(np.array([len(ids) for ids in ENCODED]), steps=STEPS.steps or 0, batch_size=4, seed=0)
    bert = type(model).__name__ == "BertForSequenceClassification"
    language_model = LanguageModel(model, Tokenizer())

    def batch(rows: np.ndarray) -> Batch:
        ids = [ENCODED[row] for row in rows]
        if not bert:
            return language_model.batch(ids)
        return {**padded(ids), "labels": torch.from_numpy(rows % 3)}

    def run(rows: Sequence[Sequence[int]]) -> None:
        if bert:
            classify(model, device.put(padded(rows)))
        else:
            language_model.run(rows, device=device)

    kept = KeptStates.of(model, run, ENCODED, plan, device)
    loss = (lambda rows: classify(model, rows).loss) if bert else language_model.loss
    task = Task(
        name="frozen",
        model=model,
        parameter_groups=[{"params": [value for value in model.parameters() if value.requires_grad]}],
        plan=plan,
        batch=(lambda rows: kept.batch(batch(rows))) if keep else batch,
        loss=kept.loss(loss) if keep else loss,
        frozen=kept.modules,
    )
    return task, kept


def padded(rows: Sequence[Sequence[int]]) -> Batch:
    ids, mask = pad(rows, padding=0)
    return {"input_ids": ids, "attention_mask": mask}


MODELS = {
    "gpt2": lambda: upper_blocks_trained("gpt2"),
    "llama": lambda: upper_blocks_trained("llama"),
    "qwen2": lambda: upper_blocks_trained("qwen2"),
    "bert": lambda: upper_blocks_trained("bert"),
    "gpt2 with adapters": lambda: adapted("gpt2"),
    "llama with adapters": lambda: adapted("llama"),
}


def losses_of(kind: str, device: Device, *, keep: bool) -> tuple[list[float], dict[str, torch.Tensor]]:
    """The loss of each step, and the parameters at the end."""
    task, kept = task_of(MODELS[kind](), device, keep=keep)
    assert kept.part is not None
    run = Training(task, STEPS, device, seed=3)
    for _ in task.plan:
        run.step()
    run.read()
    return run.recent, {name: value.detach() for name, value in run.trained.items()}


@pytest.mark.parametrize("kind", MODELS)
def test_losses_and_parameters_are_those_of_the_whole_model(kind: str, cpu: Device) -> None:
    # Dropout above the frozen part is drawn alike.
    plain, plainly = losses_of(kind, cpu, keep=False)
    losses, trained = losses_of(kind, cpu, keep=True)
    assert losses == pytest.approx(plain, abs=1e-4)  # texts stand beside others, and are padded to another length
    assert len(set(losses)) == len(losses)
    start = dict(MODELS[kind]().named_parameters())
    # Adam blows up the rounding of a gradient near zero: all of it of a bias of keys, a number here and there elsewhere
    for name in [name for name in trained if not name.endswith(("key.bias", "k_proj.bias", "c_attn.bias"))]:
        moved = plainly[name] - start[name].detach()
        assert (trained[name] - plainly[name]).norm() <= 0.05 * moved.norm(), name


@pytest.mark.parametrize("kind", MODELS)
def test_frozen_blocks_run_once_for_each_text(kind: str, cpu: Device) -> None:
    task, _ = task_of(MODELS[kind](), cpu, keep=True)
    calls: list[int] = []
    for number, block in enumerate(blocks_of(task.model)):
        next(block.children()).register_forward_hook(lambda *_, number=number: calls.append(number))
    run = Training(task, STEPS, cpu, seed=0)
    run.step()
    assert calls == [*range(LOWER), LOWER]  # all texts at once, and the step
    run.step()
    assert calls[LOWER + 1 :] == [LOWER]
    # And the model is as it was before.
    with torch.no_grad():
        task.model(**padded(ENCODED[:2]))
    assert calls[LOWER + 2 :] == [*range(LOWER + 1)]


@pytest.mark.parametrize("kind", ["gpt2", "llama", "bert"])
def test_states_do_not_depend_on_the_batch(kind: str, cpu: Device) -> None:
    _, kept = task_of(MODELS[kind](), cpu, keep=True)
    assert kept.part is not None
    rows = kept.rows()
    together = kept.part.states(rows, lambda: rows)
    for place, row in enumerate(rows):
        MEMORY.clear()
        alone = kept.part.states([row], lambda row=row: [row])[0]
        assert alone.shape == (len(row) // 8, WIDTH)
        torch.testing.assert_close(together[place, : len(alone)], alone, atol=1e-5, rtol=1e-5)
        assert not together[place, len(alone) :].any()


def test_what_has_no_room_is_computed_at_each_visit(cpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    plain, _ = losses_of("llama", cpu, keep=True)
    MEMORY.clear()
    monkeypatch.setattr(MEMORY, "limit", 20 * WIDTH * 4)
    assert losses_of("llama", cpu, keep=True)[0] == pytest.approx(plain, abs=1e-5)
    assert 0 < MEMORY.used <= MEMORY.limit


def test_another_model_makes_room(cpu: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    losses_of("llama", cpu, keep=True)
    monkeypatch.setattr(MEMORY, "limit", MEMORY.used)
    losses_of("gpt2", cpu, keep=True)
    assert len([states for states in MEMORY.kept.values() if states]) == 1
    assert MEMORY.used == sum(value.nbytes for states in MEMORY.kept.values() for value in states.values())
    assert MEMORY.used <= MEMORY.limit


def test_the_same_frozen_part_is_met_again_and_another_is_not(cpu: Device) -> None:
    parts = [task_of(MODELS[kind](), cpu, keep=True)[1].part for kind in ("llama", "llama with adapters", "gpt2")]
    changed = MODELS["llama"]()
    with torch.no_grad():
        blocks_of(changed)[0].mlp.down_proj.weight[0, 0] += 1e-3
    parts.append(task_of(changed, cpu, keep=True)[1].part)
    names = [part.identity for part in parts if part is not None]
    assert names[0] == names[1]
    assert len(set(names)) == 3


@pytest.mark.parametrize("trained", ["everything", "embeddings", "nothing", "lowest block"])
def test_there_is_no_frozen_part_where_something_below_is_trained(trained: str, cpu: Device) -> None:
    model = upper_blocks_trained("gpt2")
    model.requires_grad_(trained == "everything")
    if trained == "embeddings":
        model.transformer.h[LOWER].requires_grad_(True)
        model.transformer.wpe.requires_grad_(True)
    if trained == "lowest block":
        model.transformer.h[0].requires_grad_(True)
    language_model = LanguageModel(model, Tokenizer())

    def run(rows: Sequence[Sequence[int]]) -> None:
        language_model.run(rows, device=cpu)

    assert FrozenPart.of(model, blocks_of(model), run, ENCODED[0], cpu) is None


def test_dropout_is_off_in_the_frozen_part_alone(cpu: Device) -> None:
    task, _ = task_of(MODELS["bert"](), cpu, keep=True)
    Training(task, STEPS, cpu, seed=0).step()
    bert = task.model.bert
    assert not any(module.training for module in (bert.embeddings, *bert.encoder.layer[:LOWER]))
    assert all(module.training for module in (bert.encoder.layer[LOWER], task.model.dropout))


# --- a device that nothing may wait for ---------------------------------------------------------------------------


class Unfused(torch.optim.AdamW):
    """Tensors without storage have no fused kernels."""

    def __init__(self, groups: Any, *, weight_decay: float, fused: bool) -> None:
        assert fused
        super().__init__(groups, weight_decay=weight_decay, foreach=True)


@pytest.mark.parametrize("keep", [True, False])
@pytest.mark.parametrize("kind", MODELS)
def test_no_step_reads_what_is_on_the_device(kind: str, keep: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tensors on "meta" have a shape and no values: whatever would wait for a GPU to know a value, fails on them."""
    monkeypatch.setattr(torch.optim, "AdamW", Unfused)
    monkeypatch.setattr(frozen, "_hash_of", lambda modules: "no values")
    device = Device("meta", "no values", half=False)
    task, _ = task_of(MODELS[kind]().to("meta"), device, keep=keep)
    run = Training(task, STEPS, device, seed=0)
    for _ in task.plan:
        run.step()
    assert run.log.tokens == sum(len(ENCODED[row]) for rows in task.plan for row in rows)
    assert all(loss.is_meta for loss in run.unread)
    with pytest.raises((RuntimeError, NotImplementedError)):
        run.read()
