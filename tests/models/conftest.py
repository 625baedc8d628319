"""Language models small enough to train in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from emotion_kedro.cache import Cache, Work
from emotion_kedro.models.language_models import LanguageModel
from emotion_kedro.models.tokenizers import train_byte_level


@pytest.fixture
def cache(tmp_path: Path) -> Cache:
    return Cache(tmp_path / "cache")


@pytest.fixture
def store(cache: Cache) -> Work:
    return cache.work("work", "a1")


@pytest.fixture(scope="session")
def tiny_gpt2(records: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a GPT-2 that has learned nothing: 2 layers, width 32, and a byte-level BPE of its own."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    directory = tmp_path_factory.mktemp("tiny_gpt2")
    tokenizer = train_byte_level(records["text"].tolist(), vocabulary=400)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=64, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    LanguageModel(GPT2LMHeadModel(config), tokenizer).save(directory)
    return directory


class CutOffWork(Work):
    """Checkpoints of a run whose power goes as soon as the first one is written."""

    def save(self, step: int, tensors: dict[str, Any], notes: dict[str, Any]) -> None:
        super().save(step, tensors, notes)
        raise KeyboardInterrupt


class CutOffCache(Cache):
    def work(self, name: str, identity: str) -> Work:
        return CutOffWork(super().work(name, identity).directory)


@pytest.fixture
def cut_off(cache: Cache) -> Cache:
    """The place of ``cache``, in a run that is cut off."""
    return CutOffCache(cache.root)
