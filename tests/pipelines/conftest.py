"""Fixtures of the pipeline tests."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))

from project_folder import Project, make_project


@pytest.fixture(scope="session")
def tiny_masked_lm(tiny_encoder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Directory of the tiny encoder with a masked-LM head that has learned nothing."""
    from transformers import AutoTokenizer, BertForMaskedLM

    directory = tmp_path_factory.mktemp("tiny_masked_lm")
    BertForMaskedLM.from_pretrained(tiny_encoder).save_pretrained(directory)
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(directory)
    return directory


@pytest.fixture(scope="session")
def new_project(
    tmp_path_factory: pytest.TempPathFactory, tiny_encoder: Path, tiny_gpt2: Path, tiny_masked_lm: Path
) -> Callable[[], Project]:
    """A function that lays out a fresh project with tiny models."""

    def build() -> Project:
        folder = tmp_path_factory.mktemp("project")
        return make_project(folder, encoder=tiny_encoder, language_model=tiny_gpt2, masked_lm=tiny_masked_lm)

    return build


@pytest.fixture(scope="session")
def augmented(new_project: Callable[[], Project]) -> tuple[Project, str]:
    """A project in which the whole job has run, and what it printed."""
    project = new_project()
    # The name of the option that people type; Kedro calls it deprecated.
    return project, project.kedro("run", "--pipeline=augment")
