"""Language models small enough to train in a second."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from emotion_kedro.learning.checkpoints import Checkpoints
from emotion_kedro.learning.language_models import LanguageModel, train_tokenizer


@pytest.fixture
def store(tmp_path: Path) -> Checkpoints:
    return Checkpoints(tmp_path / "checkpoints", "work", "a1")


@pytest.fixture(scope="session")
def tiny_gpt2(records: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a GPT-2 that has learned nothing: 2 layers, width 32, and a byte-level BPE of its own."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    directory = tmp_path_factory.mktemp("tiny_gpt2")
    tokenizer = train_tokenizer(records["text"].tolist(), vocabulary=400)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=64, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    LanguageModel(GPT2LMHeadModel(config), tokenizer).save(directory)
    return directory


class CutOff(Checkpoints):
    """Checkpoints of a run whose power goes as soon as the first one is written."""

    def save(self, step: int, tensors: dict[str, Any], notes: dict[str, Any]) -> None:
        super().save(step, tensors, notes)
        raise KeyboardInterrupt


@pytest.fixture
def cut_off(tmp_path: Path) -> Checkpoints:
    """The place of ``store``, in a run that is cut off."""
    return CutOff(tmp_path / "checkpoints", "work", "a1")
