"""No bad input is silent, late, unclear, or answered by a traceback; the cases are in the YAML files beside it."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from bad_inputs import commanding, driving

MOST_LINES = 3
KINDS = ("experiments", "files", "models", "tables")


def params(*names: str) -> list[Any]:
    cases = [(name, case) for name in names for case in driving.cases(name)]
    return [pytest.param(case, id=f"{name}-{case['id']}") for name, case in cases]


@pytest.mark.parametrize("case", params(*KINDS))
def test_bad_input_stops_in_time_and_says_what_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, case: dict[str, Any]
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    outcome = driving.run(tmp_path, case)
    assert outcome.verdict(case) == "good", outcome
    assert len(outcome.message.splitlines()) <= MOST_LINES, outcome.message


@pytest.mark.parametrize("case", params("commands"))
def test_a_wrong_command_is_answered_by_a_sentence(tmp_path: Path, case: dict[str, Any]) -> None:
    verdict, printed = commanding.run(tmp_path, case)
    assert verdict == "good", printed


def test_an_error_shows_its_traceback_to_who_asks(tmp_path: Path) -> None:
    commanding.lay_out(tmp_path, {"table": "text,label\na,glee\n"})
    words = ["run", "--pipelines=diary"]
    code, printed = commanding.said(tmp_path, words)
    assert (code, printed.count("unknown label 'glee'"), printed.count("Traceback")) == (1, 1, 0)
    code, printed = commanding.said(tmp_path, [*words, "--verbose"])
    assert code == 1
    assert "Traceback" in printed


def test_the_project_without_a_bad_input_runs_and_says_nothing(tmp_path: Path) -> None:
    outcome = driving.run(tmp_path, {"id": "none"})
    assert outcome == driving.Outcome(None, "", plain=True)


def test_the_corpus_is_large_and_names_each_case_once() -> None:
    cases = list(itertools.chain.from_iterable(driving.cases(name) for name in (*KINDS, "commands")))
    assert len(cases) >= 400
    for name in (*KINDS, "commands"):
        ids = [case["id"] for case in driving.cases(name)]
        assert len(set(ids)) == len(ids)
