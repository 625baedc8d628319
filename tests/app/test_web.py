"""The web page: what its tabs show, what it refuses, and the whole of it in a browser."""

from __future__ import annotations

import re
import shutil
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pandas as pd
import pytest
from click.testing import CliRunner
from kedro.io import DataCatalog, MemoryDataset

from emotion_kedro.app.generation import Candidate, generate_from
from emotion_kedro.app.model import latest_models
from emotion_kedro.app.own_table import tab
from emotion_kedro.app.page import reviews, views, web
from emotion_kedro.config.models import LinearConfig
from emotion_kedro.config.taxonomy import TaxonomyConfig
from emotion_kedro.data.reader_errors import SourceError
from emotion_kedro.models.classifiers import TrainingSet, fit_classifier
from emotion_kedro.models.device import Device
from emotion_kedro.schemas.figures import Comparisons, Scores
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
    with pytest.raises(ValueError, match="no model /etc here any more"):
        next(views.reading("/etc", TEXT))


def test_what_an_experiment_found_is_its_verdict_and_its_tables() -> None:
    html = views.compared("augment")
    assert "<b>&lt;i&gt;</b> against <b>real</b>: helped" in html
    assert "+10.0 (+2.0 to +18.0)" in html
    assert "0.500 (0.400 to 0.600)" in html
    assert "<i>" not in html
    with pytest.raises(ValueError, match=r"no experiment \.\./augment here any more"):
        views.compared("../augment")
    # An analysis may have a report and no scores.
    Path("data/08_reporting/noise").mkdir()
    Path("data/08_reporting/noise/report.html").write_text("a page")
    assert views.compared("noise").startswith("<p><a href='/report/noise'")


def test_runs_may_keep_what_they_make_elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool.kedro]\n")
    (tmp_path / "conf/local").mkdir(parents=True)
    (tmp_path / "conf/local/globals.yml").write_text("data_root: elsewhere\n")
    page = tmp_path / "elsewhere/08_reporting/diary/report.html"
    page.parent.mkdir(parents=True)
    page.touch()
    assert views.experiments() == ["diary"]
    assert latest_models() == Path("elsewhere/06_models/latest")


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


def test_a_written_text_has_a_mark_for_each_filter_beside_the_first_reason() -> None:
    said = {"length": "too short", "<i>": "", "novel": "copy", "diverse": None}
    card = views._card(Candidate("a <b> text", False, "too short", float("nan"), said))
    assert card.startswith("<li class=''><b>refused: too short</b> <br>a &lt;b&gt; text")
    assert re.findall(r"<span class='(\w+)'>(.*?)</span>", card) == [
        ("fails", "✗ length: too short"),
        ("passes", "✓ &lt;i&gt;"),
        ("fails", "✗ novel: copy"),
        ("silent", "– diverse"),
    ]
    assert "<b>kept</b> <span class='figure'>0.70</span>" in views._card(Candidate("a", True, "", 0.7, {}))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    rows = [f'"day {number**5} and {(number + 7) ** 9}",{"sad" if number % 3 else "<i>"}' for number in range(30)]
    (tmp_path / "mine.csv").write_text("\n".join(["said,mood", *rows]))
    return tmp_path / "mine.csv"


def test_a_table_that_is_dropped_is_kept_and_profiled(table: Path) -> None:
    html = tab.profile(str(table))
    assert "<th scope='row'>labels</th><td>2: " in html
    assert "sad 20" in html
    assert "<i>" not in html
    assert "min on this machine; quick: " in html
    assert "--quick --yes" in tab.profile(str(table), quick=True)
    place = re.search(r"emotion try (data/01_raw/dropped/\w{12}/mine.csv) --yes", html)
    assert place is not None
    assert "--text said --label mood --yes" in tab.profile(str(table), "said", "mood")
    more = table.parent / "others" / "mine.csv"  # of the same name
    more.parent.mkdir()
    more.write_text("said\na text without a label\n")
    html = tab.profile(str(table), unlabelled=str(more))
    assert re.search(r"--unlabelled data/01_raw/dropped/\w{12}/mine.csv --yes", html)
    assert "without labels: text: &#x27;said&#x27;" in html
    assert Path(place[1]).read_bytes() == table.read_bytes()  # an experiment may read it
    more.write_text("a,b\n1,2\n")
    with pytest.raises(SourceError, match=r"^without labels: mine.csv: no column looks like a text"):
        tab.profile(str(table), unlabelled=str(more))
    with pytest.raises(SourceError, match=r"^mine.csv: there is no column 'text'; .*'mood'.*") as wrong:
        tab.profile(str(table), "text", "label")
    assert "`" not in str(wrong.value)
    with pytest.raises(ValueError, match="drop a table first"):
        tab.profile(None)


RUN = """#!{python}
import pathlib, signal, sys, time
here = pathlib.Path({here!r})
def end(*_):
    here.joinpath("ended").touch()
    sys.exit(143)
signal.signal(signal.SIGTERM, end)
print(*sys.argv[1:], "\\nstep 1 …", flush=True)
while not here.joinpath("code").exists():
    time.sleep(0.005)
    if here.joinpath("talks").exists():
        print("still", flush=True)
print("x" * {said}, "step 2", flush=True)
sys.exit(int(here.joinpath("code").read_text()))
"""


def _ends_with(code: str, slow_run: Path) -> None:
    """Let a run end. The file comes with its text: a run that saw it empty would fail."""
    (slow_run / "coming").write_text(code)
    (slow_run / "coming").rename(slow_run / "code")


@pytest.fixture
def slow_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Let runs say a step, then another once ``code`` lies in this folder, and end with what stands there.

    While there is a file ``talks`` they say a line after the other. One that is stopped leaves the file ``ended``.
    """
    program = tmp_path / "python"
    program.write_text(RUN.format(python=sys.executable, here=str(tmp_path), said=tab.SAID), encoding="utf-8")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    return tmp_path


def test_a_run_is_shown_as_it_goes_and_ends_when_nobody_waits_for_it(table: Path, slow_run: Path) -> None:
    run = tab.tried("a window", str(table), "said", "", True, None)
    first = next(said for said in run if said.endswith("…\n"))  # a line may come in pieces
    words = r"-m emotion_kedro try data/01_raw/dropped/\w{12}/mine.csv --text said --quick --yes"
    assert first == next(run)
    assert re.fullmatch(f"{words} \nstep 1 …\n", first)
    _ends_with("0", slow_run)
    *_, last = run
    assert last.endswith("x step 2\n\nDone.")
    assert len(last) == tab.SAID + len("\nDone.")
    _ends_with("3", slow_run)
    *_, last = tab.tried("a window", str(table), "", "", False, None)
    assert last.endswith("step 2\n\nIt ended with code 3.")
    assert not (slow_run / "ended").exists()

    (slow_run / "code").unlink()
    run = tab.tried("a window", str(table), "", "", False, None)
    assert any("step 1" in said for said in run)
    run.close()
    assert (slow_run / "ended").exists()

    run = tab.tried("one window", str(table), "", "", False, None)
    assert any("step 1" in said for said in run)
    tab.left("another window")
    next(run)
    tab.left("one window")
    *_, last = run
    assert last.endswith("It ended with code 143.")
    tab.left("one window")


@pytest.fixture
def texts_file(folder: Path) -> Iterator[Path]:
    file = folder / "data/08_reporting/augment/texts/texts.csv"
    before = file.read_text()
    yield file
    file.write_text(before)


def test_decisions_are_kept_one_for_each_text(texts_file: Path) -> None:
    assert reviews.texts_of("augment")["text"].tolist() == ["=one", "two", "three"]
    reviews.decide("augment", "=one", "joy", "reject")
    reviews.decide("augment", "two", "joy", "edit", " two, or more ")
    assert reviews.texts_of("augment", reviews.UNDECIDED)["text"].tolist() == ["three"]
    number, about, text, key = views.shown_at("augment", "edit", 7)
    assert (number, text, key) == (1, "two, or more", ("two", "joy"))
    assert "reject 1" in about
    assert "&lt;u&gt;near" in about
    # After a run the text is the edited one; it is still the same text, and what is accepted is what is shown.
    pd.read_csv(texts_file).replace({"text": {"two": "two, or more"}}).to_csv(texts_file, index=False)
    assert reviews.texts_of("augment", reviews.UNDECIDED)["text"].tolist() == ["three"]
    table = reviews.decide("augment", "two, or more", "joy", "accept", "two, or more")
    assert table[["text", "decision", "edited_text"]].to_numpy().tolist() == [
        ["=one", "reject", ""],
        ["two", "edit", "two, or more"],
    ]
    table = reviews.decide("augment", "two, or more", "joy", "accept", "two ")
    assert table.iloc[-1][["text", "decision", "edited_text"]].tolist() == ["two", "accept", ""]
    assert pd.read_parquet("data/07_synthetic/augment/reviews.parquet").equals(table)
    with pytest.raises(ValueError, match="reject it instead"):
        reviews.decide("augment", "three", "joy", "edit", "  ")
    with pytest.raises(ValueError, match="no text here"):
        reviews.decide("augment", "", "", "accept", "")
    assert views.shown_at("../augment", "", 1)[2] == ""


def test_an_edit_that_is_another_text_s_own_words_leaves_that_one_alone() -> None:
    reviews.decide("augment", "two", "joy", "edit", "three")
    assert reviews.texts_of("augment", reviews.UNDECIDED)["text"].tolist() == ["=one", "three"]
    table = reviews.decide("augment", "three", "joy", "reject")
    assert table[["text", "decision", "edited_text"]].to_numpy().tolist() == [
        ["two", "edit", "three"],
        ["three", "reject", ""],
    ]


def test_a_label_that_a_spreadsheet_would_run_is_shown_as_it_is(texts_file: Path) -> None:
    pd.read_csv(texts_file).assign(label="'-1").to_csv(texts_file, index=False)
    assert views.shown_at("augment", "", 2)[3] == ("two", "-1")


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


def test_nothing_that_another_site_sends_is_taken() -> None:
    pytest.importorskip("gradio")
    from fastapi.testclient import TestClient

    with TestClient(web.page(), base_url="http://127.0.0.1:7860") as client:
        upload = {"url": "/gradio_api/upload", "files": {"files": b"a table"}}
        assert client.post(**upload, headers={"Origin": "https://evil.example"}).status_code == 403
        assert client.post(**upload, headers={"Origin": "http://127.0.0.1:9"}).status_code == 403
        assert client.post(**upload, headers={"Origin": "null"}).status_code == 403
        assert client.post(**upload, headers={"Origin": "http://127.0.0.1:7860"}).status_code == 200
        assert client.get("/", headers={"Origin": "https://evil.example"}).status_code == 200


@dataclass(frozen=True)
class Opened:
    """The page in a browser, and what that has asked for."""

    page: Any
    address: str
    asked: list[str]
    says: Callable[[Any], Any]
    """``expect`` of Playwright."""

    def tab(self, name: str) -> None:
        self.page.get_by_role("tab", name=name).click()

    def button(self, name: str) -> Any:
        return self.page.get_by_role("button", name=name, exact=True)

    def wait_for(self, text: str) -> None:
        self.page.get_by_text(text).first.wait_for()


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Iterator[Opened]:
    """The page as wide as a telephone; at the end it has asked nobody but its own server."""
    monkeypatch.setattr(views, "generators", lambda: ["moods/asked"])
    monkeypatch.setattr(views, "labels_of", lambda _: ["fear", "joy"])
    pytest.importorskip("gradio")
    playwright: Any = pytest.importorskip("playwright.sync_api")
    asked: list[str] = []
    with served() as address, playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 390, "height": 844})
        page.set_default_timeout(20_000)
        playwright.expect.set_options(timeout=20_000)
        page.on("request", lambda request: asked.append(request.url))
        page.on("pageerror", lambda error: asked.append(str(error)))
        page.goto(address)
        # As wide as the screen from the first, with every tab in reach.
        page.wait_for_function("document.querySelector('.gradio-container')?.offsetWidth == 390")
        yield Opened(page, address, asked, playwright.expect)
        browser.close()
    assert [url for url in asked if not url.startswith((address, "data:", "blob:"))] == []


IN_BROWSER = (pytest.mark.slow, pytest.mark.skipif(CHROMIUM is None, reason="needs chromium"))


def in_browser(test: Any) -> Any:
    for mark in IN_BROWSER:
        test = mark(test)
    return test


@in_browser
def test_a_browser_reads_and_compares(opened: Opened) -> None:
    page = opened.page
    page.get_by_label("Text").first.fill(TEXT)
    opened.button("Read").click()
    page.locator(".words").get_by_text("<b>dancing</b>").wait_for()
    opened.tab("Compare")
    opened.wait_for("against real: helped")
    page.wait_for_function("document.documentElement.scrollWidth == 390")
    ends = "[...document.querySelectorAll('table.rows')].map(each => each.getBoundingClientRect().right)"
    assert 0 < max(page.evaluate(ends)) <= 390  # nothing of a table is cut
    assert page.request.get(f"{opened.address}/report/augment").text() == "<h1>the report</h1>"
    assert page.request.get(f"{opened.address}/report/..%2Fresults").status == 404
    assert page.request.get(opened.address, headers={"Host": "elsewhere.example"}).status == 400


@in_browser
def test_a_browser_writes_and_each_text_has_its_marks(
    opened: Opened, moods: DataCatalog, monkeypatch: pytest.MonkeyPatch
) -> None:
    moods["params:moods.filters"] = MemoryDataset({"length": {"min_words": 3}})
    monkeypatch.setattr("emotion_kedro.app.generate", partial(generate_from, moods))
    expected = generate_from(moods, "joy", 8, experiment="moods", generator="asked")
    opened.tab("Write")
    page = opened.page
    page.get_by_label("Label").click()
    page.get_by_role("option", name="joy").click()
    opened.button("Write").click()
    opened.wait_for(f"of {len(expected)} kept")
    cards = page.locator("ul.cards > li")
    assert cards.count() == len(expected)
    for card, candidate in zip(cards.all(), expected, strict=True):
        assert ("kept" in (card.get_attribute("class") or "")) == candidate.kept
        # No run has kept a classifier of moods, and nobody has reviewed anything.
        length = "✗ length: too short" if candidate.by_filter["length"] else "✓ length"
        assert card.locator(".marks span").all_inner_texts() == ["– reviewed", length, "– label_agreement"]
    assert {candidate.kept for candidate in expected} == {True, False}


@in_browser
def test_a_browser_checks_a_table_runs_on_it_and_stops(opened: Opened, table: Path, slow_run: Path) -> None:
    opened.tab("Your table")
    page, ended = opened.page, slow_run / "ended"
    with page.expect_file_chooser() as chooser:
        page.get_by_text("Click to Upload").click()
    chooser.value.set_files(table)
    page.get_by_label("mine.csv").wait_for()  # its text is there for a moment only, while it goes up
    opened.button("Check the table").click()
    opened.wait_for("2: sad 20")
    said = page.get_by_label("Progress")
    opened.button("Run it here").click()
    opened.says(said).to_have_value(re.compile("step 1"))
    opened.says(opened.button("Run it here")).to_be_hidden()
    assert "step 2" not in said.input_value()
    _ends_with("0", slow_run)
    opened.says(said).to_have_value(re.compile("step 2\n\nDone.$"))
    assert not ended.exists()

    (slow_run / "code").unlink()
    opened.button("Run it here").click()
    opened.says(said).to_have_value(re.compile("step 1 …\n$"))
    opened.button("Stop").click()
    opened.says(said).to_have_value(re.compile("Stopped.$"))
    opened.says(opened.button("Stop")).to_be_hidden()
    assert _comes(ended)

    ended.unlink()
    (slow_run / "talks").touch()  # with lines on their way at any moment
    opened.button("Run it here").click()
    opened.says(said).to_have_value(re.compile("still\n$"))
    page.close()
    assert _comes(ended)  # a run that nobody sees any more


def _comes(file: Path) -> bool:
    """Whether a file is there within half a minute."""
    end = time.monotonic() + 30
    while time.monotonic() < end and not file.exists():
        time.sleep(0.05)
    return file.exists()


@in_browser
def test_a_browser_reviews(opened: Opened) -> None:
    opened.page.set_viewport_size({"width": 1280, "height": 900})
    opened.tab("Review")
    opened.wait_for("1 of 3")
    opened.button("Reject").click()
    opened.wait_for("1 of 2 (reject 1)")
    text = opened.page.get_by_label("Text", exact=True).locator("visible=true")
    opened.says(text).to_have_value("two")
    text.fill("two, or more")
    opened.button("Save").click()
    opened.says(text).to_have_value("three")
    opened.button("Accept").click()
    opened.wait_for("No text is left here.")
    table = pd.read_parquet("data/07_synthetic/augment/reviews.parquet")
    assert table[["text", "label", "decision", "edited_text"]].to_numpy().tolist() == [
        ["=one", "joy", "reject", ""],
        ["two", "joy", "edit", "two, or more"],
        ["three", "joy", "accept", ""],
    ]


@in_browser
def test_a_browser_is_told_what_is_missing(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("generators", "model_choices", "experiments"):
        monkeypatch.setattr(views, name, lambda *_: [])
    opened.page.goto(opened.address)
    for name, missing, button in (
        ("Read", "models", "Read"),
        ("Write", "generators", "Write"),
        ("Compare", "results", None),
        ("Review", "texts", "Accept"),
    ):
        opened.tab(name)
        opened.wait_for(f"There are no {missing} here yet: make augment, or try a table of your own")
        if button:
            opened.says(opened.button(button)).to_be_disabled()
