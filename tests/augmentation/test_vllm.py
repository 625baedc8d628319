"""Texts that vLLM draws: a stand-in for it runs a small model on the CPU with the adapters that each request names."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass, replace
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pandas as pd
import pytest
import torch

from emotion_kedro.augmentation.generators import (
    GenerationContext,
    Unfinished,
    draw_candidates,
    load_generator,
    train_generator,
)
from emotion_kedro.augmentation.generators.answers import ends_of
from emotion_kedro.augmentation.generators.vllm_sampler import check_vllm
from emotion_kedro.config.augmentation import generator_config
from emotion_kedro.config.training import DecodingConfig
from emotion_kedro.models.decoding import Request, sample_answers
from emotion_kedro.models.device import Device, choose_device
from emotion_kedro.models.language_models import LanguageModel, load_language_model
from emotion_kedro.storage.cache import Cache

TRAINING = {"steps": 3, "batch_size": 4, "learning_rate": 1e-2}
DECODING = {"min_new_tokens": 2, "max_new_tokens": 6, "temperature": 0.9, "top_k": 40, "top_p": 0.9}
GPU = Device("cuda", "a stand-in", half=True)


@pytest.fixture(scope="module")
def tiny_llama(records: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a Llama that has learned nothing: vLLM puts no adapters on a GPT-2."""
    from transformers import LlamaConfig, LlamaForCausalLM

    from emotion_kedro.models.tokenizers import train_byte_level

    directory = tmp_path_factory.mktemp("tiny_llama")
    tokenizer = train_byte_level(records["text"].tolist(), vocabulary=400)
    torch.manual_seed(0)
    size = {"hidden_size": 128, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = LlamaConfig(vocab_size=len(tokenizer), bos_token_id=0, eos_token_id=0, initializer_range=0.2, **size)
    LanguageModel(LlamaForCausalLM(config), tokenizer).save(directory)
    return directory


def config_of(base: Path, /, **changes: Any) -> Any:
    values = {
        **{"kind": "fine_tuned", "base": str(base), "backend": "vllm", "last_layers": 1, "max_tokens": 24, "texts": 5},
        **{"lora": {"rank": 3, "alpha": 4}, "training": TRAINING, "decoding": DECODING, "validation_texts": 4},
    }
    return generator_config({**values, **changes})


@dataclass
class StandIn:
    """What was asked of vLLM, and the answers."""

    engines: list[dict[str, Any]]
    requests: list[Any]


@pytest.fixture
def vllm(monkeypatch: pytest.MonkeyPatch) -> StandIn:
    """The names of vLLM that are used, as its documentation describes them."""
    seen = StandIn([], [])

    @dataclass
    class LoRARequest:
        lora_name: str
        lora_int_id: int
        lora_path: str

    class LLM:
        def __init__(self, model: str, **settings: Any) -> None:
            seen.engines.append({"model": model, **settings})
            self.model = model

        def generate(self, prompts: Any, parameters: Any, *, lora_request: Any, use_tqdm: bool) -> list[Any]:
            each = list(zip(prompts, parameters, lora_request, strict=True))
            seen.requests.extend(each)
            return [self._answered(*request) for request in each]

        def _answered(self, prompt: Any, asked: Any, adapters: Any) -> Any:
            from peft import PeftModel

            cpu = Device("cpu", "test", half=False)
            base = load_language_model(self.model, cpu).model
            model = PeftModel.from_pretrained(base, adapters.lora_path).merge_and_unload()
            names = {"min_new_tokens": asked.min_tokens, "max_new_tokens": asked.max_tokens, "top_k": asked.top_k}
            decoding = DecodingConfig(**names, top_p=asked.top_p, temperature=asked.temperature)
            requests = [Request(tuple(prompt["prompt_token_ids"]))] * asked.n
            where = {"ends": asked.stop_token_ids, "device": cpu, "seed": asked.seed, "guidance": 1.0}
            answers = sample_answers(model, requests, decoding, **where)
            # What ended a text is among its tokens.
            ended = [[*ids, asked.stop_token_ids[0]] if len(ids) < asked.max_tokens else ids for ids in answers]
            return SimpleNamespace(outputs=[SimpleNamespace(token_ids=tuple(ids)) for ids in ended])

    class SamplingParams(SimpleNamespace):
        pass

    lora, request = ModuleType("vllm.lora"), ModuleType("vllm.lora.request")
    module = ModuleType("vllm")
    module.__spec__ = ModuleSpec("vllm", None)
    vars(module).update(LLM=LLM, SamplingParams=SamplingParams)
    vars(request).update(LoRARequest=LoRARequest)
    for each in (module, lora, request):
        monkeypatch.setitem(sys.modules, each.__name__, each)
    return seen


def kept(config: Any, context: GenerationContext, directory: Path) -> Any:
    """Return a generator that was trained on the CPU, opened where a GPU seems to be."""
    trained, _ = train_generator(config, context)
    directory.mkdir()
    trained.save(directory)
    return load_generator(config, directory, replace(context, device=GPU))


# --- what is asked for --------------------------------------------------------------------------------------------


def test_all_labels_go_to_one_engine_each_with_its_own_adapters(
    context: GenerationContext, tiny_llama: Path, vllm: StandIn, tmp_path: Path
) -> None:
    config = config_of(tiny_llama)
    fitted = kept(config, context, tmp_path / "kept")
    on_gpu = replace(context, device=GPU)
    table = draw_candidates(config, on_gpu, fitted)

    [engine] = vllm.engines
    assert engine["model"] == str(tiny_llama)
    assert engine["enable_lora"]
    assert (engine["max_lora_rank"], engine["max_loras"], engine["max_model_len"]) == (8, 4, 7)
    assert (engine["dtype"], engine["generation_config"]) == ("bfloat16", "vllm")

    names = context.taxonomy.names
    assert [adapters.lora_name for _, _, adapters in vllm.requests] == list(names)
    assert len({adapters.lora_int_id for _, _, adapters in vllm.requests}) == len(names)
    for _, _, adapters in vllm.requests:
        notes = json.loads((Path(adapters.lora_path) / "generator.json").read_text())
        assert notes["label"] == adapters.lora_name
        assert (Path(adapters.lora_path) / "adapter_config.json").is_file()

    language_model = load_language_model(str(tiny_llama), context.device)
    prompts, parameters, _ = zip(*vllm.requests, strict=True)
    assert list(prompts) == [{"prompt_token_ids": [language_model.boundary]}] * len(names)
    assert len({asked.seed for asked in parameters}) == len(names)
    for asked in parameters:
        assert set(asked.stop_token_ids) == set(ends_of(language_model))
        said = (asked.n, asked.min_tokens, asked.max_tokens, asked.temperature, asked.top_k, asked.top_p)
        assert said == (5, 2, 6, 0.9, 40, 0.9)

    # What is kept has the form of the own sampler's, and is not drawn again.
    own = draw_candidates(config_of(tiny_llama, backend="own"), replace(context, cache=Cache(tmp_path / "own")))
    assert list(table.dtypes.items()) == list(own.dtypes.items())
    assert list(dict.fromkeys(table["label"])) == list(names)
    assert len(vllm.engines) == 1
    pd.testing.assert_frame_equal(draw_candidates(config, on_gpu, fitted), table)
    assert len(vllm.engines) == 1


def test_a_text_is_what_the_labels_adapters_write_and_says_whether_it_was_ended(
    context: GenerationContext, tiny_llama: Path, vllm: StandIn, tmp_path: Path
) -> None:
    # Nearly any token may come next, the one that ends a text too.
    decoding = {"min_new_tokens": 0, "max_new_tokens": 60, "temperature": 5.0, "top_k": 400, "top_p": 1.0}
    config = config_of(tiny_llama, decoding=decoding)
    fitted = kept(config, context, tmp_path / "kept")
    texts = fitted.sample_all(["joy", "anger"], 40, 3)
    own: Any = load_generator(config_of(tiny_llama, backend="own"), tmp_path / "kept", context)
    for label, written, (_, asked, _) in zip(["joy", "anger"], texts, vllm.requests, strict=True):
        model = own.open_model(label)
        where = {"ends": ends_of(model), "device": context.device, "seed": asked.seed, "guidance": 1.0}
        requests = [Request((model.boundary,))] * 40
        answers = sample_answers(model.model, requests, config.decoding, **where)
        decoded = model.tokenizer.batch_decode(answers, skip_special_tokens=True)
        assert written == [" ".join(text.split()) for text in decoded]
        unfinished = [isinstance(text, Unfinished) for text in written]
        assert unfinished == [len(answer) == 60 for answer in answers]
        assert len(set(unfinished)) == 2
    assert texts[0] != texts[1]

    # The same seed makes the same requests, whichever labels are asked for.
    before = dict(zip(["joy", "anger"], vllm.requests, strict=True))
    vllm.requests.clear()
    assert fitted.sample("anger", 40, 3) == texts[1]
    assert vllm.requests == [before["anger"]]
    assert fitted.sample("anger", 40, 4) != texts[1]


def test_a_label_without_train_texts_is_not_asked_for(
    context: GenerationContext, tiny_llama: Path, vllm: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And of a generator that is tuned for the draw, the adapters are kept for as long as they are needed."""
    monkeypatch.setattr("emotion_kedro.augmentation.generators.vllm_sampler.check_vllm", lambda *_: None)
    some = replace(context, rows=context.rows[context.rows["label"] != "fear"])
    table = draw_candidates(config_of(tiny_llama), some)
    assert {adapters.lora_name for _, _, adapters in vllm.requests} == set(context.taxonomy.names) - {"fear"}
    assert set(table["label"]) == set(context.taxonomy.names) - {"fear"}


def test_the_backend_has_no_part_in_what_is_tuned(
    context: GenerationContext, tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    own: Any = train_generator(config_of(tiny_llama, backend="own"), context)[0].trained
    monkeypatch.setattr("emotion_kedro.augmentation.generators.tuning.Tuner.tune", None)  # nothing is tuned again
    again: Any = train_generator(config_of(tiny_llama), context)[0].trained
    assert again.identity == own.identity


# --- what cannot be -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"tuning": "full"}, "backend: vllm draws from one base with adapters for each label; tuning is full"),
        ({"tuning": "last_layers"}, "tuning is last_layers"),
        ({"base": "scratch"}, "base: scratch is one; give another base"),
        ({"kind": "conditional"}, "backend"),
        ({"backend": "other"}, "'own' or 'vllm'"),
    ],
)
def test_parameters_that_vllm_cannot_draw_by_are_refused(tiny_llama: Path, changes: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config_of(tiny_llama, **changes)


def test_a_machine_that_vllm_cannot_draw_on_is_named_before_any_work(
    context: GenerationContext, tiny_llama: Path, tiny_gpt2: Path, vllm: StandIn, monkeypatch: pytest.MonkeyPatch
) -> None:
    from kedro.io import DataCatalog, MemoryDataset
    from kedro.pipeline import Pipeline, node

    from emotion_kedro.hooks.project import check_bases

    def check(base: Path, device: str) -> None:
        parameters = {"per_label": config_of(base).model_dump(exclude={"base_contents"})}
        inputs = {"params:generators": MemoryDataset(parameters), "params:device": MemoryDataset(device)}
        check_bases(Pipeline([node(lambda *_: 1, list(inputs), "out", name="generate")]), DataCatalog(inputs))

    with pytest.raises(ValueError, match=r"generators.per_label: vLLM draws on a GPU, and the device is cpu .*own"):
        check(tiny_llama, "cpu")
    monkeypatch.setattr("emotion_kedro.hooks.project.choose_device", lambda wanted: GPU)
    check(tiny_llama, "cuda")
    with pytest.raises(ValueError, match=r"vLLM puts no adapters on a gpt2, and .* is one: take another base"):
        check(tiny_gpt2, "cuda")
    monkeypatch.delitem(sys.modules, "vllm")
    if find_spec("vllm") is None:
        with pytest.raises(ValueError, match=r"vLLM is not installed: pip install 'emotion-kedro\[vllm\]'"):
            check(tiny_llama, "cuda")
    assert vllm.engines == []


# --- with vLLM itself ---------------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available() or find_spec("vllm") is None, reason="no GPU, or no vLLM")
def test_vllm_itself_draws_with_the_adapters_of_each_label(
    context: GenerationContext, tiny_llama: Path, tmp_path: Path
) -> None:
    context = replace(context, device=choose_device("cuda"))
    # Trained for long enough that a label's texts are told by its words.
    config = config_of(tiny_llama, training={**TRAINING, "steps": 60}, decoding={**DECODING, "max_new_tokens": 16})
    check_vllm("g", config, context.device)
    fitted = train_generator(config, context)[0].trained
    table = draw_candidates(config, context, fitted)
    assert list(table) == ["text", "label", "ended"]
    assert set(table["label"]) == set(context.taxonomy.names)
    for label in context.taxonomy.names:
        train = " ".join(context.texts_of(label)).split()
        words = " ".join(table.loc[table["label"] == label, "text"]).split()
        assert sum(word in train for word in words) > len(words) / 4
