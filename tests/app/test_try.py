"""A table of one's own: how it is read, what it is like, and the experiment that is made of it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import numpy as np
import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from omegaconf import OmegaConf
from workbooks import with_dimension

from emotion_kedro.app.own_table import command
from emotion_kedro.app.own_table.command import _chosen
from emotion_kedro.app.own_table.experiment_file import (
    BUDGET,
    estimated_seconds,
    experiment_for,
    name_for,
    write_experiment,
)
from emotion_kedro.app.own_table.guessing import guess_source, guess_texts, with_test_file
from emotion_kedro.app.own_table.outcome import lines_of
from emotion_kedro.app.own_table.profile import Profile, language_of, profile_source
from emotion_kedro.app.own_table.reading import without_labels
from emotion_kedro.cli import cli
from emotion_kedro.config.data import SourceConfig, SplitConfig, UnlabelledConfig
from emotion_kedro.config.resolution import resolve
from emotion_kedro.data.reader_errors import SourceError
from emotion_kedro.data.readers import read_source
from emotion_kedro.data.sampling import sample_and_split
from emotion_kedro.data.tables import read_columns
from emotion_kedro.data.unlabelled import read_unlabelled
from emotion_kedro.runtime import guards
from emotion_kedro.storage.chunks import frame_of

ROOT = Path(__file__).parents[2]
NOUNS = ("lamp", "river", "letter", "garden", "ticket", "kitchen", "bicycle", "window", "holiday", "neighbour")
VERBS = ("broke", "saw", "painted", "lost", "sold", "found", "cleaned", "missed", "drew", "forgot")
MOODS = {"glad": 24, "cross": 16, "low": 12}
"""Label -> rows."""


def sentence(number: int) -> str:
    verb, noun, other = VERBS[number % 10], NOUNS[number // 10 % 10], NOUNS[number * 7 % 10]
    return f"on day {number * 37} somebody {verb} the {noun} beside {VERBS[number * 3 % 10]} {other}s, {number}"


def table(labels: dict[str, int] = MOODS) -> pd.DataFrame:
    names = [label for label, rows in labels.items() for _ in range(rows)]
    frame = pd.DataFrame({"no": range(len(names)), "entry": [sentence(n) for n in range(len(names))], "mood": names})
    return frame.sample(frac=1, random_state=0).reset_index(drop=True)


def headerless(frame: pd.DataFrame, file: Path) -> None:
    frame = frame.assign(entry=frame["entry"].str.replace("somebody", "some\nbody"))
    frame[["entry", "mood"]].to_csv(file, index=False, header=False)


FORMATS: dict[str, Callable[[pd.DataFrame, Path], Any]] = {
    "a.csv": headerless,
    "b.csv": lambda frame, file: frame.to_csv(file, index=False, sep=";"),
    "c.csv": lambda frame, file: file.write_bytes(
        frame.assign(entry="é" + frame["entry"]).to_csv(index=False).encode("cp1252")
    ),
    "d.xlsx": lambda frame, file: frame.to_excel(file, index=False),
    "e.json": lambda frame, file: frame.to_json(file, orient="records"),
    "f.json": lambda frame, file: frame.to_json(file, orient="records", lines=True),
    "g.parquet": lambda frame, file: frame.to_parquet(file),
    "h.tsv": lambda frame, file: file.write_text(
        "entry\tmood\n"
        + "".join(f'"{entry}\t{mood}\n' for entry, mood in zip(frame["entry"], frame["mood"], strict=True))
    ),
    "i.txt": lambda frame, file: frame.to_csv(file, index=False, sep="|"),
    "j.txt": lambda frame, file: frame.to_csv(file, index=False, sep="\t", encoding="utf-16"),
    "k.xlsx": lambda frame, file: workbook(file, Notes=pd.DataFrame({"a note": ["to read first"]}), Mails=frame),
}


def workbook(file: Path, **sheets: pd.DataFrame) -> None:
    with pd.ExcelWriter(file) as book:
        for name, frame in sheets.items():
            frame.to_excel(book, sheet_name=name, index=False)


def test_a_sheet_is_chosen_by_its_columns_or_its_length_and_said(tmp_path: Path) -> None:
    file = tmp_path / "book.xlsx"
    workbook(file, Notes=pd.DataFrame({"a note": ["to read first"]}), Mails=table())
    config, names, notes = guess_texts(file)
    assert (config.sheet, config.text_column, names) == ("Mails", "entry", ["no", "entry", "mood"])
    assert notes[0] == "sheet: 'Mails'; there is also 'Notes' (`sheet` in the experiment's file names one)"
    assert guess_texts(file, "a note")[2][0].startswith("sheet: 'Notes'; there is also 'Mails'")
    # Sheets whose size is written down wrongly are as long as they are.
    with_dimension(file, "A1")
    assert guess_texts(file)[0].sheet == "Mails"


def test_a_header_without_rows_is_no_data(tmp_path: Path) -> None:
    (tmp_path / "header.csv").write_text("No. 1;what they said;mood\n")
    for guess in (guess_source, guess_texts):
        with pytest.raises(SourceError, match="the table has no rows"):
            guess(tmp_path / "header.csv")


def test_a_title_above_the_header_is_said(tmp_path: Path) -> None:
    frame = pd.DataFrame([["Our mails", None, None], *[["no", "entry", "mood"], *table().values.tolist()]])
    frame.to_excel(tmp_path / "titled.xlsx", index=False, header=False)
    frame.to_csv(tmp_path / "titled.csv", index=False, header=False)
    for guess in (guess_source, guess_texts):
        for file in ("titled.xlsx", "titled.csv"):
            with pytest.raises(SourceError, match="several columns have no name in the first row; if the header"):
                guess(tmp_path / file)


def test_columns_without_a_name_or_with_one_twice_are_left_alone(tmp_path: Path) -> None:
    file, frame = tmp_path / "a.xlsx", table()
    rows = [["no", "", "entry", "mood", "no", ""], *([n, "", text, mood, n, "new"] for n, text, mood in frame.values)]
    pd.DataFrame(rows).to_excel(file, index=False, header=False)
    source = guess_source(file).source
    assert (source.text_column, source.label_column) == ("entry", "mood")
    assert frame_of(read_source(Path("/"), "mine", source, []))["text"].tolist() == frame["entry"].tolist()
    assert guess_texts(file)[1] == ["entry", "mood"]
    with pytest.raises(SourceError, match="the column 'no' is there twice"):
        frame_of(read_source(Path("/"), "mine", guess_source(file, text="no", label="mood").source, []))
    pd.DataFrame([["entry", "", ""], *([text, "", ""] for text in frame["entry"])]).to_excel(
        file, index=False, header=False
    )
    assert guess_texts(file)[0].text_column == "entry"


def test_texts_and_labels_named_the_wrong_way_round_are_said(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "a.csv", index=False)
    with pytest.raises(SourceError, match="the column 'mood' has 3 different values in 52 rows, as labels do"):
        guess_source(tmp_path / "a.csv", text="mood")
    with pytest.raises(SourceError, match="the column 'entry' has 52 different values in 52 rows, as texts do"):
        guess_source(tmp_path / "a.csv", label="entry")


@pytest.mark.parametrize("name", FORMATS)
def test_any_format_is_read_and_its_columns_are_guessed(name: str, tmp_path: Path) -> None:
    FORMATS[name](table(), tmp_path / name)

    guess = guess_source(tmp_path / name)

    assert guess.doubts == {}
    columns = (guess.source.text_column, guess.source.label_column)
    assert columns == (("column_1", "column_2") if name == "a.csv" else ("entry", "mood"))
    records = frame_of(read_source(Path("/"), "mine", guess.source, []))
    assert records["label"].value_counts().to_dict() == MOODS
    assert not records["text"].str.contains("column|entry").any()


def test_what_may_be_two_columns_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "posts.csv"
    frame = table().assign(place=["inn", "hut"] * 26, told=lambda frame: frame["entry"].str.upper())
    frame.rename(columns={"mood": "seen", "entry": "said"}).to_csv(file, index=False)

    guess = guess_source(file)
    assert guess.doubts == {"text": ("said", "told"), "label": ("place", "seen")}
    assert guess_source(file, text="told", label="seen").doubts == {}

    monkeypatch.setattr(
        click, "prompt", lambda *_, **given: given["default"] if "place" in given["type"].choices else "told"
    )
    asked = _chosen(file, None, None, ask=True, best=False)
    assert (asked.text_column, asked.label_column) == ("told", "place")
    best = _chosen(file, None, None, ask=False, best=True)
    assert (best.text_column, best.label_column) == ("said", "place")

    monkeypatch.chdir(ROOT)
    stopped = CliRunner().invoke(cli, ["try", str(file), "--label", "seen"])
    assert stopped.exit_code == 1
    assert stopped.output.strip().endswith(
        "the text may be 'said', 'told'. Name it: --text COLUMN, or take the first: --yes"
    )


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("text\none\ntwo\n", "there is one column only"),
        ("text,label\n" + "".join(f'"{sentence(n)}",{n}x\n' for n in range(20)), "no column looks like a label"),
        ("text,label\n" + "".join(f'"{sentence(n)}",same\n' for n in range(20)), "no column looks like a label"),
        ("text,label\n" + "".join(f'"{sentence(n)}",{"ab"[n % 2]}\n' for n in range(6)), "two are needed"),
    ],
)
def test_a_table_that_cannot_be_learned_from_ends_with_a_line(
    content: str, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine.csv").write_text(content)
    monkeypatch.chdir(ROOT)

    result = CliRunner().invoke(cli, ["try", str(tmp_path / "mine.csv")])

    assert (result.exit_code, said in result.output) == (1, True), result.output
    assert "name too long" in CliRunner().invoke(cli, ["try", "a" * 300]).output
    with pytest.raises(SourceError, match="no such file"):
        guess_source(tmp_path / "other.csv")


def test_a_profile_counts_what_is_wrong_with_a_table(tmp_path: Path) -> None:
    frame = table({**MOODS, "rare": 2})
    repeated = frame.iloc[:20]
    conflict = frame.iloc[[30]].assign(mood=lambda row: "low" if row["mood"].iloc[0] != "low" else "glad")
    spelt = pd.DataFrame({"no": 90, "entry": ["an entry of another kind altogether"], "mood": [" Glad"]})
    empty = pd.DataFrame({"no": [91, 92], "entry": ["a text of its own", ""], "mood": ["", "low"]})
    file = tmp_path / "mine.csv"
    pd.concat([frame, repeated, conflict, spelt, empty]).to_csv(file, index=False)
    file.write_text(file.read_text() + "one,two,three,four\n")

    profile = profile_source(guess_source(file).source)

    assert profile.rows == 79
    assert profile.left_out == {"no text": 1, "no label": 1, "fields that cannot be read": 1}
    assert profile.left_out_rows == [77, 78, 79]
    assert sum(profile.labels.values()) == 76
    assert profile.unfit == {"rare": 2}
    assert (profile.repeats, profile.conflicts, profile.script) == (20, 1, "latin")
    assert 0 < profile.leaking < profile.plain_test_rows
    lines = "\n".join(profile.lines())
    assert "1 with fields that cannot be read (rows, without the header: 77, 78, 79)" in lines


def test_a_header_is_one_where_its_names_are_given_or_left_empty(tmp_path: Path) -> None:
    rows = [("v1", "v2", "", ""), *((row.mood, row.entry, "", "") for row in table().itertuples())]
    pd.DataFrame(rows).to_csv(tmp_path / "spam.csv", index=False, header=False)
    source = guess_source(tmp_path / "spam.csv", text="v2", label="v1").source
    assert (source.text_column, source.label_column, source.column_names) == ("v2", "v1", None)
    assert guess_source(tmp_path / "spam.csv").source.column_names is None
    pd.DataFrame([("0", "1"), *((row[1], row[0]) for row in rows[1:])]).to_csv(
        tmp_path / "numbers.csv", index=False, header=False
    )
    source = guess_source(tmp_path / "numbers.csv", text="0", label="1").source
    assert (source.text_column, source.column_names) == ("0", None)


def test_a_header_with_a_name_twice_is_one(tmp_path: Path) -> None:
    rows = [("note", "entry", "mood", "note"), *(("-", row.entry, row.mood, "+") for row in table().itertuples())]
    pd.DataFrame(rows).to_csv(tmp_path / "twice.csv", index=False, header=False)
    source = guess_source(tmp_path / "twice.csv").source
    assert (source.text_column, source.label_column, source.column_names) == ("entry", "mood", None)
    assert "label" not in profile_source(source).labels


def test_a_test_file_of_another_layout_is_refused(tmp_path: Path) -> None:
    mine = tmp_path / "mine.csv"
    table().to_csv(mine, index=False)
    table().to_csv(tmp_path / "same.csv", index=False)
    table().to_csv(tmp_path / "other.csv", index=False, sep=";")
    table().to_csv(tmp_path / "bare.csv", index=False, header=False)
    source = guess_source(mine).source

    assert with_test_file(source, tmp_path / "same.csv").test_file == str(tmp_path / "same.csv")
    with pytest.raises(SourceError, match=r"other\.csv: its separator would be ';', that of mine\.csv is None; save"):
        with_test_file(source, tmp_path / "other.csv")
    with pytest.raises(SourceError, match=r"bare\.csv: there is no column 'entry'"):
        with_test_file(source, tmp_path / "bare.csv")


def test_labels_that_a_test_file_lacks_are_left_out(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "mine.csv", index=False)
    table({"glad": 3, "cross": 2, "new": 4}).to_csv(tmp_path / "test.csv", index=False)
    source = guess_source(tmp_path / "mine.csv").source.model_copy(update={"test_file": str(tmp_path / "test.csv")})

    profile = profile_source(source)

    assert (profile.rows, profile.test_rows, list(profile.unfit)) == (61, 5, ["low"])
    assert (profile.untaught, profile.shared) == ({"new": 4}, 9)
    said = "\n".join(profile.lines())
    assert "9 test rows are in the table too" in said
    assert "61, 9 of them in the test file" in said
    assert "4 test rows are left out: the table has no such label: new 4" in said
    # Of a test file with a label of its own alone as well.
    table({**MOODS, "new": 2}).to_csv(tmp_path / "test.csv", index=False)
    profile = profile_source(source)
    assert (list(profile.unfit), profile.untaught) == ([], {"new": 2})
    assert resolved(experiment_for(source, profile, name="mine")).unification.taxonomy.names == tuple(sorted(MOODS))


@pytest.mark.parametrize("seed", range(2))
def test_labels_that_are_left_in_can_be_split(seed: int, tmp_path: Path) -> None:
    rng = np.random.default_rng(seed)
    labels = {f"label_{number}": int(rows) for number, rows in enumerate(rng.integers(1, 40, size=3 + 9 * seed))}
    table(labels).to_csv(tmp_path / "mine.csv", index=False)
    source = guess_source(tmp_path / "mine.csv").source
    profile = profile_source(source)

    records = frame_of(read_source(Path("/"), "mine", source, []))
    config = resolved(experiment_for(source, profile, name="mine")).sampling
    assert config is not None
    sample_and_split(records[records["label"].isin(profile.fit)], config)


def resolved(experiment: dict[str, Any]) -> Any:
    """Return the experiment as the project reads it."""
    taxonomies = yaml.safe_load((ROOT / "conf/base/taxonomies.yml").read_text(encoding="utf-8"))
    ingestion = yaml.safe_load((ROOT / "conf/base/parameters/ingestion.yml").read_text(encoding="utf-8"))["ingestion"]
    return resolve("mine", experiment, ingestion=ingestion, taxonomies=taxonomies)


def profile_of(labels: int, rows: int, **changes: Any) -> Profile:
    counts = {f"label {number}": rows for number in range(labels)}
    usual: dict[str, Any] = {
        "left_out": {}, "left_out_rows": [], "unfit": {}, "repeats": 0, "conflicts": 0, "leaking": 0,
        "plain_test_rows": 9, "test_rows": None, "untaught": {}, "shared": 0,
        "script": "latin", "language": "English", "words": (15, 30, 60),
        "split": SplitConfig(),
    }  # fmt: skip
    return Profile(**{**usual, "rows": labels * rows, "labels": counts, **changes})


@pytest.mark.parametrize("labels", [2, 7, 20, 21, 77, 200])
@pytest.mark.parametrize("rows", [30, 20_000])
def test_an_experiment_fits_its_time_whatever_the_table(labels: int, rows: int) -> None:
    source = SourceConfig(file="/mine.csv", text_column="a", label_column="b")
    profile = profile_of(labels, rows)

    whole, quick = (experiment_for(source, profile, name="mine", quick=quick) for quick in (False, True))

    assert resolved(whole).recommend == ("real", "template", "augmented", "counted")
    assert resolved(quick).recommend == ("real", "template", "eda", "counted")
    assert whole["generators"]["generator"]["kind"] == ("fine_tuned" if labels <= 20 else "conditional")
    assert estimated_seconds(quick, profile) <= 120
    if labels <= 20:
        assert estimated_seconds(whole, profile) <= BUDGET


def test_what_is_said_of_labels_goes_into_the_experiment() -> None:
    source = SourceConfig(file="/mine.csv", text_column="a", label_column="b", unknown_labels="drop")
    profile = profile_of(3, 60, unfit={"label 2": 1})
    words = {"label 1": ["joyful", "in a good mood"]}

    mine = resolved(experiment_for(source, profile, name="mine", words=words))
    chinese = resolved(experiment_for(source, profile_of(3, 60, script="chinese"), name="mine"))

    assert mine.unification.taxonomy.names == ("label 0", "label 1")
    assert mine.unification.taxonomy.spoken("label 1") == "joyful"
    assert mine.generators["template"]["words"] == "all"
    assert chinese.unification.taxonomy == "from_data"
    assert (chinese.models(), list(chinese.learners)) == ((), ["frozen", "names", "counting"])
    assert chinese.recommend == ("real", "template", "eda", "counted")
    assert {chinese.arms[each].filters for each in ("template", "eda")} == {("reviewed",)}


@pytest.mark.parametrize("script", ["latin", "chinese"])
@pytest.mark.parametrize("quick", [True, False])
def test_texts_without_labels_make_an_arm(script: str, quick: bool) -> None:
    source = SourceConfig(file="/mine.csv", text_column="a", label_column="b")
    texts, profile = SourceConfig(file="/more.txt", format="csv", text_column="text"), profile_of(3, 60, script=script)
    without, mine = (
        experiment_for(source, profile, name="mine", quick=quick, unlabelled=each) for each in (None, texts)
    )
    experiment = resolved(mine)
    assert experiment.unlabelled.sources == {"mine_unlabelled": texts}
    assert experiment.recommend == (*without["recommend"][:-1], "self_trained", "counted")
    assert experiment.arms["self_trained"].add == ("template", "self_training")
    assert experiment.generators["self_training"]["sentences"] == [experiment.generators["template"]["sentence"]]
    [reads] = [name for name, learner in mine["learners"].items() if "self_trained" in learner["only"]["arms"]]
    assert "real" in mine["learners"][reads]["only"]["arms"]
    assert estimated_seconds(mine, profile) > estimated_seconds(without, profile)


def test_a_file_without_labels_is_read_by_the_column_of_the_other(tmp_path: Path) -> None:
    table().to_csv(tmp_path / "mine.csv", index=False)
    source = guess_source(tmp_path / "mine.csv").source
    more = pd.DataFrame({"said": table()["entry"] + " and more", "entry": table()["entry"]})
    more.to_csv(tmp_path / "more.csv", index=False)
    (tmp_path / "lines.txt").write_text("a first text, with a comma\nand a second one\n")
    more.rename(columns={"entry": "told"}).to_csv(tmp_path / "doubt.csv", index=False)
    names = ("mine.csv", "more.csv", "lines.txt")
    read = {name: without_labels(tmp_path / name, source)[0] for name in names}
    columns = {name: (each.text_column, each.empty_column, each.label_column) for name, each in read.items()}
    assert columns == {
        "mine.csv": ("entry", "mood", None),  # its rows without a label
        "more.csv": ("entry", None, None),
        "lines.txt": ("text", None, None),
    }
    assert {each.bad_rows for each in read.values()} == {"drop"}
    # Columns that got names, since they had none, are those of one file.
    bare = source.model_copy(update={"column_names": ("no", "entry", "mood"), "text_column": "entry"})
    texts, _ = without_labels(tmp_path / "lines.txt", bare)
    assert next(read_columns(tmp_path / "lines.txt", texts, ["text"], []))["text"].tolist() == [
        "a first text, with a comma",
        "and a second one",
    ]
    with pytest.raises(SourceError, match=r"none\.csv"):
        without_labels(tmp_path / "none.csv", source)
    with pytest.raises(SourceError, match=r"the text may be .*\. Call it 'entry', as mine\.csv does$"):
        without_labels(tmp_path / "doubt.csv", source)
    frame = table()
    frame.loc[:9, "mood"] = ""
    frame.to_csv(tmp_path / "mine.csv", index=False)
    spec = UnlabelledConfig(cleaning=(), sources={"mine": read["mine.csv"]}, cap=None, train_share=1.0)
    unlabelled, _ = read_unlabelled(tmp_path, spec)
    assert sorted(unlabelled["text"]) == sorted(frame["entry"].head(10))
    assert set(unlabelled["split"]) == {"train"}


def test_a_mark_in_a_few_lines_makes_no_columns_of_a_text_a_line(tmp_path: Path) -> None:
    """Of lines without that mark all would be left out."""
    source = SourceConfig(file=str(tmp_path / "mine.csv"), text_column="entry", label_column="mood")
    lines = [f"{sentence(number)}{'; so it was' if number in (0, 50) else ''}" for number in range(100)]
    (tmp_path / "lines.txt").write_text("\n".join(lines))
    texts, notes = without_labels(tmp_path / "lines.txt", source)
    assert pd.concat(read_columns(tmp_path / "lines.txt", texts, ["text"], []))["text"].tolist() == lines
    assert notes == ["format: a text a line"]
    (tmp_path / "columns.txt").write_text("entry;mood\n" + "".join(f"{line};\n" for line in lines[1:50]) + "alone\n")
    texts, notes = without_labels(tmp_path / "columns.txt", source)
    assert (texts.separator, texts.text_column) == (";", "entry")
    assert "columns.txt: 1 row(s) cannot be read: data row 50 (line 51)" in notes[-1]


def test_a_file_each_of_whose_rows_has_a_label_gives_no_unlabelled_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table().to_csv(tmp_path / "mine.csv", index=False)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(guards, "alone_in", nullcontext)
    file = str(tmp_path / "mine.csv")
    said = CliRunner().invoke(cli, ["try", file, "--yes", "--unlabelled", file]).output
    assert "each of its rows has a label; name another file" in said


def test_no_experiment_takes_the_place_of_another(tmp_path: Path) -> None:
    assert name_for(Path("/a/2nd Posts (new).csv"), quick=True) == "table_2nd_posts_new_quick"
    first = write_experiment(tmp_path, "mine", {"question": "a"}, {"augment"})
    assert write_experiment(tmp_path, "mine", {"question": "a"}, {"augment", "mine"}) == first
    second = write_experiment(tmp_path, "mine", {"question": "b"}, {"augment", "mine"})
    assert write_experiment(tmp_path, "augment", {"question": "a"}, {"augment"}).stem == "augment_2"
    assert write_experiment(tmp_path, "mine", {"question": "a"}, {"augment", "mine"}, numbered=False) == first
    for name, fix in (("mine", f"or delete {first}"), ("augment", "give another name$")):
        with pytest.raises(ValueError, match=f"--name {name} is taken.*{fix}"):
            write_experiment(tmp_path, name, {"question": "c"}, {"augment", "mine"}, numbered=False)
    assert list(yaml.safe_load(second.read_text())) == ["mine_2"]
    assert "kedro run --pipelines=mine_2" in second.read_text()


def test_what_looks_like_a_number_or_a_reference_is_read_back_as_it_was(tmp_path: Path) -> None:
    words = ["a: b", "1_000", "05", ".5", "-", "'x'", "yes", "2020-01-01", "${y}", "x\\${y}", "c\\d"]
    experiment = {
        "records": {"sources": {"mine": {"text_column": "price ${usd}", "label_column": "3e2"}}},
        "taxonomy": {"labels": {"1e5": {}, "": {}, "no": {"words": words}}},
    }
    file = write_experiment(tmp_path, "mine", {**experiment, "base": "${globals:encoder}"}, ())
    assert "base: ${globals:encoder}" in file.read_text()
    file.write_text(file.read_text().replace("  base: ${globals:encoder}\n", ""))
    assert OmegaConf.to_container(OmegaConf.load(file), resolve=True) == {"mine": experiment}


def test_a_name_that_would_stop_every_command_is_not_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(guards, "alone_in", nullcontext)
    monkeypatch.setattr(command, "FOLDER", tmp_path / "experiments")
    table().to_csv(tmp_path / "mine.csv", index=False)
    said = CliRunner().invoke(cli, ["try", str(tmp_path / "mine.csv"), "--yes", "--name", "my-mails"]).output
    assert "--name my-mails: an experiment's name has to be of letters" in said
    assert not (tmp_path / "experiments").exists()


def test_nothing_is_written_while_another_run_has_the_folder_and_another_name_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def busy(folder: Path) -> None:
        raise guards.FolderError("another run is using it")

    table().to_csv(tmp_path / "mine.csv", index=False)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(guards, "alone_in", busy)
    monkeypatch.setattr(command, "FOLDER", tmp_path / "experiments")
    assert "another run is using it" in CliRunner().invoke(cli, ["try", str(tmp_path / "mine.csv")]).output
    assert not (tmp_path / "experiments").exists()

    experiment = experiment_for(SourceConfig(file="/m.csv", text_column="a"), profile_of(3, 60), name="mine")
    command._announce(tmp_path / "mine_2.yml", "mine", experiment, profile_of(3, 60), quick=True)
    said = capsys.readouterr().out
    assert "there is a mine with other settings; this experiment is mine_2" in said
    assert "--describe" not in said
    assert "--unlabelled" not in said


def test_words_are_asked_for_where_a_label_has_few_rows(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, profile = SourceConfig(file="/m.csv", text_column="a"), profile_of(3, 12)
    words = {label: ["word"] for label in profile.fit}
    for given, more in (({}, None), (words, source)):
        experiment = experiment_for(source, profile, name="mine", words=given, unlabelled=more)
        command._announce(tmp_path / "mine.yml", "mine", experiment, profile, quick=True)
        said = capsys.readouterr().out
        assert ("--describe" in said) is not bool(given)
        assert ("--unlabelled" in said) is (more is None)


def test_what_numbers_mean_is_asked_for_and_another_language_is_said() -> None:
    profile = replace(profile_of(3, 12), labels={"0": 12, "1": 12}, language="German")
    hints = command._hints(experiment_for(SourceConfig(file="/m.csv", text_column="a"), profile, name="mine"), profile)
    assert hints[0].endswith('--describe 0="word, word"')
    assert 'an English sentence, "This text is about {label}"' in hints[-1]


def test_a_run_goes_to_a_cluster_by_the_command_that_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[str] = []
    table().to_csv(tmp_path / "mine.csv", index=False)
    monkeypatch.chdir(ROOT)
    monkeypatch.setattr(guards, "alone_in", nullcontext)
    monkeypatch.setattr(command, "FOLDER", tmp_path / "experiments")
    monkeypatch.setattr(command, "_run", lambda words, forecast: ran.extend(words) or 3)
    ended = CliRunner().invoke(cli, ["try", str(tmp_path / "mine.csv"), "--quick", "--yes", "--cluster", "auto"])

    runner = ["--runner=emotion_kedro.runners.RayIncrementalRunner", "--runner-params=address=auto"]
    assert (ended.exit_code, ran) == (3, ["kedro", "run", "--pipelines=mine_quick", *runner]), ended.output
    assert f"Again       {' '.join(ran)}\n" in ended.output


NOTES = {"Chosen": "by its looks, " * 9, "Sure": "of nothing."}


def test_results_are_those_of_the_saved_tables() -> None:
    figures = {
        ("real", "encoder"): 0.8,
        ("baseline", "majority"): 0.25,
        ("counted", "counting"): 0.7,
        ("names", "names"): 0.5,
    }
    scores = pd.DataFrame(
        [
            {
                **{"arm": arm, "learner": learner, "source": "all", "runs": 3 if arm == "real" else 1, "rows": 1135},
                **{"metric": metric, "value": value, "low": low, "high": 0.9},
            }
            for (arm, learner), value in figures.items()
            for metric, low in (("accuracy", value - 0.1), ("macro_f1", value + 0.05))
        ]
    )
    row = {
        "first": "augmented",
        "second": "real",
        "source": "all",
        "metric": "accuracy",
        "verdict": "helped",
        "rows": 90,
    }
    comparisons = pd.DataFrame([{**row, "difference": 0.041, "low": 0.012, "high": 0.07}])
    comparisons["learner"] = "encoder"
    recommendation = pd.DataFrame(
        {"arm": ["real", "augmented"], "learner": "encoder", "chosen": [True, False], "runs": 3}
    )

    runs = pd.DataFrame({"arm": ["real", "augmented"], "added_rows": [0, 1200]})
    labels = pd.DataFrame({"arm": "real", "learner": "encoder", "label": ["joy", "rage"], "recall": [0.9, 0.0]})
    right = labels.assign(recall=0.5)

    lines = lines_of(scores, comparisons, recommendation, runs, labels, notes={}, model="models/mine", page="mine.html")

    none = lines_of(
        scores, comparisons, recommendation, runs.assign(added_rows=0), right, notes=NOTES, model="m", page="p"
    )
    assert "Added text  augmented, 0 texts: none passed the filters" in none
    assert lines[1:] == [
        "              accuracy              macro-F1              on 1,135 test rows",
        "real          0.800 [0.700, 0.900]  0.800  mean of 3",
        "chance        0.250 [0.150, 0.900]  0.250",
        "TF-IDF        0.700 [0.600, 0.900]  0.700",
        "labels' names 0.500 [0.400, 0.900]  0.500",
        "            never predicted correctly: rage",
        "Added text  augmented, 1,200 texts: helped, +4.1 points of accuracy [1.2, 7.0]",
        "Page        mine.html",
        'Next        emotion predict --model models/mine "..."',
    ]

    as_chance = scores.assign(low=scores["low"].mask(scores["arm"] == "real", 0.25))
    said = lines_of(as_chance, comparisons, recommendation, runs, right, notes=NOTES, model="m", page="p")
    assert any("not shown that the model has learned anything" in line for line in said)
    assert not any("not shown" in line for line in lines)

    named = scores.assign(value=scores["value"].mask(scores["arm"] == "names", 0.8))
    said = lines_of(named, comparisons, recommendation, runs, right, notes=NOTES, model="models/recommended", page="p")
    assert "            the model (0.800) is no better than the labels' names alone (0.800), on these test rows" in said
    assert "            to use that one: --model models/names" in said

    # Where counting words is chosen, it is named once, and the real rows' figures stand beside it.
    choice = pd.DataFrame(
        {"arm": ["real", "counted"], "learner": ["encoder", "counting"], "chosen": [False, True], "runs": [3, 1]}
    )
    counted = lines_of(
        scores.assign(value=scores["value"].mask(scores["arm"] == "counted", 0.85)),
        *(comparisons, choice, runs, right),
        notes={},
        model="m",
        page="p",
    )
    assert [line.split("  ")[0] for line in counted[2:6]] == [
        "counted",
        "real",
        "chance",
        "labels' names 0.500 [0.400, 0.900]",
    ]
    assert not any("no better than" in line for line in counted)

    beaten = lines_of(
        scores.assign(value=scores["value"].mask(scores["arm"] == "counted", 0.85)),
        *(comparisons, recommendation, runs, right),
        notes={},
        model="models/recommended",
        page="p",
    )
    assert "            to use that one: --model models/counted" in beaten

    # One model is named, that which validation rows chose; and no interval is shown that has no width.
    equal = comparisons.assign(verdict="no difference shown", difference=0.0, low=0.0, high=0.0)
    other = recommendation.assign(chosen=[False, True])
    tied = lines_of(scores, equal, other, runs, right, notes=NOTES, model="models/recommended", page="p")
    assert tied[0] == "Model       models/recommended (augmented)"
    place = next(number for number, line in enumerate(tied) if line.startswith("Chosen      by its looks"))
    assert tied[place + 1].startswith("            ")
    assert tied[place + 2] == "Sure        of nothing."
    assert max(map(len, tied[place : place + 3])) <= 80
    assert tied[-1] == 'Next        emotion predict --model models/recommended "..."'
    assert "Added text  augmented, 1,200 texts: no difference shown, +0.0 points of accuracy [–]" in tied
    behind = pd.concat([scores, scores[scores["arm"] == "real"].assign(arm="augmented", value=0.75)])
    said = lines_of(behind, equal, other, runs, right, notes=NOTES, model="models/recommended", page="p")
    assert "            the model (0.750) is no better than the real rows alone (0.800), on these test rows" in said
    uncorrected = comparisons.assign(verdict="no difference shown", p_holm=0.119)
    said = lines_of(scores, uncorrected, other, runs, right, notes=NOTES, model="m", page="p")
    assert any(line.endswith("+4.1 points of accuracy [1.2, 7.0]; after correction p is 0.12") for line in said)
    ceiling = lines_of(scores.assign(value=1.0), equal, other, runs, right, notes=NOTES, model="m", page="p")
    assert any("leaves nothing to gain" in line for line in ceiling)
    assert not any("leaves nothing to gain" in line for line in tied)


def test_messages_speak_of_the_table_and_of_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table().to_csv(tmp_path / "mine.csv", index=False)
    table().rename(columns={"mood": "other"}).to_csv(tmp_path / "test.csv", index=False)
    (tmp_path / "bare.csv").write_text("text,label\n")
    (tmp_path / "empty.csv").write_text('text,label\n"  ",joy\n')
    monkeypatch.chdir(ROOT)

    words = ["try", str(tmp_path / "mine.csv"), "--test", str(tmp_path / "test.csv"), "--yes"]
    output = CliRunner().invoke(cli, words).output
    assert f"Error: {tmp_path / 'test.csv'}: there is no column 'mood'" in output
    assert "`" not in output
    with pytest.raises(SourceError, match=r"table \(empty\.csv\): of 1 rows none is left"):
        profile_source(SourceConfig(file=str(tmp_path / "empty.csv"), text_column="text", label_column="label"))
    with pytest.raises(SourceError, match="the table has no rows"):
        guess_source(tmp_path / "bare.csv")


@pytest.mark.parametrize(
    ("texts", "language"),
    [
        (["the day was long and it was not for me", "i was there with you"], "English"),
        (["ich bin heute nicht auf der Arbeit, und das ist gut", "der Tag war lang"], "German"),
        (["je ne suis pas dans la maison et les jours sont longs", "c'est un jour pour vous"], "French"),
        (["no es un buen d\u00eda para los dos y la noche con que", "muy bien"], "Spanish"),
        (["gosto muito do dia e n\u00e3o \u00e9 para os outros com uma", "eu n\u00e3o"], "Portuguese"),
        (["brrr", "lol xd"], ""),
    ],
)
def test_a_language_is_known_by_its_commonest_words(texts: list[str], language: str) -> None:
    assert language_of(pd.Series(texts)) == language


def test_a_profile_warns_of_a_language_that_the_models_hardly_know() -> None:
    said = "\n".join(profile_of(2, 60, language="German").lines())
    assert "script      latin, German; the models that come as packages learned English above all" in said
