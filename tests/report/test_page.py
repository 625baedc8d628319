from __future__ import annotations

import html
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from emotion_kedro.report.page import (
    UNFOLDED,
    Picture,
    Report,
    html_page,
    markdown_page,
    markdown_table,
    sections,
    terminal_summary,
)
from emotion_kedro.report.tables import (
    MINUS,
    comparisons_table,
    leakage_table,
    nodes_table,
    quality_by_label,
    quality_table,
    stages_table,
)
from emotion_kedro.report.words import NOT_COMPARED, headline, verdict_of

PIXEL = Picture(b"\x89PNG".ljust(16) + (1560).to_bytes(4) + (585).to_bytes(4), "three <dots>")


def sampled(text: str, label: str = "joy") -> pd.DataFrame:
    near = {"nearest_train_text": "a real one", "nearest_train_similarity": 0.5}
    read = {"evaluator_label": "joy", "evaluator_probability": 0.7}
    return pd.DataFrame([{"label": label, "text": text, "outcome": "kept: mixed", **read, **near}])


@pytest.fixture
def facts(scores: pd.DataFrame, comparisons: pd.DataFrame, label_scores: pd.DataFrame) -> dict[str, Any]:
    return {
        "name": "invented",
        "question": "Does it help?",
        "data_note": "hand-written sample",
        "date": "2026-01-01",
        "commit": "abc123",
        "parameters": {"design": {"seeds": [0, 1]}},
        "scores": scores,
        "comparisons": comparisons,
        "label_scores": label_scores,
        "plots": {"accuracy": PIXEL},
    }


def test_the_head_says_data_date_commit_and_baselines(facts: dict[str, Any]) -> None:
    for page in (html_page(Report(**facts)), markdown_page(Report(**facts))):
        head = page[: page.index("| arm") if page.startswith("#") else page.index("<h2>")]
        for text in ("Does it help?", "hand-written sample", "chance (majority)", "0.500"):
            assert text in head
        assert "2026-01-01" in page
        assert "abc123" in page


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(0.01, 0.2, "helped"), (-0.2, -0.01, "harmed"), (-0.1, 0.1, "no difference shown")],
)
def test_verdict_sentence(comparisons: pd.DataFrame, low: float, high: float, verdict: str) -> None:
    changed = comparisons.assign(low=low, high=high, verdict=verdict, difference=(low + high) / 2)
    kind, sentence = verdict_of(changed)
    assert kind == verdict
    assert verdict in sentence
    assert f"{100 * low:+.1f} to {100 * high:+.1f}".replace("-", "−") in sentence
    assert re.match(rf"<b>:? {verdict}[:,] [+−]\d+\.\d points of accuracy$", headline(changed))
    assert verdict_of(comparisons.iloc[:0]) == ("", NOT_COMPARED)
    assert headline(comparisons.iloc[:0]) == ""


def test_differences_are_in_points_but_for_log_loss(comparisons: pd.DataFrame) -> None:
    table = comparisons_table(comparisons)
    assert table["accuracy, points"].tolist() == ["+10.0 (+1.0 to +20.0)", f"+10.0 ({MINUS}1.0 to +20.0)"]
    assert table["macro-F1, points"].tolist() == table["accuracy, points"].tolist()
    assert table["log loss, nats"].tolist() == ["+0.10 (+0.01 to +0.20)", f"+0.10 ({MINUS}0.01 to +0.20)"]


def test_the_page_opens_with_the_answer_and_the_model(facts: dict[str, Any], scores: pd.DataFrame) -> None:
    arm, learner = scores[["arm", "learner"]].iloc[0]
    told = {"arm": arm, "learner": learner, "command": "emotion predict --model here", "reason": "", "answers": ""}
    told |= {"imports": "", "line": "", "table": pd.DataFrame(), "size": scores["size"].iloc[0]}
    # Of another size the model has other scores.
    larger = scores[scores["size"] == told["size"]].assign(size=512, value=0.123)
    facts["scores"] = pd.concat([scores, larger], ignore_index=True)
    page = html_page(Report(**facts, recommended=told))
    head = html.unescape(page[page.index("<h1>") : page.index("<dl")])
    value = scores[scores["metric"] == "accuracy"].iloc[0]["value"]
    for said in (
        headline(facts["comparisons"]),
        f"Recommended model: {arm}",
        f"accuracy {value:.3f} (",
        "chance",
        told["command"],
    ):
        assert said in head


def test_the_head_is_about_the_recommended_model(facts: dict[str, Any], comparisons: pd.DataFrame) -> None:
    told = {"arm": "chosen", "learner": comparisons["learner"].iloc[0], "command": "", "reason": "", "answers": ""}
    told |= {"size": 0, "imports": "", "line": "", "table": pd.DataFrame()}
    both = pd.concat([comparisons, comparisons.assign(second="chosen"), comparisons.assign(first="chosen")])
    for shown, said in ((both, "chosen"), (both.iloc[: 2 * len(comparisons)], comparisons["first"].iloc[0])):
        page = html.unescape(html_page(Report(**{**facts, "comparisons": shown}, recommended=told)))
        assert f'<p class="big">{said}' in page


def test_what_an_arm_learns_from_is_said_on_both_pages(facts: dict[str, Any]) -> None:
    report = Report(**facts, arms={"real": "the real rows alone", "<b>": "and more"})
    assert "<dt>real</dt><dd>the real rows alone</dd>" in html_page(report)
    assert "<dt>&lt;b&gt;</dt><dd>and more</dd>" in html_page(report)
    assert "Arms: real, the real rows alone; &lt;b>, and more." in markdown_page(report)
    assert "Arms" not in html_page(Report(**facts)) + markdown_page(Report(**facts))


def test_html_is_self_contained_and_escaped(facts: dict[str, Any]) -> None:
    page = html_page(Report(**facts, sampled_texts=sampled("<script>alert(1)</script>", label="<b>")))
    assert "<script>" not in page
    assert "&lt;b&gt;" in page
    assert 'src="data:image/png;base64,' in page
    assert not re.search(r'(src|href)="(?!data:)', page)


HOSTILE = "<script>x</script> ![x](http://evil.example/x.png) [y](http://evil.example) | `code` \\| &lt;\r\n| a | b |"


def test_a_text_in_a_markdown_table_is_shown_and_never_read() -> None:
    table = pd.DataFrame({HOSTILE: ["one"], "text": [HOSTILE], "score": [0.5]})
    lines = markdown_table(table).splitlines()
    assert len(lines) == 3
    assert {line.count("|") for line in lines} == {4}
    assert not re.search(r"<|`|\\|\]\(", "".join(lines))
    shown = html.unescape(lines[2].split("|")[2]).strip()
    assert shown == " ".join(HOSTILE.splitlines())


def test_what_answers_the_question_stands_open_and_the_rest_is_folded(facts: dict[str, Any]) -> None:
    report = Report(**facts, analyses={f"table {number}": pd.DataFrame({"x": [1]}) for number in range(12)})
    shown = sections(report)
    assert [section.title for section in shown if section.answers] == [
        *("Accuracy by real train rows per label", "Differences", "table 0", "table 1")
    ]
    assert html_page(report).count("<details>") == len(shown) - UNFOLDED + 1  # the words, too
    long = Report(**facts, analyses={"long": pd.DataFrame({"x": range(100)})})
    assert [section.answers for section in sections(long) if section.title == "long"] == [False]
    drawn = pd.concat([sampled("one"), sampled("two", label="love")])
    page = html_page(Report(**facts, sampled_texts=drawn))
    assert page.count("<details open>") == 1
    assert '<th scope="col">nearest real train text</th>' in page


def test_pictures_and_header_cells_speak_to_those_who_do_not_see(facts: dict[str, Any]) -> None:
    page = html_page(Report(**facts))
    assert 'width="1040" height="390" alt="three &lt;dots&gt;"' in page
    assert '<th scope="row">&lt;b&gt;</th><td class="short" data-column="learner">encoder</td>' in page
    assert not re.search(r"<t[hd]>", page)


def test_words_that_a_page_has_are_explained_once(facts: dict[str, Any]) -> None:
    page = html_page(Report(**facts))
    for word in ("arm", "ECE", "Holm"):
        assert page.count(f"<dt>{word}</dt>") == 1
    assert "<dt>temperature</dt>" not in page


def test_time_and_memory_by_stage(facts: dict[str, Any]) -> None:
    steps = [("b", 2.0, "evaluation", 300.0), ("a", 1.5, "sampling", 200.0), ("c", 3.0, "evaluation", None)]
    times = pd.DataFrame(steps, columns=["node", "seconds", "stage", "memory_mb"])
    table = stages_table(times)
    assert table.to_numpy().tolist() == [["sampling", 1, "1.5", "200 MB"], ["evaluation", 2, "5.0", "300 MB"]]
    # Logs of runs before stages were written down.
    assert stages_table(times[["node", "seconds"]]).empty
    assert len(nodes_table(times[["node", "seconds"]])) == 3


WIDTHS = """<iframe src="page.html" style="width:390px;height:900px;border:0"></iframe><script>
onload = () => { const page = document.querySelector("iframe").contentDocument;
  document.title = [page.documentElement.scrollWidth, getComputedStyle(page.body).backgroundColor].join(" "); }
</script>"""


@pytest.mark.skipif(not shutil.which("chromium"), reason="needs a browser")
def test_nothing_is_wider_than_a_telephone_and_the_dark_is_dark(facts: dict[str, Any], tmp_path: Path) -> None:
    many = pd.DataFrame([{f"column {number}": "word " * 5 for number in range(16)}])
    page = html_page(Report(**facts, analyses={"wide": many}, sampled_texts=sampled("a" * 200)))
    (tmp_path / "page.html").write_text(page, encoding="utf-8")
    (tmp_path / "frame.html").write_text(WIDTHS, encoding="utf-8")
    options = [
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        "--hide-scrollbars",
        "--allow-file-access-from-files",
        "--dump-dom",
    ]
    dark = "--blink-settings=preferredColorScheme=0"
    command = ["chromium", *options, dark, f"--user-data-dir={tmp_path}/user", f"file://{tmp_path}/frame.html"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout
    assert "<title>390 rgb(26, 26, 26)</title>" in shown


def test_texts_of_others_stay_out_of_the_short_page(facts: dict[str, Any]) -> None:
    report = Report(**facts, sampled_texts=sampled("an invented sentence"))
    assert "an invented sentence" in html_page(report)
    assert "an invented sentence" not in markdown_page(report)


def test_markdown_has_one_plot_and_few_tables(facts: dict[str, Any]) -> None:
    page = markdown_page(Report(**facts), "images/invented.png")
    assert page.count("](images/invented.png)") == 1
    assert page.count("|:--") >= 2
    assert "\n\n\n" not in page


def test_summary_has_every_arm(facts: dict[str, Any]) -> None:
    summary = terminal_summary(Report(**facts))
    assert summary.count("accuracy 0.") == 6
    assert "helped" in summary


def test_an_experiment_without_arms_has_a_page() -> None:
    empty = pd.DataFrame()
    report = Report(
        "x", "Why?", "note", "date", "", {}, empty, empty, empty, analyses={"T": pd.DataFrame({"x": [0.5]})}
    )
    assert "0.500" in html_page(report)
    assert "Why?" in markdown_page(report)
    assert "Why?" in terminal_summary(report)


def quality(arm: str, value: float) -> pd.DataFrame:
    row = {"experiment": "x", "arm": arm, "metric": "cut_off", "value": value, "real": 0.04, "texts": 9}
    marks = {"target": "at most real + 0.05", "met": "no"}
    return pd.DataFrame([{**row, **marks, "label": label} for label in ("joy", "all")])


def test_figures_of_text_are_explained_beside_real_text_and_target() -> None:
    both = pd.concat([quality("a", 0.3), quality("b", 0.3), quality("c", 0.2)], ignore_index=True)
    table = quality_table(both)
    assert table["arms"].tolist() == ["a, b", "c"]
    assert table.iloc[0][["figure", "added text", "real text", "met"]].tolist() == ["cut off", "0.30", "0.04", "no"]
    assert "breaks off" in table["what it says"].iloc[0]
    assert quality_by_label(both)["c"].set_index("figure").loc["cut off", "joy"] == "0.20 (0.04), not met"
    assert quality_table(both[both["arm"] != "c"])["added text"].tolist() == ["9", "0.30"]
    assert quality_table(None).empty


def test_leaks_have_names_in_words() -> None:
    counts = {"test_rows": 10, "exact_in_train": 1, "near_in_train": 2, "exact_share": 0.1, "near_share": 0.2}
    table = leakage_table(pd.DataFrame([{"split_strategy": "plain", "source": "all", **counts}]))
    assert not any("_" in name for name in table.columns)
    assert table["same, share"].tolist() == ["10.0 %"]
