"""The sample that ships with the project is what its README says."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from emotion_kedro.metrics.diversity import distinct_n

SAMPLE = Path(__file__).parents[1] / "data" / "01_raw" / "sample"

TABLES = [
    ("eit/Emotion_final.csv", "Text", "Emotion", 6, 60),
    ("edft/tweet_emotions.csv", "content", "sentiment", 13, 40),
    ("eabot/emotion_sentimen_dataset.csv", "text", "Emotion", 13, 40),
]


def _read(file: str) -> pd.DataFrame:
    return pd.read_csv(SAMPLE / file, keep_default_na=False)


@pytest.mark.parametrize(("file", "text", "label", "labels", "rows"), TABLES)
def test_every_label_has_enough_rows_of_varied_text(file: str, text: str, label: str, labels: int, rows: int) -> None:
    table = _read(file)
    counts = table[label].value_counts()
    assert len(counts) == labels
    assert counts.min() >= rows
    assert distinct_n(table[text].tolist(), 2) > 0.6


def test_headers_are_those_of_the_real_tables() -> None:
    first_lines = [(SAMPLE / file).read_bytes().splitlines(keepends=True)[0] for file, *_ in TABLES]
    assert first_lines == [b"Text,Emotion\r\n", b"tweet_id,sentiment,content\n", b"Unnamed: 0,text,Emotion\n"]


def test_the_chinese_tables_have_their_rows() -> None:
    reviews = [line.split("\t") for name in ("train", "dev", "test") for line in _lines(f"chnsenticorp/{name}.tsv")[1:]]
    posts = [line.split("\t") for name in ("train_s", "dev") for line in _lines(f"ocemotion/OCEMOTION_{name}.csv")]
    assert pd.Series([row[0] for row in reviews]).value_counts().to_dict() == {"0": 100, "1": 100}
    assert set(pd.Series([row[2] for row in posts]).value_counts()) == {30}
    assert len(posts) == 210


def test_dairs_sample_has_its_own_split_and_no_text_twice() -> None:
    rows = {name: [line.split(";") for line in _lines(f"dair_emotion/{name}.txt")] for name in ("train", "val", "test")}
    counts = {name: pd.Series([label for _, label in lines]).value_counts() for name, lines in rows.items()}
    assert {name: (len(count), set(count)) for name, count in counts.items()} == {
        "train": (6, {8}),
        "val": (6, {3}),
        "test": (6, {4}),
    }
    texts = [text for lines in rows.values() for text, _ in lines]
    assert len(set(texts)) == 90
    assert distinct_n(texts, 2) > 0.6


def test_goemotions_has_all_its_labels_and_rows_with_several() -> None:
    names = _lines("goemotions/labels.txt")
    rows = [line.split("\t") for name in ("train", "dev", "test") for line in _lines(f"goemotions/{name}.tsv")]
    numbers = [[int(number) for number in row[1].split(",")] for row in rows]
    counts = pd.Series([names[number] for several in numbers for number in several]).value_counts()
    assert (len(rows), len(counts), int(counts.min())) == (278, 28, 9)
    assert sum(len(several) > 1 for several in numbers) == 46
    assert all(several == sorted(set(several)) for several in numbers)
    assert len({row[2] for row in rows}) == len({row[0] for row in rows}) == 278
    assert distinct_n([row[0] for row in rows], 2) > 0.6
    assert sum("[NAME]" in row[0] for row in rows) == 22


def _lines(file: str) -> list[str]:
    return (SAMPLE / file).read_text(encoding="utf-8").splitlines()


def test_the_defects_that_the_readme_lists_are_there() -> None:
    eit, edft, eabot = (_read(file) for file, *_ in TABLES)
    assert edft["content"].str.contains("ï¿½").sum() == 4
    assert (edft["content"] == "").sum() == 1
    assert edft["content"].str.contains(r"&(?:amp|quot|lt|gt);").sum() == 20
    assert eit["Text"].str.contains("a href http www").sum() == 2
    assert (eit.groupby("Text")["Emotion"].nunique() > 1).sum() == 2
    shared = eabot.merge(eit, left_on="text", right_on="Text")
    assert (shared["Emotion_x"] == shared["Emotion_y"]).sum() == 2
    assert len(shared) == 6


def test_the_words_of_two_sources_are_not_the_same_texts() -> None:
    edft, eabot = _read(TABLES[1][0]), _read(TABLES[2][0])
    assert not set(edft["content"]) & set(eabot["text"])


def test_the_texts_without_emotion_labels_are_what_the_readme_says() -> None:
    titles, posts = (pd.read_csv(SAMPLE / f"stress/{file}.csv", sep=";") for file in ("Reddit_Title", "Twitter_Full"))
    assert titles["label"].value_counts().to_dict() == {0: 31, 1: 31}
    assert posts["labels"].value_counts().to_dict() == {0: 31, 1: 28}
    assert posts["text"].value_counts().max() == 4
    segments = pd.concat([_read(f"stress/dreaddit-{part}.csv") for part in ("train", "test")])
    assert segments["label"].value_counts().to_dict() == {1: 23, 0: 17}
    assert (segments["text"] == "#NAME?").sum() == 2
    jokes = pd.concat([_read(f"short_jokes/{file.name}") for file in (SAMPLE / "short_jokes").glob("*.csv")])
    assert len(jokes) == 60
    assert jokes["ID"].max() == 20
    assert jokes["Joke"].duplicated().sum() == 1
    letters = [(SAMPLE / f"love_letters/letters/{number}.txt").read_text(encoding="utf-8") for number in range(8)]
    assert all(60 <= len(letter.split()) <= 150 for letter in letters)
    assert [number for number, letter in enumerate(letters) if letter.startswith("To ")] == [0, 2, 5]


def test_byte_order_marks_and_columns_are_those_of_the_real_tables() -> None:
    assert _first_line("stress/Reddit_Title.csv") == b"\xef\xbb\xbftitle;label\n"
    assert _first_line("stress/Twitter_Full.csv") == b"\xef\xbb\xbftext;hashtags;labels\n"
    assert _first_line("short_jokes/onelinefun.csv") == b'"ID","Joke"\r\n'
    assert _first_line("stress/dreaddit-train.csv") != _first_line("stress/dreaddit-test.csv")


def _first_line(file: str) -> bytes:
    return (SAMPLE / file).read_bytes().splitlines(keepends=True)[0]
