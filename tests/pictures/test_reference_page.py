from __future__ import annotations

from typing import Any

from emotion_kedro.measures.findings import finding
from emotion_kedro.pictures.document import document_html, document_markdown
from emotion_kedro.pictures.reference import models_of, reference_document, written
from emotion_kedro.reference import REPORTING, SYSTEMS

INTERVAL = {"estimate": 0.8123, "low": 0.79, "high": 0.83, "level": 0.95, "samples": 100}
LOG: dict[str, Any] = {
    "setting": {"machine": "a machine", "python": "3.11", "versions": "v", "command": "kedro run --pipeline=x"},
    "times": [{"node": "a", "seconds": 1.2}, {"node": "b", "seconds": 3.0}],
}


def found(system: str, name: str, **changes: Any) -> dict[str, Any]:
    return finding(system, name, **{"figure": INTERVAL, "model": "package:minilm", "data": "eit, 9 rows", **changes})


def page(findings: dict[str, Any]) -> str:
    return document_markdown(reference_document(findings, {name: LOG for name in findings}))


def test_every_system_has_a_row_whether_it_ran_or_not() -> None:
    text = page({})
    assert [system.number for system in SYSTEMS] == [f"S{number}" for number in range(1, 21)]
    overview = text.split("## Every system")[1].split("## S1 ")[0]
    assert [line.split("|")[1].strip() for line in overview.splitlines() if line.startswith("| S")] == [
        system.number for system in SYSTEMS
    ]
    assert "0 of 20 systems were run here" in text
    assert "To run it: kedro run --pipeline=cross\\_dataset." in text or "kedro run --pipeline=cross_dataset" in text


def test_our_figure_stands_beside_the_reports() -> None:
    text = page({"masked_prompt": [found("S12", "tuned, 3 epochs", rows=902, seeds=[0, 1])]})
    row = next(line for line in text.split("## S12")[1].splitlines() if line.startswith("| tuned, 3 epochs |"))
    cells = [cell.strip() for cell in row.strip("|").split("|")]
    assert cells[:6] == ["tuned, 3 epochs", "accuracy", ".812 [.790, .830]", ".7848", "902", "2"]
    assert "other models than the report's (bert-base-uncased)" in cells[6]
    assert "1 of 20 systems were run here" in text
    # The figures that the report has and we have not stay visible.
    missing = next(line for line in text.split("## S12")[1].splitlines() if line.startswith("| tuned, 5 epochs |"))
    assert "not run here" in missing
    assert ".7739" in missing


def test_a_row_says_when_the_models_are_others() -> None:
    (system,) = (system for system in SYSTEMS if system.number == "S15")
    assert models_of(system, {"model": "bert-base-uncased; generators gpt2"}) == "bert-base-uncased; generators gpt2"
    assert models_of(system, {"model": "package:minilm"}).endswith("(bert-base-uncased, gpt2)")


def test_figures_are_written_with_what_is_known_of_them() -> None:
    assert written(found("S6", "x")) == ".812 [.790, .830]"
    assert written(found("S10", "x", metric="difference in accuracy")) == "+.812 [+.790, +.830]"
    assert written(found("S2", "x", figure=None)) == "–"
    assert written(found("S8", "x", figure={**INTERVAL, "low": None, "high": None})) == ".812"


def test_notes_and_settings_are_on_the_page() -> None:
    text = page({"tune": [found("S15", "tuned on validation", note="Four trials only.")]})
    assert "tuned on validation: Four trials only." in text
    assert "| tune | kedro run --pipeline=x | – | 4 |" in text
    assert "a machine; Python 3.11" in text


def test_the_names_of_the_reports_figures_are_unique_and_every_pipeline_reports() -> None:
    for system in SYSTEMS:
        assert system.title
        assert system.pipelines
    named = {name for system in SYSTEMS for name in system.pipelines}
    assert set(REPORTING) <= named


def test_the_page_needs_no_other_file() -> None:
    html = document_html(reference_document({"tune": [found("S15", "<b>tuned</b>")]}, {"tune": LOG}))
    assert "&lt;b&gt;tuned&lt;/b&gt;" in html
    assert "<img" not in html
