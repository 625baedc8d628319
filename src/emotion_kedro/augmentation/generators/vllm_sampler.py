"""Texts of all labels from one engine of vLLM, each request with the adapters of its label; for machines with a GPU."""

from __future__ import annotations

import gc
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from emotion_kedro.augmentation.generators.answers import decoded, ends_of
from emotion_kedro.config.augmentation import FineTunedConfig
from emotion_kedro.models.decoding import up_to
from emotion_kedro.models.device import Device
from emotion_kedro.models.language_models import LanguageModel, open_name, resolve

RANKS = (1, 8, 16, 32, 64, 128, 256, 320, 512)
"""Ranks that an engine makes room for."""
ADAPTERS = 32
"""Adapters on the GPU at once, at most; the requests of further labels wait for room."""
STOPS = 120
"""Tokens that an engine stops at, at most; it takes 128 where a text has a least length, its own end among them."""
MEMORY = 0.8
"""Share of the GPU's memory that an engine takes for as long as it draws."""
WITHOUT_ADAPTERS = {"gpt2"}
"""Kinds of models that vLLM knows and puts no adapters on."""


def check_vllm(name: str, config: FineTunedConfig, device: Device) -> None:
    """Stop before any work where vLLM is to draw and cannot.

    Args:
        name: of the generator, for the message.
        config: its parameters.
        device: what it would draw on.

    Raises:
        ValueError: if vLLM is not installed, the device is no GPU, or the base is of a kind that takes no adapters.
    """
    problem = ""
    if find_spec("vllm") is None:
        problem = "vLLM is not installed: pip install 'emotion-kedro[vllm]' on a machine with a GPU"
    elif device.kind != "cuda":
        problem = f"vLLM draws on a GPU, and the device is {device}"
    elif (kind := _kind_of(config.base)) in WITHOUT_ADAPTERS:
        problem = f"vLLM puts no adapters on a {kind}, and {config.base} is one: take another base"
    if problem:
        raise ValueError(f"{name}: {problem}; or set backend: own")


def _kind_of(base: str) -> str:
    from transformers import AutoConfig

    return str(AutoConfig.from_pretrained(open_name(base)).model_type)


@dataclass(frozen=True)
class VLLMSampler:
    """Draws from one base with the adapters of each label, of all labels side by side."""

    config: FineTunedConfig
    device: Device
    directories: Mapping[str, Path]
    """The adapters of each label that has some, with their tokenizer."""

    def draw(self, labels: Sequence[str], count: int, seed: int) -> list[list[str]]:
        """Return ``count`` texts of each label, none of one without adapters. The same seed makes the same requests.

        The engine is there for as long as it draws: what comes after it finds the memory free.

        Raises:
            ValueError: as :func:`check_vllm`.
        """
        check_vllm("the generator", self.config, self.device)
        from vllm.lora.request import LoRARequest

        numbers = {label: number for number, label in enumerate(sorted(self.directories), start=1)}
        with_model = [label for label in labels if label in numbers]
        if not with_model or count < 1:
            return [[] for _ in labels]
        tokens = _Tokens.of(self.directories[with_model[0]])
        engine = self._engine()
        outputs = engine.generate(
            [{"prompt_token_ids": [tokens.boundary]} for _ in with_model],
            [self._parameters(label, count, seed, tokens) for label in with_model],
            lora_request=[LoRARequest(label, numbers[label], str(self.directories[label])) for label in with_model],
            use_tqdm=False,
        )
        del engine
        gc.collect()
        ends = set(tokens.ends)
        texts = {
            label: decoded(
                tokens.tokenizer,
                [up_to(list(answer.token_ids), ends) for answer in output.outputs],
                self.config.decoding,
            )
            for label, output in zip(with_model, outputs, strict=True)
        }
        return [texts.get(label, []) for label in labels]

    def _engine(self) -> Any:
        import torch
        from vllm import LLM

        torch.cuda.empty_cache()  # what trainings of this process have given back to torch alone
        return LLM(
            model=resolve(next(iter(self.directories.values()))),
            enable_lora=True,
            max_loras=min(len(self.directories), ADAPTERS),
            max_cpu_loras=len(self.directories),
            max_lora_rank=next((rank for rank in RANKS if rank >= self.config.lora.rank), self.config.lora.rank),
            max_model_len=1 + self.config.decoding.max_new_tokens,
            # Adapters are of half precision there; the own sampler computes in bf16 on a GPU, too.
            dtype="bfloat16" if self.device.half else "float16",
            # Nothing but what the parameters say.
            generation_config="vllm",
            gpu_memory_utilization=MEMORY,
        )

    def _parameters(self, label: str, count: int, seed: int, tokens: _Tokens) -> Any:
        """Return how the texts of a label are drawn: the n-th with the n-th seed from the label's own on."""
        from vllm import SamplingParams

        decoding = self.config.decoding
        return SamplingParams(
            n=count,
            seed=int(np.random.SeedSequence([seed, *label.encode()]).generate_state(1)[0]),
            temperature=decoding.temperature,
            top_k=decoding.top_k,
            top_p=decoding.top_p,
            min_tokens=decoding.min_new_tokens,
            max_tokens=decoding.max_new_tokens,
            stop_token_ids=tokens.ends[:STOPS],
            detokenize=False,  # by our own tokenizer, as the own sampler's
        )


@dataclass(frozen=True)
class _Tokens:
    """A tokenizer, with the token that starts a text, and those that end one: the most frequent first."""

    tokenizer: Any
    boundary: int
    ends: list[int]

    @classmethod
    def of(cls, directory: Path) -> _Tokens:
        from transformers import AutoTokenizer

        model = LanguageModel(None, AutoTokenizer.from_pretrained(directory))
        first = sorted({model.boundary, model.tokenizer.eos_token_id} - {None})
        # A byte-pair encoding numbers first what is most frequent.
        further = [token for token in ends_of(model) if token not in first]
        return cls(model.tokenizer, model.boundary, [*first, *further])
