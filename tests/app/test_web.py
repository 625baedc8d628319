"""The web page: what its tabs show, what it refuses, and the whole of it in a browser."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner

from emotion_kedro.app import views, web
from emotion_kedro.app.generation import Candidate
from emotion_kedro.app.own_table import tab
from emotion_kedro.config.models import LinearConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.reader_errors import SourceError
from emotion_kedro.models.classifiers import TrainingSet, fit_classifier
from emotion_kedro.models.device import Device
from emotion_kedro.schemas import Comparisons, Scores
from emotion_kedro.storage.cache import Cache

TEXT = "we were laughing and <b>dancing</b>"
CHROMIUM = shutil.which("chromium")


@pytest.fixture(scope="module")
def folder(
    records: pd.DataFrame, taxonomy: TaxonomyConfig, cpu: Device, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A project's folder in which a run has left a model, scores and texts."""
    project = tmp_path_factory.mktemp("project")
    (project / "pyproject.toml").write_text("[tool.kedro]\n")
    learner = LinearConfig.model_validate({"kind": "linear", "features": {"kind": "tfidf"}})
    fitted, _ = fit_classifier(
        TrainingSet(records, records.iloc[:0], taxonomy, "web", 0), learner, cpu, Cache(project / "cache")
    )
    model, reports = project / "data/06_models/latest/recommended", project / "data/08_reporting"
    model.mkdir(parents=True)
    fitted.save(model)
    (reports / "results").mkdir(parents=True)
    (reports / "augment/texts").mkdir(parents=True)
    (reports / "augment/report.html").write_text("<h1>the report</h1>")
    where = {"experiment": "augment", "learner": "words", "size": 0, "source": "all", "metric": "accuracy"}
    scores = [
        {**where, "arm": arm, "value": 0.5, "low": 0.4, "high": 0.6, "rows": 9, "runs": 1} for arm in ("real", "<i>")
    ]
    Scores.validate(pd.DataFrame(scores)).to_csv(reports / "results/augment.csv", index=False)
    difference = {"first": "<i>", "second": "real", "difference": 0.1, "low": 0.02, "high": 0.18, "verdict": "helped"}
    tests = {"detectable": 0.11, "p_value": 0.01, "p_holm": 0.01, "rows": 9, "runs": 1}
    comparisons = Comparisons.validate(pd.DataFrame([{**where, **difference, **tests}]))
    comparisons.to_csv(reports / "results/augment_comparisons.csv", index=False)
    texts = pd.DataFrame(
        {"label": "joy", "text": ["'=one", "two", "three", "two"], "arm_augmented": ["kept", "", "cut off", ""]}
    )
    texts.assign(evaluator_label="fear", nearest_train_text="<u>near</u>").to_csv(
        reports / "augment/texts/texts.csv", index=False
    )
    return project


@pytest.fixture(autouse=True)
def _in_project(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.chdir(folder)
    yield
    (folder / "data/07_synthetic/augment/reviews.parquet").unlink(missing_ok=True)


def test_a_text_is_read_with_its_words_and_is_no_html() -> None:
    [(name, path)] = views.model_choices()
    assert name == "recommended"
    bars, both = views.reading(path, TEXT)
    assert both.startswith(bars)
    assert bars.index("joy") < bars.index("anger")  # the likeliest first
    assert "&lt;b&gt;dancing&lt;/b&gt;" in both
    assert "<b>" not in both
    with pytest.raises(ValueError, match="make augment"):
        next(views.reading("/etc", TEXT))


def test_what_an_experiment_found_is_its_verdict_and_its_tables() -> None:
    html = views.compared("augment")
    assert "<b>&lt;i&gt;</b> against <b>real</b>: helped" in html
    assert "+10.0 (+2.0 to +18.0)" in html
    assert "0.500 (0.400 to 0.600)" in html
    assert "<i>" not in html
    with pytest.raises(ValueError, match="make augment"):
        views.compared("../augment")


def test_generators_are_those_that_runs_kept_and_those_that_need_no_tuning(
    records: pd.DataFrame, monkeypatch: pytest.MonkeyPatch
) -> None:
    tuned = {"kind": "fine_tuned", "base": "scratch", "training": {"learning_rate": 1, "steps": 1}}
    asked = {"kind": "prompted", "base": "package:any", "request": "{label}"}
    experiment = SimpleNamespace(generators={"asked": asked, "tuned": tuned, "template": {"kind": "template"}})
    loader = SimpleNamespace(experiments=lambda: {"moods": experiment, "not_run": experiment})
    monkeypatch.setattr("emotion_kedro.config.loader.current_loader", lambda: loader)
    rows = Path("data/05_model_input/moods/split_records.parquet/2026/split_records.parquet")
    rows.parent.mkdir(parents=True)
    records.to_parquet(rows)
    Path("data/06_models/moods/generator/tuned").mkdir(parents=True)
    assert views.generators() == ["moods/tuned", "moods/asked"]
    assert views.labels_of("moods/asked") == ["anger", "fear", "joy", "sadness"]
    assert views.labels_of(None) == []
    unread = Candidate("a <b> text", kept=False, reason="too short", probability=float("nan"))
    assert views._card(unread) == "<li class=''><b>too short</b> <br>a &lt;b&gt; text</li>"


def test_a_table_that_is_dropped_is_kept_and_profiled(tmp_path: Path) -> None:
    rows = [f'"day {number**5} and {(number + 7) ** 9}",{"sad" if number % 3 else "<i>"}' for number in range(30)]
    (tmp_path / "mine.csv").write_text("\n".join(["said,mood", *rows]))
    html = tab.profile(str(tmp_path / "mine.csv"))
    assert "<th scope='row'>labels</th><td>2: " in html
    assert "sad 20" in html
    assert "<i>" not in html
    assert "min on this machine; quick: " in html
    assert "--quick --yes" in tab.profile(str(tmp_path / "mine.csv"), quick=True)
    assert "emotion try data/01_raw/dropped/mine.csv --yes" in html
    assert "--text said --label mood --yes" in tab.profile(str(tmp_path / "mine.csv"), "said", "mood")
    assert (Path("data/01_raw/dropped/mine.csv")).is_file()
    with pytest.raises(SourceError, match="there is no column"):
        tab.profile(str(tmp_path / "mine.csv"), "text", "label")
    with pytest.raises(ValueError, match="drop a table first"):
        tab.profile(None)


def test_decisions_are_kept_one_for_each_text() -> None:
    assert views.texts_of("augment")["text"].tolist() == ["=one", "two", "three"]
    views.decide("augment", "=one", "joy", "reject")
    views.decide("augment", "two", "joy", "edit", " two, or more ")
    assert views.texts_of("augment", views.UNDECIDED)["text"].tolist() == ["three"]
    number, about, text, key = views.shown_at("augment", "edit", 7)
    assert (number, text, key) == (1, "two, or more", ("two", "joy"))
    assert "reject 1" in about
    assert "&lt;u&gt;near" in about
    # After a run the text is the edited one; it is still the same text.
    table = views.decide("augment", "two, or more", "joy", "accept")
    assert table[["text", "decision", "edited_text"]].to_numpy().tolist() == [
        ["=one", "reject", ""],
        ["two", "accept", ""],
    ]
    assert pd.read_parquet("data/07_synthetic/augment/reviews.parquet").equals(table)
    with pytest.raises(ValueError, match="reject it instead"):
        views.decide("augment", "three", "joy", "edit", "  ")
    assert views.shown_at("../augment", "", 1)[2] == ""


def test_the_page_is_for_this_machine_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    refused = CliRunner().invoke(web.app, ["--host", "0.0.0.0"])
    assert refused.exit_code == 2
    assert "'127.0.0.1', 'localhost'" in refused.output
    monkeypatch.setitem(sys.modules, "gradio", None)
    without = CliRunner().invoke(web.app, [])
    assert without.exit_code == 1
    assert "pip install 'emotion-kedro[app]'" in without.output


@contextmanager
def served() -> Iterator[str]:
    import uvicorn

    server = uvicorn.Server(uvicorn.Config(web.page(), port=0, log_level="error"))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    while not server.started and thread.is_alive():
        time.sleep(0.02)
    try:
        yield f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    finally:
        server.should_exit = True
        thread.join(timeout=5)


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_a_browser_reads_compares_and_reviews_and_asks_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(views, "generators", list)
    pytest.importorskip("gradio")
    playwright: Any = pytest.importorskip("playwright.sync_api")
    asked: list[str] = []
    with served() as address, playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.set_default_timeout(20_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: asked.append(str(error)))
        page.goto(address)
        # As wide as the screen from the first, with every tab in reach.
        page.wait_for_function("document.querySelector('.gradio-container')?.offsetWidth == 390")
        page.get_by_label("Text").first.fill(TEXT)
        page.get_by_role("button", name="Read", exact=True).click()
        page.locator(".words").get_by_text("<b>dancing</b>").wait_for()
        page.get_by_role("tab", name="Compare").click()
        page.get_by_text("against real: helped").wait_for()
        page.wait_for_function("document.documentElement.scrollWidth == 390")
        ends = "[...document.querySelectorAll('table.rows')].map(each => each.getBoundingClientRect().right)"
        assert 0 < max(page.evaluate(ends)) <= 390  # nothing of a table is cut
        assert page.request.get(f"{address}/report/augment").text() == "<h1>the report</h1>"
        assert page.request.get(f"{address}/report/..%2Fresults").status == 404
        assert page.request.get(address, headers={"Host": "elsewhere.example"}).status == 400
        page.set_viewport_size({"width": 1280, "height": 900})
        page.get_by_role("tab", name="Review").click()
        page.get_by_text("1 of 3").wait_for()
        page.get_by_role("button", name="Reject").click()
        page.get_by_text("1 of 2 (reject 1)").wait_for()
        browser.close()
    assert views.reviews_of("augment")["decision"].tolist() == ["reject"]
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []
