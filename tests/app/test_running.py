"""Wrong names on the command line are answered in a line that says which there are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from kedro.framework.startup import bootstrap_project
from kedro.pipeline import Pipeline, node

from emotion_kedro.app import running
from emotion_kedro.cli import cli
from emotion_kedro.config import loader

ROOT = Path(__file__).parents[2]
FITTING = Pipeline([node(len, "rows", "model", name="fit", namespace="classifier.real", tags="classification")])
OPTIONS = dict.fromkeys(
    ("pipelines", "node_names", "from_nodes", "to_nodes", "from_inputs", "to_outputs", "namespaces", "tags"), ()
)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--pipelines=augment", "--nodes=fitt"], "there is no node fitt in augment: "),
        (["--runner=SequentalRunner"], "there is no runner SequentalRunner: did you mean SequentialRunner"),
        (["--runner=nowhere.Some"], "there is no runner nowhere.Some: there are ParallelRunner, Sequential"),
        (["--env=reel"], "there is no environment reel: did you mean real"),
        (["--env=xyz"], "there is no environment xyz: there are base, "),
    ],
)
def test_a_wrong_name_ends_the_command_with_a_line(
    words: list[str], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(loader, "_LOADERS", [])
    bootstrap_project(ROOT)

    result = CliRunner().invoke(cli, ["run", *words])

    assert result.exit_code == 1
    assert said in " ".join(result.output.split())
    assert len(result.output.splitlines()) == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"pipelines": ["augmnt"]}, "there is no pipeline augmnt: did you mean augment?"),
        ({"pipeline": "xyz"}, "there is no pipeline xyz: there are __default__, augment"),
        ({"pipelines": ["augment"], "from_nodes": ["fit"]}, "no node fit in augment: there are classifier.real.fit"),
        (
            {"to_outputs": ["mdoel"]},
            "there is no data set mdoel in augment: did you mean model?",
        ),
        ({"namespaces": ["clasifier.real"]}, "no namespace clasifier.real in augment: did you mean classifier.real"),
        ({"tags": ["classifcation"]}, "there is no tag classifcation in augment: did you mean classification?"),
        ({}, "what Kedro said"),
    ],
)
def test_what_is_meant_is_looked_up(options: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(running, "pipelines", {"augment": FITTING, "__default__": FITTING})

    assert said in running._explained("what Kedro said", {**OPTIONS, "pipeline": None, **options})


def test_many_names_are_cut_short() -> None:
    assert running.listed("x", [f"name_{number:02}" for number in range(20)]).endswith("name_11 and 8 more")
