from __future__ import annotations

import math
import re
from html.parser import HTMLParser
from typing import Any

import invented_results as invented
import pandas as pd
import pytest
from invented_results import results

from emotion_kedro.pictures import page, plots
from emotion_kedro.pictures.document import embedded
from emotion_kedro.pictures.numbers import count, duration, p_value, score, signed
from emotion_kedro.pictures.page import RunResults, html_page, markdown_page, terminal_summary
from emotion_kedro.pictures.results import USABILITY
from emotion_kedro.pictures.verdict import reading
from emotion_kedro.taxonomy import THIRTEEN

OPEN = "no difference shown"
ONE_SEED = "There is one training seed: intervals cover the choice of test rows only, not training noise."


@pytest.fixture(autouse=True)
def _no_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing takes most of the time, and few tests look at the pictures."""
    monkeypatch.setattr(page, "_drawings", lambda _: {})


@pytest.fixture
def _pictures(monkeypatch: pytest.MonkeyPatch, _no_pictures: None) -> None:
    monkeypatch.undo()


class Reader(HTMLParser):
    """Collects each table as rows of cells, and each element that opens."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self._cell = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        self._cell = tag in ("td", "th")
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif self._cell:
            self.tables[-1][-1].append("")

    def handle_endtag(self, tag: str) -> None:
        self._cell = self._cell and tag not in ("td", "th")

    def handle_data(self, data: str) -> None:
        self.text.append(data)
        if self._cell:
            self.tables[-1][-1][-1] += data


def html_tables(found: RunResults) -> dict[tuple[str, ...], list[list[str]]]:
    """Header -> rows of each table; a later table with the same header goes below."""
    tables: dict[tuple[str, ...], list[list[str]]] = {}
    for head, *rows in read(found).tables:
        tables.setdefault(tuple(head), []).extend(rows)
    return tables


def markdown_tables(found: RunResults) -> dict[tuple[str, ...], list[list[str]]]:
    tables: dict[tuple[str, ...], list[list[str]]] = {}
    for block in re.findall(r"(?:^\|.*\n)+", markdown_page(found), flags=re.MULTILINE):
        head, _, *rows = ([cell.strip() for cell in line.strip("|\n").split(" | ")] for line in block.splitlines())
        tables.setdefault(tuple(head), []).extend(rows)
    return tables


def read(found: RunResults) -> Reader:
    reader = Reader()
    reader.feed(html_page(found))
    return reader


EXPECTED = [
    (
        "arm | accuracy | macro-F1 | ECE | log loss | test rows | seeds",
        "augmented | .885 [.873, .898] | .835 [.814, .863] | .042 | .457 | 480 | 0, 1",
    ),
    ("arm | seed | accuracy | macro-F1 | ECE | log loss | test rows", "real | 1 | .874 | .823 | .042 | 1.234 | 480"),
    ("source | arm | accuracy | macro-F1 | test rows", "eit | synthetic | .612 [.600, .624] | .562 [.541, .590] | 300"),
    ("source | arm | accuracy | macro-F1 | test rows", "edft | real | – | .823 [.802, .851] | 180"),
    (
        "measure | difference | reads as",
        "accuracy | +.012 [−.004, +.028] | no difference shown: the interval includes zero",
    ),
    (
        "seed | only real right | only augmented right | McNemar p | p after Holm",
        "1 | 12 | 24 | .058 | .115",
    ),
    ("label | test rows | F1, real | F1, augmented | F1, synthetic", "joy | 1,234 | .890 | .790 | .690"),
    ("true label | anger | joy | sadness", "joy | 25 | 75 | 25"),
    ("arm | ECE | log loss", "synthetic | .042 | .457"),
    ("arm | bin | confidence | accuracy | rows", "augmented | 2 | .852 | .903 | 360"),
    (
        "label | drawn | kept | yield | fidelity, all | fidelity, kept | exact copies | near copies",
        "all | 4,000 | 2,504 | 62.6% | 58.7% | 91.4% | 3 | 17",
    ),
    (
        "label | distinct-1 | real | distinct-2 | real | self-BLEU | real | longest shared n-gram | real"
        " | nearest similarity | real",
        "joy | .301 | .404 | .702 | .805 | .203 | .107 | 5.2 | 3.8 | .448 | –",
    ),
    ("label | kept | off label | too short", "anger | 626 | 300 | 74"),
    (
        "source | files | rows read | kept | without text | unknown label",
        "edft | edft.csv | 40,000 | 31,123 | 2 | 8,875",
    ),
    ("source | label | rows", "edft | worry | 8,459"),
    ("source | label | rows", "edft | boredom | 108"),
    ("label | eit", "joy | 19,976"),
    ("what | count", "dropped: in conflict | 72"),
    ("what | count", "kept | 2,471"),
    ("label | train | test", "joy | 650 | 160"),
    ("label | train | test", "all | 1,991 | 480"),
    (
        "split | source | test rows | exact in train | share | near or exact | share | other label in train",
        "plain | eit | 310 | 40 | 12.9% | 59 | 19.0% | 6",
    ),
    (
        "classifier | seed | steps | texts seen | last train loss | time",
        "augmented | 1 | 300 | 4,800 | .217 | 1 h 02 min",
    ),
    (
        "generator | texts | steps | best step | stopped early | best validation loss | time",
        "sadness | 1,111 | 150 | 100 | yes | 3.700 | 1 min 35 s",
    ),
    ("node | time | share", "unify_labels | 0.4 s | 0.1%"),
    ("what | value", "command | kedro run --pipelines=augment"),
]


@pytest.mark.parametrize("tables_of", [html_tables, markdown_tables])
def test_every_number_lands_in_its_place(tables_of: Any) -> None:
    tables = tables_of(results())
    for head, row in EXPECTED:
        assert row.split(" | ") in tables[tuple(head.split(" | "))]


def test_both_pages_have_the_same_tables() -> None:
    assert html_tables(results()) == {
        head: rows
        for head, rows in sorted(markdown_tables(results()).items(), key=lambda entry: entry[0] == ("what", "value"))
    }


def test_precision_and_recall_by_arm() -> None:
    table = invented.per_label()
    table["precision"] = table["arm"].map({"real": 0.11, "augmented": 0.22, "synthetic": 0.33})
    tables = html_tables(results(per_label=table))
    head = [f"{key}, {arm}" for key in ("precision", "recall") for arm in invented.ARMS]
    assert tables[("label", *head)][0] == ["anger", ".110", ".220", ".330", ".702", ".702", ".702"]


def test_usability_is_explained_in_both_directions() -> None:
    rows = {row[0]: row[1:] for row in html_tables(results())[("trained on, tested on", "accuracy", "")]}
    assert rows["real to synthetic, all"][0] == ".587 [.551, .623]"
    assert rows["real to synthetic, kept"][0] == "–"
    assert rows["synthetic to real"][0] == ".612 [.600, .625]"
    assert all(explanation.endswith(".") for _, explanation in rows.values())


# --- the verdict ------------------------------------------------------------------------------------------------

HEADLINES = {"helped": "It helped.", "harmed": "It did harm.", OPEN: "No difference shown."}


@pytest.mark.parametrize("verdict", HEADLINES)
def test_verdict_comes_first_in_words(verdict: str) -> None:
    found = results(verdict)
    text = html_page(found)
    assert text.index(HEADLINES[verdict]) < text.index(invented.SENTENCES[verdict]) < text.index("<table")
    markdown = markdown_page(found).splitlines()
    assert markdown[0] == "# Emotion with synthetic text"
    assert markdown[2] == f"**Did the synthetic text help? {HEADLINES[verdict]}** {invented.SENTENCES[verdict]}"
    assert markdown[4] == "Written by the pipeline; do not edit."
    summary = terminal_summary(found).splitlines()
    assert summary[1:3] == [f"Did the synthetic text help? {HEADLINES[verdict]}", invented.SENTENCES[verdict]]


@pytest.mark.parametrize("verdict", HEADLINES)
def test_only_one_headline_and_its_tone(verdict: str) -> None:
    found = read(results(verdict))
    others = set(HEADLINES.values()) - {HEADLINES[verdict]}
    assert not others & {text.strip() for text in found.text}
    tone = {"helped": "helped", "harmed": "harmed", OPEN: "open"}[verdict]
    assert ("div", {"class": f"verdict {tone}"}) in found.elements


@pytest.mark.parametrize("verdict", ["helped", "harmed"])
def test_no_gain_and_no_harm_while_both_intervals_include_zero(verdict: str) -> None:
    wrong = {**invented.comparison(OPEN), "verdict": verdict, "sentence": "It changed a great deal!"}
    for written in (html_page, markdown_page, terminal_summary):
        text = written(results(comparison=wrong))
        assert "No difference shown." in text
        assert "a great deal" not in text
        assert HEADLINES[verdict] not in text


def test_an_end_at_zero_does_not_exclude_it() -> None:
    assert reading(invented.interval(0.01, 0.0, 0.02)).startswith("no difference shown")
    assert reading(invented.interval(0.01, 0.001, 0.02)) == "higher"
    assert reading(invented.interval(-0.01, -0.02, -0.001)) == "lower"
    assert reading(None) == "–"


def test_open_difference_says_what_is_not_ruled_out() -> None:
    sentence = "any change of accuracy from −.004 to +.028 agrees with these rows"
    assert sentence in html_page(results())
    assert "any change of accuracy" not in html_page(results("helped"))


def test_one_seed_says_what_the_interval_leaves_out() -> None:
    for written in (html_page, markdown_page, terminal_summary):
        one, several = written(results(seeds=[0])), written(results(seeds=[0, 1, 2, 3, 4]))
        assert ONE_SEED in " ".join(one.split())
        assert "not training noise" not in several
        assert "5 training seeds." in several


def test_without_comparison_there_is_no_verdict() -> None:
    found = results(comparison={})
    assert "Not compared." in html_page(found)
    assert "Not compared." in terminal_summary(found)
    assert "## Difference" not in markdown_page(found)


# --- other sentences --------------------------------------------------------------------------------------------


def test_leakage_sentence() -> None:
    sentence = (
        "A plain split would have left 12.6% of the test rows (63 of 500) with the same or nearly the same text in "
        "train: 41 word for word, 7 under another label. The grouped split leaves 0.0%."
    )
    assert sentence in html_page(results())
    assert sentence in markdown_page(results())


def test_equal_and_unequal_steps() -> None:
    assert "Every classifier took 300 optimiser steps" in html_page(results())
    runs = invented.classifiers()
    runs[-1]["steps"] = 1200
    text = html_page(results(classifiers=runs))
    assert "different numbers of optimiser steps (real, augmented, synthetic: 300; synthetic: 1,200)" in text
    assert "no arm was trained for longer" not in text


# --- candidates and other texts ---------------------------------------------------------------------------------


def examples(*texts: str) -> pd.DataFrame:
    return pd.DataFrame({"label": "joy", "text": list(texts), "probability": [math.nan] * len(texts)})


def test_html_escapes_candidates() -> None:
    text = html_page(results(examples=examples("<script>alert(1)</script> & <b>joy</b>")))
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &amp; &lt;b&gt;joy&lt;/b&gt;" in text


def test_html_escapes_names_and_titles() -> None:
    text = html_page(results(title="<i>title", setting={"<u>machine": "<s>fast"}))
    assert not re.search("<(i>title|u>|s>)", text)


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("a | b", r"a \| b"),
        ("*so* happy", r"\*so\* happy"),
        ("_so_ my_name", r"\_so\_ my_name"),
        ("[here](http://a.b)", r"[here\](http://a.b)"),
        ("<img src=x>", "&lt;img src=x&gt;"),
        ("# one\n- two", "# one - two"),
    ],
)
def test_markdown_shows_candidates_as_they_are(text: str, written: str) -> None:
    assert f"- – “{written}”" in markdown_page(results(examples=examples(text))).splitlines()


def test_five_examples_a_label_with_their_probability() -> None:
    markdown = markdown_page(results())
    assert "- .981 “Text 4 of joy”" in markdown
    assert "Text 5 of joy" not in markdown
    assert "Text 4 of joy" in html_page(results())
    assert "Text 5 of joy" not in html_page(results())


# --- the whole page ---------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("_pictures")
def test_page_stands_alone() -> None:
    found = read(results())
    images = [attributes for tag, attributes in found.elements if tag == "img"]
    assert len(images) == 6
    assert all(str(image["src"]).startswith("data:image/png;base64,iVBOR") and image["alt"] for image in images)
    assert not {"script", "link", "iframe"} & {tag for tag, _ in found.elements}
    assert "http" not in html_page(results())


def test_links_lead_to_sections() -> None:
    elements = read(results()).elements
    links = [str(attributes["href"]) for tag, attributes in elements if tag == "a"]
    assert links == [f"#{attributes['id']}" for tag, attributes in elements if tag == "section"]
    assert links[0] == "#scores"
    assert links[-1] == "#setting"


def test_page_is_the_same_each_time() -> None:
    assert html_page(results()) == html_page(results())
    address, width = embedded(plots.plot_yield(invented.yields()))
    assert (address, width) == embedded(plots.plot_yield(invented.yields()))
    assert width == round(96 * plots.WIDTH)


@pytest.mark.usefixtures("_pictures")
def test_markdown_pictures_lie_in_the_folder() -> None:
    text = markdown_page(results(), "pictures/")
    names = ["arms", "per_label", "confusion", "reliability", "yield", "losses"]
    assert re.findall(r"!\[[^]]+\]\(pictures/(\w+)\.png\)", text) == names
    assert list(page.figures(results())) == names
    assert "![" not in markdown_page(results())


@pytest.mark.usefixtures("_pictures")
def test_thirteen_labels() -> None:
    found = results(labels=THIRTEEN)
    reader = read(found)
    assert sum(tag == "img" for tag, _ in reader.elements) == 6
    rows = [row for table in reader.tables if table[0] == ["true label", *THIRTEEN] for row in table[1:]]
    assert len(rows) == 3 * 13
    assert len(terminal_summary(found).splitlines()) <= 25
    assert all(f"Text 0 of {label}" in markdown_page(found) for label in THIRTEEN)


def test_missing_figures_are_dashes() -> None:
    table = invented.synthetic().astype({"distinct_1": float})
    table.loc[0, ["distinct_1", "yield", "kept"]] = math.nan
    scores = invented.scores()
    scores["arms"]["real"] |= {"accuracy": None, "ece": None}
    scores["arms"]["augmented"]["accuracy"] = dict.fromkeys(("estimate", "low", "high", "level", "samples"))
    found = results(synthetic=table, scores=scores, usability=dict.fromkeys(USABILITY))
    tables = html_tables(found)
    arms = tables[tuple(EXPECTED[0][0].split(" | "))]
    assert arms[0][1:4] == ["–", ".823 [.802, .851]", "–"]
    assert arms[1][1] == "–"
    assert tables[tuple(EXPECTED[10][0].split(" | "))][0][1:4] == ["1,000", "–", "–"]
    for written in (html_page, markdown_page, terminal_summary):
        assert not re.search(r"\b(nan|None|NaN)\b", re.sub('base64,[^"]+', "", written(found)))


@pytest.mark.usefixtures("_pictures")
def test_run_without_results_still_has_a_page() -> None:
    empty = pd.DataFrame()
    tables = dict.fromkeys(
        ("leakage", "synthetic", "yields", "examples", "per_label", "confusion", "reliability"), empty
    )
    names = ("ingestion", "unification", "sampling", "scores", "comparison", "usability", "setting")
    found = results(**tables, **{name: {} for name in names}, generators=[], classifiers=[], times=[])
    assert "Not compared." in html_page(found)
    assert "<table" not in html_page(found)
    assert "## " not in markdown_page(found)
    assert terminal_summary(found)


def test_counts_of_split_and_source_are_shown_as_they_come() -> None:
    counts = {"train": {"eit": {"joy": 7, "anger": 5}, "edft": {"joy": 3}}, "test": {"eit": {"joy": 2}}}
    found = results(sampling={"capped": 12, "groups": {"rows_with_near_duplicates": 4}, "counts": counts})
    tables = html_tables(found)
    assert tables[("what", "count")] == [["capped", "12"], ["groups: rows with near duplicates", "4"]]
    assert tables[("label", "train, eit", "train, edft", "test, eit")] == [
        ["anger", "5", "0", "0"],
        ["joy", "7", "3", "2"],
        ["all", "12", "3", "2"],
    ]
    assert "train 15; test 2" in terminal_summary(found)


# --- the terminal -----------------------------------------------------------------------------------------------


def test_summary_has_the_main_figures() -> None:
    text = " ".join(terminal_summary(results()).split())
    for part in (
        "2 sources, 60,000 rows read, 51,108 kept; train 1,991; test 480",
        "12.6% with a plain split (63), 0.0% with a grouped split (0)",
        "4,000 candidates, 62.6% passed, 2,504 kept; fidelity 58.7% of all, 91.4% of kept",
        "real accuracy .873 [.861, .886] macro-F1 .823 [.802, .851] ECE .042",
        "synthetic accuracy .612 [.600, .624]",
        "augmented minus real accuracy +.012 [-.004, +.028] no difference shown: the interval includes zero",
        "McNemar p after Holm: .115 (seed 0), .115 (seed 1)",
        "real to real .873; real to synthetic, all .587; real to synthetic, kept -; synthetic to real .612",
    ):
        assert part in text


@pytest.mark.parametrize("verdict", HEADLINES)
@pytest.mark.parametrize("seeds", [1, 3, 12])
def test_summary_fits_a_terminal(verdict: str, seeds: int) -> None:
    found = results(verdict, seeds=range(seeds))
    text = terminal_summary(found)
    assert text.isascii()
    assert 12 <= len(text.splitlines()) <= 25
    assert max(map(len, text.splitlines())) <= 100
    assert ("and 7 more seeds" in text) == (seeds == 12)


def test_long_sentence_is_wrapped() -> None:
    found = results(comparison={**invented.comparison(), "sentence": "word " * 60})
    assert max(map(len, terminal_summary(found).splitlines())) <= 100


# --- numbers ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "plain", "with_sign"),
    [
        (0.8734, ".873", "+.873"),
        (1.0, "1.000", "+1.000"),
        (0.0, ".000", ".000"),
        (-0.0043, "−.004", "−.004"),
        (0.0001, ".000", "+.000"),
        (-0.0001, "−.000", "−.000"),
        (2.5, "2.500", "+2.500"),
        (None, "–", "–"),
        (math.nan, "–", "–"),
        (pd.NA, "–", "–"),
    ],
)
def test_scores(value: Any, plain: str, with_sign: str) -> None:
    assert (score(value), signed(value)) == (plain, with_sign)


@pytest.mark.parametrize(
    ("seconds", "written"),
    [(0.04, "0.0 s"), (59.94, "59.9 s"), (59.97, "1 min 00 s"), (95, "1 min 35 s"), (3723, "1 h 02 min"), (None, "–")],
)
def test_durations(seconds: float | None, written: str) -> None:
    assert duration(seconds) == written


@pytest.mark.parametrize(("value", "written"), [(0.0576, ".058"), (0.0009, "< .001"), (1.0, "1.000"), (None, "–")])
def test_p_values(value: float | None, written: str) -> None:
    assert p_value(value) == written


@pytest.mark.parametrize(
    ("value", "written"), [(12345, "12,345"), (3.0, "3"), (5.25, "5.2"), (math.nan, "–"), ("as it is", "as it is")]
)
def test_counts(value: Any, written: str) -> None:
    assert count(value) == written
