"""Texts without emotion labels: read exactly, with all that is wrong in them counted."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import yaml
from pydantic import ValidationError

from emotion_kedro.options.special_sets import SpecialSetsOptions, TextSetOptions
from emotion_kedro.schemas import UnlabelledTexts
from emotion_kedro.text.source_errors import SourceError
from emotion_kedro.text.unlabelled import read_text_sets

ROOT = Path(__file__).parents[2]
STEPS = ("unescape_html", "collapse_space")
TOLD = {"name": "stress", "positive": "1", "against": ("joy",)}


def text_set(**changes: Any) -> dict[str, Any]:
    return {"title": "a set", "system": "S18", "files": "a.csv", "text_column": "text", "min_words": 1, **changes}


def options(*, sets: dict[str, Any] | None = None, **changes: Any) -> SpecialSetsOptions:
    return SpecialSetsOptions(**{"cleaning": STEPS, "sets": sets, "widening_share": 0.0, **changes})


def read(folder: Path, content: str | bytes, **changes: Any) -> tuple[pd.DataFrame, dict[str, Any]]:
    (folder / "a.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    table, reports = read_text_sets(folder, options(sets={"set": text_set(**changes)}))
    return table, reports["set"]


def test_a_table_with_a_byte_order_mark_and_labels_of_its_own(tmp_path: Path) -> None:
    content = '\ufefftitle;label\n"I  am &amp; was";1\nyou are;0\n'.encode()
    table, report = read(tmp_path, content, separator=";", text_column="title", other_label_column="label", told=TOLD)
    UnlabelledTexts.validate(table)
    assert table.values.tolist() == [
        ["set:1", "I am & was", "set", "1", "set:0", "judged"],
        ["set:2", "you are", "set", "0", "set:1", "judged"],
    ]
    assert report == {
        "title": "a set",
        "files": ["a.csv"],
        "rows": 2,
        "pieces": 2,
        "dropped": {"empty text": 0, "fewer than 1 words": 0, "same text under both labels": 0, "repeat": 0},
        "usable": 2,
        "kept": 2,
        "widening": 0,
        "judged": 2,
        "other_labels": {"0": 1, "1": 1},
    }


def test_every_reason_for_leaving_a_text_out_is_counted(tmp_path: Path) -> None:
    rows = [
        ("#NAME?", 1),
        (" ", 0),
        ("ring 0123 456 789", 0),
        ("too short", 0),
        ("this one is far too long", 1),
        ("Under both labels, look", 0),
        ("under both labels look", 1),
        ("a text that stays", 0),
        ("A text, that stays!", 0),
        ("another that stays", 1),
    ]
    content = "text;label\n" + "".join(f"{text};{label}\n" for text, label in rows)
    unwanted = {"spreadsheet error": r"^#NAME\?$", "telephone number": r"(?:\d[ ]?){9}"}
    own: dict[str, Any] = {"separator": ";", "other_label_column": "label", "unwanted": unwanted}
    table, report = read(tmp_path, content, **own, min_words=3, max_words=5)
    assert report["dropped"] == {
        "empty text": 1,
        "spreadsheet error": 1,
        "telephone number": 1,
        "fewer than 3 words": 1,
        "more than 5 words": 1,
        "same text under both labels": 2,
        "repeat": 1,
    }
    assert table["record_id"].tolist() == ["set:8", "set:10"]
    assert report["rows"] == report["usable"] + sum(report["dropped"].values()) == 10


def test_letters_become_pieces_of_whole_sentences(tmp_path: Path) -> None:
    folder = tmp_path / "letters"
    folder.mkdir()
    (folder / "10.txt").write_text("My dear,\nI am here.  Are you\nthere? Yours", encoding="utf-8")
    (folder / "2.txt").write_text("To Anna Karlsson:\nI wait. I wait for\nyou today.", encoding="utf-8")
    (folder / "note.md").write_text("no letter")
    letters = {
        **text_set(files="letters/*.txt", format="text", text_column=None, drop_address=True),
        **{"pieces": "sentences", "min_words": 3, "max_words": 7},
    }
    table, reports = read_text_sets(tmp_path, options(sets={"letters": letters}))
    assert table[["record_id", "text", "other_label", "group"]].values.tolist() == [
        ["letters:2:1", "I wait. I wait for you today.", "", "letters:2"],
        ["letters:10:1", "My dear, I am here.", "", "letters:10"],
        ["letters:10:2", "Are you there? Yours", "", "letters:10"],
    ]
    assert reports["letters"]["files"] == ["letters/2.txt", "letters/10.txt"]


def test_ids_of_several_files_do_not_meet(tmp_path: Path) -> None:
    # Jokes: the file's own numbers begin again in every file.
    for name, joke in (("one", "a"), ("two", "b")):
        (tmp_path / f"{name}.csv").write_text(f'"ID","text"\r\n1,"{joke}"\r\n')
    table, report = read_text_sets(tmp_path, options(sets={"jokes": text_set(files="*.csv")}))
    assert table["record_id"].tolist() == ["jokes:one:1", "jokes:two:1"]
    assert report["jokes"]["rows"] == 2


def test_the_cap_is_a_draw_that_the_seed_decides(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("text\n" + "".join(f"text {chr(97 + n) * 9}\n" for n in range(20)))
    sets = {"set": text_set()}
    first, again, other = (
        read_text_sets(tmp_path, options(sets=sets, cap=5, seed=seed))[0]["record_id"].tolist() for seed in (0, 0, 1)
    )
    assert first == again != other
    assert len(first) == 5


def test_a_group_is_dealt_out_as_a_whole(tmp_path: Path) -> None:
    rows = "".join(f"words {chr(97 + n) * 8} {chr(98 + n) * 8},post{n // 3}\n" for n in range(24))
    (tmp_path / "a.csv").write_text("text,post\n" + rows)
    sets = {"set": text_set(group_column="post")}
    table, report = read_text_sets(tmp_path, options(sets=sets, widening_share=0.5))
    assert (table.groupby("group")["part"].nunique() == 1).all()
    assert report["set"]["widening"] == report["set"]["judged"] == 12


def test_near_duplicates_fall_on_one_side(tmp_path: Path) -> None:
    post = "join our free class on every tuesday evening in the hall"
    rows = [f"{post} {extra}" for extra in "abcd"] + [f"{chr(97 + n) * 7} {chr(99 + n) * 7}" for n in range(8)]
    (tmp_path / "a.csv").write_text("text\n" + "\n".join(rows))
    table, _ = read_text_sets(tmp_path, options(sets={"set": text_set()}, widening_share=0.5))
    assert table["group"].iloc[:4].nunique() == 1
    assert table["part"].iloc[:4].nunique() == 1


@pytest.mark.parametrize(
    ("content", "changes", "pieces"),
    [
        ("txt\na\n", {}, ["no column 'text'"]),
        ("text\na\nb,c\n", {}, ["data row 2 (line 3)", "2 field(s)"]),
        ("text\n", {}, ["no row below the header"]),
        (b"text\n\xe9t\xe9 here\n", {}, ["line 2", "not utf-8"]),
        ("text\na\na\n", {}, ["of 2 texts 1 are usable", "'repeat': 1"]),
        (
            "text;label\na;1\nb;0\nc;2\n",
            {"separator": ";", "other_label_column": "label", "told": TOLD},
            ["data row 3", "'label'", "'2'", "two classes"],
        ),
        (
            "text;label\na;1\nb;\nc;0\n",
            {"separator": ";", "other_label_column": "label", "told": TOLD},
            ["data row 2", "the value ''"],
        ),
        ("text\na\nb\n", {"files": "deep/*.csv"}, ["no such file", "holds: a.csv", "--params=raw_root="]),
        ("text\na\nb\n", {"files": ("a.csv", "*.csv")}, ["names a.csv twice"]),
    ],
)
def test_problem_names_file_row_value_and_remedy(
    tmp_path: Path, content: str | bytes, changes: dict[str, Any], pieces: list[str]
) -> None:
    with pytest.raises(SourceError) as caught:
        read(tmp_path, content, **changes)
    for piece in pieces:
        assert piece in str(caught.value)


def test_a_letter_in_another_encoding_is_named(tmp_path: Path) -> None:
    (tmp_path / "1.txt").write_bytes("déjà vu".encode("latin-1"))
    letters = text_set(files="*.txt", format="text", text_column=None)
    with pytest.raises(SourceError, match=r"1\.txt, line 1.*not utf-8"):
        read_text_sets(tmp_path, options(sets={"letters": letters}))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"text_column": None}, "needs text_column"),
        ({"format": "text"}, "has no columns"),
        ({"drop_address": True}, "for format: text"),
        ({"pieces": "sentences"}, "max_words"),
        ({"told": TOLD}, "other_label_column"),
        ({"expected": ("glee",)}, "labels of no taxonomy: glee"),
        ({"unwanted": {"advert": "("}}, "no regular expression"),
    ],
)
def test_options_that_contradict_each_other(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        TextSetOptions(**text_set(**changes))


def shipped(**changes: Any) -> SpecialSetsOptions:
    parameters = yaml.safe_load((ROOT / "conf/base/parameters/special_sets.yml").read_text(encoding="utf-8"))
    return SpecialSetsOptions(**parameters["special_sets"]["text_sets"] | changes)


def test_the_sample_is_read_by_the_parameters_that_ship() -> None:
    table, reports = read_text_sets(ROOT / "data/01_raw/sample", shipped())
    UnlabelledTexts.validate(table)
    assert {name: report["rows"] for name, report in reports.items()} == {
        "love_letters": 8,
        "reddit_titles": 62,
        "twitter": 59,
        "dreaddit": 40,
        "jokes": 60,
    }
    assert reports["dreaddit"]["dropped"]["spreadsheet error"] == 2
    assert reports["twitter"]["dropped"]["telephone number"] == 2
    assert set(reports["twitter"]["other_labels"]) == {"0", "1"}
    assert not table["text"].str.contains("&amp;").any()


@pytest.mark.skipif("EMOTION_RAW_ROOT" not in os.environ, reason="needs the real tables")
def test_the_real_tables_have_the_rows_that_are_known_of_them() -> None:
    table, reports = read_text_sets(Path(os.environ["EMOTION_RAW_ROOT"]), shipped(cap=None))
    UnlabelledTexts.validate(table)
    assert {name: (len(report["files"]), report["rows"]) for name, report in reports.items()} == {
        "love_letters": (88, 88),
        "reddit_titles": (1, 5556),
        "twitter": (1, 8900),
        "dreaddit": (2, 3553),
        "jokes": (3, 12305),
    }
    dropped = {name: report["dropped"] for name, report in reports.items()}
    assert dropped["dreaddit"]["spreadsheet error"] == 4
    # 20 and 14 rows have a text that stands under both labels; four of the 14 are the spreadsheet's errors.
    assert dropped["reddit_titles"]["same text under both labels"] == 20
    assert dropped["dreaddit"]["same text under both labels"] == 10
    assert dropped["twitter"] == {
        "empty text": 0,
        "telephone number": 124,
        "fewer than 3 words": 14,
        "same text under both labels": 0,
        "repeat": 461,
    }
    assert reports["twitter"]["other_labels"] == {"0": 4068, "1": 4233}
    assert not table["text"].str.startswith("\ufeff").any()
    letters = table[table["source"] == "love_letters"]
    # Letters 11 and 33 are one: what is left of the second is nothing.
    assert "love_letters:11" in set(letters["group"])
    assert "love_letters:33" not in set(letters["group"])
    assert letters["text"].str.split().str.len().between(5, 40).all()
