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
