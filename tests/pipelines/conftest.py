"""Fixtures of the pipeline tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from project_folder import Project, make_project, tiny_parameters


@pytest.fixture(scope="session")
def new_project(tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path) -> Callable[..., Project]:
    """A function that lays out a fresh project with tiny models."""

    def build(**changes: object) -> Project:
        return make_project(tmp_path_factory.mktemp("project"), {**tiny_parameters(tiny_encoder), **changes})

    return build


@pytest.fixture(scope="session")
def augmented(new_project: Callable[..., Project]) -> tuple[Project, str]:
    """A project in which ``kedro run --pipeline=augment`` has run once, and what it printed."""
    project = new_project()
    return project, project.kedro("run", "--pipeline=augment")


@pytest.fixture(scope="session")
def tiny_causal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of a GPT-2 that has learned nothing, with room for a prompt."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from emotion_kedro.learning.language_models import LanguageModel, train_tokenizer
    from emotion_kedro.text.prompts import PROMPTS

    directory = tmp_path_factory.mktemp("tiny_causal")
    tokenizer = train_tokenizer([PROMPTS[name].before("") for name in ("six", "thirteen")] * 3, vocabulary=400)
    torch.manual_seed(0)
    config = GPT2Config(
        vocab_size=len(tokenizer), n_positions=256, n_embd=32, n_layer=2, n_head=2, bos_token_id=0, eos_token_id=0
    )
    LanguageModel(GPT2LMHeadModel(config), tokenizer).save(directory)
    return directory
